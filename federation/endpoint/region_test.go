package endpoint

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/quic-go/quic-go/testutils/simnet"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	latency = 5 * time.Millisecond // one way

	echo   Service = 7 // echoes what it gets
	silent Service = 8 // accepts and does nothing
)

// errSuspended is what the tests' roster says of a node that is not active.
var errSuspended = errors.New("suspended in the roster")

// region is a simulated network with the nodes on it and one roster for all.
type region struct {
	t *testing.T

	mu     sync.Mutex
	nodes  map[string]simnet.PacketReceiver
	active map[PeerID]bool
	where  map[PeerID]string
	drop   func(simnet.Packet) bool
	sent   int
}

func newRegion(t *testing.T) *region {
	t.Helper()
	return &region{
		t:      t,
		nodes:  make(map[string]simnet.PacketReceiver),
		active: make(map[PeerID]bool),
		where:  make(map[PeerID]string),
	}
}

func (r *region) AddNode(addr net.Addr, receiver simnet.PacketReceiver) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.nodes[addr.String()] = receiver
}

func (r *region) SendPacket(p simnet.Packet) error {
	r.mu.Lock()
	to, drop := r.nodes[p.To.String()], r.drop
	r.sent++
	r.mu.Unlock()
	if to != nil && (drop == nil || !drop(p)) {
		to.RecvPacket(p)
	}
	return nil
}

// dropIf sets which packets get lost; nil loses none.
func (r *region) dropIf(drop func(simnet.Packet) bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.drop = drop
}

func (r *region) packetsSent() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.sent
}

func (r *region) admit(id PeerID) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.active[id] {
		return errSuspended
	}
	return nil
}

func (r *region) resolve(id PeerID) (string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.where[id] == "" {
		return "", errors.New("no address in the roster")
	}
	return r.where[id], nil
}

func (r *region) enrol(id PeerID, addr net.Addr) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.active[id] = true
	r.where[id] = addr.String()
}

func (r *region) suspend(id PeerID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.active, id)
}

// socket plugs a new socket into the network, in place of the one that had its address.
func (r *region) socket(host byte) *simnet.SimConn {
	r.t.Helper()
	addr := &net.UDPAddr{IP: net.IPv4(10, 0, 0, host), Port: 4600}
	link := &simnet.SimulatedLink{Latency: latency, UploadPacket: r}
	conn := simnet.NewBlockingSimConn(addr, link)
	link.Start()
	r.AddNode(addr, link)
	r.t.Cleanup(func() {
		_ = conn.Close()
		_ = link.Close()
	})
	return conn
}

func testKey(seed byte) ed25519.PrivateKey {
	s := sha256.Sum256([]byte{seed})
	return ed25519.NewKeyFromSeed(s[:])
}

func testID(seed byte) PeerID { return KeyID(testKey(seed).Public().(ed25519.PublicKey)) }

func (r *region) config(host byte, opts []func(*Config)) Config {
	c := Config{
		Conn:    r.socket(host),
		Key:     testKey(host),
		Admit:   r.admit,
		Resolve: r.resolve,
		Logger:  slog.New(slog.DiscardHandler),
	}
	for _, o := range opts {
		o(&c)
	}
	return c
}

// stranger starts an endpoint that is not in the roster.
func (r *region) stranger(host byte, opts ...func(*Config)) *Endpoint {
	r.t.Helper()
	e, err := New(r.config(host, opts))
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = e.Close() })
	for _, l := range []Lane{LaneRaft, LaneControl, LaneDocument} {
		listen(r.t, e, l, echo, func(c net.Conn) { _, _ = io.Copy(c, c) })
		listen(r.t, e, l, silent, func(c net.Conn) { <-c.(*Stream).Done() })
	}
	return e
}

// node starts an endpoint that is in the roster.
func (r *region) node(host byte, opts ...func(*Config)) *Endpoint {
	r.t.Helper()
	e := r.stranger(host, opts...)
	r.enrol(e.ID(), e.Addr())
	return e
}

// listen serves every stream of a service until the endpoint closes.
func listen(t testing.TB, e *Endpoint, lane Lane, service Service, handle func(net.Conn)) {
	t.Helper()
	l, err := e.Listen(lane, service)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				handle(c)
			}()
		}
	}()
}

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

func dial(t *testing.T, from *Endpoint, lane Lane, service Service, to PeerID) *Stream {
	t.Helper()
	c, err := from.Dial(within(t, time.Minute), lane, service, to)
	if err != nil {
		t.Fatalf("dial %s: %v", lane, err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c.(*Stream)
}

// say sends text on an echo stream and wants it back.
func say(c net.Conn, text string) error {
	if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return err
	}
	if _, err := io.WriteString(c, text); err != nil {
		return err
	}
	b := make([]byte, len(text))
	if _, err := io.ReadFull(c, b); err != nil {
		return err
	}
	if !bytes.Equal(b, []byte(text)) {
		return fmt.Errorf("echo of %q is %q", text, b)
	}
	return c.SetDeadline(time.Time{})
}

func wantErr(t *testing.T, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("error %v, want %v", got, want)
	}
}

func dropAll(simnet.Packet) bool { return true }
