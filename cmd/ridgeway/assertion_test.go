package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ridgeway-exchange/ridgeway/consensus"
	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/federation/endpoint"
	"github.com/ridgeway-exchange/ridgeway/federation/exchange"
	"github.com/ridgeway-exchange/ridgeway/federation/index"
	"github.com/ridgeway-exchange/ridgeway/node"
	"github.com/ridgeway-exchange/ridgeway/policy"
	"github.com/ridgeway-exchange/ridgeway/storage"
)

// TestReplayedAndForeignAssertionsGetNothingFromAProcess is a trust that was let into the region and then plays foul: it has the keys of
// RAS, and says to the process of RYJ, over UDP, what was said before, what was said for somebody else, and what it signs with a key
// that is not its own.
//
//	RYJ d1 (custodian, a process)   RAS d2 (enrolled: its keys speak here)   R1K d3 (enrolled, does not run)
func TestReplayedAndForeignAssertionsGetNothingFromAProcess(t *testing.T) {
	t.Parallel()
	p := newPlace(t, quick)
	p.write(t, "letter.pdf", letter("asked for again and again"))
	listen := port(t)
	custodian := p.founded(t, "d1", "--listen", listen)
	p.enrolled(t, "d2", "RAS")
	p.enrolled(t, "d3", "R1K")
	id := federation.DocumentID(p.ingest(t, "d1", patient, "letter.pdf"))
	owner, err := federation.ParseNodeID(p.json(t, "status", "--data", "d1")["node"].(string))
	if err != nil {
		t.Fatal(err)
	}
	f := &foul{place: p, t: t, at: listen, owner: owner, node: p.secret(t, "d2", "node-key"), own: p.secret(t, "d2", "statement-key"), pointer: p.pointerAt(t, "d2", id)}
	another := p.secret(t, "d3", "statement-key")

	f.open()
	good := f.assertion()
	f.wants("what is right", good, f.own, granted)
	f.wants("the same bytes on the same connection", good, f.own, "used before")
	first := good.Binding
	f.wants("signed with another trust's key", f.assertion(), another, "signature")
	f.wants("for a user of another trust, signed with its key", f.assertion(func(a *exchange.Assertion) { a.Trust = "R1K" }), another, "signature")
	f.wants("for a user of another trust", f.assertion(func(a *exchange.Assertion) { a.Trust = "R1K" }), f.own, "asserts for R1K")
	f.wants("from another node", f.assertion(func(a *exchange.Assertion) { a.Node = owner }), f.own, "came from node")
	f.wants("for another custodian", f.assertion(func(a *exchange.Assertion) { a.Custodian = a.Node }), f.own, "is for node")
	f.wants("by a clock that is off", f.assertion(func(a *exchange.Assertion) { a.At = a.At.Add(-time.Minute) }), f.own, "off this node's clock")
	f.open()
	f.wants("the same bytes on another connection", good, f.own, "another connection")
	f.wants("newly signed, bound to the connection before", f.assertion(func(a *exchange.Assertion) { a.Binding = first }), f.own, "another connection")
	f.wants("what is right, on this connection", f.assertion(), f.own, granted)
	custodian.kill()
	p.serve(t, "d1")
	p.until(t, "d1", "it leads again", hasLeader)
	f.open()
	f.wants("the same bytes after a restart", good, f.own, "another connection")
	f.within("what is right, after a restart", granted) // its copy is proven first
	f.wrote()
}

// enrolled is another trust, joined and not running: it has no vote that could be missed.
func (p *place) enrolled(t *testing.T, data, trust string) {
	t.Helper()
	e := p.run(t, "join", "--data", data, "--listen", port(t), dev, "--yes", p.invitation(t, "d1", trust))
	if e.status != 0 {
		t.Fatal(e)
	}
}

