package exchange

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
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
		{"facts not complete", func(w *world, _ *Request) { w.ledger.facts.Complete = false }, ErrUnavailable, ""},
		{"no proof of freshness", func(w *world, _ *Request) { w.fresh.err = errBroken }, ErrStalePolicy, ""},
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
			if r.Text == "" || strings.Contains(r.Text, "objec") || tt.want == ErrNotFound && r.Text != policy.NotFound.Safe() {
				t.Errorf("text %q", r.Text)
			}
			w.wg.Wait()
			e := w.audit.events[0]
			if e.Kind != Refused || e.Outcome != r.Outcome || e.User != "u1" || e.Document != q.Document || !strings.Contains(e.Detail, tt.detail) || len(e.Assertion) == 0 {
				t.Errorf("entry %+v", e)
			}
			if tt.detail == "" && len(e.Chain) == 0 {
				t.Error("the entry does not say which rule refused")
			}
			if w.asked.last().Kind != Failed {
				t.Errorf("requester's entry %s", w.asked.last().Kind)
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
		{"resumed beyond the end", func(w *world) { w.mutate(func(a *Assertion) { a.Start = 2 }, asker) }, ErrNotFound, "resumed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, func(_ *world, _ *CustodianConfig, c *ClientConfig) { c.Limits.Attempts = 1 })
			q := requestFor(w.publish([]byte("secret")))
			tt.set(w)
			if _, err := w.client.Fetch(context.Background(), q, noSink(t)); !errors.Is(err, tt.want) {
				t.Fatalf("got %v, want %v", err, tt.want)
			}
			w.wg.Wait()
			if e := w.audit.last(); e.Kind != Refused || !strings.Contains(e.Detail, tt.detail) {
				t.Errorf("entry %s %q, want %q", e.Kind, e.Detail, tt.detail)
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
		{"another connection after a restart", "another connection", func(n int) [BindingSize]byte { return [BindingSize]byte{byte(n)} },
			func(w *world) { w.custodian.replays = newReplays() }},
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
		if leaked || w.store.n != 0 {
			t.Errorf("leaked %v, %d chunks read", leaked, w.store.n)
		}
	}
}

// TestLapsedLeaseStopsTheStream stops the process, as it were, at each place where a release waits.
func TestLapsedLeaseStopsTheStream(t *testing.T) {
	pauses := map[string]func(*testClock){
		"process":        func(c *testClock) { c.pass(30 * time.Second) },
		"machine sleeps": func(c *testClock) { c.jump(0, 30*time.Second, 30*time.Second) },
		"boot only":      func(c *testClock) { c.jump(0, 30*time.Second, 0) },
		"wall forward":   func(c *testClock) { c.jump(0, 0, 11*time.Second) },
		"wall back":      func(c *testClock) { c.jump(0, 0, -time.Second) },
		"monotonic":      func(c *testClock) { c.jump(11*time.Second, 0, 0) },
	}
	for name, pause := range pauses {
		for _, place := range []string{"chunk", "audit", "sink"} {
			t.Run(name+" at "+place, func(t *testing.T) {
				w := newWorld(t)
				id := w.publish(noise(3*mib, 1))
				var at int64 = -1
				stop := func() {
					if at < 0 {
						at = w.left.Load()
						pause(w.clock)
					}
				}
				switch place {
				case "chunk":
					w.store.onChunk = func(n int) error {
						if n == 4 {
							stop()
						}
						return nil
					}
				case "audit":
					w.audit.onAppend = func(Event) { stop() }
				}
				n := 0
				_, err := w.client.Fetch(context.Background(), requestFor(id), func(Segment) error {
					if n++; n == 3 && place == "sink" {
						stop()
					}
					return nil
				})
				if !errors.Is(err, ErrStalePolicy) {
					t.Fatalf("got %v", err)
				}
				w.wg.Wait()
				// One slice can be on its way through the pipe when the clock jumps, another is being read ahead of it.
				if more := w.left.Load() - at; more > federation.ChunkSize+sliceSize+1024 || place == "audit" && more > 0 {
					t.Errorf("%d bytes left after the lease had lapsed", more)
				}
				if e := w.audit.last(); e.Kind != Interrupted || e.Outcome != policy.StalePolicy {
					t.Errorf("entry %s %s", e.Kind, e.Outcome)
				}
			})
		}
	}
}

func TestPauseWhileFactsAreReadIsStale(t *testing.T) {
	w := newWorld(t)
	id := w.publish([]byte("x"))
	w.custodian.cfg.Ledger = slowLedger{w.ledger, w.clock}
	if _, err := w.client.Fetch(context.Background(), requestFor(id), noSink(t)); !errors.Is(err, ErrStalePolicy) {
		t.Errorf("got %v", err)
	}
}

type slowLedger struct {
	*ledger
	clock *testClock
}

func (l slowLedger) Facts(ctx context.Context, r policy.Request) (policy.Facts, error) {
	l.clock.pass(time.Minute)
	return l.ledger.Facts(ctx, r)
}

func TestStreamOutlivesALeaseThatIsRenewed(t *testing.T) {
	w := newWorld(t)
	id := w.publish(noise(5*mib, 1))
	_, err := w.client.Fetch(context.Background(), requestFor(id), func(Segment) error {
		w.clock.pass(3 * time.Second)
		_, err := w.lease.Renew(context.Background())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if w.ledger.reads < 5 {
		t.Errorf("facts were read %d times in a minute: a renewed lease needs facts that were read after it", w.ledger.reads)
	}
}

func TestRenewedLeaseDoesNotHideARevocationWhoseSignalWasLost(t *testing.T) {
	w := newWorld(t)
	id := w.publish(noise(8*mib, 1))
	n := 0
	var revoked time.Duration
	_, err := w.client.Fetch(context.Background(), requestFor(id), func(Segment) error {
		if n++; n == 2 {
			w.ledger.change(func(l *ledger) { l.facts.Directives = []policy.Directive{{Effect: federation.Object, Version: 9}} })
			revoked = w.clock.Now().Monotonic
		}
		w.clock.pass(time.Second)
		_, err := w.lease.Renew(context.Background())
		return err
	})
	if !errors.Is(err, ErrDenied) {
		t.Fatalf("got %v", err)
	}
	if took := w.clock.Now().Monotonic - revoked; took > DefaultLease {
		t.Errorf("it took %s", took)
	}
}

func TestRevocationCutsTheStreamAtOnce(t *testing.T) {
	for _, tt := range []struct {
		name   string
		revoke func(*world, federation.DocumentID)
		want   error
	}{
		{"objection", func(w *world, _ federation.DocumentID) {
			w.ledger.change(func(l *ledger) { l.facts.LocalRefusals = []policy.Directive{{Effect: federation.Object}} })
			w.custodian.SubjectChanged(patient)
		}, ErrDenied},
		{"withdrawal", func(w *world, id federation.DocumentID) {
			w.ledger.change(func(l *ledger) { delete(l.pointers, id) })
			w.custodian.DocumentChanged(id)
		}, ErrNotFound},
		{"agreement", func(w *world, _ federation.DocumentID) {
			w.ledger.change(func(l *ledger) { l.facts.Agreement = nil })
			w.custodian.RulesChanged()
		}, ErrNotFound},
		{"facts out of reach", func(w *world, _ federation.DocumentID) {
			w.ledger.change(func(l *ledger) { l.err = ErrUnavailable })
			w.custodian.RulesChanged()
		}, ErrUnavailable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, func(_ *world, _ *CustodianConfig, c *ClientConfig) { c.Limits.Attempts = 1 })
			id := w.publish(noise(3*mib, 1))
			var at int64
			n := 0
			_, err := w.client.Fetch(context.Background(), requestFor(id), func(Segment) error {
				if n++; n == 3 { // the custodian's write of the next slice is blocked by us
					tt.revoke(w, id)
					w.wg.Wait() // it ends without another byte being read
					at = w.left.Load()
				}
				return nil
			})
			if !errors.Is(err, tt.want) {
				t.Fatalf("got %v, want %v", err, tt.want)
			}
			if n != 3 || w.left.Load() != at {
				t.Errorf("%d segments, %d bytes after the revocation", n, w.left.Load()-at)
			}
			if e := w.audit.last(); e.Kind != Interrupted {
				t.Errorf("entry %s", e.Kind)
			}
		})
	}
}

func TestChangeThatDoesNotRefuseLeavesTheStreamAlone(t *testing.T) {
	w := newWorld(t)
	id := w.publish(noise(2*mib, 1))
	if _, err := w.client.Fetch(context.Background(), requestFor(id), func(Segment) error {
		w.custodian.SubjectChanged(patient)
		w.custodian.RulesChanged()
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	w.wg.Wait()
	if w.audit.kinds() != "intent released" {
		t.Errorf("audit %q", w.audit.kinds())
	}
}

func TestOversizeAndForeignRequestsAreRefused(t *testing.T) {
	for _, tt := range []struct {
		name  string
		bytes []byte
	}{
		{"oversize", appendFrame(nil, frameRequest, MaxRequest+1)},
		{"another frame", appendWant(nil, 0, 1)},
		{"unknown frame", appendFrame(nil, 99, 0)},
		{"too short", append(appendFrame(nil, frameRequest, 3), 1, 2, 3)},
		{"garbage", []byte("GET / HTTP/1.1\r\n\r\n")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			conn, err := w.connect(context.Background(), nodeOf(holder), 0)
			if err != nil {
				t.Fatal(err)
			}
			go func() { _, _ = conn.Write(tt.bytes) }()
			answer, err := io.ReadAll(conn)
			if err != nil || len(answer) < frameHeader+1 || frameType(answer[0]) != frameRefusal {
				t.Fatalf("got %x, %v", answer, err)
			}
			conn.Close()
			if e := w.audit.last(); e.Kind != Refused || e.Peer != nodeOf(asker) || e.PeerTrust != asker {
				t.Errorf("entry %+v", e)
			}
		})
	}
}

func TestStreamThatEndsBeforeAWordIsNotAudited(t *testing.T) {
	w := newWorld(t)
	conn, err := w.connect(context.Background(), nodeOf(holder), 0)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	w.wg.Wait()
	if w.audit.kinds() != "" {
		t.Errorf("audit %q", w.audit.kinds())
	}
}

func TestRequestThatTakesTooLongIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		conn, err := w.connect(context.Background(), nodeOf(holder), 0)
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		go func() { _, _ = conn.Write(appendFrame(nil, frameRequest, 100)) }()
		if _, err := io.ReadAll(conn); err != nil {
			t.Fatal(err)
		}
		conn.Close()
		if took := time.Since(start); took != 5*time.Second {
			t.Errorf("turned down after %s", took)
		}
		w.close()
	})
}

func TestSlowReaderIsCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		id := w.publish(noise(3*mib, 1))
		start := time.Now()
		_, err := w.client.Fetch(context.Background(), requestFor(id), func(Segment) error {
			w.wg.Wait()
			return errBroken
		})
		if !errors.Is(err, errBroken) || time.Since(start) != 10*time.Second {
			t.Errorf("got %v after %s", err, time.Since(start))
		}
		if e := w.audit.last(); e.Kind != Interrupted || e.Outcome != policy.Unavailable {
			t.Errorf("entry %s %s", e.Kind, e.Outcome)
		}
		w.close()
	})
}

func TestBlockedWriteEndsWithTheLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(_ *world, c *CustodianConfig, _ *ClientConfig) { c.Limits.SliceTimeout = time.Hour })
		w.clock.ticking = true
		id := w.publish(noise(3*mib, 1))
		start := time.Now()
		_, err := w.client.Fetch(context.Background(), requestFor(id), func(Segment) error {
			w.wg.Wait()
			return nil
		})
		if !errors.Is(err, ErrStalePolicy) || time.Since(start) > DefaultLease+time.Second {
			t.Errorf("got %v after %s", err, time.Since(start))
		}
		w.close()
	})
}

func TestRequesterThatSendsNoReceiptIsNotedAndLetGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		q := requestFor(w.publish([]byte("x")))
		f, err := w.client.begin(t.Context(), q, nil)
		if err != nil {
			t.Fatal(err)
		}
		f.asked = make(chan struct{})
		s, err := f.dial(t.Context(), f.nodes[0], 0, 0, 1)
		if err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 1)
		if err := s.next(f.plan.at(0), buf); err != nil {
			t.Fatal(err)
		}
		w.wg.Wait() // the custodian gives up after its idle timeout
		s.abort()
		<-f.asked
		if e := w.audit.last(); e.Kind != Interrupted || e.Bytes != 1 || e.Receipt != nil {
			t.Errorf("entry %+v", e)
		}
		w.close()
	})
}

