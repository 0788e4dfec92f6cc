package exchange

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/policy"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	holder = federation.TrustID("RYJ") // custodian
	asker  = federation.TrustID("RAS")
	other  = federation.TrustID("RXX")
)

var patient = federation.Subject{7}

func keyOf(trust federation.TrustID, use string) ed25519.PrivateKey {
	seed := sha256.Sum256([]byte(string(trust) + use))
	return ed25519.NewKeyFromSeed(seed[:])
}

func nodeOf(trust federation.TrustID) federation.NodeID {
	return federation.NodeOf(federation.PublicOf(keyOf(trust, "node")))
}

// world is a custodian, a requester and what they know, on pipes.
type world struct {
	t         testing.TB
	clock     *testClock
	fresh     *freshness
	lease     *Lease
	ledger    *ledger
	store     *store
	audit     *auditor // of the custodian
	asked     *auditor // of the requester
	custodian *Custodian
	client    *Client
	key       ed25519.PrivateKey // that the client signs with

	dialled atomic.Int64
	dial    func(n int) error                  // of the n-th dial, from 1
	left    atomic.Int64                       // bytes that the custodian wrote
	onWrite func(c *end, p []byte)             // before the custodian's end writes
	tamper  func(read int64, p []byte)         // what the requester's end has read, at this place of the stream
	cutAt   func(n int) int64                  // bytes after which the n-th stream breaks; 0 never
	path    Path                               // that the custodian sees
	bind    func(stripe int) [BindingSize]byte // of a connection
	request func(n int, frame []byte) []byte   // the first frame of the n-th stream, as it arrives
	from    func(n int) federation.NodeID      // who TLS says is at the other end
	wg      sync.WaitGroup
}

type tweak func(*world, *CustodianConfig, *ClientConfig)

func newWorld(t testing.TB, tweaks ...tweak) *world {
	t.Helper()
	w := &world{t: t, clock: newTestClock(), fresh: &freshness{}, audit: &auditor{}, asked: &auditor{}, key: keyOf(asker, "statement")}
	log := slog.New(slog.DiscardHandler)
	agreement, err := policy.Compile(policy.DefaultAgreement(holder))
	if err != nil {
		t.Fatal(err)
	}
	w.ledger = &ledger{roster: rosterOf(nil), pointers: map[federation.DocumentID]federation.Pointer{}, facts: policy.Facts{
		RegionActive: true, RequesterStanding: federation.Active, CustodianStanding: federation.Active, Complete: true,
		Agreement: agreement, AgreementVersion: 1,
	}}
	w.store = &store{manifests: map[federation.DocumentID][]byte{}, documents: map[federation.DocumentID]policy.Document{}, chunks: map[federation.Digest][]byte{}}
	w.bind = func(stripe int) [BindingSize]byte { return [BindingSize]byte{byte(stripe + 1)} }
	w.from = func(int) federation.NodeID { return nodeOf(asker) }
	if w.lease, err = NewLease(LeaseConfig{Source: w.fresh, Clock: w.clock, Logger: log}); err != nil {
		t.Fatal(err)
	}
	cc := CustodianConfig{
		Node: nodeOf(holder), Trust: holder, Key: keyOf(holder, "statement"), Ledger: w.ledger, Records: w.store, Chunks: w.store, Audit: w.audit,
		Lease: w.lease, Logger: log, Clock: w.clock, Identify: identifyEnd, Path: func(net.Conn) (Path, bool) { return w.path, true },
	}
	rc := ClientConfig{
		Node: nodeOf(asker), Trust: asker, Key: w.key, Directory: w.ledger, Audit: w.asked, Logger: log,
		Dialer: DialerFunc(w.connect), Identify: identifyEnd, Clock: w.clock, Limits: ClientLimits{Backoff: time.Microsecond},
	}
	for _, tweak := range tweaks {
		tweak(w, &cc, &rc)
	}
	if w.custodian, err = NewCustodian(cc); err != nil {
		t.Fatal(err)
	}
	if w.client, err = NewClient(rc); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.close)
	return w
}

func (w *world) close() {
	w.custodian.Close()
	w.wg.Wait()
	w.lease.Close()
	if n := w.custodian.buffered.Load(); n != 0 {
		w.t.Errorf("%d bytes are still buffered at the custodian", n)
	}
	if n := w.client.buffered.Load(); n != 0 {
		w.t.Errorf("%d bytes are still buffered at the requester", n)
	}
}

