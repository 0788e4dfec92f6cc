package node

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/policy"
	"github.com/ridgeway-exchange/ridgeway/storage/audit"
)

// The code systems of an AuditEvent after FHIR R4 and IHE Basic Audit Log Patterns (BALP).
const (
	fhirDICOM     = "http://dicom.nema.org/resources/ontology/DCM"
	fhirEventType = "http://terminology.hl7.org/CodeSystem/audit-event-type"
	fhirREST      = "http://hl7.org/fhir/restful-interaction"
	fhirEntity    = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
	fhirRole      = "http://terminology.hl7.org/CodeSystem/object-role"
	fhirPart      = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
	fhirRoleClass = "http://terminology.hl7.org/CodeSystem/v3-RoleClass"
	fhirReason    = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
	fhirSecurity  = "http://terminology.hl7.org/CodeSystem/extra-security-role-type"
	fhirBALP      = "https://profiles.ihe.net/ITI/BALP/"
	fhirODS       = "https://fhir.nhs.uk/Id/ods-organization-code"
	urnRidgeway   = "urn:ridgeway:"
)

// EventSource is whose log an AuditEvent comes from.
type EventSource struct {
	Trust federation.TrustID
	Node  federation.NodeID
}

type fhir = map[string]any

// AuditEvent returns an entry of a log as a FHIR R4 AuditEvent after IHE BALP, in JSON that depends on nothing but its
// arguments: whoever has the entry can make it again.
func AuditEvent(source EventSource, index uint64, e audit.Entry) ([]byte, error) {
	return json.Marshal(auditEvent(source, index, &e))
}

func auditEvent(s EventSource, index uint64, e *audit.Entry) fhir {
	m := eventMaker{source: s, e: e}
	out := m.event()
	out["resourceType"] = "AuditEvent"
	out["id"] = fmt.Sprintf("%s-%d", s.Node.String()[:16], index)
	out["recorded"] = e.Time.UTC().Format("2006-01-02T15:04:05.000000Z07:00")
	out["source"] = fhir{"site": string(s.Trust), "observer": nodeReference(s.Trust, s.Node), "type": []fhir{coding("http://terminology.hl7.org/CodeSystem/security-source-type", "4", "Application Server")}}
	return out
}

func coding(system, code, display string) fhir {
	return fhir{"system": system, "code": code, "display": display}
}

func concept(system, code, display string) fhir {
	return fhir{"coding": []fhir{coding(system, code, display)}}
}

func reference(system, value, display string) fhir {
	out := fhir{"identifier": fhir{"system": system, "value": value}}
	if display != "" {
		out["display"] = display
	}
	return out
}

func nodeReference(t federation.TrustID, n federation.NodeID) fhir {
	if n == (federation.NodeID{}) {
		return reference(fhirODS, string(t), "")
	}
	return reference(urnRidgeway+"node", n.String(), string(t))
}

type eventMaker struct {
	source EventSource
	e      *audit.Entry
}

// pattern is what the kinds of events differ by.
type pattern struct {
	profile      string
	kind         fhir
	subtype      fhir
	action       string
	clientSource bool // the client is the source of what is sent: creates and queries, not reads
}

func (m eventMaker) event() fhir {
	e := m.e
	rest := func(profile, code, action string, clientSource bool) pattern {
		return pattern{profile, coding(fhirEventType, "rest", "RESTful Operation"), coding(fhirREST, code, code), action, clientSource}
	}
	alert := func(code, display string) pattern {
		return pattern{"", coding(fhirDICOM, "110113", "Security Alert"), coding(fhirDICOM, code, display), "E", true}
	}
	authentication := func(code, display string) pattern {
		return pattern{"", coding(fhirDICOM, "110114", "User Authentication"), coding(fhirDICOM, code, display), "E", true}
	}
	switch e.Kind {
	case audit.Intent, audit.Refusal:
		return m.decision()
	case audit.Completion, audit.Receipt, audit.View:
		return m.access(rest("IHE.BasicAudit.PatientRead", "read", "R", false))
	case audit.Search:
		return m.access(rest("IHE.BasicAudit.PatientQuery", "search", "E", true))
	case audit.Ingest, audit.Directive:
		return m.access(rest("IHE.BasicAudit.PatientCreate", "create", "C", true))
	case audit.Withdrawal:
		return m.access(rest("IHE.BasicAudit.PatientDelete", "delete", "D", true))
	case audit.BreakGlass:
		return m.access(alert("110127", "Emergency Override Started"))
	case audit.Agreement, audit.Admin:
		return m.access(alert("110129", "Security Configuration"))
	case audit.Review:
		p := alert("", "")
		p.kind, p.subtype, p.action = coding(fhirDICOM, "110101", "Audit Log Used"), nil, "R"
		return m.access(p)
	case audit.SignOn:
		return m.access(authentication("110122", "Login"))
	case audit.SignOut:
		return m.access(authentication("110123", "Logout"))
	default:
		return m.access(alert("110126", "Node Authentication"))
	}
}

