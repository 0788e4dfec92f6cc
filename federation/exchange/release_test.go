package exchange

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/policy"
)

var errBroken = errors.New("broken")

// noSink fails the test when anything is delivered.
func noSink(t *testing.T) Sink {
	return func(Segment) error { t.Error("bytes were delivered"); return nil }
}

func TestRefusalsAreTypedSafeAndAudited(t *testing.T) {
	objection := []policy.Directive{{ID: federation.DirectiveID{1}, Effect: federation.Object, Version: 4}}
	for _, tt := range []struct {
		name   string
		set    func(*world, *Request)
		want   error
		detail string // in the custodian's audit entry
	}{
		{"patient objects", func(w *world, _ *Request) { w.ledger.facts.Directives = objection }, ErrDenied, ""},
		{"patient objects, recorded here only", func(w *world, _ *Request) { w.ledger.facts.LocalRefusals = objection }, ErrDenied, ""},
		{"role", func(_ *world, q *Request) { q.Role = "admin" }, ErrNotFound, ""},
		{"purpose", func(_ *world, q *Request) { q.Purpose = "HRESCH" }, ErrNotFound, ""},
		{"may see but not open", func(w *world, _ *Request) {
			w.ledger.facts.Agreement, _ = policy.Compile(`permit (principal, action == Action::"see", resource);`)
		}, ErrDenied, ""},
		{"no agreement", func(w *world, _ *Request) { w.ledger.facts.Agreement = nil }, ErrNotFound, ""},
		{"facts out of reach", func(w *world, _ *Request) { w.ledger.err = ErrUnavailable }, ErrUnavailable, "facts"},
		{"releases are stopped", func(w *world, _ *Request) { w.ledger.err = fmt.Errorf("the log is short: %w", ErrStopped) }, ErrUnavailable, "the log is short"},
		{"facts not complete", func(w *world, _ *Request) { w.ledger.facts.Complete = false }, ErrUnavailable, ""},
		{"no proof of freshness", func(w *world, _ *Request) { w.fresh.err = errBroken }, ErrStalePolicy, "not proven"},
		{"no proof of freshness any more", func(w *world, _ *Request) { w.lapse() }, ErrStalePolicy, ""},
		{"raised here, not agreed on yet", func(w *world, q *Request) {
			d := w.store.documents[q.Document]
			d.Confidentiality = federation.VeryRestricted
			w.store.documents[q.Document] = d
		}, ErrNotFound, ""},
		{"legally restricted", func(w *world, q *Request) {
			d := w.store.documents[q.Document]
			d.LegallyRestricted = true
			w.store.documents[q.Document] = d
		}, ErrNotFound, ""},
		{"record is missing", func(w *world, q *Request) { delete(w.store.documents, q.Document) }, ErrIntegrity, "record"},
		{"manifest is missing", func(w *world, q *Request) { delete(w.store.manifests, q.Document) }, ErrIntegrity, "manifest"},
		{"manifest is another", func(w *world, q *Request) { w.store.manifests[q.Document] = []byte{1} }, ErrIntegrity, "not the one"},
		{"damage is not told to who may not know", func(w *world, q *Request) {
			delete(w.store.documents, q.Document)
			w.ledger.facts.Directives = objection
		}, ErrDenied, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			q := requestFor(w.publish([]byte("secret")))
			tt.set(w, &q)
			_, err := w.client.Fetch(context.Background(), q, noSink(t))
			var r *Refusal
			if !errors.Is(err, tt.want) || !errors.As(err, &r) {
				t.Fatalf("got %v, want %v", err, tt.want)
			}
			if r.Text == "" || strings.Contains(r.Text, "objec") || errors.Is(tt.want, ErrNotFound) && r.Text != policy.NotFound.Safe() {
				t.Errorf("text %q", r.Text)
			}
			if stopped := errors.Is(w.ledger.err, ErrStopped); stopped != (r.Text == Stopped) || strings.Contains(r.Text, "the log") {
				t.Errorf("a trust whose releases are stopped (%v) says %q", stopped, r.Text)
			}
			w.wg.Wait()
			e := w.audit.events[0]
			if e.Kind != Refused || e.Outcome != r.Outcome || e.User != "u1" || e.Document != q.Document || !strings.Contains(e.Detail, tt.detail) || len(e.Assertion) == 0 {
				t.Errorf("entry %+v", e)
			}
			if tt.detail == "" && len(e.Chain) == 0 {
				t.Error("the entry does not say which rule refused")
			}
			asked := w.asked.last()
			if asked.Kind != Failed {
				t.Errorf("requester's entry %s", asked.Kind)
			}
			if told := (r.Outcome == policy.Denied || r.Outcome == policy.StalePolicy) && tt.detail == ""; told != (len(asked.Chain) > 0) || told != (len(asked.Receipt) > 0) {
				t.Errorf("told of the rules: %v, %d bytes signed; want it only where the user may know of the document", asked.Chain, len(asked.Receipt))
			}
		})
	}
}

