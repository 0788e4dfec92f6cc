package endpoint

import (
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quic-go/quic-go"
)

// Stream is one stream of a connection with a peer. It is a net.Conn; all methods are safe for
// concurrent use. A Stream holds one of the peer's stream places until Close or Reset is called,
// also when its connection has failed.
type Stream struct {
	str     *quic.Stream
	sess    *session
	service Service
	// alone says that the connection was made for this stream and goes with it.
	alone bool

	wmu    sync.Mutex  // held during a write; Close must not end the stream in the middle of one
	silent atomic.Bool // the header is still to be written, before anything else
	closed atomic.Bool
	ended  sync.Once
}

var _ net.Conn = (*Stream)(nil)

// Read reads what the peer wrote. It returns io.EOF when the peer has closed its side, an error
// that is os.ErrDeadlineExceeded when the deadline passed, a *ResetError when either end reset the
// stream, and else one of this package's errors that says what became of the connection.
func (s *Stream) Read(p []byte) (int, error) {
	if s.silent.Load() {
		s.wmu.Lock()
		err := s.speak()
		s.wmu.Unlock()
		if err != nil {
			return 0, err
		}
	}
	n, err := s.str.Read(p)
	if err != nil {
		return n, s.failed(err)
	}
	return n, nil
}

// Write writes p. It blocks while the peer does not read, up to the write deadline. That it
// returned says nothing about what the peer has received.
func (s *Stream) Write(p []byte) (int, error) {
	s.wmu.Lock()
	defer s.wmu.Unlock()
	if s.silent.Load() {
		return s.begin(p)
	}
	n, err := s.str.Write(p)
	if err != nil {
		return n, s.failed(err)
	}
	return n, nil
}

// mostTogether is the most bytes that are copied to send them along with the header.
const mostTogether = 16 << 10

// begin writes the header, and p behind it. The caller holds s.wmu.
func (s *Stream) begin(p []byte) (int, error) {
	header := encodeHeader(s.service)
	first := min(len(p), mostTogether)
	s.silent.Store(false)
	n, err := s.str.Write(append(header[:], p[:first]...))
	if n = max(n-headerSize, 0); err == nil && first < len(p) {
		var more int
		more, err = s.str.Write(p[first:])
		n += more
	}
	if err != nil {
		return n, s.failed(err)
	}
	return n, nil
}

// speak writes the header by itself, if it was not written. The caller holds s.wmu, or is the only one to know the stream.
func (s *Stream) speak() error {
	if !s.silent.Load() {
		return nil
	}
	_, err := s.begin(nil)
	return err
}

func (s *Stream) failed(err error) error {
	if s.closed.Load() {
		return net.ErrClosed
	}
	return s.sess.explain(err)
}

// CloseWrite ends the stream towards the peer, which reads io.EOF after everything that was
// written. Reading goes on. It waits for a Write in progress.
func (s *Stream) CloseWrite() error {
	s.wmu.Lock()
	defer s.wmu.Unlock()
	if s.closed.Load() {
		return net.ErrClosed
	}
	if err := s.speak(); err != nil {
		return err
	}
	if err := s.str.Close(); err != nil {
		// quic-go says only that the stream was cancelled; a write says by whom and why.
		if _, cause := s.str.Write(nil); cause != nil {
			err = cause
		}
		return s.failed(err)
	}
	return nil
}

// Close ends the stream in both directions: what was written still arrives, what the peer still
// writes does not. A Write in progress is cut off, and the peer then sees a reset. It is idempotent
// and always returns nil.
func (s *Stream) Close() error {
	s.end(func() {
		s.str.CancelRead(quic.StreamErrorCode(ResetClosed))
		if !s.wmu.TryLock() {
			s.str.CancelWrite(quic.StreamErrorCode(ResetClosed))
			return
		}
		defer s.wmu.Unlock()
		// It fails only on a stream that was reset already: there is nothing left to close.
		_ = s.str.Close()
	})
	return nil
}

// Reset aborts the stream in both directions with a code that the peer's reads and writes return
// as a *ResetError. What was written may not arrive.
func (s *Stream) Reset(code ResetCode) {
	s.end(func() { abort(s.str, code) })
}

