package node

import (
	"encoding/base64"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/policy"
	"github.com/ridgeway-exchange/ridgeway/storage/audit"
)

var testSource = EventSource{"RYJ", federation.NodeID{7}}

func balpEntry(kind audit.Kind, trust, custodian federation.TrustID) audit.Entry {
	return audit.Entry{
		Time: time.Date(2026, 3, 1, 9, 0, 0, 5000, time.UTC), Kind: kind, Trust: trust, Node: federation.NodeID{9}, User: "c.jones", Role: "doctor", Purpose: "TREAT",
		Relationship: "referral", Subject: federation.Subject{1}, Document: federation.NewDocumentID(custodian, federation.DocumentKey{2}), Custodian: custodian,
		Request: federation.Digest{3}, Outcome: "PERMIT", Rules: "agreement/direct-care of RYJ (version 3): may", Bytes: 1234, Transfer: [16]byte{4}, StateIndex: 77, LeaseAge: time.Second,
	}
}

// made is an AuditEvent as a reader of JSON has it.
func made(t *testing.T, e audit.Entry) map[string]any {
	t.Helper()
	b, err := AuditEvent(testSource, 12, e)
	if err != nil {
		t.Fatal(err)
	}
	var out map[string]any
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// shape holds an AuditEvent to the elements that FHIR R4 requires, its value sets that are required, and its invariants.
func shape(t *testing.T, v map[string]any) {
	t.Helper()
	is := func(ok bool, what string) {
		t.Helper()
		if !ok {
			t.Errorf("%s: %v", what, v)
		}
	}
	is(v["resourceType"] == "AuditEvent", "resourceType")
	is(regexp.MustCompile(`^[A-Za-z0-9.-]{1,64}$`).MatchString(v["id"].(string)), "id")
	kind, _ := v["type"].(map[string]any)
	is(kind["system"] != nil && kind["code"] != "", "type 1..1")
	_, err := time.Parse(time.RFC3339Nano, v["recorded"].(string))
	is(err == nil, "recorded 1..1 instant")
	is(slices.Contains([]any{"C", "R", "U", "D", "E"}, v["action"]), "action")
	is(slices.Contains([]any{"0", "4", "8", "12"}, v["outcome"]), "outcome")
	agents, _ := v["agent"].([]any)
	is(len(agents) > 0, "agent 1..*")
	requestors := 0
	for _, a := range agents {
		requestor, ok := a.(map[string]any)["requestor"].(bool)
		is(ok, "agent.requestor 1..1")
		if requestor {
			requestors++
		}
	}
	is(requestors == 1, "one requestor")
	source, _ := v["source"].(map[string]any)
	is(source["observer"] != nil, "source.observer 1..1")
	for _, x := range v["entity"].([]any) {
		entity := x.(map[string]any)
		is(entity["name"] == nil || entity["query"] == nil, "sev-1: either a name or a query")
		details, _ := entity["detail"].([]any)
		for _, d := range details {
			detail := d.(map[string]any)
			is(detail["type"] != "" && detail["valueString"] != "" && detail["valueString"] != nil, "entity.detail.type and value 1..1")
		}
	}
	noEmpty(t, "", v)
}

// noEmpty wants what FHIR wants of all JSON: no empty strings, objects or lists, and no null.
func noEmpty(t *testing.T, at string, v any) {
	t.Helper()
	switch x := v.(type) {
	case nil:
		t.Errorf("%s is null", at)
	case string:
		if x == "" {
			t.Errorf("%s is empty", at)
		}
	case map[string]any:
		if len(x) == 0 {
			t.Errorf("%s is empty", at)
		}
		for k, y := range x {
			noEmpty(t, at+"."+k, y)
		}
	case []any:
		if len(x) == 0 {
			t.Errorf("%s is empty", at)
		}
		for _, y := range x {
			noEmpty(t, at, y)
		}
	}
}

func agentOf(v map[string]any, code string) map[string]any {
	for _, a := range v["agent"].([]any) {
		kind := a.(map[string]any)["type"].(map[string]any)["coding"].([]any)[0].(map[string]any)
		if kind["code"] == code {
			return a.(map[string]any)
		}
	}
	return nil
}

func whoOf(a map[string]any) string {
	who, _ := a["who"].(map[string]any)
	id, _ := who["identifier"].(map[string]any)
	value, _ := id["value"].(string)
	return value
}

func TestEveryKindOfEntryIsAnAuditEvent(t *testing.T) {
	for k := audit.Intent; k.Valid(); k++ {
		for _, e := range []audit.Entry{balpEntry(k, "RAS", "RYJ"), balpEntry(k, "RYJ", "RAS"), balpEntry(k, "RYJ", "RYJ"), {Time: time.Now().UTC(), Kind: k, Trust: "RYJ", Custodian: "RYJ"}} {
			shape(t, made(t, e))
		}
	}
}

// The roles of a read and of a query are the other way round: the client of a read is the destination of what is sent.
func TestRolesAreThoseOfBALP(t *testing.T) {
	own, other := testSource.Node.String(), federation.NodeID{9}.String()
	for name, c := range map[string]struct {
		e                   audit.Entry
		action              string
		source, destination string
	}{
		"read here":       {balpEntry(audit.Completion, "RAS", "RYJ"), "R", own, other},
		"read elsewhere":  {balpEntry(audit.Receipt, "RYJ", "RAS"), "R", other, own},
		"query":           {balpEntry(audit.Search, "RYJ", "RYJ"), "E", own, own},
		"create":          {balpEntry(audit.Ingest, "RYJ", "RYJ"), "C", own, own},
		"query elsewhere": {balpEntry(audit.Search, "RAS", "RYJ"), "E", other, own},
	} {
		v := made(t, c.e)
		if v["action"] != c.action || whoOf(agentOf(v, "110153")) != c.source || whoOf(agentOf(v, "110152")) != c.destination {
			t.Errorf("%s: action %v, source %s, destination %s, want %s, %s, %s", name, v["action"], whoOf(agentOf(v, "110153")), whoOf(agentOf(v, "110152")), c.action, c.source, c.destination)
		}
		user := agentOf(v, "IRCP")
		if user["requestor"] != true || whoOf(user) != "c.jones" || user["purposeOfUse"].([]any)[0].(map[string]any)["coding"].([]any)[0].(map[string]any)["code"] != "TREAT" {
			t.Errorf("%s: the user is %v", name, user)
		}
	}
	for kind, subtype := range map[audit.Kind]string{audit.SignOn: "110122", audit.SignOut: "110123"} {
		e := balpEntry(kind, "RYJ", "RYJ")
		e.Outcome = policy.Denied.String()
		if v := made(t, e); v["type"].(map[string]any)["code"] != "110114" || v["subtype"].([]any)[0].(map[string]any)["code"] != subtype || v["outcome"] != "8" {
			t.Errorf("%s: %v", kind, v)
		}
	}
	nobody := balpEntry(audit.Search, "RYJ", "RYJ")
	nobody.Subject = federation.Subject{}
	for _, e := range made(t, nobody)["entity"].([]any) {
		if query := e.(map[string]any)["query"]; query != nil {
			t.Errorf("a search by name is told of as one of the patient %v", query)
		}
	}
	v := made(t, balpEntry(audit.Search, "RYJ", "RYJ"))
	for _, x := range v["entity"].([]any) {
		if entity := x.(map[string]any); entity["query"] != nil {
			query, err := base64.StdEncoding.DecodeString(entity["query"].(string))
			if err != nil || !strings.HasPrefix(string(query), "DocumentReference?") || entity["role"].(map[string]any)["code"] != "24" {
				t.Errorf("query %s, %v", query, entity)
			}
			return
		}
	}
	t.Error("a search has no query")
}

func TestDecisionsAreAuthZConsent(t *testing.T) {
	refused := balpEntry(audit.Refusal, "RAS", "RYJ")
	refused.Outcome = "DENIED"
	for _, c := range []struct {
		e       audit.Entry
		outcome string
	}{{balpEntry(audit.Intent, "RAS", "RYJ"), "0"}, {refused, "8"}} {
		v := made(t, c.e)
		if v["outcome"] != c.outcome || v["action"] != "E" || v["type"].(map[string]any)["code"] != "110113" || v["subtype"].([]any)[0].(map[string]any)["code"] != "AuthZ-Consent" {
			t.Errorf("%v", v)
		}
		for _, code := range []string{"IRCP", "PROV", "authserver"} {
			if agentOf(v, code) == nil {
				t.Errorf("no agent %s: %v", code, v)
			}
		}
		for _, want := range []string{"version 3", "state-index", "lease-age-ms", "referral"} {
			if b, err := json.Marshal(v); err != nil || !strings.Contains(string(b), want) {
				t.Errorf("%s is lacking: %s, %v", want, b, err)
			}
		}
	}
}