// mutate changes the assertion of every stream on its way, and signs it anew if there is a key.
func (w *world) mutate(change func(*Assertion), trust federation.TrustID) {
	w.request = func(_ int, frame []byte) []byte {
		raw := frame[frameHeader+len(federation.Signature{}):]
		a, err := DecodeAssertion(raw)
		if err != nil {
			w.t.Error(err)
		}
		change(&a)
		payload := append(frame[frameHeader:frameHeader+len(federation.Signature{})], a.Encode()...)
		if trust != "" {
			payload = sign(assertionContext, a.Encode(), keyOf(trust, "statement"))
		}
		return append(appendFrame(nil, frameRequest, len(payload)), payload...)
	}
}

func TestAssertionThatIsNotToBeBelievedIsRefused(t *testing.T) {
	for _, tt := range []struct {
		name   string
		set    func(*world)
		want   error
		detail string
	}{
		{"changed after it was signed", func(w *world) { w.mutate(func(a *Assertion) { a.Role = "nurse" }, "") }, ErrDenied, "signature"},
		{"signed by another trust", func(w *world) { w.mutate(func(*Assertion) {}, other) }, ErrDenied, "signature"},
		{"for a user of another trust", func(w *world) { w.mutate(func(a *Assertion) { a.Trust = other }, asker) }, ErrDenied, "asserts for"},
		{"from another node", func(w *world) { w.from = func(int) federation.NodeID { return nodeOf(other) } }, ErrDenied, "signature"},
		{"names another node", func(w *world) { w.mutate(func(a *Assertion) { a.Node = nodeOf(other) }, asker) }, ErrDenied, "came from node"},
		{"for another custodian", func(w *world) { w.mutate(func(a *Assertion) { a.Custodian = nodeOf(other) }, asker) }, ErrDenied, "is for node"},
		{"bound to another connection", func(w *world) { w.mutate(func(a *Assertion) { a.Binding[5] ^= 1 }, asker) }, ErrDenied, "another connection"},
		{"too old", func(w *world) { w.mutate(func(a *Assertion) { a.At = a.At.Add(-31 * time.Second) }, asker) }, ErrDenied, "clock"},
		{"from the future", func(w *world) { w.mutate(func(a *Assertion) { a.At = a.At.Add(31 * time.Second) }, asker) }, ErrDenied, "clock"},
		{"of another patient", func(w *world) { w.mutate(func(a *Assertion) { a.Subject = federation.Subject{8} }, asker) }, ErrNotFound, "another patient"},
		{"of a document that is not there", func(w *world) {
			w.mutate(func(a *Assertion) { a.Document = federation.NewDocumentID(holder, federation.DocumentKey{9, 9}) }, asker)
		}, ErrNotFound, "no such document"},
		{"of a document of another custodian", func(w *world) {
			id := federation.NewDocumentID(other, federation.DocumentKey{1})
			w.ledger.pointers[id] = federation.Pointer{Document: id, Subject: patient, Manifest: federation.Digest{1}}
			w.mutate(func(a *Assertion) { a.Document = id }, asker)
		}, ErrNotFound, "held by"},
		{"of another version", func(w *world) { w.mutate(func(a *Assertion) { a.Manifest[0] ^= 1 }, asker) }, ErrUnavailable, "another version"},
		{"not readable", func(w *world) { w.mutate(func(a *Assertion) { a.User = "" }, asker) }, ErrDenied, "must be set"},
		{"from a stranger", func(w *world) { w.from = func(int) federation.NodeID { return federation.NodeID{9} } }, ErrDenied, "not active"},
		{"from a suspended trust", func(w *world) {
			w.ledger.roster = rosterOf(func(m map[federation.TrustID]*federation.Trust) { m[asker].Standing = federation.Suspended })
		}, ErrDenied, "not active"},
		{"from a suspended node", func(w *world) {
			w.ledger.roster = rosterOf(func(m map[federation.TrustID]*federation.Trust) { m[asker].Nodes[0].Standing = federation.Suspended })
		}, ErrDenied, "not active"},
		{"resumed beyond the end", func(w *world) { w.mutate(func(a *Assertion) { a.Start = 2 }, asker) }, ErrNotFound, "no chunk 2 to go on from"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, func(_ *world, _ *CustodianConfig, c *ClientConfig) { c.Limits.Attempts = 1 })
			w.prove()
			q := requestFor(w.publish([]byte("secret")))
			tt.set(w)
			_, err := w.client.Fetch(context.Background(), q, noSink(t))
			if !errors.Is(err, tt.want) {
				t.Fatalf("got %v, want %v", err, tt.want)
			}
			w.wg.Wait()
			e := w.audit.last()
			if e.Kind != Refused || !strings.Contains(e.Detail, tt.detail) {
				t.Errorf("entry %s %q, want %q", e.Kind, e.Detail, tt.detail)
			}
			r, _ := errors.AsType[*Refusal](err)
			if aboutClocks := strings.HasSuffix(tt.detail, "clock"); r == nil || strings.Contains(r.Text, "31s") != aboutClocks || aboutClocks && e.User != q.User {
				t.Errorf("%q is told, and the entry is of %q: of clocks the user hears, and of nothing else", r, e.User)
			}
		})
	}
}

