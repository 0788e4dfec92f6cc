package node

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/node/ingest"
	"github.com/ridgeway-exchange/ridgeway/policy"
	"github.com/ridgeway-exchange/ridgeway/storage/audit"
	"github.com/ridgeway-exchange/ridgeway/storage/record"
)

func labeller() *admin.Asker { return &admin.Asker{User: "ig1", Role: "governance-lead"} }

func named(ids ...federation.DocumentID) *admin.DocumentChoice {
	c := &admin.DocumentChoice{}
	for _, id := range ids {
		c.Documents = append(c.Documents, string(id))
	}
	return c
}

func relabel(t *testing.T, n *Node, q *admin.RelabelRequest) *admin.RelabelReply {
	t.Helper()
	if q.By == nil {
		q.By = labeller()
	}
	reply, err := n.Relabel(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	return reply
}

func countOf(x *admin.Impact, by, value string) (gained, lost uint64) {
	for _, c := range x.GetCounts() {
		if c.GetBy() == by && c.GetValue() == value {
			return c.GetGained(), c.GetLost()
		}
	}
	return 0, 0
}

func TestLabelsAreChangedInBulkAfterAPreview(t *testing.T) {
	t.Parallel()
	n := settledNode(t, nil)
	ids := takeLetters(t, n, 0, 12)
	eventually(t, "an empty outbox", func() bool { return outbox(t, n).Outbox == 0 })
	q := &admin.RelabelRequest{Choice: &admin.DocumentChoice{Type: "373942005", From: "2026-03-02", To: "2026-03-11"}, Confidentiality: "r", Add: []string{"hiv"}, Reason: "audit of 2026"}
	preview := relabel(t, n, q)
	if preview.GetChosen() != 10 || preview.GetChanged() != 10 || preview.GetSealed() != 10 || preview.GetDone() || preview.GetImpact().GetLost() != 10 || preview.GetImpact().GetGained() != 0 {
		t.Errorf("preview: %v", preview)
	}
	if _, lost := countOf(preview.GetImpact(), "trust", otherTrustWords); lost != 10 {
		t.Errorf("others lose %d of 10 documents: %v", lost, preview.GetImpact().GetCounts())
	}
	if _, lost := countOf(preview.GetImpact(), "trust", "RYJ"); lost != 0 || len(preview.GetImpact().GetExamples()) == 0 {
		t.Errorf("own staff lose %d documents, which they may see up to R; examples: %v", lost, preview.GetImpact().GetExamples())
	}
	if p, found := indexed(t, n, ids[5]); !found || p.Sealed() {
		t.Errorf("a preview has changed something: %+v", p)
	}
	q.Confirm, q.Plan = true, preview.GetPlan()
	if done := relabel(t, n, q); done.GetChanged() != 10 || !done.GetDone() || !done.GetCommitted() {
		t.Errorf("done: %v", done)
	}
	for i, id := range ids {
		p, found := indexed(t, n, id)
		if want := i >= 1 && i <= 10; !found || p.Sealed() != want || want && (p.Title != "" || !p.Date.IsZero() || p.Author != "" || p.Type != "") {
			t.Errorf("letter %d in the index: %v, %+v", i, found, p)
		}
	}
	if got := listAll(t, n, 3); len(got) != 12 || got[ids[5]] != 1 {
		t.Errorf("listed: %v: the old row stands beside the new one, or nothing does", got)
	}
	// What is done is passed over; a plan that is no longer the plan is refused.
	if again := relabel(t, n, &admin.RelabelRequest{Choice: q.GetChoice(), Confidentiality: "R", Add: []string{"HIV"}, Confirm: true}); again.GetChanged() != 0 || again.GetUnchanged() != 10 {
		t.Errorf("again: %v", again)
	}
	if _, err := n.Relabel(t.Context(), &admin.RelabelRequest{Choice: q.GetChoice(), Confidentiality: "V", Confirm: true, Plan: preview.GetPlan(), By: labeller()}); admin.CodeOf(err) != admin.CodeBadInput || !strings.Contains(err.Error(), "since the preview") {
		t.Errorf("another plan: %v", err)
	}
	labelsAreAudited(t, n, ids[5])
	// The way back opens again what was closed.
	back := relabel(t, n, &admin.RelabelRequest{Choice: &admin.DocumentChoice{Sensitivity: "HIV"}, Confidentiality: "N", Remove: []string{"HIV"}})
	if gained, _ := countOf(back.GetImpact(), "role", "nurse"); back.GetUnsealed() != 10 || gained != 10 {
		t.Errorf("the way back: %v", back)
	}
	relabel(t, n, &admin.RelabelRequest{Choice: &admin.DocumentChoice{Sensitivity: "HIV"}, Confidentiality: "N", Remove: []string{"HIV"}, Confirm: true})
	if p, found := indexed(t, n, ids[5]); !found || p.Sealed() || p.Title != "Letter 5" {
		t.Errorf("opened again: %v, %+v", found, p)
	}
}

func labelsAreAudited(t *testing.T, n *Node, id federation.DocumentID) {
	t.Helper()
	page, err := n.audit.Search(t.Context(), audit.Filter{Document: id, Kinds: []audit.Kind{audit.Admin}}, 0, 10)
	if err != nil || len(page.Records) != 1 {
		t.Fatalf("%d entries, %v", len(page.Records), err)
	}
	if e := page.Records[0].Entry; e.User != "ig1" || !strings.Contains(e.Detail, "labels R HIV, were N: audit of 2026") {
		t.Errorf("got %+v", e)
	}
}

func TestWhatCannotBeLabelledIsNamed(t *testing.T) {
	t.Parallel()
	n := settledNode(t, nil)
	ids := takeLetters(t, n, 0, 2)
	if err := n.records.Withdraw(t.Context(), ids[1], ""); err != nil {
		t.Fatal(err)
	}
	choice := named(ids[0], ids[1], federation.NewDocumentID("RAS", federation.DocumentKey{1}), federation.NewDocumentID("RYJ", federation.DocumentKey{1}), "x", ids[0])
	reply := relabel(t, n, &admin.RelabelRequest{Choice: choice, Confidentiality: "R", Confirm: true})
	var codes []string
	for _, p := range reply.GetProblems() {
		codes = append(codes, p.GetCode())
		if p.GetMessage() == "" {
			t.Errorf("no words: %v", p)
		}
	}
	if reply.GetChanged() != 1 || !slices.Equal(codes, []string{"BAD_INPUT", "DENIED", "NOT_FOUND", "BAD_INPUT"}) {
		t.Errorf("got %v", reply)
	}
	for _, c := range []struct {
		q    *admin.RelabelRequest
		code admin.Code
		want string
	}{
		{&admin.RelabelRequest{Choice: choice}, admin.CodeBadInput, "say what to change"},
		{&admin.RelabelRequest{Confidentiality: "R"}, admin.CodeBadInput, "say which documents"},
		{&admin.RelabelRequest{Choice: &admin.DocumentChoice{Documents: []string{"x"}, Type: "1"}, Confidentiality: "R"}, admin.CodeBadInput, "not both"},
		{&admin.RelabelRequest{Choice: &admin.DocumentChoice{Type: "none-such"}, Confidentiality: "R"}, admin.CodeNotFound, "no document that fits"},
		{&admin.RelabelRequest{Choice: &admin.DocumentChoice{From: "yesterday"}, Confidentiality: "R"}, admin.CodeBadInput, "--from yesterday: give a day"},
		{&admin.RelabelRequest{Choice: choice, Confidentiality: "X", Add: []string{"HIVV", "MH"}, Remove: []string{"mh"}, Legal: "Y"}, admin.CodeBadInput, "--confidentiality X: it is U, L, M, N, R or V\n--add: \"HIVV\" is no sensitivity label: it is one of ADOL"},
		{&admin.RelabelRequest{Choice: choice, Confidentiality: "R", By: &admin.Asker{User: "rn1", Role: "nurse"}}, admin.CodeDenied, "may not do that"},
	} {
		if c.q.By == nil {
			c.q.By = labeller()
		}
		if _, err := n.Relabel(t.Context(), c.q); admin.CodeOf(err) != c.code || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want %s %q", err, c.code, c.want)
		}
	}
}

