package testnet

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/node"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/node/ingest"
	"github.com/ridgeway-exchange/ridgeway/node/media"
	"github.com/ridgeway-exchange/ridgeway/testnet/synth"
)

// The trusts of most scenarios.
const (
	ryj federation.TrustID = "RYJ"
	ras federation.TrustID = "RAS"
	r1k federation.TrustID = "R1K"
	rqm federation.TrustID = "RQM"
	rj1 federation.TrustID = "RJ1"
)

const (
	// scenarioTime bounds a scenario in virtual time.
	scenarioTime = 30 * time.Minute
	// lingering is how long connections and memberships that were cut off take to end by themselves.
	lingering = time.Minute
	// calm is the time-out of elections where minutes pass and nobody's loss is to be noticed: fewer heartbeats take less real time.
	calm = 5 * time.Second
	// keptLines is how many lines of the nodes' logs a failure shows.
	keptLines = 60
)

// seeds returns the seeds to run a scenario with: as many as RIDGEWAY_SEEDS says, or else few under -short and usual without.
func seeds(few, usual int) []uint64 {
	n := usual
	if testing.Short() {
		n = few
	}
	if asked, err := strconv.Atoi(os.Getenv("RIDGEWAY_SEEDS")); err == nil && asked > 0 {
		n = asked
	}
	out := make([]uint64, n)
	for i := range out {
		out[i] = uint64(i + 1)
	}
	return out
}

// play runs a scenario once for each seed. Each region has a bubble of its own, so they go side by side.
func play(t *testing.T, list []uint64, o RegionOptions, scenario func(s *stage)) {
	t.Helper()
	playWith(t, list, func(*stage) RegionOptions { return o }, scenario)
}

// playWith is play with options that belong to one region: they are made in its bubble.
func playWith(t *testing.T, list []uint64, options func(s *stage) RegionOptions, scenario func(s *stage)) {
	t.Helper()
	t.Parallel()
	for _, seed := range list {
		t.Run("seed "+strconv.FormatUint(seed, 10), func(t *testing.T) {
			t.Parallel()
			began := time.Now()
			synctest.Test(t, func(t *testing.T) { perform(t, seed, options, scenario) })
			t.Logf("%s of real time", time.Since(began).Round(time.Millisecond))
		})
	}
}

// perform founds a region in virtual time, runs a scenario on it, and checks what must hold of every region afterwards.
func perform(t *testing.T, seed uint64, options func(s *stage) RegionOptions, scenario func(s *stage)) {
	ctx, cancel := context.WithTimeout(t.Context(), scenarioTime)
	s := &stage{
		T: t, ctx: ctx, seed: seed, dice: rand.New(rand.NewPCG(seed, 1)), log: newScribe(), patients: synth.New(seed).Patients(8),
		net: NewNetwork(Options{Seed: seed, Link: LinkOptions{Latency: 5 * time.Millisecond, Jitter: time.Millisecond}}),
	}
	defer func() {
		for _, door := range s.doors {
			_ = door.Close() // of rogues: a scenario that failed may have left it open
		}
		if s.r != nil {
			if err := s.r.Close(); err != nil {
				t.Errorf("close the region: %v", err)
			}
		}
		cancel()
		<-time.After(lingering)
		if t.Failed() {
			s.report()
		}
	}()
	o := options(s)
	o.Dir, o.Network, o.Seed, o.Small, o.Logger = t.TempDir(), s.net, seed, true, slog.New(s.log)
	var err error
	s.r, err = NewRegion(ctx, o)
	s.must(err)
	scenario(s)
	s.sound()
}

// stage is a region in virtual time and what a scenario needs to play on it.
type stage struct {
	*testing.T
	ctx      context.Context
	net      *Network
	r        *Region
	seed     uint64
	dice     *rand.Rand
	log      *scribe
	patients []synth.Patient
	made     int
	doors    []io.Closer
	gate     *gate // of scenarios that have one
}

// report prints what whoever looks into a failure needs.
func (s *stage) report() {
	var b bytes.Buffer
	_ = s.net.WriteTrace(&b) // a buffer takes everything
	s.Logf("seed %d\n%s\nlast lines of the nodes:\n%s", s.seed, b.String(), strings.Join(s.log.last(), "\n"))
}