// connect gives the custodian one end of a pipe and returns the other.
func (w *world) connect(_ context.Context, node federation.NodeID, stripe int) (net.Conn, error) {
	n := int(w.dialled.Add(1))
	if w.dial != nil {
		if err := w.dial(n); err != nil {
			return nil, err
		}
	}
	here, there := newPipe()
	here.peer, there.peer = node, w.from(n)
	here.binding, there.binding = w.bind(stripe), w.bind(stripe)
	there.world, here.tamper = w, w.tamper
	if w.cutAt != nil {
		here.cut = w.cutAt(n)
	}
	var conn net.Conn = there
	if w.request != nil {
		conn = &rewriting{end: there, change: func(b []byte) []byte { return w.request(n, b) }}
	}
	w.wg.Go(func() { w.custodian.Handle(context.Background(), conn) })
	return here, nil
}

// publish adds a document with these parts.
func (w *world) publish(parts ...[]byte) federation.DocumentID {
	return w.publishAs(federation.Normal, parts...)
}

func (w *world) publishAs(level federation.Confidentiality, parts ...[]byte) federation.DocumentID {
	w.t.Helper()
	id := federation.NewDocumentID(holder, federation.DocumentKey{byte(len(w.ledger.pointers) + 1)})
	m := federation.Manifest{Document: id, Subject: patient}
	for _, b := range parts {
		p := federation.Part{ContentType: "image/tiff", Size: int64(len(b)), SHA256: sha256.Sum256(b)}
		for i := 0; i < len(b); i += federation.ChunkSize {
			chunk := b[i:min(i+federation.ChunkSize, len(b))]
			digest := federation.Sum(chunk)
			p.Chunks = append(p.Chunks, digest)
			w.store.chunks[digest] = chunk
		}
		m.Parts = append(m.Parts, p)
	}
	w.register(m, level)
	return id
}

func (w *world) register(m federation.Manifest, level federation.Confidentiality) {
	w.t.Helper()
	encoded, err := m.Encode()
	if err != nil {
		w.t.Fatal(err)
	}
	w.store.manifests[m.Document] = encoded
	p := federation.Pointer{Subject: patient, Document: m.Document, Confidentiality: level, Manifest: federation.Sum(encoded), Type: "373942005", Bytes: m.Bytes()}
	w.ledger.pointers[m.Document] = p
	w.store.documents[m.Document] = policy.DocumentOf(p)
}

func requestFor(id federation.DocumentID) Request {
	return Request{Document: id, Subject: patient, User: "u1", Role: "doctor", Purpose: "TREAT"}
}

// fetched is a sink that keeps what it gets.
type fetched struct {
	parts map[int][]byte
	order []Segment
}

func (f *fetched) sink(s Segment) error {
	if f.parts == nil {
		f.parts = map[int][]byte{}
	}
	f.parts[s.Part] = append(f.parts[s.Part], s.Data...)
	f.order = append(f.order, Segment{Part: s.Part, Offset: s.Offset, Last: s.Last})
	return nil
}

// noise returns n bytes that repeat nowhere near.
func noise(n int, seed uint64) []byte {
	b := make([]byte, n+8)
	for i := 0; i < n; i += 8 {
		seed = seed*6364136223846793005 + 1442695040888963407
		binary.LittleEndian.PutUint64(b[i:], seed)
	}
	return b[:n]
}

func rosterOf(change func(map[federation.TrustID]*federation.Trust)) *federation.Roster {
	byID := map[federation.TrustID]*federation.Trust{}
	for _, id := range []federation.TrustID{holder, asker, other} {
		key := federation.PublicOf(keyOf(id, "node"))
		byID[id] = &federation.Trust{
			ID: id, Standing: federation.Active, StatementKey: federation.PublicOf(keyOf(id, "statement")),
			Nodes: []federation.RosterNode{{ID: federation.NodeOf(key), Key: key, Standing: federation.Active}},
		}
	}
	if change != nil {
		change(byID)
	}
	var trusts []federation.Trust
	for _, t := range byID {
		trusts = append(trusts, *t)
	}
	return federation.NewRoster(federation.Charter{Region: "test"}, federation.Digest{1}, trusts)
}