func TestForgedReceiptIsNotKept(t *testing.T) {
	w := newWorld(t)
	q := requestFor(w.publish([]byte("x")))
	f, err := w.client.begin(t.Context(), q, nil)
	if err != nil {
		t.Fatal(err)
	}
	f.asked = make(chan struct{})
	for name, change := range map[string]func(*session){
		"another key":     func(*session) { w.client.cfg.Key = keyOf(other, "statement") },
		"another request": func(s *session) { s.signed = []byte("other") },
		"another intent":  func(s *session) { s.intent++ },
	} {
		w.client.cfg.Key = w.key
		s, err := f.dial(t.Context(), f.nodes[0], 0, 0, 0)
		if err != nil {
			t.Fatal(err)
		}
		change(s)
		s.finish()
		w.wg.Wait()
		if e := w.audit.last(); e.Kind != Interrupted || e.Receipt != nil {
			t.Errorf("%s: entry %s with receipt %x", name, e.Kind, e.Receipt)
		}
	}
	<-f.asked
}

func TestWantsOutsideOfTheSelectionEndTheStream(t *testing.T) {
	for name, frames := range map[string][]byte{
		"outside":      appendWant(nil, 2, 2),
		"none":         appendWant(nil, 0, 0),
		"overflow":     appendWant(nil, -1, -1),
		"too often":    repeat(appendWant(nil, 0, 3), 60),
		"not a want":   appendFrame(nil, frameGrant, 0),
		"long receipt": appendFrame(nil, frameReceipt, 2000),
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			q := requestFor(w.publish([]byte("a"), []byte("b"), []byte("c")))
			f, err := w.client.begin(t.Context(), q, nil)
			if err != nil {
				t.Fatal(err)
			}
			f.asked = make(chan struct{})
			s, err := f.dial(t.Context(), f.nodes[0], 0, 0, 0)
			if err != nil {
				t.Fatal(err)
			}
			drained := make(chan struct{})
			go func() {
				defer close(drained)
				_, _ = io.Copy(io.Discard, s.conn)
			}()
			_, _ = s.conn.Write(frames)
			w.wg.Wait()
			<-drained
			s.abort()
			<-f.asked
			if e := w.audit.last(); e.Kind != Interrupted || !strings.Contains(e.Detail, ErrProtocol.Error()) {
				t.Errorf("entry %s %q", e.Kind, e.Detail)
			}
		})
	}
}

