package endpoint

import (
	"context"
	"crypto/tls"
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
	outgoing bool
	since    time.Time
	grown    *grant
	open     atomic.Int32 // incoming streams that are not closed yet
}

// alive reports whether the connection was not closed yet, as far as this end knows.
func (s *session) alive() bool { return s.conn.Context().Err() == nil }

// close closes the connection and waits until it is.
func (s *session) close(code closeCode, text string) {
	// CloseWithError always returns nil.
	_ = s.conn.CloseWithError(quic.ApplicationErrorCode(code), text)
}

func (s *session) state() tls.ConnectionState { return s.conn.ConnectionState().TLS }

// start opens a stream and writes its header.
func (s *session) start(ctx context.Context, service Service) (*Stream, error) {
	str, err := s.conn.OpenStreamSync(ctx)
	if err != nil {
		return nil, translate(err)
	}
	header := encodeHeader(service)
	if _, err := str.Write(header[:]); err != nil {
		str.CancelRead(quic.StreamErrorCode(ResetClosed))
		str.CancelWrite(quic.StreamErrorCode(ResetClosed))
		return nil, translate(err)
	}
	return &Stream{str: str, sess: s, service: service}, nil
}

// abort resets a raw stream that did not become a Stream.
func abort(str *quic.Stream, code ResetCode) {
	str.CancelRead(quic.StreamErrorCode(code))
	str.CancelWrite(quic.StreamErrorCode(code))
}
