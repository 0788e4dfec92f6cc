package index

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ridgeway-exchange/ridgeway/consensus"
	"github.com/ridgeway-exchange/ridgeway/federation"
)

// testRegion drives one Ledger over a store in memory, and has the keys of its trusts.
type testRegion struct {
	t      tester
	ledger *Ledger
	store  *consensus.MemoryStore
	index  uint64
	log    [][]byte // every command, by index-1
	now    time.Time
	trusts map[federation.TrustID]*testTrust
}

// tester is what testing.T, testing.B and rapid.T have in common.
type tester interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

type testTrust struct {
	id                     federation.TrustID
	statement, audit, node ed25519.PrivateKey
}

func testKey(parts ...any) ed25519.PrivateKey {
	seed := sha256.Sum256(fmt.Append(nil, parts...))
	return ed25519.NewKeyFromSeed(seed[:])
}

func newTrust(id federation.TrustID) *testTrust {
	return &testTrust{id: id, statement: testKey(id, "statement"), audit: testKey(id, "audit"), node: testKey(id, "node")}
}

func (t *testTrust) member(governing bool) federation.Member {
	m := federation.Member{
		Trust: t.id, Name: "Trust " + string(t.id), Governing: governing, StatementKey: federation.PublicOf(t.statement),
		AuditKey: federation.PublicOf(t.audit), NodeKey: federation.PublicOf(t.node), Address: "127.0.0.1:7000",
	}
	m.Prove(t.statement)
	return m
}

func (t *testTrust) nodeID() federation.NodeID { return federation.NodeOf(federation.PublicOf(t.node)) }