func repeat(b []byte, n int) []byte {
	var out []byte
	for range n {
		out = append(out, b...)
	}
	return out
}

func TestQuotas(t *testing.T) {
	// A pipe has no buffer: whoever is turned away unheard sits out a timeout, which virtual time makes short.
	synctest.Test(t, testQuotas)
}

func testQuotas(t *testing.T) {
	w := newWorld(t, func(_ *world, c *CustodianConfig, r *ClientConfig) {
		c.Limits.PeerStreams, c.Limits.RefusalBurst, r.Limits.Attempts = 1, 3, 1
	})
	id := w.publish(noise(mib, 1))
	ctx := context.Background()
	if _, err := w.client.Fetch(ctx, requestFor(id), func(Segment) error {
		if _, err := w.client.Fetch(ctx, requestFor(id), noSink(t)); !errors.Is(err, ErrUnavailable) {
			t.Errorf("second stream: got %v", err)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	w.wg.Wait()
	q := requestFor(id)
	q.Role = "admin"
	for range 3 {
		if _, err := w.client.Fetch(ctx, q, noSink(t)); !errors.Is(err, ErrNotFound) {
			t.Errorf("got %v", err)
		}
	}
	entries := len(w.audit.events)
	if _, err := w.client.Fetch(ctx, q, noSink(t)); !errors.Is(err, ErrUnavailable) {
		t.Errorf("over the limit: got %v", err)
	}
	if len(w.audit.events) != entries {
		t.Error("a request over the limit has cost an audit entry")
	}
	w.clock.pass(time.Second)
	w.lease.Renew(ctx)
	if _, err := w.client.Fetch(ctx, requestFor(id), func(Segment) error { return nil }); err != nil {
		t.Errorf("a second later: got %v", err)
	}
}

func TestBreakingTheGlass(t *testing.T) {
	objection := []policy.Directive{{ID: federation.DirectiveID{1}, Effect: federation.Object, Version: 4}}
	for _, tt := range []struct {
		name string
		hook func(context.Context, Assertion) error
		want error
	}{
		{"allowed", func(context.Context, Assertion) error { return nil }, nil},
		{"refused by the custodian's gate", func(context.Context, Assertion) error { return errBroken }, ErrNotFound},
		{"no gate", nil, ErrNotFound},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, func(_ *world, c *CustodianConfig, _ *ClientConfig) { c.Emergency = tt.hook })
			q := requestFor(w.publish([]byte("x")))
			w.ledger.facts.Directives, w.fresh.err = objection, errBroken
			q.Emergency, q.Purpose = "unconscious in A&E", "BTG"
			asked := ""
			w.audit.onAppend = func(Event) { asked = w.asked.kinds() }
			_, err := w.client.Fetch(context.Background(), q, func(Segment) error { return nil })
			if !errors.Is(err, tt.want) {
				t.Fatalf("got %v, want %v", err, tt.want)
			}
			w.wg.Wait()
			e := w.audit.events[0]
			if asked != "asked" && asked != "asked received" {
				t.Errorf("the custodian was asked before the requester had it in writing: %q", asked)
			}
			if e.Glass != (tt.want == nil) || e.Emergency != q.Emergency {
				t.Errorf("entry %+v", e)
			}
		})
	}
	t.Run("legally restricted", func(t *testing.T) {
		w := newWorld(t, func(_ *world, c *CustodianConfig, _ *ClientConfig) {
			c.Emergency = func(context.Context, Assertion) error { return nil }
		})
		q := requestFor(w.publish([]byte("x")))
		d := w.store.documents[q.Document]
		d.LegallyRestricted = true
		w.store.documents[q.Document] = d
		q.Emergency, q.Purpose = "unconscious in A&E", "BTG"
		if _, err := w.client.Fetch(context.Background(), q, noSink(t)); !errors.Is(err, ErrNotFound) {
			t.Errorf("got %v", err)
		}
	})
}