// access is an event of somebody doing something at a server.
func (m eventMaker) access(p pattern) fhir {
	out := fhir{"type": p.kind, "action": p.action, "outcome": m.outcome()}
	if p.subtype != nil {
		out["subtype"] = []fhir{p.subtype}
	}
	if p.profile != "" && !m.e.Subject.IsZero() {
		out["meta"] = fhir{"profile": []string{fhirBALP + "StructureDefinition/" + p.profile}}
	}
	source, destination := concept(fhirDICOM, "110153", "Source Role ID"), concept(fhirDICOM, "110152", "Destination Role ID")
	client, server := destination, source
	if p.clientSource {
		client, server = source, destination
	}
	c, s := m.ends()
	out["agent"] = append(m.user(), fhir{"type": client, "who": c, "requestor": m.e.User == ""}, fhir{"type": server, "who": s, "requestor": false})
	m.common(out)
	return out
}

// decision is an event of the rules deciding on a request: AuthZ-Consent.
func (m eventMaker) decision() fhir {
	e := m.e
	out := fhir{
		"meta": fhir{"profile": []string{fhirBALP + "StructureDefinition/IHE.BasicAudit.AuthZconsent"}},
		"type": coding(fhirDICOM, "110113", "Security Alert"), "subtype": []fhir{coding(fhirBALP+"CodeSystem/BasicAuditEventType", "AuthZ-Consent", "Authorization by consent")},
		"action": "E", "outcome": m.outcome(),
	}
	c, s := m.ends()
	agents := m.user()
	if e.Trust != "" {
		agents = append(agents, fhir{"type": concept(fhirRoleClass, "PROV", "healthcare provider"), "who": reference(fhirODS, string(e.Trust), ""), "requestor": false})
	}
	out["agent"] = append(agents, fhir{"type": concept(fhirDICOM, "110150", "Application"), "who": c, "requestor": e.User == ""},
		fhir{"type": concept(fhirSecurity, "authserver", "authorization server"), "who": s, "requestor": false})
	m.common(out)
	entities, _ := out["entity"].([]fhir)
	if !e.Subject.IsZero() {
		entities = append(entities, fhir{
			"type": coding("http://hl7.org/fhir/resource-types", "Consent", "Consent"),
			"what": reference(urnRidgeway+"state", fmt.Sprint(e.StateIndex), "what the patient had said and the trusts had agreed on"),
		})
	}
	if !e.Request.IsZero() {
		entities = append(entities, fhir{
			"type": coding(fhirEntity, "4", "Other"), "role": coding(fhirRole, "13", "Security Resource"),
			"what": reference(urnRidgeway+"assertion:sha256", e.Request.String(), "signed request"),
		})
	}
	if len(entities) > 0 {
		out["entity"] = entities
	}
	return out
}

// ends returns the client and the server: who asked, and who holds.
func (m eventMaker) ends() (client, server fhir) {
	own := nodeReference(m.source.Trust, m.source.Node)
	other := m.e.Custodian
	switch {
	case m.e.Trust != m.source.Trust: // another's staff asked here
		return nodeReference(m.e.Trust, m.e.Node), own
	case other != "" && other != m.source.Trust: // own staff asked elsewhere
		return own, nodeReference(other, m.e.Node)
	default:
		return own, own
	}
}