// must ends the scenario on an error.
func (s *stage) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// sound heals everything and wants the region to be complete, equal everywhere, and to have kept its word.
func (s *stage) sound() {
	s.Helper()
	s.must(s.r.Heal())
	s.must(s.soon(time.Minute, "the region to be complete", s.r.Ready))
	s.must(s.soon(time.Minute, "everything to be told", func(ctx context.Context) error { return s.r.Published(ctx) }))
	s.must(s.r.CheckInvariants(s.ctx))
}

// soon runs fn, which must be done within a time.
func (s *stage) soon(within time.Duration, what string, fn func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(s.ctx, within)
	defer cancel()
	if err := fn(ctx); err != nil {
		return fmt.Errorf("%s, within %s: %w", what, within, err)
	}
	return nil
}

// until waits until cond returns nil.
func (s *stage) until(within time.Duration, what string, cond func() error) {
	s.Helper()
	s.must(s.soon(within, what, func(ctx context.Context) error {
		return WaitFor(ctx, what, func(context.Context) error { return cond() })
	}))
}

// pass lets time pass.
func (s *stage) pass(d time.Duration) { <-time.After(d) }

// between returns a random duration.
func (s *stage) between(low, high time.Duration) time.Duration {
	return low + time.Duration(s.dice.Int64N(int64(high-low)+1))
}

// content makes bytes that do not repeat.
func (s *stage) content(size int) []byte {
	s.made++
	b := make([]byte, size)
	src := rand.NewChaCha8(sha256.Sum256(fmt.Appendf(nil, "%d %d", s.seed, s.made)))
	_, _ = src.Read(b) // it never fails
	return b
}

// item describes a document of invented bytes.
func (s *stage) item(patient synth.Patient, content []byte) ingest.Item {
	return ingest.Item{
		Patient: patient.NHSNumber, Type: "373942005", Category: "734163000", Title: "Discharge summary", Author: "Dr A. Author",
		Date: time.Date(2026, 3, 1+s.made%28, 9, 0, 0, 0, time.UTC), Confidentiality: "N", Language: "en-GB",
		Parts: []ingest.Part{{
			Name: "letter.bin", Info: media.Info{ContentType: "application/octet-stream"}, Size: int64(len(content)), Content: bytes.NewReader(content),
		}},
	}
}

// take has a trust take in a document of so many bytes.
func (s *stage) take(t federation.TrustID, patient synth.Patient, size int) federation.DocumentID {
	s.Helper()
	receipt, err := s.r.Take(s.ctx, t, s.item(patient, s.content(size)))
	s.must(err)
	return receipt.Document
}

// published takes a document in and waits until the region has agreed on it.
func (s *stage) published(t federation.TrustID, patient synth.Patient, size int) federation.DocumentID {
	s.Helper()
	id := s.take(t, patient, size)
	s.must(s.soon(time.Minute, "publish "+string(id), func(ctx context.Context) error { return s.r.Published(ctx, t) }))
	return id
}

// fetch asks for a document and wants a code; empty: it must come.
func (s *stage) fetch(at federation.TrustID, id federation.DocumentID, want admin.Code) {
	s.Helper()
	_, err := s.r.Fetch(s.ctx, at, &admin.FetchRequest{Document: string(id)}, nil)
	if got := codeOf(err); got != want {
		s.Errorf("%s fetches %s: %q (%v), want %q", at, id, got, err, want)
	}
}

// codeOf is admin.CodeOf, and empty without an error.
func codeOf(err error) admin.Code {
	if err == nil {
		return ""
	}
	return admin.CodeOf(err)
}

// sees wants a trust to locate a patient's documents.
func (s *stage) sees(at federation.TrustID, patient synth.Patient, ids ...federation.DocumentID) error {
	found, err := s.r.Locate(s.ctx, at, patient.NHSNumber)
	if err != nil {
		return err
	}
	known := make(map[string]bool)
	for _, d := range found.GetDocuments() {
		known[d.GetDocument()] = true
	}
	for _, id := range ids {
		if !known[string(id)] {
			return fmt.Errorf("%s does not know of %s", at, id)
		}
	}
	return nil
}

