package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"time"

	"github.com/quic-go/quic-go"
)

// bareQUIC sends bytes out of memory over one QUIC connection on loopback and returns MB/s: what is left when a release does
// nothing but travel. The windows are those of the document lane.
func bareQUIC(ctx context.Context, size int64) (float64, error) {
	certificate, err := selfIssued()
	if err != nil {
		return 0, err
	}
	server, client, err := twoSockets()
	if err != nil {
		return 0, err
	}
	defer server.Close()
	defer client.Close()
	config := &quic.Config{InitialStreamReceiveWindow: 1 << 20, MaxStreamReceiveWindow: 6 << 20, InitialConnectionReceiveWindow: 2 << 20, MaxConnectionReceiveWindow: 24 << 20}
	l, err := (&quic.Transport{Conn: server}).Listen(&tls.Config{Certificates: []tls.Certificate{certificate}, NextProtos: []string{"bench"}, MinVersion: tls.VersionTLS13}, config)
	if err != nil {
		return 0, err
	}
	defer l.Close()
	served := make(chan error, 1)
	go func() { served <- serveQUIC(ctx, l, size) }()
	trust := &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"bench"}, MinVersion: tls.VersionTLS13} // #nosec G402 -- it measures itself
	conn, err := (&quic.Transport{Conn: client}).Dial(ctx, server.LocalAddr(), trust, config)
	if err != nil {
		return 0, err
	}
	defer func() { _ = conn.CloseWithError(0, "") }()
	s, err := conn.OpenStreamSync(ctx)
	if err != nil {
		return 0, err
	}
	began := time.Now()
	if _, err := s.Write([]byte{1}); err != nil {
		return 0, err
	}
	n, err := io.CopyBuffer(onlyWriter{io.Discard}, s, make([]byte, block))
	took := time.Since(began)
	if err == nil && n != size {
		err = fmt.Errorf("received %d bytes of %d", n, size)
	}
	return float64(size) / 1e6 / took.Seconds(), errors.Join(err, <-served)
}

func serveQUIC(ctx context.Context, l *quic.Listener, size int64) error {
	conn, err := l.Accept(ctx)
	if err != nil {
		return err
	}
	s, err := conn.AcceptStream(ctx)
	if err != nil {
		return err
	}
	b := make([]byte, block)
	fillRandom(b, 1)
	if _, err := io.ReadFull(s, b[:1]); err != nil {
		return err
	}
	for left := size; left > 0; {
		n, err := s.Write(b[:min(left, block)])
		if err != nil {
			return err
		}
		left -= int64(n)
	}
	return s.Close()
}

// onlyWriter keeps io.Copy from the shortcuts of what it wraps.
type onlyWriter struct{ io.Writer }

func twoSockets() (*net.UDPConn, *net.UDPConn, error) {
	a, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, nil, err
	}
	b, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, nil, errors.Join(err, a.Close())
	}
	return a, b, nil
}

func selfIssued() (tls.Certificate, error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: private}, err
}