func (m eventMaker) user() []fhir {
	e := m.e
	if e.User == "" {
		return nil
	}
	user := fhir{
		"type": concept(fhirPart, "IRCP", "information recipient"), "who": reference(urnRidgeway+"staff:"+string(e.Trust), e.User, ""), "requestor": true,
	}
	if e.Role != "" {
		user["role"] = []fhir{concept(urnRidgeway+"role", e.Role, e.Role)}
	}
	if e.Purpose != "" {
		user["purposeOfUse"] = []fhir{concept(fhirReason, e.Purpose, purposeWords(e.Purpose))}
	}
	return []fhir{user}
}

// outcome is 0 for what went well, 4 for what ended early, 8 for what was refused.
func (m eventMaker) outcome() string {
	switch {
	case m.e.Kind == audit.Security, m.e.Kind == audit.Refusal, m.e.Outcome == policy.Denied.String(), m.e.Outcome == policy.NotFound.String():
		return "8"
	case m.e.Outcome == "" || m.e.Outcome == policy.Permit.String():
		return "0"
	default:
		return "4"
	}
}

// common adds what all events have: the patient, the document with what is known of the release, the request.
func (m eventMaker) common(out fhir) {
	e := m.e
	if e.Outcome != "" && e.Outcome != policy.Permit.String() {
		out["outcomeDesc"] = e.Outcome
	}
	var entities []fhir
	if !e.Subject.IsZero() {
		entities = append(entities, fhir{
			"what": reference(urnRidgeway+"subject", hex.EncodeToString(e.Subject[:]), ""), "type": coding(fhirEntity, "1", "Person"), "role": coding(fhirRole, "1", "Patient"),
		})
	}
	detail := m.detail()
	if e.Kind == audit.Search && !e.Subject.IsZero() {
		about := "DocumentReference"
		if choiceOf(e) != "" {
			about = "Consent"
		}
		query := about + "?patient.identifier=" + urnRidgeway + "subject|" + hex.EncodeToString(e.Subject[:])
		entities = append(entities, fhir{
			"type": coding(fhirEntity, "2", "System Object"), "role": coding(fhirRole, "24", "Query"), "query": base64.StdEncoding.EncodeToString([]byte(query)), "detail": detail,
		})
	} else {
		data := fhir{"type": coding(fhirEntity, "2", "System Object"), "role": coding(fhirRole, "3", "Report"), "detail": detail}
		if e.Document != "" {
			data["what"] = reference(urnRidgeway+"document", string(e.Document), "")
		}
		entities = append(entities, data)
	}
	if t := transferOf(e); t != [16]byte{} {
		entities = append(entities, fhir{
			"type": coding(fhirBALP+"CodeSystem/BasicAuditEntityType", "XrequestId", "transaction"), "what": reference(urnRidgeway+"transfer", hex.EncodeToString(t[:]), ""),
		})
	}
	out["entity"] = entities
}

// detail is what the entry has and FHIR has no place for.
func (m eventMaker) detail() []fhir {
	e := m.e
	out := []fhir{{"type": "kind", "valueString": e.Kind.String()}}
	add := func(name, value string) {
		if value != "" {
			out = append(out, fhir{"type": name, "valueString": value})
		}
	}
	add("relationship", e.Relationship)
	add("rules", e.Rules)
	add("detail", e.Detail)
	if e.BreakGlass {
		add("break-glass", "true")
	}
	if e.StateIndex > 0 {
		add("state-index", fmt.Sprint(e.StateIndex))
	}
	if e.LeaseAge > 0 {
		add("lease-age-ms", fmt.Sprintf("%.3f", float64(e.LeaseAge)/float64(time.Millisecond)))
	}
	if e.Kind != audit.Refusal {
		add("bytes", fmt.Sprint(e.Bytes))
	}
	if of, ok := e.Of.Index(); ok {
		add("completes", fmt.Sprint(of))
	}
	for _, x := range e.Ranges {
		add("range", fmt.Sprintf("%d+%d", x.Offset, x.Length))
	}
	return out
}