// A change that raises protection is in force here before the region hears of it; one that lowers it, after.
func TestLabelsCountHereBeforeTheRegionHearsOfThem(t *testing.T) {
	t.Parallel()
	n, mute := mutableNode(t)
	plain := takeLetters(t, n, 0, 1)[0]
	very := takeLabelled(t, n, "very", func(i *ingest.Item) { i.Confidentiality = "V" })
	mute()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	for id, level := range map[federation.DocumentID]string{plain: "V", very: "N"} {
		go func() {
			_, err := n.Relabel(ctx, &admin.RelabelRequest{Choice: named(id), Confidentiality: level, Confirm: true, By: labeller()})
			done <- err
		}()
	}
	defer func() { <-done; <-done }()
	defer cancel()
	eventually(t, "both in the outbox", func() bool { return outbox(t, n).Outbox == 2 })
	if got := listAll(t, n, 10); len(got) != 0 {
		t.Errorf("listed: %v", got)
	}
	for _, id := range []federation.DocumentID{plain, very} {
		if _, _, err := collect(t, n, &admin.FetchRequest{Document: string(id)}); admin.CodeOf(err) != admin.CodeNotFound {
			t.Errorf("fetched: %v", err)
		}
	}
}

// What was published before its kind was to be sealed, or barred, is published anew when the node starts with such settings; what
// is no longer sealed stays so until somebody says otherwise.
func TestDocumentsPublishedBeforeTheSettingsAreSealed(t *testing.T) {
	t.Parallel()
	var o Options
	n := settledNode(t, func(p *Options) { o = *p })
	o = n.options
	plain := takeLetters(t, n, 0, 1)[0]
	psychiatric := takeLabelled(t, n, "psychiatric", func(i *ingest.Item) { i.Type = "local:psych" })
	clinic := takeLabelled(t, n, "clinic", func(i *ingest.Item) { i.Specialty = "360" })
	fertility := takeLabelled(t, n, "fertility", func(i *ingest.Item) { i.Type = "local:ivf" })
	start := func(change func(*Settings)) *Node {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := n.Close(ctx); err != nil {
			t.Fatal(err)
		}
		change(&o.Settings)
		n = reopen(t, o)
		return n
	}
	n = start(func(s *Settings) {
		s.SealedTypes, s.SealedSpecialties, s.LegalTypes = []string{"local:psych"}, []string{"360"}, map[string]string{"local:ivf": "HFEA"}
	})
	sealed := func(id federation.DocumentID) func() bool {
		return func() bool {
			p, found := indexed(t, n, id)
			return found && p.Sealed() && p.Title == ""
		}
	}
	eventually(t, "the type is sealed", sealed(psychiatric))
	eventually(t, "the clinic is sealed", sealed(clinic))
	eventually(t, "the class is withdrawn", func() bool { _, found := indexed(t, n, fertility); return !found })
	if p, found := indexed(t, n, plain); !found || p.Sealed() {
		t.Errorf("another: %v, %+v", found, p)
	}
	eventually(t, "it is told", func() bool {
		reply, err := n.Status(t.Context(), &admin.StatusRequest{})
		return err == nil && slices.ContainsFunc(reply.GetWarnings(), func(w string) bool {
			return strings.Contains(w, "3 documents that were published before are published anew")
		})
	})
	noneIsToldOf(t, n, fertility)
	// A settings file that has lost its lines opens nothing.
	n = start(func(s *Settings) { s.SealedTypes, s.SealedSpecialties, s.LegalTypes = nil, nil, nil })
	eventually(t, "the settings are noted", func() bool {
		b, found, err := n.records.Setting(t.Context(), settingSealed)
		return err == nil && found && federation.Digest(b).IsZero()
	})
	if !sealed(psychiatric)() {
		t.Error("it was opened because settings were lost")
	}
	eventually(t, "a leader", func() bool { _, err := n.replica.ReadIndex(t.Context()); return err == nil })
	reply := relabel(t, n, &admin.RelabelRequest{Choice: &admin.DocumentChoice{Type: "local:psych"}, Reseal: true, Confirm: true})
	if p, found := indexed(t, n, psychiatric); reply.GetUnsealed() != 1 || !found || p.Title != "psychiatric" {
		t.Errorf("published anew: %v, %v, %+v", reply, found, p)
	}
}