// folder opens the data folder of a node that does not run.
func (p *place) folder(t *testing.T, data string) *storage.Folder {
	t.Helper()
	dir := p.path(data)
	master, err := storage.LoadMasterKey(t.Context(), storage.KeySource{File: dir + "/" + storage.DevKeyFile, DataDir: dir, AllowInside: true})
	if err != nil {
		t.Fatal(err)
	}
	f, err := storage.OpenFolder(dir, "", master)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func (p *place) secret(t *testing.T, data, name string) ed25519.PrivateKey {
	t.Helper()
	f := p.folder(t, data)
	seed, err := f.LoadSecret(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return ed25519.NewKeyFromSeed(seed)
}

// pointerAt runs the node of data until its copy of the index has a document, and returns what that says of it.
func (p *place) pointerAt(t *testing.T, data string, id federation.DocumentID) (pointer federation.Pointer) {
	t.Helper()
	settings, err := node.LoadSettings(p.path(data), "", func(string) string { return "" })
	if err != nil {
		t.Fatal(err)
	}
	settings.InsecureDevKeys = true
	n, err := node.Open(t.Context(), node.Options{Data: p.path(data), Settings: settings, Small: true, NoAdmin: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := n.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	}()
	for deadline, found := time.Now().Add(patience), false; !found; {
		err := n.Agreed(t.Context(), consensus.Local(), func(r consensus.Reader) (err error) {
			pointer, _, found, err = index.Pointer(r, id)
			return err
		})
		if err != nil || time.Now().After(deadline) {
			t.Fatalf("%s has not heard of %s: %v", data, id, err)
		}
		if !found {
			<-time.After(20 * time.Millisecond)
		}
	}
	return pointer
}

// foul says what it likes with the keys of a trust.
type foul struct {
	*place
	t         *testing.T
	at        string // of the custodian
	owner     federation.NodeID
	node, own ed25519.PrivateKey // of the node, and the trust's for statements
	pointer   federation.Pointer
	door      *endpoint.Endpoint
	said      []string // what each refusal was for, as the custodian's log has to say it
	told      []string // each refusal that says nothing of clocks
}

// granted is the answer that lets bytes follow.
const granted = "granted"

// open makes a new socket, and with it a new connection.
func (f *foul) open() {
	f.t.Helper()
	if f.door != nil {
		if err := f.door.Close(); err != nil {
			f.t.Fatal(err)
		}
	}
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		f.t.Fatal(err)
	}
	door, err := endpoint.New(endpoint.Config{
		Conn: conn, Key: f.node, Logger: slog.New(slog.DiscardHandler),
		Admit: func(endpoint.PeerID) error { return nil }, Resolve: func(endpoint.PeerID) (string, error) { return f.at, nil },
	})
	if err != nil {
		f.t.Fatal(err)
	}
	f.door = door
	f.t.Cleanup(func() { _ = door.Close() })
}

// dial opens a stream for one request, and returns what binds to its connection.
func (f *foul) dial() (net.Conn, [exchange.BindingSize]byte) {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(f.t.Context(), patience)
	defer cancel()
	conn, err := f.door.Dial(ctx, endpoint.LaneDocument, 1, endpoint.PeerID(f.owner))
	if err != nil {
		f.t.Fatal(err)
	}
	b, err := endpoint.Binding(conn)
	if err != nil {
		f.t.Fatal(err)
	}
	return conn, [exchange.BindingSize]byte(b)
}

// assertion is one that has everything right, but for what change makes of it.
func (f *foul) assertion(change ...func(*exchange.Assertion)) exchange.Assertion {
	f.t.Helper()
	conn, binding := f.dial()
	defer conn.Close()
	a := exchange.Assertion{
		Trust: "RAS", User: "dr.foul", Role: "doctor", Purpose: "TREAT", Subject: f.pointer.Subject, Document: f.pointer.Document, Manifest: f.pointer.Manifest,
		Node: federation.NodeOf(federation.PublicOf(f.node)), Custodian: f.owner, Binding: binding, At: time.Now().UTC().Truncate(time.Microsecond), Selection: exchange.Selection{Part: 1},
	}
	_, _ = rand.Read(a.Nonce[:]) // never fails
	_, _ = rand.Read(a.Transfer[:])
	for _, c := range change {
		c(&a)
	}
	return a
}

// wants has an assertion answered with a grant, or refused for a reason that only the custodian's log says.
func (f *foul) wants(name string, a exchange.Assertion, key ed25519.PrivateKey, reason string) {
	f.t.Helper()
	kind, text := f.ask(a, key)
	switch {
	case (kind == granted) != (reason == granted):
		f.t.Errorf("%s: the answer is %s %q, want %s", name, kind, text, reason)
	case kind == granted:
	case strings.Contains(reason, "clock"):
		if off := behind(text); off < time.Minute || off > patience { // of the minute, and of what it took to ask
			f.t.Errorf("%s: told %q", name, text)
		}
	default:
		f.told = append(f.told, text)
	}
	if reason != granted {
		f.said = append(f.said, reason)
	}
}

// behind returns how far the clock of who asks is said to be behind.
func behind(text string) time.Duration {
	before, _, _ := strings.Cut(text, " behind the clock")
	d, err := time.ParseDuration(before[strings.LastIndexByte(before, ' ')+1:])
	if err != nil {
		return 0
	}
	return d
}

// within asks until it is answered as wanted.
func (f *foul) within(name, want string) {
	f.t.Helper()
	for deadline := time.Now().Add(patience); ; {
		kind, text := f.ask(f.assertion(), f.own)
		if kind == want {
			return
		}
		if time.Now().After(deadline) {
			f.t.Fatalf("%s: %s %q", name, kind, text)
		}
		<-time.After(50 * time.Millisecond)
	}
}

// ask sends a request on a stream of its own and reads the answer, as frame.go of package exchange draws it.
func (f *foul) ask(a exchange.Assertion, key ed25519.PrivateKey) (kind, text string) {
	f.t.Helper()
	signed, err := exchange.SignAssertion(a, key)
	if err != nil {
		f.t.Fatal(err)
	}
	conn, _ := f.dial()
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		f.t.Fatal(err)
	}
	const request, grant, refusal, ruling = 1, 2, 3, 8
	if _, err := conn.Write(append(binary.BigEndian.AppendUint32([]byte{request}, uint32(len(signed))), signed...)); err != nil {
		f.t.Fatal(err)
	}
	for {
		var head [5]byte
		if _, err := io.ReadFull(conn, head[:]); err != nil {
			f.t.Fatalf("no answer: %v", err)
		}
		body := make([]byte, binary.BigEndian.Uint32(head[1:]))
		if _, err := io.ReadFull(conn, body); err != nil {
			f.t.Fatal(err)
		}
		switch head[0] {
		case ruling:
		case grant:
			return granted, ""
		case refusal:
			return fmt.Sprint("refusal ", body[0]), string(body[1:])
		default:
			f.t.Fatalf("a frame of type %d for an answer", head[0])
		}
	}
}

// wrote looks for every refusal in the custodian's log, each with its reason, and for one text that all were told.
func (f *foul) wrote() {
	f.t.Helper()
	if all := slices.Compact(f.told); len(all) != 1 || all[0] != policy.Denied.Safe() {
		f.t.Errorf("who plays foul is told %q, want one text that says nothing", all)
	}
	var details []string
	for _, e := range f.json(f.t, "audit", "search", "--data", "d1", "--kind", "refusal").list(f.t, "entries") {
		details = append(details, fmt.Sprint(e["trust"], " ", e["detail"]))
	}
	slices.Sort(details)
	for _, reason := range f.said {
		i := slices.IndexFunc(details, func(d string) bool { return strings.Contains(d, reason) })
		if i < 0 {
			f.t.Errorf("the custodian's log has no refusal for %q left: %q", reason, details)
			continue
		}
		details = slices.Delete(details, i, i+1)
	}
}
