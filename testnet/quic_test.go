package testnet

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quic-go/quic-go"
)

// tlsPair returns the configurations of a server with a throw-away key, and of a client that takes any.
func tlsPair(t *testing.T) (server, client *tls.Config) {
	t.Helper()
	pub, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(1)}, &x509.Certificate{}, pub, key)
	if err != nil {
		t.Fatal(err)
	}
	server = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, NextProtos: []string{"echo"}}
	return server, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"echo"}}
}

// echo serves one connection on host b, dials it from host a, and sends size bytes there and back.
func echo(t *testing.T, n *Network, size int) (handshake, transfer time.Duration) {
	t.Helper()
	server, client := tlsPair(t)
	s := listen(t, n, "a", "b")
	at, bt := &quic.Transport{Conn: s[0]}, &quic.Transport{Conn: s[1]}
	ln, err := bt.Listen(server, nil)
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() {
		served <- func() error {
			conn, err := ln.Accept(context.Background())
			if err != nil {
				return err
			}
			st, err := conn.AcceptStream(context.Background())
			if err != nil {
				return err
			}
			if _, err := io.Copy(st, st); err != nil {
				return err
			}
			return st.Close()
		}()
	}()
	start := time.Now()
	conn, err := at.Dial(context.Background(), net.UDPAddrFromAddrPort(n.Addr("b")), client, nil)
	if err != nil {
		t.Fatal(err)
	}
	handshake, start = time.Since(start), time.Now()
	st, err := conn.OpenStreamSync(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	data := make([]byte, size)
	_, _ = rand.Read(data)
	want := sha256.Sum256(data)
	wrote := make(chan error, 1)
	go func() {
		_, err := st.Write(data)
		_ = st.Close()
		wrote <- err
	}()
	h := sha256.New()
	if got, err := io.Copy(h, st); err != nil || got != int64(size) || [32]byte(h.Sum(nil)) != want {
		t.Errorf("%d bytes of %d came back, %v", got, size, err)
	}
	transfer = time.Since(start)
	if err := <-wrote; err != nil {
		t.Error(err)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
	_ = conn.CloseWithError(0, "")
	_ = ln.Close()
	_ = at.Close()
	_ = bt.Close()
	return handshake, transfer
}

func TestQUICInVirtualTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := NewNetwork(Options{Seed: 3, Link: LinkOptions{Latency: 10 * time.Millisecond, Loss: 0.005, Rate: 5 << 20}})
		handshake, transfer := echo(t, n, 4<<20)
		// Two directions at 5 MiB/s overlap; loss makes Reno slower than the line.
		if handshake < 20*time.Millisecond || handshake > 500*time.Millisecond || transfer < 800*time.Millisecond || transfer > time.Minute {
			t.Errorf("handshake %s, transfer %s", handshake, transfer)
		}
		t.Logf("handshake %s, 4 MiB there and back %s, %+v", handshake, transfer, n.Stats("a", "b"))
		<-time.After(time.Minute) // quic-go closes connections late
	})
}

func TestQUICInRealTime(t *testing.T) {
	n := NewNetwork(Options{})
	handshake, transfer := echo(t, n, 20<<20)
	t.Logf("handshake %s, 20 MiB there and back %s", handshake, transfer)
}