// What is on its way to somebody is decided anew when its document is labelled otherwise or withdrawn, although the region has not
// heard of it.
func TestStreamUnderWayEndsWithTheRightToIt(t *testing.T) {
	t.Parallel()
	n, mute := mutableNode(t)
	type change func(context.Context, federation.DocumentID) error
	changes := map[string]change{
		"labelled": func(ctx context.Context, id federation.DocumentID) error {
			return n.relabel(ctx, relabelling{id: id, will: record.Marks{Confidentiality: federation.VeryRestricted}}, labeller(), "a mistake")
		},
		"withdrawn": func(ctx context.Context, id federation.DocumentID) error {
			ctx, cancel := context.WithCancel(ctx)
			defer cancel()
			go func() { // the region does not answer: nobody waits for it once the withdrawal stands here
				defer cancel()
				untilWithdrawn(ctx, n, id)
			}()
			_, err := n.Withdraw(ctx, &admin.WithdrawRequest{Document: string(id), Reason: "a mistake", By: labeller()})
			if ctx.Err() != nil {
				return nil
			}
			return err
		},
	}
	ids := make(map[string]federation.DocumentID)
	for name := range changes {
		ids[name] = mustTake(t, n, name, strings.Repeat(name, federation.ChunkSize), nil).Document
	}
	mute()
	for name, id := range ids {
		got := 0
		err := n.Fetch(t.Context(), &admin.FetchRequest{Document: string(id)}, func(r *admin.FetchReply) error {
			if got += len(r.GetData()); got == federation.ChunkSize {
				return changes[name](t.Context(), id)
			}
			return nil
		})
		if code := admin.CodeOf(err); code != admin.CodeNotFound && code != admin.CodeDenied || got != federation.ChunkSize {
			t.Errorf("%s: %d bytes, %v", name, got, err)
		}
	}
}