func newLedger(t tester, cfg Config) *Ledger {
	t.Helper()
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	l, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// emptyRegion has a ledger without a charter.
func emptyRegion(t tester, cfg Config) *testRegion {
	return &testRegion{
		t: t, ledger: newLedger(t, cfg), store: consensus.NewMemoryStore(), now: time.Date(2026, 11, 1, 9, 0, 0, 0, time.UTC),
		trusts: map[federation.TrustID]*testTrust{},
	}
}

// founded has RYJ as its founder, who governs, and needs this many approvals.
func founded(t tester, cfg Config, approvals int) *testRegion {
	t.Helper()
	r := emptyRegion(t, cfg)
	r.accept("RYJ", federation.Charter{Region: "Test", Nonce: [16]byte{1}, Approvals: approvals, Voters: 3, Founder: r.trust("RYJ").member(true)})
	return r
}

// grown has three governing trusts, RYJ, RAS and RAX, and a practice that does not govern, Y05868. Two approvals are needed.
func grown(t tester, cfg Config) *testRegion {
	t.Helper()
	r := founded(t, cfg, 2)
	r.accept("RYJ", federation.Enrol{Member: r.trust("RAS").member(true)}) // alone: there is nobody else to approve
	r.enrol("RAX", true)
	r.enrol("Y05868", false)
	return r
}

// enrol adds a trust by RYJ's proposal and RAS's approval.
func (r *testRegion) enrol(id federation.TrustID, governing bool) {
	r.t.Helper()
	r.accept("RYJ", federation.Enrol{Member: r.trust(id).member(governing)})
	r.accept("RAS", federation.Approve{Proposal: r.head("RYJ").digest})
}

func (r *testRegion) trust(id federation.TrustID) *testTrust {
	if r.trusts[id] == nil {
		r.trusts[id] = newTrust(id)
	}
	return r.trusts[id]
}

func (r *testRegion) head(id federation.TrustID) headRow {
	r.t.Helper()
	seq, digest, err := Head(r.store, id)
	if err != nil {
		r.t.Fatal(err)
	}
	return headRow{seq: seq, digest: digest}
}

// sign makes the trust's next statement.
func (r *testRegion) sign(id federation.TrustID, body federation.Body) federation.Signed {
	r.t.Helper()
	h := r.head(id)
	return r.signAt(federation.Place{Trust: id, Seq: h.seq + 1, Prev: h.digest, At: r.now}, body, r.trust(id).statement)
}

func (r *testRegion) signAt(place federation.Place, body federation.Body, key ed25519.PrivateKey) federation.Signed {
	r.t.Helper()
	signed, err := federation.Compose(place, body, key)
	if err != nil {
		r.t.Fatal(err)
	}
	return signed
}

// apply runs one command, as consensus does.
func (r *testRegion) apply(cmd []byte) (Response, error) {
	r.t.Helper()
	r.index++
	r.now = r.now.Add(time.Second)
	r.log = append(r.log, bytes.Clone(cmd))
	var response Response
	err := r.store.Update(func(tx *consensus.Tx) error {
		b, err := r.ledger.Apply(tx, r.index, cmd)
		if err != nil {
			return err
		}
		response, err = DecodeResponse(b)
		return err
	})
	if err == nil {
		r.ledger.Applied(r.index)
	}
	return response, err
}

func (r *testRegion) submit(cmd []byte) Response {
	r.t.Helper()
	response, err := r.apply(cmd)
	if err != nil {
		r.t.Fatal(err)
	}
	return response
}

// say submits the trust's next statement.
func (r *testRegion) say(id federation.TrustID, body federation.Body) Response {
	r.t.Helper()
	return r.submit(r.sign(id, body).Encode())
}

func (r *testRegion) accept(id federation.TrustID, body federation.Body) {
	r.t.Helper()
	if got := r.say(id, body); got.Outcome != Accepted {
		r.t.Fatalf("%s of %s: %s %s, %s", body.Kind(), id, got.Outcome, got.Code, got.Detail)
	}
}

// refuse expects a refusal that changes nothing but its record.
func (r *testRegion) refuse(id federation.TrustID, body federation.Body, want Code) {
	r.t.Helper()
	r.refuseSigned(r.sign(id, body), want)
}

func (r *testRegion) refuseSigned(signed federation.Signed, want Code) {
	r.t.Helper()
	r.refuseCommand(signed.Encode(), want)
}

func (r *testRegion) refuseCommand(cmd []byte, want Code) {
	r.t.Helper()
	before, counts := r.rows(rowMeta, rowRefusal), r.counts()
	got := r.submit(cmd)
	if got.Outcome != Refused || got.Code != want {
		r.t.Fatalf("%s %s, %s; want %s", got.Outcome, got.Code, got.Detail, want)
	}
	if diff := cmp.Diff(before, r.rows(rowMeta, rowRefusal)); diff != "" {
		r.t.Fatalf("refused (%s), and the state changed (-before +after):\n%s", want, diff)
	}
	counts.Refusals++
	if diff := cmp.Diff(counts, r.counts()); diff != "" {
		r.t.Fatalf("refused (%s), and counts changed:\n%s", want, diff)
	}
	last, err := Refusals(r.store, 1)
	if err != nil || len(last) != 1 || last[0].Code != want || last[0].Index != r.index {
		r.t.Fatalf("recorded %v, %v; want %s at %d", last, err, want, r.index)
	}
}

func (r *testRegion) counts() Counts {
	r.t.Helper()
	c, err := CountsOf(r.store)
	if err != nil {
		r.t.Fatal(err)
	}
	return c
}

// rows returns the state but for these kinds of rows.
func (r *testRegion) rows(without ...byte) map[string]string { return rowsOf(r.t, r.store, without...) }

func rowsOf(t tester, r Reader, without ...byte) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := r.Scan(nil, nil, func(key, value []byte) (bool, error) {
		if !bytes.Contains(without, key[:1]) {
			out[string(key)] = string(value)
		}
		return true, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func (r *testRegion) root() federation.Digest {
	r.t.Helper()
	root, _, err := Root(r.store)
	if err != nil {
		r.t.Fatal(err)
	}
	return root
}

// replay applies this region's commands to a new ledger.
func (r *testRegion) replay() *testRegion {
	r.t.Helper()
	again := emptyRegion(r.t, Config{})
	again.trusts = r.trusts
	for _, cmd := range r.log {
		again.submit(cmd)
	}
	return again
}

func documentOf(id federation.TrustID, n int) federation.DocumentID {
	return federation.NewDocumentID(id, federation.DocumentKey{byte(n >> 16), byte(n >> 8), byte(n)})
}

// pointerOf is the n-th document of a trust, for a patient, an hour older than the one before.
func pointerOf(id federation.TrustID, subject federation.Subject, n int) federation.Pointer {
	return federation.Pointer{
		Subject: subject, Document: documentOf(id, n), Confidentiality: federation.Normal, Manifest: federation.Sum([]byte{byte(n)}),
		Type: "823681000000100", ContentType: "application/pdf", Title: fmt.Sprint("Letter ", n), Status: federation.Current,
		Date: time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC).Add(-time.Duration(n) * time.Hour), Parts: 1, Bytes: 60000,
	}
}

func publication(pointers ...federation.Pointer) federation.Publish {
	return federation.Publish{Pointers: pointers}
}

func objection(n byte, subject federation.Subject) federation.Directive {
	return federation.Directive{ID: federation.DirectiveID{n}, Subject: subject, Effect: federation.Object, By: "staff-1", Evidence: "in person"}
}

func locateAll(t tester, r Reader, subject federation.Subject) []federation.Pointer {
	t.Helper()
	page, err := Locate(r, Query{Subject: subject, Limit: MaxPage})
	if err != nil || page.Next != "" {
		t.Fatalf("locate: next %q, %v", page.Next, err)
	}
	return page.Pointers
}

var _ tester = (*testing.T)(nil)
