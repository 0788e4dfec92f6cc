package endpoint

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"unicode"

	"github.com/quic-go/quic-go"
)

var (
	// ErrClosed is returned by every method after Close. It is net.ErrClosed too.
	ErrClosed = fmt.Errorf("endpoint is closed: %w", net.ErrClosed)
	// ErrNotAdmitted is returned when one end does not have the other as an active node: here, when
	// Config.Admit refuses the peer; or there, when the peer refused us.
	ErrNotAdmitted = errors.New("not admitted")
	// ErrWrongPeer is returned when the node behind an address proves a key other than the one that
	// was dialled.
	ErrWrongPeer = errors.New("another node answered")
	// ErrEvicted is returned on streams of a peer whose connections were closed by Evict, at either end.
	ErrEvicted = errors.New("connection closed: peer is no longer admitted")
	// ErrVersion is returned when the two ends share no version of the hello.
	ErrVersion = errors.New("no common protocol version")
	// ErrProtocol is returned when the other end breaks the rules of this package.
	ErrProtocol = errors.New("protocol violation")
	// ErrLane is returned when the peer does not serve the lane that was dialled.
	ErrLane = errors.New("lane is not served")
	// ErrBusy is returned when a limit on connections or streams is reached; try later.
	ErrBusy = errors.New("too many connections or streams")
	// ErrUnreachable is returned when a peer has no known address, does not answer a dial, or has
	// not answered on an open connection for the idle timeout.
	ErrUnreachable = errors.New("peer does not answer")
	// ErrPeerRestarted is returned on streams whose peer lost the connection's state; dial again.
	ErrPeerRestarted = errors.New("peer restarted")
	// ErrPeerStopped is returned on streams whose peer closed its endpoint in good order.
	ErrPeerStopped = errors.New("peer stopped")
	// ErrReplaced is returned on streams of a connection that the same peer opened anew.
	ErrReplaced = errors.New("connection replaced by a newer one of the same peer")
	// ErrConnection is returned on streams whose connection failed for a reason not listed here.
	ErrConnection = errors.New("connection failed")
	// ErrUnknownService is returned when nobody listens for a stream's service at the peer.
	ErrUnknownService = errors.New("service is not served")
	// ErrLateHeader is returned on a stream whose first bytes took too long to arrive.
	ErrLateHeader = errors.New("stream did not name its service in time")
	// ErrInUse is returned by Listen when somebody listens for the service already.
	ErrInUse = errors.New("service has a listener already")
	// ErrInvalid is returned for a lane, service, stripe or packet that can never work.
	ErrInvalid = errors.New("invalid argument")
	// ErrDropped is returned by Send when the packet was dropped rather than wait for a slow peer.
	ErrDropped = errors.New("packet dropped")
	// ErrNotStream is returned by Binding for a connection that no Endpoint made.
	ErrNotStream = errors.New("not a stream of an endpoint")
)

// ResetCode tells the other end why a stream was aborted. Codes below 16 belong to this package,
// the others to the services. Do not reorder: the numbers are sent.
type ResetCode uint32

// The codes of this package.
const (
	// ResetClosed is what a writer gets when the reader has closed the stream.
	ResetClosed ResetCode = iota
	// ResetUnknownService says that nobody listens for the stream's service.
	ResetUnknownService
	// ResetLateHeader says that the stream's header did not arrive in time.
	ResetLateHeader
	// ResetBusy says that the peer has too many streams, or the service's backlog is full.
	ResetBusy
	// ResetCaller is the first code that services may give a meaning.
	ResetCaller ResetCode = 16
)

// ResetError is the error of reading and writing on a stream that was aborted. It is also
// ErrUnknownService, ErrLateHeader or ErrBusy where its code says so.
type ResetError struct {
	Code   ResetCode
	Remote bool // the other end aborted it
}

// Error describes the code and who sent it.
func (e *ResetError) Error() string {
	who := "here"
	if e.Remote {
		who = "by the peer"
	}
	if reason := e.Unwrap(); reason != nil {
		return fmt.Sprintf("stream reset %s: %v", who, reason)
	}
	if e.Code == ResetClosed {
		return "stream closed " + who
	}
	return fmt.Sprintf("stream reset %s with code %d", who, e.Code)
}

// Unwrap returns the sentinel that the code stands for, or nil.
func (e *ResetError) Unwrap() error {
	switch e.Code {
	case ResetUnknownService:
		return ErrUnknownService
	case ResetLateHeader:
		return ErrLateHeader
	case ResetBusy:
		return ErrBusy
	case ResetClosed, ResetCaller:
		return nil
	default:
		return nil
	}
}