// others returns the trusts of the region but these.
func (s *stage) others(but ...federation.TrustID) []federation.TrustID {
	var out []federation.TrustID
	for _, t := range s.r.Trusts() {
		if !slices.Contains(but, t) {
			out = append(out, t)
		}
	}
	return out
}

// leader returns the trust that leads.
func (s *stage) leader() federation.TrustID {
	s.Helper()
	var leader federation.TrustID
	s.must(s.soon(time.Minute, "a leader", func(ctx context.Context) (err error) {
		leader, err = s.r.Leader(ctx)
		return err
	}))
	return leader
}

// enlist adds a trust to the cast: it can be invited from now on. Nobody else may use the region meanwhile.
func (s *stage) enlist(m Member) {
	s.Helper()
	r := s.r
	r.members[m.Trust] = &member{Member: m, data: filepath.Join(r.opts.Dir, string(m.Trust)), settings: node.Settings{
		Listen: s.net.Addr(string(m.Trust)).String(), InsecureDevKeys: true, TestNumbers: true,
		Lease: node.Duration(r.opts.Lease), Election: node.Duration(r.opts.Election),
	}}
	r.order = append(r.order, m.Trust)
}

// join has a new trust join through a sponsor, and starts its node.
func (s *stage) join(sponsor federation.TrustID, m Member) {
	s.Helper()
	s.enlist(m)
	s.must(s.r.join(s.ctx, s.r.Node(sponsor), m.Trust))
}

// scribe is the slog.Handler of all nodes: it keeps the last lines and counts messages by trust.
type scribe struct {
	*scribed
	trust string
}

type scribed struct {
	mu     sync.Mutex
	counts map[[2]string]int // trust, message
	lines  []string
}

func newScribe() *scribe { return &scribe{scribed: &scribed{counts: make(map[[2]string]int)}} }

// longIDs are ids of nodes in logs; the first digits tell them apart.
var longIDs = regexp.MustCompile(`([0-9a-f]{8})[0-9a-f]{56}`)

// Enabled takes everything that an operator would see; REGION_LOG=debug takes all.
func (h *scribe) Enabled(_ context.Context, l slog.Level) bool {
	return l >= slog.LevelInfo || os.Getenv("REGION_LOG") == "debug"
}

// Handle keeps a record.
func (h *scribe) Handle(_ context.Context, r slog.Record) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %-5s %-4s %s", r.Time.Format("15:04:05.000"), r.Level, h.trust, r.Message)
	r.Attrs(func(a slog.Attr) bool {
		fmt.Fprintf(&b, " %s=%v", a.Key, a.Value)
		return true
	})
	h.mu.Lock()
	defer h.mu.Unlock()
	h.counts[[2]string{h.trust, r.Message}]++
	line := longIDs.ReplaceAllString(b.String(), "$1")
	if h.lines = append(h.lines, line[:min(len(line), 240)]); len(h.lines) > 4*keptLines && os.Getenv("REGION_LOG") == "" {
		h.lines = append([]string(nil), h.lines[len(h.lines)-keptLines:]...)
	}
	return nil
}

// WithAttrs remembers whose logger it is.
func (h *scribe) WithAttrs(attrs []slog.Attr) slog.Handler {
	out := *h
	for _, a := range attrs {
		if a.Key == "trust" {
			out.trust = a.Value.String()
		}
	}
	return &out
}

// WithGroup is not used by the nodes.
func (h *scribe) WithGroup(string) slog.Handler { return h }

// said returns how often a trust's node logged a message.
func (h *scribed) said(t federation.TrustID, message string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.counts[[2]string{string(t), message}]
}

// last returns the last lines.
func (h *scribed) last() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	if os.Getenv("REGION_LOG") != "" {
		return append([]string(nil), h.lines...)
	}
	return append([]string(nil), h.lines[max(0, len(h.lines)-keptLines):]...)
}

// errWant is returned by conditions that do not hold.
var errWant = errors.New("not as wanted")

func want(ok bool, format string, args ...any) error {
	if ok {
		return nil
	}
	return fmt.Errorf("%w: %s", errWant, fmt.Sprintf(format, args...))
}
