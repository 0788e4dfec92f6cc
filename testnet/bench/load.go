package main

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

// perPatient is how many documents a patient has.
const perPatient = 40

// datasync writes a file's data back, and no more of its description than is needed to read it.
func datasync(f *os.File) error { return unix.Fdatasync(int(f.Fd())) }

// fillRandom fills b with bytes that do not compress, the same for the same seed.
func fillRandom(b []byte, seed uint64) {
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	_, _ = rand.NewChaCha8(key).Read(b) // it never fails
}

// speaker is a trust with its chain. It is used by one goroutine.
type speaker struct {
	id                     federation.TrustID
	statement, audit, node ed25519.PrivateKey
	seq                    uint64
	prev                   federation.Digest
}

func keyOf(parts ...any) ed25519.PrivateKey {
	seed := sha256.Sum256(fmt.Append(nil, parts...))
	return ed25519.NewKeyFromSeed(seed[:])
}

func newSpeaker(i int) *speaker {
	id := federation.TrustID(fmt.Sprintf("R%03d", i))
	return &speaker{id: id, statement: keyOf(id, "statement"), audit: keyOf(id, "audit"), node: keyOf(id, "node")}
}

func (s *speaker) member() federation.Member {
	m := federation.Member{
		Trust: s.id, Name: "Trust " + string(s.id), Governing: true, StatementKey: federation.PublicOf(s.statement),
		AuditKey: federation.PublicOf(s.audit), NodeKey: federation.PublicOf(s.node), Address: "127.0.0.1:1",
	}
	m.Prove(s.statement)
	return m
}

// say signs the trust's next statement. It is said once the region has accepted it.
func (s *speaker) say(body federation.Body) ([]byte, error) {
	signed, err := federation.Compose(federation.Place{Trust: s.id, Seq: s.seq + 1, Prev: s.prev, At: time.Now().UTC()}, body, s.statement)
	if err != nil {
		return nil, err
	}
	s.seq, s.prev = s.seq+1, signed.ID()
	return signed.Encode(), nil
}

// subjectOf is the n-th patient.
func subjectOf(n int) federation.Subject {
	sum := sha256.Sum256(binary.BigEndian.AppendUint64([]byte("patient"), uint64(n)))
	return federation.Subject(sum[:16])
}

// pointerOf is the n-th document of the region, of a trust, for a patient: about 170 bytes where a row of a table has 300.
func pointerOf(trust federation.TrustID, subject federation.Subject, n int) federation.Pointer {
	var key federation.DocumentKey
	binary.BigEndian.PutUint64(key[:], uint64(n)*0x9e3779b97f4a7c15)
	binary.BigEndian.PutUint16(key[8:], uint16(n))
	return federation.Pointer{
		Subject: subject, Document: federation.NewDocumentID(trust, key), Confidentiality: federation.Normal,
		Manifest: federation.Digest(sha256.Sum256(key[:])), Type: "823681000000100", Category: "823651000000106", Specialty: "300",
		ContentType: "application/pdf", Language: "en-GB", Title: fmt.Sprintf("Outpatient letter %d, cardiology", n), Author: "Dr A. N. Example",
		Status: federation.Current, Date: time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC).Add(-time.Duration(n%200_000) * time.Hour), Parts: 1, Pages: 2, Bytes: 60000,
	}
}

// pointersOf are the documents from to from+count. A patient's come at intervals, as they do.
func pointersOf(trust federation.TrustID, from, count, patients int) []federation.Pointer {
	out := make([]federation.Pointer, count)
	for i := range out {
		out[i] = pointerOf(trust, subjectOf((from+i)%patients), from+i)
	}
	return out
}

// each calls fn with 0 to n-1, each in a goroutine of its own, and returns the first error.
func each(n int, fn func(i int) error) error {
	errs := make([]error, n)
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() { errs[i] = fn(i) })
	}
	group.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// during has n clients call fn over and over for a time, and returns how often it was called a second and how long the
// calls took, in milliseconds. After each call a client gives way, as one does that waits for its answer to arrive: calls that
// never wait keep a processor for 10 ms otherwise, and whoever is cut off in the middle of one waits for all others to have theirs.
// How long a client waits for its next turn is no part of a call; arriving counts that.
func during(d time.Duration, n int, fn func(client, call int) error) (rate float64, took series, err error) {
	began := time.Now()
	all := make([]series, n)
	err = each(n, func(client int) error {
		for call := 0; time.Since(began) < d; call++ {
			start := time.Now()
			if err := fn(client, call); err != nil {
				return err
			}
			all[client] = append(all[client], milliseconds(time.Since(start)))
			runtime.Gosched()
		}
		return nil
	})
	took = slices.Concat(all...)
	return float64(len(took)) / time.Since(began).Seconds(), took, err
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// switched is a UDP socket that can be silenced, as if the power had gone, and brought back.
type switched struct {
	net.PacketConn
	silent atomic.Bool
}

// WriteTo sends, or says that it has.
func (s *switched) WriteTo(b []byte, to net.Addr) (int, error) {
	if s.silent.Load() {
		return len(b), nil
	}
	return s.PacketConn.WriteTo(b, to)
}

// ReadFrom receives, or throws away what comes.
func (s *switched) ReadFrom(b []byte) (int, net.Addr, error) {
	for {
		n, from, err := s.PacketConn.ReadFrom(b)
		if err != nil || !s.silent.Load() {
			return n, from, err
		}
	}
}
