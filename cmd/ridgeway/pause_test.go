package main

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestPausedCustodianReleasesNothingThatWasRevoked stops the process of a custodian (SIGSTOP) in the middle of a stream. While it
// stands still the region agrees that nobody may read the document. Once it goes on, past its lease, no further byte comes: not
// of the stream, and not of a new one, before it has heard of that.
//
//	RYJ d1 (custodian and leader, paused)   RAS d2   R1K d3 (reads)
func TestPausedCustodianReleasesNothingThatWasRevoked(t *testing.T) {
	t.Parallel()
	const lease = 2 * time.Second
	p := newPlace(t)
	rnd, long := rand.NewChaCha8([32]byte{1}), strings.Builder{}
	for range 32 << 20 / 8 {
		fmt.Fprintf(&long, "%07x\n", uint32(rnd.Uint64())>>4)
	}
	p.write(t, "long.txt", long.String())
	p.write(t, "short.pdf", letter("short"))
	held := "--lease=" + lease.String()
	listen, wire := port(t), newRelay(t)
	wire.to = listen
	paused := p.founded(t, "d1", "--voters", "3", held, "--listen", listen, "--advertise", wire.at())
	p.joined(t, "d1", "d2", "RAS", held)
	p.joined(t, "d1", "d3", "R1K", held)
	p.until(t, "d1", "there are three voters", threeVoters)
	long1, short1 := p.ingest(t, "d1", patient, "long.txt"), p.ingest(t, "d1", patient, "short.pdf")
	p.listed(t, "d3", 2)
	p.fetched(t, "d3", short1, "before.pdf")
	for last := int64(-1); last != wire.total(); { // what widens the connection's window after its first document has come
		last = wire.total()
		<-time.After(500 * time.Millisecond)
	}

	open := make(chan struct{})
	p.sluice(t, "slow", "d3", 3<<20, open) // so that it is not over before it is stopped
	reader := p.begins(t, "got.pdf.part", 1, "fetch", "--data", "slow", long1, "--out", "got.pdf")
	paused.signal(syscall.SIGSTOP)
	stopped := time.Now()
	defer paused.signal(syscall.SIGCONT)
	close(open) // what the reader takes from here on has the custodian send more, once it goes on
	p.until(t, "d2", "another leads", func(o object) bool { return hasLeader(o) && o["leader"] != "RYJ" })
	if o := p.json(t, "object", "--data", "d2", patient, "--evidence", "on the ward"); o["committed"] != true {
		t.Fatalf("the region has not agreed: %v", o)
	}
	if left := lease + time.Second - time.Since(stopped); left > 0 {
		<-time.After(left) // the promise is about what leaves after this
	}
	wire.watch()
	paused.signal(syscall.SIGCONT)
	if e := p.run(t, "fetch", "--data", "d3", short1, "--out", "after.pdf", "--json"); e.status == 0 {
		t.Errorf("a document that was revoked came after the pause: %v", e)
	}
	e := reader.wait(t)
	if n := wire.left(); e.status == 0 || n > slack {
		t.Errorf("%d bytes left after the pause: %v", n, e)
		t.Log(strings.Join(wire.after, "\n"))
	}
	p.until(t, "d1", "it is back", func(o object) bool { return hasLeader(o) && o["outbox"] == float64(0) })
	if e := p.run(t, "fetch", "--data", "d3", short1, "--out", "after.pdf", "--json"); e.status == 0 {
		t.Errorf("a document that was revoked came once the custodian was back: %v", e)
	}
}

// relay passes datagrams on to a node, and what it answers back, each sender over a socket of its own. It counts what came from the
// node by the connection, whose id such a packet begins with (RFC 9000 section 17.3), and, once it watches, the long packets of those
// that have carried much: new connections have long packets too, which look for how much the path takes.
type relay struct {
	front net.PacketConn
	to    string

	mu       sync.Mutex
	sent     map[[idLength]byte]int64
	watching bool
	large    int64
	since    time.Time
	after    []string // what was counted: connection, size, how long after watch
}

const (
	idLength = 8
	much     = 256 << 10
	// slack is what a single write to the socket takes, which can be under way when the process is stopped, and the packets with
	// which a connection still looks for how much its path takes.
	slack = 20<<10 + 8<<10
)

// total returns the bytes of all long packets so far.
func (r *relay) total() (n int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, sent := range r.sent {
		n += sent
	}
	return n
}

// watch counts from now on.
func (r *relay) watch() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.watching, r.since = true, time.Now()
}

// left returns the bytes that were counted.
func (r *relay) left() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.large
}

func (r *relay) count(packet []byte) {
	if len(packet) < 1000 || packet[0]&0x80 != 0 {
		return
	}
	id := [idLength]byte(packet[1 : 1+idLength])
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case !r.watching:
		r.sent[id] += int64(len(packet))
	case r.sent[id] > much:
		r.large += int64(len(packet))
		r.after = append(r.after, fmt.Sprintf("%x %d %v", id, len(packet), time.Since(r.since)))
	}
}

func newRelay(t *testing.T) *relay {
	t.Helper()
	front, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{front: front, sent: make(map[[idLength]byte]int64)}
	var running sync.WaitGroup
	running.Go(func() { r.run(t, &running) })
	t.Cleanup(func() { _ = front.Close(); running.Wait() })
	return r
}

func (r *relay) at() string { return r.front.LocalAddr().String() }

func (r *relay) run(t *testing.T, running *sync.WaitGroup) {
	senders, b := make(map[string]net.Conn), make([]byte, 64<<10)
	defer func() {
		for _, c := range senders {
			_ = c.Close()
		}
	}()
	for {
		n, from, err := r.front.ReadFrom(b)
		if err != nil {
			return
		}
		back := senders[from.String()]
		if back == nil {
			if back, err = net.Dial("udp", r.to); err != nil {
				t.Error(err)
				return
			}
			senders[from.String()] = back
			running.Go(func() { r.back(back, from) })
		}
		_, _ = back.Write(b[:n]) // what is lost is sent again
	}
}

func (r *relay) back(from net.Conn, to net.Addr) {
	b := make([]byte, 64<<10)
	for {
		n, err := from.Read(b)
		if err != nil && n == 0 {
			if strings.Contains(err.Error(), "closed") {
				return
			}
			continue // nobody listens there at the moment
		}
		r.count(b[:n])
		_, _ = r.front.WriteTo(b[:n], to)
	}
}
