package node

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/ridgeway-exchange/ridgeway/consensus"
	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/federation/index"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/storage"
	"github.com/ridgeway-exchange/ridgeway/storage/record"
)

// reopen starts the node of o's folder again until the test ends.
func reopen(t *testing.T, o Options) *Node {
	t.Helper()
	o.Metrics = nil
	n, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, n) })
	return n
}

func stop(t *testing.T, n *Node) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := n.Close(ctx); err != nil {
		t.Errorf("close: %v", err)
	}
}

// offline opens the record store of a node that is stopped.
func offline(t *testing.T, n *Node, fn func(*record.Store)) {
	t.Helper()
	master, err := n.options.Settings.masterKey(t.Context(), n.options.Data, false)
	if err != nil {
		t.Fatal(err)
	}
	folder, err := storage.OpenFolder(n.options.Data, "", master)
	if err != nil {
		t.Fatal(err)
	}
	space, err := storage.NewSpace(storage.SpaceConfig{Dir: n.options.Data, Logger: n.logger, Statfs: n.options.Statfs})
	if err != nil {
		t.Fatal(err)
	}
	store, err := record.Open(t.Context(), record.Options{
		Dir: folder.Path("records"), Trust: n.Trust(), Sealer: folder.Sealer("records"), SubjectKey: [32]byte(n.membership.SubjectKey),
		IDKey: storage.DeriveKey([32]byte(n.keys.node.Seed()), "document ids"), Logger: n.logger, Space: space, Small: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	fn(store)
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	if err := folder.Close(); err != nil {
		t.Fatal(err)
	}
}

// settledNode is startNode, once its first agreement is in force and nothing waits in its outbox.
func settledNode(t *testing.T, change func(*Options)) *Node {
	t.Helper()
	n := startNode(t, change)
	eventually(t, "the first agreement", func() bool { return agreementVersion(t, n) == 1 })
	eventually(t, "an empty outbox", func() bool { return outbox(t, n).Outbox == 0 })
	return n
}

func outbox(t *testing.T, n *Node) record.Stats {
	t.Helper()
	stats, err := n.records.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return stats
}

func agreementVersion(t *testing.T, n *Node) (version uint64) {
	t.Helper()
	err := n.Agreed(t.Context(), consensus.Local(), func(r consensus.Reader) (err error) {
		version, err = index.LastAgreementVersion(r, n.Trust())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return version
}

// nextStatement signs an agreement in its place in the node's chain, off by some.
func nextStatement(t *testing.T, n *Node, body federation.Body, off uint64) federation.Signed {
	t.Helper()
	place := federation.Place{Trust: n.Trust(), At: time.Now().UTC()}
	err := n.Agreed(t.Context(), consensus.Linearizable(), func(r consensus.Reader) error {
		seq, digest, err := index.Head(r, n.Trust())
		place.Seq, place.Prev = seq+1+off, digest
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	signed, err := federation.Compose(place, body, n.keys.statement)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

func secondAgreement() federation.Agreement {
	return federation.Agreement{Version: 2, Effective: time.Now().UTC().Truncate(time.Microsecond), Cedar: "// nothing is shared"}
}

// A crash can come between any two of these; whichever it is, the statement is committed once:
//
//	SetInFlight ------ Submit ------ Complete (------ Retry, when it was out of its place)
//	            1             2                  3
func TestStatementIsSaidOnceWhereverTheCrashComes(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name      string
		off       uint64 // how far the signed statement is from its place
		submitted bool
		completed string // how it was refused
	}{
		{name: "before it was submitted"},
		{name: "before its outcome was noted", submitted: true},
		{name: "before it was said again in its place", off: 3, completed: index.Gap.String() + ": statement 9 after 5"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			n := settledNode(t, nil)
			signed := nextStatement(t, n, secondAgreement(), tt.off)
			if tt.submitted {
				if _, err := n.replica.Submit(t.Context(), signed.Encode(), consensus.Urgent); err != nil {
					t.Fatal(err)
				}
			}
			statement, err := signed.Statement()
			if err != nil {
				t.Fatal(err)
			}
			stop(t, n)
			offline(t, n, func(s *record.Store) {
				id, err := s.Enqueue(t.Context(), secondAgreement())
				if err != nil {
					t.Fatal(err)
				}
				if err := s.SetInFlight(t.Context(), record.InFlight{Envelope: signed.Encode(), Entries: []record.EntryID{id}}); err != nil {
					t.Fatal(err)
				}
				if tt.completed == "" {
					return
				}
				if err := s.Complete(t.Context(), record.Outcome{Statement: signed.ID(), Seq: statement.Seq, Refused: tt.completed}); err != nil {
					t.Fatal(err)
				}
			})
			again := reopen(t, n.options)
			eventually(t, "the second agreement", func() bool { return agreementVersion(t, again) == 2 })
			eventually(t, "an empty outbox", func() bool { return outbox(t, again).Outbox == 0 })
			if stats := outbox(t, again); stats.Rejected != 0 {
				t.Errorf("%d statements were refused", stats.Rejected)
			}
		})
	}
}

func TestStatementOutOfItsPlaceReachesWhoWaits(t *testing.T) {
	t.Parallel()
	n := settledNode(t, nil)
	signed := nextStatement(t, n, secondAgreement(), 3)
	stop(t, n)
	var id record.EntryID
	offline(t, n, func(s *record.Store) {
		var err error
		if id, err = s.Enqueue(t.Context(), secondAgreement()); err != nil {
			t.Fatal(err)
		}
		if err := s.SetInFlight(t.Context(), record.InFlight{Envelope: signed.Encode(), Entries: []record.EntryID{id}}); err != nil {
			t.Fatal(err)
		}
	})
	again := reopen(t, n.options)
	if o, err := again.speaker.wait(t.Context(), id); err != nil || o.refused != "" || o.index == 0 {
		t.Errorf("got %+v, %v, want it accepted", o, err)
	}
}

func TestEachWithdrawalKeepsItsReason(t *testing.T) {
	s := newSpeaker(&Node{})
	a, b, c := federation.DocumentID("RYJ-A"), federation.DocumentID("RYJ-B"), federation.DocumentID("RYJ-C")
	entry := func(id record.EntryID, d federation.DocumentID, reason string) record.OutboxEntry {
		return record.OutboxEntry{ID: id, Kind: federation.KindWithdraw, Document: d, Reason: reason}
	}
	body, entries := s.gather([]record.OutboxEntry{entry(1, a, "wrong patient"), entry(2, b, "wrong patient"), entry(3, c, "a duplicate")})
	w, ok := body.(federation.Withdraw)
	if !ok || w.Reason != "wrong patient" || len(w.Documents) != 2 || len(entries) != 2 {
		t.Errorf("got %+v for %v, want two documents with the first reason", body, entries)
	}
}

func TestWhatCannotBeToldDoesNotHoldUpTheRest(t *testing.T) {
	s := newSpeaker(&Node{})
	s.logger = slog.New(slog.DiscardHandler)
	good := secondAgreement()
	body, entries := s.gather([]record.OutboxEntry{
		{ID: 1, Kind: federation.KindAgreement, Body: []byte("damaged")},
		{ID: 2, Kind: federation.KindPublish, Err: storage.ErrIntegrity},
		{ID: 3, Kind: federation.KindAgreement, Body: federation.EncodeBody(good)},
	})
	if a, ok := body.(federation.Agreement); !ok || a.Version != 2 || len(entries) != 1 || entries[0] != 3 {
		t.Errorf("got %v for %v, want the entry that can be told", body, entries)
	}
}

// More can have to be passed over than are read at once: what comes behind is told all the same, and nothing is read again each time.
func TestManyThatCannotBeToldDoNotHoldUpTheRest(t *testing.T) {
	number, err := record.ParseNHSNumber("9434765919")
	if err != nil {
		t.Fatal(err)
	}
	store, err := record.Open(t.Context(), record.Options{Dir: t.TempDir(), Trust: "RYJ", Sealer: storage.NewSealer([32]byte{1}), SubjectKey: [32]byte{2}, IDKey: [32]byte{3}, Small: true})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	s := newSpeaker(&Node{})
	s.records, s.logger, s.page = store, slog.New(slog.DiscardHandler), 2
	take := func(n int) federation.DocumentID {
		t.Helper()
		d := documentOf(textItem(fmt.Sprint("Letter ", n), ""), []federation.Part{{ContentType: "text/plain", Name: "a.txt"}})
		added, err := store.Add(t.Context(), record.Item{Patient: number, Document: d})
		if err != nil {
			t.Fatal(err)
		}
		return added.ID
	}
	says := func(want ...federation.DocumentID) {
		t.Helper()
		body, entries, err := s.next(t.Context())
		publish, _ := body.(federation.Publish)
		var got []federation.DocumentID
		for _, p := range publish.Pointers {
			got = append(got, p.Document)
		}
		if err != nil || !slices.Equal(got, want) || len(entries) != len(want) {
			t.Fatalf("next is %v, %v, want %v", got, err, want)
		}
	}
	var back []federation.Pointer
	var ids []federation.DocumentID
	for n := range 5 {
		ids = append(ids, take(n))
		back = append(back, federation.Pointer{Document: ids[n]})
	}
	s.hold(back, ids)
	says()
	says() // from behind what was passed over
	good := take(5)
	says(good)
	if len(s.held) != 5 || s.passed == 0 {
		t.Errorf("%d are kept back, passed over up to %d", len(s.held), s.passed)
	}
	s.hold(back[:1], nil)
	if err := store.Withdraw(t.Context(), ids[1], "filed in error"); err != nil {
		t.Fatal(err)
	}
	s.lookBack = time.Time{} // the time has passed
	says(ids[0])
	s.held[ids[0]] = time.Now().Add(heldFor)
	s.lookBack = time.Time{}
	says(good)
	s.held[good] = time.Now().Add(heldFor)
	s.lookBack = time.Time{}
	says()
	if _, back := s.held[ids[1]]; back || len(s.held) != 5 {
		t.Errorf("kept back are %v, and %s is withdrawn", s.held, ids[1])
	}
}

func TestObjectionThatTheRegionRefusedCanBeWithdrawn(t *testing.T) {
	t.Parallel()
	n := settledNode(t, nil)
	number, err := n.patient("9434765919")
	if err != nil {
		t.Fatal(err)
	}
	d := federation.Directive{ID: federation.DirectiveID{1}, Subject: n.records.Subject(number), Effect: federation.Object, By: "dr1"}
	signed := nextStatement(t, n, d, 0)
	stop(t, n)
	offline(t, n, func(s *record.Store) {
		if err := s.AddRefusal(t.Context(), number, d); err != nil {
			t.Fatal(err)
		}
		kept, err := s.Refusals(t.Context(), d.Subject)
		if err != nil || len(kept) != 1 {
			t.Fatalf("%v, %v", kept, err)
		}
		if err := s.SetInFlight(t.Context(), record.InFlight{Envelope: signed.Encode(), Entries: []record.EntryID{kept[0].Entry}}); err != nil {
			t.Fatal(err)
		}
		if err := s.Complete(t.Context(), record.Outcome{Statement: signed.ID(), Seq: 9, Refused: "too many: whatever"}); err != nil {
			t.Fatal(err)
		}
	})
	again := reopen(t, n.options)
	reply, err := again.Object(t.Context(), &admin.ObjectRequest{Patient: "9434765919", Withdraw: true, By: "dr2"})
	if err != nil || reply.GetState() != "shared" || len(reply.GetDirectives()) != 1 {
		t.Fatalf("got %v, %v, want it withdrawn", reply, err)
	}
	if kept, err := again.records.Refusals(t.Context(), d.Subject); err != nil || len(kept) != 0 {
		t.Errorf("still in force here: %v, %v", kept, err)
	}
}

// A pointer that the region does not take must not keep the others of its statement from the region.
//
//	a b c d refused -> a b, c d -> ... -> each alone
func TestRefusedPointerIsParted(t *testing.T) {
	t.Parallel()
	n := settledNode(t, nil)
	signed := nextStatement(t, n, secondAgreement(), 0) // any statement: what counts is what it is said to cover
	stop(t, n)
	ctx := context.Background()
	offline(t, n, func(store *record.Store) {
		number, err := n.patient("9434765919")
		if err != nil {
			t.Fatal(err)
		}
		for i := range 4 {
			d := documentOf(textItem(fmt.Sprint("Letter ", i), ""), []federation.Part{{ContentType: "text/plain", Name: "a.txt"}})
			if _, err := store.Add(ctx, record.Item{Patient: number, Document: d}); err != nil {
				t.Fatal(err)
			}
		}
		s := newSpeaker(&Node{})
		s.records, s.logger = store, slog.New(slog.DiscardHandler)
		for _, want := range []int{4, 2, 1} {
			pending, err := store.Pending(ctx, federation.MaxPointers)
			if err != nil || len(pending) != 4 {
				t.Fatalf("%d entries wait, %v; want all 4", len(pending), err)
			}
			_, entries := s.gather(pending)
			if len(entries) != want {
				t.Fatalf("%d entries share a statement, want %d", len(entries), want)
			}
			for len(entries) > 0 && want > 1 { // all of them are refused, in statements of this size
				flight := record.InFlight{Envelope: signed.Encode(), Entries: entries}
				if err := store.SetInFlight(ctx, flight); err != nil {
					t.Fatal(err)
				}
				refused := record.Outcome{Statement: signed.ID(), Seq: 9, Refused: refusalText(index.Response{Outcome: index.Refused, Code: index.BadPointer}, len(entries))}
				if err := s.settle(ctx, flight, refused, 7, index.BadPointer); err != nil {
					t.Fatal(err)
				}
				if pending, err = store.Pending(ctx, federation.MaxPointers); err != nil {
					t.Fatal(err)
				}
				if _, entries = s.gather(pending); len(entries) < want {
					break
				}
			}
		}
		if stats, err := store.Stats(ctx); err != nil || stats.Rejected != 0 {
			t.Errorf("%d are rejected, %v; want none, each is to be said alone", stats.Rejected, err)
		}
	})
}