func TestReplayedAssertionIsRefused(t *testing.T) {
	for _, tt := range []struct {
		name, detail string
		bind         func(int) [BindingSize]byte
		between      func(*world)
	}{
		{"same connection", "used before", nil, nil},
		{"same connection, half a minute later", "used before", nil, func(w *world) { w.clock.pass(maxSkew) }},
		{"same connection, too late", "clock", nil, func(w *world) { w.clock.pass(maxSkew + time.Second) }},
		{"another connection", "another connection", func(n int) [BindingSize]byte { return [BindingSize]byte{byte(n)} }, nil},
		{
			"another connection after a restart", "another connection", func(n int) [BindingSize]byte { return [BindingSize]byte{byte(n)} },
			func(w *world) { w.custodian.replays = newReplays() },
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			q := requestFor(w.publish([]byte("secret")))
			var captured []byte
			w.request = func(n int, frame []byte) []byte {
				if n == 1 {
					captured = append([]byte(nil), frame...)
					return frame
				}
				return captured
			}
			var got fetched
			if _, err := w.client.Fetch(context.Background(), q, got.sink); err != nil {
				t.Fatal(err)
			}
			w.wg.Wait()
			if tt.bind != nil {
				w.bind = func(int) [BindingSize]byte { return tt.bind(int(w.dialled.Load())) }
			}
			if tt.between != nil {
				tt.between(w)
			}
			if _, err := w.client.Fetch(context.Background(), q, noSink(t)); !errors.Is(err, ErrDenied) {
				t.Fatalf("got %v", err)
			}
			w.wg.Wait()
			if e := w.audit.last(); e.Kind != Refused || !strings.Contains(e.Detail, tt.detail) {
				t.Errorf("entry %s %q", e.Kind, e.Detail)
			}
		})
	}
}

func TestIntentIsAuditedBeforeTheFirstByte(t *testing.T) {
	w := newWorld(t)
	id := w.publish(noise(mib, 1))
	w.audit.onAppend = func(e Event) {
		if e.Kind == Intent && w.left.Load() != 0 {
			t.Errorf("%d bytes had left before", w.left.Load())
		}
	}
	w.onWrite = func(*end, []byte) {
		if w.audit.kinds() == "" {
			t.Error("bytes leave before the intent")
		}
	}
	if _, err := w.client.Fetch(context.Background(), requestFor(id), func(Segment) error { return nil }); err != nil {
		t.Fatal(err)
	}
}

func TestNothingLeavesWithoutAudit(t *testing.T) {
	for _, bulk := range []bool{false, true} {
		w := newWorld(t)
		content := noise(9*mib, 1)
		id := w.publish(content)
		w.audit.err = errBroken
		var leaked bool
		w.onWrite = func(_ *end, p []byte) {
			leaked = leaked || len(p) > 512 || frameType(p[0]) != frameRefusal
		}
		q := requestFor(id)
		q.Bulk = bulk
		if _, err := w.client.Fetch(context.Background(), q, noSink(t)); !errors.Is(err, ErrUnavailable) {
			t.Errorf("got %v", err)
		}
		w.wg.Wait()
		if dials := int(w.dialled.Load()); leaked || w.store.n > dials {
			t.Errorf("leaked %v, %d chunks read for %d requests", leaked, w.store.n, dials)
		}
	}
}

func TestSinkThatFailsEndsABulkFetchAtOnce(t *testing.T) {
	w := newWorld(t)
	q := requestFor(w.big(400))
	q.Bulk = true
	n, stop := 0, errors.New("enough")
	_, err := w.client.Fetch(context.Background(), q, func(Segment) error {
		if n++; n == 3 {
			return stop
		}
		return nil
	})
	w.wg.Wait()
	if !errors.Is(err, stop) || w.left.Load() > 100*federation.ChunkSize {
		t.Errorf("got %v after %d chunks had left", err, w.left.Load()/federation.ChunkSize)
	}
}

func TestFirstChunkIsReadBesideTheIntent(t *testing.T) {
	w := newWorld(t)
	id := w.publish([]byte("page"))
	read := make(chan struct{})
	w.store.onChunk = func(int) error { close(read); return nil }
	w.audit.onAppend = func(e Event) {
		if e.Kind == Intent {
			<-read
		}
	}
	if _, err := w.client.Fetch(t.Context(), requestFor(id), func(Segment) error { return nil }); err != nil {
		t.Fatal(err)
	}
}
