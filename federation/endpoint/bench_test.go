//go:build unix

package endpoint

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
)

const bulk = 64 << 20 // bytes of one transfer

// BenchmarkBulk moves 64 MiB from one socket to another on loopback, over 1 and 4 connections: what
// this package adds to quic-go is the difference between endpoint and bare.
func BenchmarkBulk(b *testing.B) {
	for _, stripes := range []int{1, 4} {
		b.Run(fmt.Sprintf("bare/%d", stripes), func(b *testing.B) { benchmarkBulk(b, stripes, bare(b, stripes)) })
		b.Run(fmt.Sprintf("endpoint/%d", stripes), func(b *testing.B) { benchmarkBulk(b, stripes, ours(b)) })
	}
}

// benchmarkBulk fetches with open, which returns a reader of the stripe's share.
func benchmarkBulk(b *testing.B, stripes int, open func(stripe int) (io.Reader, func(), error)) {
	b.Helper()
	b.SetBytes(bulk)
	before := processorTime(b)
	// On a busy machine the processor time says more than the throughput.
	defer func() {
		b.ReportMetric(float64((processorTime(b)-before).Milliseconds())/float64(b.N), "cpu-ms/op")
	}()
	for b.Loop() {
		var wg sync.WaitGroup
		for stripe := range stripes {
			wg.Go(func() {
				r, done, err := open(stripe)
				if err != nil {
					b.Error(err)
					return
				}
				defer done()
				buf := make([]byte, 256<<10)
				for left := bulk / stripes; left > 0; {
					n, err := r.Read(buf[:min(len(buf), left)])
					if left -= n; err != nil && left > 0 {
						b.Error(err)
						return
					}
				}
			})
		}
		wg.Wait()
	}
}

// processorTime returns what the process has used, both ends of every transfer.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// pour writes for as long as somebody reads.
func pour(w io.Writer) {
	chunk := make([]byte, 256<<10)
	for {
		if _, err := w.Write(chunk); err != nil {
			return
		}
	}
}

func ours(b *testing.B) func(int) (io.Reader, func(), error) {
	b.Helper()
	client, server := pair(b, plain)
	listen(b, server, LaneDocument, echo, func(c net.Conn) { pour(c) })
	return func(stripe int) (io.Reader, func(), error) {
		c, err := client.DialStriped(context.Background(), echo, server.ID(), stripe)
		if err != nil {
			return nil, nil, err
		}
		return c, func() { _ = c.Close() }, nil
	}
}

func bare(b *testing.B, stripes int) func(int) (io.Reader, func(), error) {
	b.Helper()
	cert, err := issue(testKey(1))
	if err != nil {
		b.Fatal(err)
	}
	config := &tls.Config{
		MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{cert}, NextProtos: []string{"bulk"},
		ClientAuth: tls.RequireAnyClientCert, InsecureSkipVerify: true,
	}
	transport := func() *quic.Transport {
		udp, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			b.Skipf(noLoopback, err)
		}
		tr := &quic.Transport{Conn: udp, ConnectionIDLength: 8}
		b.Cleanup(func() {
			_ = tr.Close()
			_ = udp.Close()
		})
		return tr
	}
	server, client := transport(), transport()
	l, err := server.Listen(config, nil)
	if err != nil {
		b.Fatal(err)
	}
	go func() {
		for {
			c, err := l.Accept(context.Background())
			if err != nil {
				return
			}
			go func() {
				for {
					s, err := c.AcceptStream(c.Context())
					if err != nil {
						return
					}
					go pour(s)
				}
			}()
		}
	}()
	conns := make([]*quic.Conn, stripes)
	for i := range conns {
		if conns[i], err = client.Dial(context.Background(), l.Addr(), config, nil); err != nil {
			b.Fatal(err)
		}
	}
	return func(stripe int) (io.Reader, func(), error) {
		s, err := conns[stripe].OpenStream()
		if err != nil {
			return nil, nil, err
		}
		if _, err := s.Write([]byte{1}); err != nil {
			return nil, nil, err
		}
		return s, func() {
			s.CancelRead(0)
			_ = s.Close()
		}, nil
	}
}

// BenchmarkOpen measures a request and its answer of one byte each on a new stream of an open
// connection.
func BenchmarkOpen(b *testing.B) {
	client, server := pair(b, plain)
	listen(b, server, LaneDocument, echo, func(c net.Conn) { _, _ = io.CopyN(c, c, 1) })
	for b.Loop() {
		c, err := client.Dial(context.Background(), LaneDocument, echo, server.ID())
		if err != nil {
			b.Fatal(err)
		}
		if _, err := c.Write([]byte{1}); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
			b.Fatal(err)
		}
		_ = c.Close()
	}
}