func TestOwnStaffReadOwnRecords(t *testing.T) {
	w := newWorld(t)
	content := noise(mib, 4)
	id := w.publishAs(federation.Restricted, content)
	w.fresh.err = errBroken // the region is out of reach
	w.ledger.facts.Directives = []policy.Directive{{Effect: federation.Object, Version: 1}}
	q := requestFor(id)
	q.Role = "records-staff"
	var got fetched
	res, err := w.custodian.Open(context.Background(), q, got.sink)
	if err != nil || string(got.parts[1]) != string(content) || res.Bytes != int64(len(content)) {
		t.Fatalf("got %v, %d bytes", err, res.Bytes)
	}
	if w.audit.kinds() != "intent released" || !w.audit.last().Local {
		t.Errorf("audit %q", w.audit.kinds())
	}
	q.Role = "admin"
	if _, err := w.custodian.Open(context.Background(), q, noSink(t)); !errors.Is(err, ErrNotFound) || w.audit.last().Kind != Refused {
		t.Errorf("administrator: got %v, entry %s", err, w.audit.last().Kind)
	}
	q.Role, q.Document = "doctor", federation.NewDocumentID(holder, federation.DocumentKey{88})
	if _, err := w.custodian.Open(context.Background(), q, noSink(t)); !errors.Is(err, ErrNotFound) {
		t.Errorf("no such document: got %v", err)
	}
	w.audit.err = errBroken
	q.Document = id
	if _, err := w.custodian.Open(context.Background(), q, noSink(t)); !errors.Is(err, ErrAudit) {
		t.Errorf("without audit: got %v", err)
	}
	w.custodian.Close()
	if _, err := w.custodian.Open(context.Background(), q, noSink(t)); !errors.Is(err, ErrClosed) {
		t.Errorf("closed: got %v", err)
	}
}

