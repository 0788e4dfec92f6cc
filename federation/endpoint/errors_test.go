package endpoint

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"

	"github.com/quic-go/quic-go"
)

func TestErrorsOfQUICAreTranslated(t *testing.T) {
	app := func(code closeCode, remote bool, text string) error {
		return &quic.ApplicationError{ErrorCode: quic.ApplicationErrorCode(code), Remote: remote, ErrorMessage: text}
	}
	for _, tc := range []struct {
		name     string
		err      error
		want     error
		isClosed bool // net.ErrClosed, which says that this end closed it
	}{
		{"end", io.EOF, io.EOF, false},
		{"deadline", os.ErrDeadlineExceeded, os.ErrDeadlineExceeded, false},
		{"cancelled", context.Canceled, context.Canceled, false},
		{"half closed", quic.ErrStreamClosed, net.ErrClosed, true},
		{"reset as unknown", &quic.StreamError{ErrorCode: 1}, ErrUnknownService, false},
		{"reset as late", &quic.StreamError{ErrorCode: 2}, ErrLateHeader, false},
		{"reset as busy", &quic.StreamError{ErrorCode: 3}, ErrBusy, false},
		{"evicted there", app(closeEvicted, true, "x"), ErrEvicted, false},
		{"evicted here", app(closeEvicted, false, ""), ErrEvicted, false},
		{"stopped there", app(closeShutdown, true, ""), ErrPeerStopped, false},
		{"stopped here", app(closeShutdown, false, ""), ErrClosed, true},
		{"not admitted", app(closeNotAdmitted, true, ""), ErrNotAdmitted, false},
		{"version", app(closeVersion, true, ""), ErrVersion, false},
		{"replaced", app(closeReplaced, true, ""), ErrReplaced, false},
		{"busy", app(closeBusy, true, ""), ErrBusy, false},
		{"protocol", app(closeProtocol, true, ""), ErrProtocol, false},
		{"code of the future", app(999, true, ""), ErrConnection, false},
		{"restarted", &quic.StatelessResetError{}, ErrPeerRestarted, false},
		{"silent", &quic.IdleTimeoutError{}, ErrUnreachable, false},
		{"handshake", &quic.HandshakeTimeoutError{}, ErrUnreachable, false},
		{"bad certificate", &quic.TransportError{Remote: true, ErrorCode: 0x12a}, ErrNotAdmitted, false},
		{"no certificate", &quic.TransportError{Remote: true, ErrorCode: 0x174}, ErrNotAdmitted, false},
		{"no such lane", &quic.TransportError{Remote: true, ErrorCode: 0x178}, ErrLane, false},
		{"refused", &quic.TransportError{Remote: true, ErrorCode: quic.ConnectionRefused}, ErrBusy, false},
		{"internal error", &quic.TransportError{Remote: true, ErrorCode: quic.InternalError}, ErrConnection, false},
		{"own error", &quic.TransportError{ErrorCode: quic.FlowControlError}, ErrConnection, false},
		{"no socket", fmt.Errorf("write: %w", net.ErrClosed), ErrConnection, false},
		{"transport", quic.ErrTransportClosed, ErrClosed, true},
	} {
		got := translate(tc.err)
		if !errors.Is(got, tc.want) {
			t.Errorf("%s: %v, want %v", tc.name, got, tc.want)
		}
		if errors.Is(got, net.ErrClosed) != tc.isClosed {
			t.Errorf("%s: %v is net.ErrClosed: %t, want %t", tc.name, got, !tc.isClosed, tc.isClosed)
		}
	}
	if translate(nil) != nil {
		t.Error("nil became an error")
	}
}

func TestTextOfAPeerIsCleanedBeforeItIsShown(t *testing.T) {
	err := translate(&quic.ApplicationError{
		ErrorCode: quic.ApplicationErrorCode(closeVersion), Remote: true,
		ErrorMessage: "line\nforged=1\x1b[2J\xff" + strings.Repeat("x", 1000),
	})
	if text := err.Error(); strings.ContainsAny(text, "\n\x1b") || strings.Contains(text, "\xff") || len(text) > 300 {
		t.Errorf("%q", text)
	}
}

func TestCloseCodesNameTheirReasonsBothWays(t *testing.T) {
	for c := closeNotAdmitted; c <= closeProtocol; c++ {
		if got := codeFor(fmt.Errorf("because: %w", c.reason())); got != c {
			t.Errorf("code %d comes back as %d", c, got)
		}
	}
	if got := codeFor(ErrClosed); got != closeShutdown {
		t.Errorf("closed has code %d", got)
	}
	if got := codeFor(errors.New("anything")); got != closeDone {
		t.Errorf("an unknown error has code %d", got)
	}
}

func TestResetErrorsReadWell(t *testing.T) {
	for _, tc := range []struct {
		err  *ResetError
		want string
	}{
		{&ResetError{Code: ResetClosed, Remote: true}, "stream closed by the peer"},
		{&ResetError{Code: ResetBusy, Remote: true}, "stream reset by the peer: too many connections or streams"},
		{&ResetError{Code: 20}, "stream reset here with code 20"},
	} {
		if got := tc.err.Error(); got != tc.want {
			t.Errorf("%q, want %q", got, tc.want)
		}
	}
}

func TestLanesHaveNamesAndProtocols(t *testing.T) {
	for _, l := range lanes() {
		if got, ok := laneOf(l.alpn()); !ok || got != l {
			t.Errorf("%s comes back as %s", l, got)
		}
	}
	if _, ok := laneOf("h3"); ok {
		t.Error("another protocol is a lane")
	}
	if got := Lane(0).String(); got != "lane(0)" {
		t.Errorf("zero lane is %q", got)
	}
}
