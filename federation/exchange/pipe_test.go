package exchange

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/federation/endpoint"
)

// end is one end of a pipe that behaves as a stream of package endpoint does.
type end struct {
	net.Conn
	world   *world // at the custodian's end
	other   *end
	peer    federation.NodeID
	binding [BindingSize]byte
	tamper  func(int64, []byte)
	cut     int64
	read    int64

	mu    *sync.Mutex
	reset *endpoint.ResetError
}

func newPipe() (*end, *end) {
	a, b := net.Pipe()
	mu := &sync.Mutex{}
	x, y := &end{Conn: a, mu: mu}, &end{Conn: b, mu: mu}
	x.other, y.other = y, x
	return x, y
}

func (e *end) Read(p []byte) (int, error) {
	if e.cut > 0 {
		if e.read >= e.cut {
			e.Conn.Close()
			return 0, endpoint.ErrConnection
		}
		p = p[:min(int64(len(p)), e.cut-e.read)]
	}
	n, err := e.Conn.Read(p)
	if e.tamper != nil && n > 0 {
		e.tamper(e.read, p[:n])
	}
	e.read += int64(n)
	return n, e.cause(err)
}

func (e *end) Write(p []byte) (int, error) {
	if e.world != nil && e.world.onWrite != nil {
		e.world.onWrite(e, p)
	}
	n, err := e.Conn.Write(p)
	if e.world != nil {
		e.world.left.Add(int64(n))
	}
	return n, e.cause(err)
}

// The deadlines of a stream that has ended can be set; the next read or write says what became of it.

func (e *end) SetDeadline(t time.Time) error      { _ = e.Conn.SetDeadline(t); return nil }
func (e *end) SetReadDeadline(t time.Time) error  { _ = e.Conn.SetReadDeadline(t); return nil }
func (e *end) SetWriteDeadline(t time.Time) error { _ = e.Conn.SetWriteDeadline(t); return nil }

func (e *end) cause(err error) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err != nil && e.reset != nil {
		return e.reset
	}
	return err
}

// Reset aborts the pipe as endpoint.Stream.Reset does.
func (e *end) Reset(code endpoint.ResetCode) {
	e.mu.Lock()
	if e.reset == nil {
		e.reset, e.other.reset = &endpoint.ResetError{Code: code}, &endpoint.ResetError{Code: code, Remote: true}
	}
	e.mu.Unlock()
	e.Conn.Close()
	e.other.Conn.Close()
}

func identifyEnd(c net.Conn) (federation.NodeID, [BindingSize]byte, error) {
	switch e := c.(type) {
	case *end:
		return e.peer, e.binding, nil
	case *rewriting:
		return e.peer, e.binding, nil
	default:
		return federation.NodeID{}, [BindingSize]byte{}, errors.New("not a pipe")
	}
}

// rewriting changes the first frame that is read.
type rewriting struct {
	*end
	change func([]byte) []byte
	rest   []byte
	done   bool
}

func (r *rewriting) Read(p []byte) (int, error) {
	if !r.done {
		r.done = true
		t, n, err := readHeader(r.end)
		if err != nil {
			return 0, err
		}
		payload := make([]byte, n)
		if _, err := io.ReadFull(r.end, payload); err != nil {
			return 0, err
		}
		r.rest = r.change(append(appendFrame(nil, t, n), payload...))
	}
	if len(r.rest) > 0 {
		n := copy(p, r.rest)
		r.rest = r.rest[n:]
		return n, nil
	}
	return r.end.Read(p)
}