// closeCode is the application error code of CONNECTION_CLOSE (RFC 9000 §19.19) that says why an
// end closed a connection. Do not reorder: the numbers are sent.
type closeCode quic.ApplicationErrorCode

const (
	closeDone closeCode = iota
	closeShutdown
	closeNotAdmitted
	closeEvicted
	closeVersion
	closeReplaced
	closeBusy
	closeProtocol
	closeRestarted
)

// reason returns the sentinel of a code as the end sees it that received it.
func (c closeCode) reason() error {
	switch c {
	case closeShutdown:
		return ErrPeerStopped
	case closeNotAdmitted:
		return ErrNotAdmitted
	case closeEvicted:
		return ErrEvicted
	case closeVersion:
		return ErrVersion
	case closeReplaced:
		return ErrReplaced
	case closeBusy:
		return ErrBusy
	case closeProtocol:
		return ErrProtocol
	case closeRestarted:
		return ErrPeerRestarted
	case closeDone:
		return ErrConnection
	default:
		return ErrConnection
	}
}

// codeFor is the inverse of reason, for the errors that this end refuses a connection with.
func codeFor(err error) closeCode {
	for _, c := range []closeCode{closeNotAdmitted, closeEvicted, closeVersion, closeReplaced, closeBusy, closeProtocol} {
		if errors.Is(err, c.reason()) {
			return c
		}
	}
	if errors.Is(err, ErrClosed) {
		return closeShutdown
	}
	return closeDone
}

// TLS alerts (RFC 8446 §6.2) as QUIC carries them: 0x100 + alert (RFC 9001 §4.8).
const (
	alertBadCertificate  quic.TransportErrorCode = 0x100 + 42
	alertCertRequired    quic.TransportErrorCode = 0x100 + 116
	alertNoApplicationPr quic.TransportErrorCode = 0x100 + 120
)

// translate turns an error of quic-go into one of this package, so that callers need not know
// quic-go. End of stream and passed deadlines stay as they are.
func translate(err error) error {
	if err == nil || errors.Is(err, io.EOF) || errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	if errors.Is(err, quic.ErrStreamClosed) {
		return net.ErrClosed // written to after CloseWrite
	}
	if e, ok := errors.AsType[*quic.StreamError](err); ok {
		return &ResetError{Code: ResetCode(min(e.ErrorCode, 1<<32-1)), Remote: e.Remote}
	}
	if e, ok := errors.AsType[*quic.ApplicationError](err); ok {
		code := closeCode(e.ErrorCode)
		if code == closeShutdown && !e.Remote {
			return ErrClosed
		}
		if text := printable(e.ErrorMessage); e.Remote && text != "" {
			return fmt.Errorf("%w: peer says: %s", code.reason(), text)
		}
		return code.reason()
	}
	if e, ok := errors.AsType[*quic.TransportError](err); ok {
		return translateTransport(e)
	}
	if _, ok := errors.AsType[*quic.StatelessResetError](err); ok {
		return ErrPeerRestarted
	}
	if _, ok := errors.AsType[*quic.IdleTimeoutError](err); ok {
		return fmt.Errorf("%w: silent for the idle timeout", ErrUnreachable)
	}
	if _, ok := errors.AsType[*quic.HandshakeTimeoutError](err); ok {
		return fmt.Errorf("%w: handshake timed out", ErrUnreachable)
	}
	if errors.Is(err, quic.ErrTransportClosed) || errors.Is(err, quic.ErrServerClosed) {
		return ErrClosed
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return broken(err)
}

// broken makes an error of an unexpected one. It does not wrap it: quic-go's errors are
// net.ErrClosed, which here means that this end closed something.
func broken(err error) error { return fmt.Errorf("%w: %s", ErrConnection, err.Error()) }

func translateTransport(e *quic.TransportError) error {
	if !e.Remote {
		return broken(e)
	}
	switch e.ErrorCode {
	case alertBadCertificate:
		// The peer's VerifyConnection is the only source of this alert: quic-go sends no text with
		// a TLS alert, so the reason has to be inferred from its number.
		return fmt.Errorf("%w: the peer does not have this node as an active one", ErrNotAdmitted)
	case alertCertRequired:
		return fmt.Errorf("%w: the peer requires a certificate", ErrNotAdmitted)
	case alertNoApplicationPr:
		return ErrLane
	case quic.ConnectionRefused:
		return fmt.Errorf("%w: the peer refuses connections for the moment", ErrBusy)
	default:
		return broken(e)
	}
}

// printable returns text from a peer in a form that can be logged: one short line.
func printable(text string) string {
	const most = 200
	text = strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, text[:min(len(text), most)])
	return text
}
