package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/quic-go/quic-go"
	"golang.org/x/sys/unix"
)

// Ports where the ends of plain connections meet, in namespaces of their own.
const (
	wirePort    = "7500" // QUIC; TCP with CUBIC, what most systems have
	wirePortBBR = "7501" // TCP with BBR
)

// childWire is one end of plain connections to compare with. It knows
//
//	serve                   accept TLS over TCP and QUIC
//	tls SECONDS             receive over one TLS connection with CUBIC; answers with MB/s
//	bbr SECONDS             the same with BBR
//	quic N INFLIGHT SIZE    fetch N objects over one QUIC connection; answers with the seconds
func childWire(ctx context.Context, args []string, in io.Reader, out io.Writer) error {
	addr, bbr := net.JoinHostPort(args[0], wirePort), net.JoinHostPort(args[0], wirePortBBR)
	_, _ = fmt.Fprintln(out, "ready")
	for lines := bufio.NewScanner(in); lines.Scan(); {
		var verb string
		var a, b, c int
		_, _ = fmt.Sscan(lines.Text(), &verb, &a, &b, &c) // what is missing is zero
		var answer any = ""
		var err error
		switch verb {
		case "serve":
			err = errors.Join(wireServe(ctx, addr), wireStream(ctx, addr, "cubic"))
			if failed := wireStream(ctx, bbr, "bbr"); failed != nil { // not every kernel has it
				_, _ = fmt.Fprintln(os.Stderr, failed)
			}
		case "tls":
			answer, err = wireTLS(ctx, addr, time.Duration(a)*time.Second)
		case "bbr":
			answer, err = wireTLS(ctx, bbr, time.Duration(a)*time.Second)
		case "quic":
			answer, err = wireQUIC(ctx, addr, a, b, c)
		default:
			err = fmt.Errorf("unknown word %q", strings.TrimSpace(verb))
		}
		if err != nil {
			return err
		}
		_, _ = fmt.Fprintln(out, "done", answer)
	}
	return nil
}

func wireConfig() (*tls.Config, error) {
	certificate, err := selfIssued()
	return &tls.Config{Certificates: []tls.Certificate{certificate}, NextProtos: []string{"bench"}, MinVersion: tls.VersionTLS13}, err
}

// wireStream sends as much as it can to whoever connects, until the process ends.
func wireStream(ctx context.Context, addr, congestion string) error {
	config, err := wireConfig()
	if err != nil {
		return err
	}
	control := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		var failed error
		err := raw.Control(func(fd uintptr) {
			failed = unix.SetsockoptString(int(fd), unix.IPPROTO_TCP, unix.TCP_CONGESTION, congestion)
		})
		return errors.Join(err, failed)
	}}
	tcp, err := control.Listen(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	l := tls.NewListener(tcp, config)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				b := make([]byte, block)
				fillRandom(b, 1)
				for err := error(nil); err == nil; { // until the other end has enough
					_, err = c.Write(b)
				}
			}()
		}
	}()
	return nil
}

// wireServe answers requests over QUIC until the process ends.
func wireServe(ctx context.Context, addr string) error {
	config, err := wireConfig()
	if err != nil {
		return err
	}
	l, err := quic.ListenAddr(addr, config, &quic.Config{MaxIncomingStreams: 1000})
	if err != nil {
		return err
	}
	go func() {
		for {
			conn, err := l.Accept(ctx)
			if err != nil {
				return
			}
			go wireObjects(ctx, conn)
		}
	}()
	return nil
}

// wireObjects answers each stream, which names a size, with so many bytes.
func wireObjects(ctx context.Context, conn *quic.Conn) {
	for {
		s, err := conn.AcceptStream(ctx)
		if err != nil {
			return
		}
		go func() {
			defer s.Close()
			var size [8]byte
			if _, err := io.ReadFull(s, size[:]); err != nil {
				return
			}
			b := make([]byte, binary.BigEndian.Uint64(size[:]))
			fillRandom(b, 1)
			_, _ = s.Write(b) // the other end counts
		}()
	}
}

func wireTLS(ctx context.Context, addr string, d time.Duration) (float64, error) {
	dialer := tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"bench"}, MinVersion: tls.VersionTLS13}} // #nosec G402 -- it measures itself
	c, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	began := time.Now()
	if err := c.SetReadDeadline(began.Add(d)); err != nil {
		return 0, err
	}
	n, err := io.Copy(io.Discard, c)
	var late net.Error
	if errors.As(err, &late) && late.Timeout() {
		err = nil
	}
	return float64(n) / 1e6 / time.Since(began).Seconds(), err
}

func wireQUIC(ctx context.Context, addr string, n, inFlight, size int) (float64, error) {
	conn, err := quic.DialAddr(ctx, addr, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"bench"}, MinVersion: tls.VersionTLS13}, nil) // #nosec G402 -- it measures itself
	if err != nil {
		return 0, err
	}
	defer func() { _ = conn.CloseWithError(0, "") }()
	began := time.Now()
	err = each(inFlight, func(w int) error {
		for i := w; i < n; i += inFlight {
			if err := wireFetch(ctx, conn, size); err != nil {
				return err
			}
		}
		return nil
	})
	return time.Since(began).Seconds(), err
}

func wireFetch(ctx context.Context, conn *quic.Conn, size int) error {
	s, err := conn.OpenStreamSync(ctx)
	if err != nil {
		return err
	}
	if _, err := s.Write(binary.BigEndian.AppendUint64(nil, uint64(size))); err != nil {
		return err
	}
	n, err := io.Copy(io.Discard, s)
	if err == nil && n != int64(size) {
		err = fmt.Errorf("received %d bytes of %d", n, size)
	}
	return errors.Join(err, s.Close())
}

// until counts the bytes that arrive before a moment, and then ends the transfer.
type until struct {
	mu    sync.Mutex
	end   time.Time
	bytes int64
	over  bool
}

var errEnough = errors.New("enough")

func (u *until) add(n int) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if time.Now().After(u.end) {
		u.over = true
		return errEnough
	}
	u.bytes += int64(n)
	return nil
}