func (s *Stream) end(how func()) {
	s.ended.Do(func() {
		s.closed.Store(true)
		how()
		if !s.sess.outgoing {
			s.sess.open.Add(-1)
		}
		s.sess.ep.warmUp(s.sess)
		if s.alone {
			// The last bytes are still on their way; a connection closed at once would lose them.
			time.AfterFunc(joinLinger, func() { s.sess.close(closeDone, "") })
		}
	})
}

// joinLinger is how long a joining connection outlives its stream.
const joinLinger = time.Second

// Done is closed when writing is over: this end has called CloseWrite, Close or Reset, the peer does
// not read any more, or the connection is gone.
func (s *Stream) Done() <-chan struct{} { return s.str.Context().Done() }

// Peer returns the proven identity of the other end, and false for a node that joins without
// showing a key.
func (s *Stream) Peer() (PeerID, bool) { return s.sess.peer, s.sess.proven }

// Lane returns the lane of the stream.
func (s *Stream) Lane() Lane { return s.sess.at.lane }

// Service returns the service that the stream was opened for.
func (s *Stream) Service() Service { return s.service }

// Binding returns 32 bytes that are the same at both ends of a connection, and on no other
// connection (RFC 9266 calls such a value a channel binding). All streams of one connection share
// it: what is bound to it needs a nonce of its own.
func (s *Stream) Binding() ([]byte, error) {
	b, err := s.sess.channel()
	return slices.Clone(b), err
}

const (
	bindingLabel = "EXPORTER-ridgeway-binding"
	bindingSize  = 32
)

// SetPriority orders the streams of one connection by what this end sends on them (RFC 9218):
// urgency 0 goes first, 7 last, 3 is where every stream starts. Equals share.
func (s *Stream) SetPriority(urgency int) {
	s.str.SetPriority(int8(max(0, min(urgency, 7))), true)
}

// Stats returns what is known about the path of the stream's connection.
func (s *Stream) Stats() Stats { return s.sess.stats() }

// LocalAddr returns the address of the node's socket.
func (s *Stream) LocalAddr() net.Addr { return s.sess.conn.LocalAddr() }

// RemoteAddr returns the address that the peer's packets come from. It may change, and it
// identifies nobody: see Peer.
func (s *Stream) RemoteAddr() net.Addr { return s.sess.conn.RemoteAddr() }

// SetDeadline sets both deadlines; the zero time means none.
func (s *Stream) SetDeadline(t time.Time) error { return s.str.SetDeadline(t) }

// SetReadDeadline sets the time after which Read fails; the zero time means never.
func (s *Stream) SetReadDeadline(t time.Time) error { return s.str.SetReadDeadline(t) }

// SetWriteDeadline sets the time after which Write fails; the zero time means never.
func (s *Stream) SetWriteDeadline(t time.Time) error { return s.str.SetWriteDeadline(t) }

// streamOf finds the Stream in conn, which may be wrapped in types with a NetConn method, as
// tls.Conn is.
func streamOf(conn net.Conn) (*Stream, bool) {
	for range 8 {
		if s, ok := conn.(*Stream); ok {
			return s, true
		}
		w, ok := conn.(interface{ NetConn() net.Conn })
		if !ok {
			return nil, false
		}
		conn = w.NetConn()
	}
	return nil, false
}

// Peer returns the proven identity of the other end of a stream, and false if conn is not a Stream
// or the peer showed no key.
func Peer(conn net.Conn) (PeerID, bool) {
	s, ok := streamOf(conn)
	if !ok {
		return PeerID{}, false
	}
	return s.Peer()
}

// Binding returns Stream.Binding of conn, or ErrNotStream.
func Binding(conn net.Conn) ([]byte, error) {
	s, ok := streamOf(conn)
	if !ok {
		return nil, ErrNotStream
	}
	return s.Binding()
}

// StatsOf returns Stream.Stats of conn, and false if conn is not a Stream.
func StatsOf(conn net.Conn) (Stats, bool) {
	s, ok := streamOf(conn)
	if !ok {
		return Stats{}, false
	}
	return s.Stats(), true
}
