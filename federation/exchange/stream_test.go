package exchange

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ridgeway-exchange/ridgeway/policy"
)

func TestOversizeAndForeignRequestsAreRefused(t *testing.T) {
	for _, tt := range []struct {
		name  string
		bytes []byte
	}{
		{"oversize", appendFrame(nil, frameRequest, MaxRequest+1)},
		{"another frame", wantFrame(0, 1)},
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

// TestBlockedWriteGoesOnWithARenewedLease has the requester take nothing until the lease is over under which the write began.
func TestBlockedWriteGoesOnWithARenewedLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(_ *world, c *CustodianConfig, _ *ClientConfig) { c.Limits.SliceTimeout = time.Hour })
		w.clock.ticking = true
		content := noise(3*mib, 1)
		var got bytes.Buffer
		_, err := w.client.Fetch(t.Context(), requestFor(w.publish(content)), func(s Segment) error {
			if got.Len() == 0 {
				time.Sleep(DefaultLease * 3 / 4) // virtual
				if _, err := w.lease.Renew(t.Context()); err != nil {
					return err
				}
				time.Sleep(DefaultLease / 2)
			}
			_, err := got.Write(s.Data)
			return err
		})
		if err != nil || !bytes.Equal(got.Bytes(), content) {
			t.Errorf("got %d bytes and %v", got.Len(), err)
		}
		w.close()
	})
}

// begun is a fetch that is about to dial.
func begun(t *testing.T, w *world, q Request) *fetch {
	t.Helper()
	f, err := w.client.begin(t.Context(), q, nil)
	if err != nil {
		t.Fatal(err)
	}
	f.asked = make(chan struct{})
	return f
}

func TestRequesterThatSendsNoReceiptIsNotedAndLetGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		q := requestFor(w.publish([]byte("x")))
		f := begun(t, w, q)
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
	f := begun(t, w, q)
	for name, change := range map[string]func(*source){
		"another key":     func(*source) { w.client.cfg.Key = keyOf(other, "statement") },
		"another request": func(s *source) { s.signed = []byte("other") },
		"another intent":  func(s *source) { s.intent++ },
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

func TestAReceiptForOtherBytesIsKeptAndSaysSo(t *testing.T) {
	w := newWorld(t)
	q := requestFor(w.publish([]byte("x")))
	f := begun(t, w, q)
	s, err := f.dial(t.Context(), f.nodes[0], 0, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	s.bytes = 7
	s.finish()
	w.wg.Wait()
	if e := w.audit.last(); e.Receipt == nil || !strings.Contains(e.Detail, "the receipt is for 7") {
		t.Errorf("entry %s, %q, receipt %x", e.Kind, e.Detail, e.Receipt)
	}
	<-f.asked
}

func TestWantsOutsideOfTheSelectionEndTheStream(t *testing.T) {
	for name, frames := range map[string][]byte{
		"outside":      wantFrame(2, 2),
		"none":         wantFrame(0, 0),
		"overflow":     wantFrame(-1, -1),
		"too often":    repeat(wantFrame(0, 3), 60),
		"not a want":   appendFrame(nil, frameGrant, 0),
		"long receipt": appendFrame(nil, frameReceipt, 2000),
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			q := requestFor(w.publish([]byte("a"), []byte("b"), []byte("c")))
			f := begun(t, w, q)
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
		w.wg.Wait() // until its place is free again
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
