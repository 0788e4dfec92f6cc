package node

import (
	"strings"
	"sync"
	"testing"

	"github.com/ridgeway-exchange/ridgeway/consensus"
	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/node/ingest"
	"github.com/ridgeway-exchange/ridgeway/policy"
	"github.com/ridgeway-exchange/ridgeway/storage/audit"
)

// rebuilt sets a node's copy of the agreed state aside and serves the node again. Until arrive is called nothing of the state
// comes back.
func rebuilt(t *testing.T, n *Node) (again *Node, arrive func()) {
	t.Helper()
	eventually(t, "what is known of the region to be kept", func() bool {
		known, found, err := readRegion(t.Context(), n.records)
		return err == nil && found && len(known.Peers) > 0 && keptWhole(t, n)
	})
	stop(t, n)
	if err := Recover(t.Context(), RecoverOptions{Data: n.options.Data, Settings: n.options.Settings, Yes: true}); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	o := n.options
	o.Tune = func(c *consensus.Config) { c.Machine = heldBack{c.Machine, &mu} }
	mu.Lock()
	arrive = sync.OnceFunc(mu.Unlock)
	again = reopen(t, o)
	t.Cleanup(arrive) // before the node is stopped
	return again, arrive
}

// TestNothingIsDecidedOnACopyThatIsBeingRebuilt: a node that lost its copy of the agreed state does not know the trusts, the rules
// and the wishes until it has another. What it is asked meanwhile it neither grants nor refuses: whoever asks is told to try
// again, in the same words whether there is such a document or not.
func TestNothingIsDecidedOnACopyThatIsBeingRebuilt(t *testing.T) {
	t.Parallel()
	first := settledNode(t, nil)
	second := joinNode(t, first, "RAS")
	eventually(t, "the rules of the second trust", func() bool { return agreementVersion(t, second) == 1 && outbox(t, second).Outbox == 0 })
	own := take(t, second, textItem("Held at RAS", "held at RAS"))
	theirs := take(t, first, textItem("Held at RYJ", "held at RYJ"))
	eventually(t, "both copies to have both documents", func() bool { return len(listAll(t, first, 10)) == 2 && len(listAll(t, second, 10)) == 2 })
	eventually(t, "it to be released", func() bool {
		_, done, err := collect(t, first, &admin.FetchRequest{Document: string(own)})
		return err == nil && done != nil
	})

	second, arrive := rebuilt(t, second)
	released := intents(t, second)
	open := func(n *Node, id federation.DocumentID) error {
		_, _, err := collect(t, n, &admin.FetchRequest{Document: string(id)})
		return err
	}
	// The other end hears it of what it may know of.
	eventually(t, "an answer of the custodian", func() bool { return admin.CodeOf(open(first, own)) != admin.CodeUnavailable })
	if err := open(first, own); admin.CodeOf(err) != admin.CodeStale {
		t.Errorf("the reader elsewhere is told %v, want STALE_POLICY", err)
	}
	absent := federation.NewDocumentID("RAS", federation.DocumentKey{1})
	if err := open(first, absent); admin.CodeOf(err) != admin.CodeNotFound {
		t.Errorf("of a document that there is not: %v, want NOT_FOUND", err)
	}
	// At the node itself everything is answered alike.
	asks := map[string]func() error{
		"open own":    func() error { return open(second, own) },
		"open others": func() error { return open(second, theirs) },
		"open absent": func() error { return open(second, absent) },
		"locate": func() error {
			_, err := second.Locate(t.Context(), &admin.LocateRequest{Patient: patientA})
			return err
		},
		"locate another patient": func() error {
			_, err := second.Locate(t.Context(), &admin.LocateRequest{Patient: "9990000123"})
			return err
		},
		"describe": func() error {
			_, err := second.Describe(t.Context(), patientA, string(own), &admin.Asker{})
			return err
		},
		"describe absent": func() error {
			_, err := second.Describe(t.Context(), patientA, string(absent), &admin.Asker{})
			return err
		},
		"emergency": func() error {
			_, err := second.BreakGlass(t.Context(), &admin.BreakGlassRequest{Patient: patientA, Reason: "unconscious in resus"})
			return err
		},
		"report": func() error {
			_, err := second.Report(t.Context(), &admin.ReportRequest{Patient: patientA, Asker: &admin.Asker{User: "lead", Role: "governance-lead", Purpose: "PATRQT"}})
			return err
		},
		"consents": func() error {
			_, err := second.Directives(t.Context(), &admin.DirectivesRequest{Patient: patientA, Asker: &admin.Asker{User: "lead", Role: "records-staff", Purpose: "PATRQT"}})
			return err
		},
		"who": func() error {
			_, err := second.Who(t.Context(), &admin.WhoRequest{Document: string(own), By: &admin.Asker{User: "lead", Role: "governance-lead", Purpose: "HOPERAT"}})
			return err
		},
	}
	var said error
	for name, ask := range asks {
		err := ask()
		if admin.CodeOf(err) != admin.CodeStale {
			t.Errorf("%s: %v, want STALE_POLICY", name, err)
		}
		if said == nil {
			said = err
		}
		if err == nil || err.Error() != said.Error() {
			t.Errorf("%s: %v, which is not what others are told: %v", name, err, said)
		}
	}
	if said == nil || !strings.Contains(said.Error(), "still on its way") { // by which the portal knows it
		t.Errorf("told %v", said)
	}
	if got := intents(t, second); got != released {
		t.Errorf("%d intents, want the %d from before", got, released)
	}
	// What needs nobody goes on.
	take(t, second, textItem("Came meanwhile", "came meanwhile"))

	if keptWhole(t, second) {
		t.Error("a process that ends now would take for whole what has come by then")
	}
	arrive()
	eventually(t, "the state to be there", func() bool {
		return keptWhole(t, second) && open(first, own) == nil && open(second, own) == nil && open(second, theirs) == nil && len(listAll(t, second, 10)) == 3
	})
}