// unpublished is a store with one document that the region does not know of.
type unpublished struct {
	*store
	pointer federation.Pointer
}

func (u unpublished) Unpublished(_ context.Context, id federation.DocumentID) (federation.Pointer, bool, error) {
	return u.pointer, id == u.pointer.Document, nil
}

func TestDocumentThatIsNotPublishedYetIsForOwnStaffOnly(t *testing.T) {
	w := newWorld(t)
	id := w.publish([]byte("x"))
	pointer := w.ledger.pointers[id]
	w.custodian.cfg.Records = unpublished{w.store, pointer}
	w.client.cfg.Directory = &ledger{roster: w.ledger.roster, pointers: map[federation.DocumentID]federation.Pointer{id: pointer}}
	delete(w.ledger.pointers, id)
	if _, err := w.custodian.Open(context.Background(), requestFor(id), func(Segment) error { return nil }); err != nil {
		t.Errorf("own staff: got %v", err)
	}
	if _, err := w.client.Fetch(context.Background(), requestFor(id), noSink(t)); !errors.Is(err, ErrNotFound) {
		t.Errorf("peer: got %v", err)
	}
}

func TestCloseEndsReleasesAndServe(t *testing.T) {
	w := newWorld(t)
	id := w.publish(noise(3*mib, 1))
	l := &chanListener{conns: make(chan net.Conn), done: make(chan struct{})}
	served := make(chan error, 1)
	go func() { served <- w.custodian.Serve(context.Background(), l) }()
	closed := make(chan struct{})
	_, err := w.client.Fetch(context.Background(), requestFor(id), func(s Segment) error {
		if s.Offset == 0 {
			go func() {
				defer close(closed)
				w.custodian.Close()
				l.Close()
			}()
		}
		if s.Offset > mib {
			<-closed
		}
		return nil
	})
	if !errors.Is(err, ErrUnavailable) {
		t.Errorf("got %v", err)
	}
	<-closed
	if err := <-served; err != nil {
		t.Errorf("serve: %v", err)
	}
	if e := w.audit.last(); e.Kind != Interrupted && e.Kind != Refused {
		t.Errorf("entry %s", e.Kind)
	}
}

type chanListener struct {
	conns chan net.Conn
	done  chan struct{}
}

func (l *chanListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}
func (l *chanListener) Close() error   { close(l.done); return nil }
func (l *chanListener) Addr() net.Addr { return &net.UDPAddr{} }