// untilWithdrawn returns when the document is withdrawn at this node, or the context has ended.
func untilWithdrawn(ctx context.Context, n *Node, id federation.DocumentID) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		if doc, err := n.records.Document(ctx, id); err != nil || doc.State.Phase == record.Withdrawn {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// noneIsToldOf fails the test unless a document of a legally restricted class is refused in every way, in an emergency too.
func noneIsToldOf(t *testing.T, n *Node, id federation.DocumentID) {
	t.Helper()
	who := &admin.Asker{User: "dr1", Role: "doctor"}
	if _, err := n.BreakGlass(t.Context(), &admin.BreakGlassRequest{Patient: patientA, Reason: "unconscious in resus now", Asker: who}); err != nil {
		t.Fatal(err)
	}
	reply, err := n.Locate(t.Context(), &admin.LocateRequest{Patient: patientA, Asker: who})
	if err != nil || slices.ContainsFunc(reply.GetDocuments(), func(d *admin.Located) bool { return d.GetDocument() == string(id) }) {
		t.Errorf("listed in an emergency: %v, %v", reply, err)
	}
	if _, _, err := collect(t, n, &admin.FetchRequest{Document: string(id), Asker: who}); admin.CodeOf(err) != admin.CodeNotFound {
		t.Errorf("fetched in an emergency: %v", err)
	}
	for _, action := range []string{"see", "open", "break-glass"} {
		why, err := n.Why(t.Context(), &admin.WhyRequest{Document: string(id), Asker: who, By: labeller(), Action: action})
		if err != nil || why.GetOutcome() == policy.Permit.String() || why.GetTold() != policy.NotFound.Safe() || !strings.Contains(strings.Join(why.GetChain(), "\n"), "The law") {
			t.Errorf("why %s: %v, %v", action, why, err)
		}
	}
	if access, err := n.Who(t.Context(), &admin.WhoRequest{Document: string(id), By: labeller()}); err != nil || len(access.GetAccess()) != 0 {
		t.Errorf("who: %v, %v", access, err)
	}
	if d, err := (held{n}).Document(t.Context(), id); err != nil || !d.Restricted() {
		t.Errorf("the custodian decides on %+v, %v", d, err)
	}
	if _, found, err := (agreed{n}).Pointer(t.Context(), id); found || err != nil {
		t.Errorf("its pointer is given out: %v", err)
	}
	if doc, err := n.records.Document(t.Context(), id); err != nil || doc.State.Phase != record.Queued || doc.State.Pending() {
		t.Errorf("kept as %+v, %v", doc.State, err)
	}
}
