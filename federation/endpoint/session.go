package endpoint

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quic-go/quic-go"
)

// slot is the place of a connection with one peer: at most one connection is in it in each
// direction.
type slot struct {
	lane   Lane
	stripe uint8
}

// session is a connection whose hello is done.
type session struct {
	ep       *Endpoint
	conn     *quic.Conn
	peer     PeerID
	proven   bool // peer is known; false on a joining connection without a certificate
	at       slot
	life     life // of the peer, as it said in the hello or its acknowledgement
	outgoing bool
	since    time.Time
	grown    *grant
	open     atomic.Int32 // incoming streams that are not closed yet
	failed   atomic.Bool  // a stream has seen the connection fail
	warmed   atomic.Bool  // it was asked to widen its congestion window

	bound      sync.Once // guards what follows
	binding    []byte
	bindingErr error
}

// alive reports whether the connection is fit for new streams, as far as this end knows. quic-go
// fails the streams of a connection some time before it cancels the connection's context; without
// the flag, whoever dials again because a stream failed would be given the same connection.
func (s *session) alive() bool { return !s.failed.Load() && s.conn.Context().Err() == nil }

// explain translates an error of one of the session's streams, and notes when it says that the
// connection is gone.
func (s *session) explain(err error) error {
	err = translate(err)
	_, reset := errors.AsType[*ResetError](err)
	if !reset && !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) && !errors.Is(err, os.ErrDeadlineExceeded) &&
		!errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		s.failed.Store(true)
	}
	return err
}

// close closes the connection and waits until it is.
func (s *session) close(code closeCode, text string) {
	// CloseWithError always returns nil.
	_ = s.conn.CloseWithError(quic.ApplicationErrorCode(code), text)
}

func (s *session) state() tls.ConnectionState { return s.conn.ConnectionState().TLS }

// channel returns the binding of the session's connection. It does not change, and deriving it costs more than signing what
// is bound to it.
func (s *session) channel() ([]byte, error) {
	s.bound.Do(func() {
		state := s.state()
		s.binding, s.bindingErr = state.ExportKeyingMaterial(bindingLabel, nil, bindingSize)
	})
	return s.binding, s.bindingErr
}

// start opens a stream. Its header is written, or goes out with the caller's first words if those follow at once.
func (s *session) start(ctx context.Context, service Service, together bool) (*Stream, error) {
	str, err := s.conn.OpenStreamSync(ctx)
	if err != nil {
		return nil, s.explain(err)
	}
	stream := &Stream{str: str, sess: s, service: service}
	stream.silent.Store(true)
	if together {
		return stream, nil
	}
	if err := stream.speak(); err != nil {
		abort(str, ResetClosed)
		return nil, err
	}
	return stream, nil
}

// abort resets a raw stream that did not become a Stream.
func abort(str *quic.Stream, code ResetCode) {
	str.CancelRead(quic.StreamErrorCode(code))
	str.CancelWrite(quic.StreamErrorCode(code))
}
