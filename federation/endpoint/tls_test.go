package endpoint

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quic-go/quic-go"
)

// raw dials with quic-go itself, as a hostile client would.
func (r *region) raw(host byte, to *Endpoint, change func(*tls.Config)) (*quic.Conn, error) {
	r.t.Helper()
	tr := &quic.Transport{Conn: r.socket(host), ConnectionIDLength: 8}
	r.t.Cleanup(func() { _ = tr.Close() })
	cert, err := issue(testKey(host))
	if err != nil {
		r.t.Fatal(err)
	}
	config := baseTLS(cert)
	config.NextProtos = []string{LaneDocument.alpn()}
	if change != nil {
		change(config)
	}
	return tr.Dial(within(r.t, 10*time.Second), to.Addr(), config, &quic.Config{EnableDatagrams: true})
}

// fate waits for the end of a connection and says why it ended.
func fate(conn *quic.Conn) error {
	<-conn.Context().Done()
	return translate(context.Cause(conn.Context()))
}

func TestClientWithoutCertificateEntersTheJoinLaneOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegion(t)
		e := r.node(1)
		listen(t, e, LaneJoin, ServiceJoin, func(c net.Conn) {
			if _, ok := Peer(c); !ok {
				_, _ = io.WriteString(c, "whoever you are")
			}
		})
		conn, err := r.raw(9, e, func(c *tls.Config) { c.Certificates = nil })
		if err == nil {
			wantErr(t, fate(conn), ErrNotAdmitted)
		}
		conn, err = r.raw(9, e, func(c *tls.Config) {
			c.Certificates = nil
			c.NextProtos = []string{LaneJoin.alpn()}
		})
		if err != nil {
			t.Fatal(err)
		}
		greetRaw(t, conn, LaneJoin)
		str, err := conn.OpenStream()
		if err != nil {
			t.Fatal(err)
		}
		h := encodeHeader(ServiceJoin)
		if _, err := str.Write(h[:]); err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(str)
		if err != nil || string(got) != "whoever you are" {
			t.Errorf("got %q, %v", got, err)
		}
		// No member lane under a joining hello.
		conn, err = r.raw(8, e, func(c *tls.Config) { c.NextProtos = []string{LaneJoin.alpn()} })
		if err != nil {
			t.Fatal(err)
		}
		sendHello(t, conn, hello{lane: LaneRaft, versions: versions{1, 1}})
		wantErr(t, fate(conn), ErrProtocol)
	})
}

func TestKeysOtherThanEd25519AreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegion(t)
		e := r.node(1, func(c *Config) { c.Admit = func(PeerID) error { return nil } })
		listen(t, e, LaneJoin, ServiceJoin, func(net.Conn) {})
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().AddDate(1, 0, 0)}
		der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
		if err != nil {
			t.Fatal(err)
		}
		for _, lane := range []Lane{LaneJoin, LaneRaft} {
			conn, err := r.raw(9, e, func(c *tls.Config) {
				c.NextProtos = []string{lane.alpn()}
				c.Certificates = []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}
			})
			if err == nil {
				wantErr(t, fate(conn), ErrNotAdmitted)
			}
		}
	})
}

func TestSeveralProtocolsAtOnceDoNotOpenTheJoinLane(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegion(t)
		e := r.node(1)
		listen(t, e, LaneJoin, ServiceJoin, func(net.Conn) {})
		conn, err := r.raw(9, e, func(c *tls.Config) { c.NextProtos = []string{LaneJoin.alpn(), LaneRaft.alpn()} })
		if err == nil {
			wantErr(t, fate(conn), ErrNotAdmitted)
		}
	})
}

func TestSessionsAreNeverResumed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegion(t)
		e := r.node(1)
		r.enrol(testID(9), e.Addr())
		cache := &countingCache{}
		for range 2 {
			conn, err := r.raw(9, e, func(c *tls.Config) {
				c.SessionTicketsDisabled = false
				c.ClientSessionCache = cache
				c.ServerName = "ridgeway"
			})
			if err != nil {
				t.Fatal(err)
			}
			greetRaw(t, conn, LaneDocument)
			if conn.ConnectionState().TLS.DidResume {
				t.Error("session was resumed")
			}
		}
		if cache.put != 0 {
			t.Errorf("%d session tickets were sent", cache.put)
		}
	})
}

type countingCache struct{ put int }

func (*countingCache) Get(string) (*tls.ClientSessionState, bool) { return nil, false }
func (c *countingCache) Put(_ string, s *tls.ClientSessionState) {
	if s != nil {
		c.put++
	}
}

func TestClientChecksTheServerDuringTLS(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegion(t)
		e := r.node(1)
		r.enrol(testID(2), e.Addr())
		state := func(host byte, lane Lane) tls.ConnectionState {
			cert, err := issue(testKey(host))
			if err != nil {
				t.Fatal(err)
			}
			return tls.ConnectionState{PeerCertificates: []*x509.Certificate{cert.Leaf}, NegotiatedProtocol: lane.alpn()}
		}
		for _, tc := range []struct {
			name  string
			state tls.ConnectionState
			lane  Lane
			peer  PeerID
			want  error
		}{
			{"a member", state(2, LaneRaft), LaneRaft, testID(2), nil},
			{"another member", state(2, LaneRaft), LaneRaft, testID(1), ErrWrongPeer},
			{"not in the roster", state(3, LaneRaft), LaneRaft, testID(3), errSuspended},
			{"not in the roster, to join", state(3, LaneJoin), LaneJoin, testID(3), nil},
			{"another lane", state(2, LaneJoin), LaneRaft, testID(2), ErrProtocol},
			{"no certificate", tls.ConnectionState{NegotiatedProtocol: LaneRaft.alpn()}, LaneRaft, testID(2), errNoCertificate},
		} {
			if err := e.verifyServer(tc.state, tc.lane, tc.peer); !errors.Is(err, tc.want) {
				t.Errorf("%s: %v, want %v", tc.name, err, tc.want)
			}
		}
	})
}
