package node

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/storage/audit"
)

func verified(t *testing.T, n *Node) *admin.VerifyAuditReply {
	t.Helper()
	r, err := n.VerifyAudit(t.Context(), &admin.VerifyAuditRequest{Region: true})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// The log of a node is cut off, changed in its middle, and put in place of another. Each is named, with the entries that it is
// about and what to do, also by what another trust has of it.
func TestLogThatIsNotWhatTheRegionWitnessedIsNamed(t *testing.T) {
	t.Parallel()
	first := settledNode(t, nil)
	second, behind := joinHeldBack(t, first)
	eventually(t, "the second trust", func() bool { return first.ledger.Roster().Active(second.ID()) })
	noteSome(t, first, 5)
	kept := witnessed(t, first, first.audit.Size())
	eventually(t, "the other trust to have witnessed it", func() bool {
		r := verified(t, first)
		return r.GetOk() && len(r.GetSites()) == 1 && r.GetSites()[0].GetAnswered() && r.GetSites()[0].GetEntries() >= kept
	})
	// While the other trust's copy lags, what it has is looked at beside what this one has.
	behind.Lock()
	noteSome(t, first, 1)
	err := first.checkpoint(t.Context(), new(time.Time))
	lagging := verified(t, first)
	behind.Unlock()
	if err != nil || !lagging.GetOk() || lagging.GetCheckpoints() != 2 {
		t.Errorf("%v, %d checkpoints were looked at, %q", err, lagging.GetCheckpoints(), lagging.GetFindings())
	}
	stop(t, first)
	log := filepath.Join(first.options.Data, "audit")
	copyFolder(t, log, log+"-copy")

	again := reopen(t, first.options)
	size := again.audit.Size()
	noteSome(t, again, 5)
	end := witnessed(t, again, size+5)
	stop(t, again)
	for name, c := range map[string]struct {
		put  func()
		more int
		want []string
	}{
		"cut off":   {func() { copyFolder(t, log+"-copy", log) }, 0, []string{"TRUNCATED: entries ", "are missing", "RAS, RYJ have it"}},
		"rewritten": {func() { copyFolder(t, log+"-copy", log) }, 20, []string{"REWRITTEN: the entries up to ", "the first that was changed is among entries ", "RAS, RYJ have it"}},
		"swapped":   {func() { _ = os.RemoveAll(log) }, 60, []string{"SWAPPED OR REWRITTEN from the start: not even the first checkpoint holds, of entries 0 to "}},
	} {
		t.Run(name, func(t *testing.T) {
			c.put()
			n := reopen(t, first.options)
			defer stop(t, n)
			noteSome(t, n, c.more)
			// Whoever asks first is told, before anything else has compared the two.
			if _, yes := stopped(t, n); !yes {
				t.Error("status does not say that releases are stopped")
			}
			r := verified(t, n)
			text := strings.Join(r.GetFindings(), "\n")
			for _, want := range c.want {
				if r.GetOk() || !strings.Contains(text, want) {
					t.Errorf("%d entries, %d witnessed, ok %v: %q, want %q", r.GetEntries(), end, r.GetOk(), text, want)
				}
			}
			if !strings.Contains(r.GetNext(), "audit root --trust RYJ") || !strings.Contains(r.GetNext(), "information governance lead") {
				t.Errorf("what to do: %q", r.GetNext())
			}
		})
	}
}

// What is beside the log may have been rewritten with it: what another trust has counts by itself.
func TestWhatAnotherTrustHasWitnessedCountsByItself(t *testing.T) {
	t.Parallel()
	n := settledNode(t, nil)
	noteSome(t, n, 3)
	size := witnessed(t, n, 3)
	own, err := n.witnessedHere(t.Context(), n.ID())
	if err != nil {
		t.Fatal(err)
	}
	other := witness{Size: size, Root: federation.Digest{7}}
	said := testify(testify(testify(nil, "RYJ", own), "RAS", own), "R1K", other)
	if len(said) != 2 || len(said[0].by) != 2 {
		t.Fatalf("%+v", said)
	}
	reply := &admin.VerifyAuditReply{}
	if err := n.verifyAgainst(t.Context(), reply, said); err != nil {
		t.Fatal(err)
	}
	text := strings.Join(reply.GetFindings(), "\n")
	if reply.GetOk() || len(reply.GetFindings()) != 1 || !strings.Contains(text, "as R1K has it") || strings.Contains(text, "RAS") {
		t.Errorf("%v: %q", reply.GetOk(), text)
	}
	reply = &admin.VerifyAuditReply{}
	if err := n.verifyAgainst(t.Context(), reply, testify(testify(nil, "R1K", other), "RQM", other)); err != nil {
		t.Fatal(err)
	}
	if text := strings.Join(reply.GetFindings(), "\n"); !strings.Contains(text, "as R1K, RQM have it") {
		t.Errorf("two trusts have it: %q", text)
	}
	// What the log itself shows is said too.
	for _, c := range []struct {
		report     audit.Report
		want, next string
	}{
		{audit.Report{Entries: 9, HeadHolds: true, Faults: 2, Damaged: []uint64{4, 6}}, "entry 4", "ridgeway repair"},
		{audit.Report{Entries: 9}, "the log's end is not the one that this node has marked", "information governance lead"},
		{audit.Report{Entries: 9, HeadHolds: true}, "", ""},
	} {
		reply := &admin.VerifyAuditReply{}
		err := n.findings(t.Context(), reply, c.report, nil)
		text := strings.Join(reply.GetFindings(), "\n")
		if err != nil || !strings.Contains(text, c.want) || !strings.Contains(reply.GetNext(), c.next) || (c.want == "") != (text+reply.GetNext() == "") {
			t.Errorf("%q, %v, want %q", text, err, c.want)
		}
	}
}