// TestNewcomerWithoutTheStateDoesNotAnswer: an empty copy is no region without documents.
func TestNewcomerWithoutTheStateDoesNotAnswer(t *testing.T) {
	t.Parallel()
	first := settledNode(t, nil)
	var mu sync.Mutex
	mu.Lock()
	arrive := sync.OnceFunc(mu.Unlock)
	second := joinNode(t, first, "RAS", func(o *Options) {
		o.Tune = func(c *consensus.Config) { c.Machine = heldBack{c.Machine, &mu} }
	})
	t.Cleanup(arrive)
	locate := func() error {
		_, err := second.Locate(t.Context(), &admin.LocateRequest{Patient: patientA})
		return err
	}
	if err := locate(); admin.CodeOf(err) != admin.CodeStale {
		t.Errorf("before the state has come: %v, want STALE_POLICY", err)
	}
	looks, err := second.Audited(t.Context(), audit.Filter{Kinds: []audit.Kind{audit.Search}})
	if err != nil || len(looks) != 1 || looks[0].Outcome != policy.StalePolicy.String() {
		t.Errorf("the log says of it: %+v, %v", looks, err)
	}
	arrive()
	eventually(t, "the state", func() bool { return locate() == nil })
}

// keptWhole reports whether a later run of the node will take its copy of the agreed state for whole.
func keptWhole(t *testing.T, n *Node) bool {
	t.Helper()
	_, found, err := n.records.Setting(t.Context(), settingWhole)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// take takes in a document.
func take(t *testing.T, n *Node, item ingest.Item) federation.DocumentID {
	t.Helper()
	receipt, err := n.Take(t.Context(), item)
	if err != nil {
		t.Fatal(err)
	}
	return receipt.Document
}

// intents counts what was asked for and let go at a node.
func intents(t *testing.T, n *Node) int {
	t.Helper()
	page, err := n.audit.Search(t.Context(), audit.Filter{Kinds: []audit.Kind{audit.Intent}}, 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	return len(page.Records)
}
