package testnet

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/testnet/synth"
)

// members returns the first n of a list of trusts.
func members(n int) []Member {
	all := []Member{{"RYJ", "Imperial"}, {"RAS", "Hillingdon"}, {"R1K", "London North West"}, {"RQM", "Chelsea and Westminster"}, {"RJ1", "Guy's"}}
	return all[:n]
}

// verboseLogger logs when REGION_LOG names a level.
func verboseLogger() *slog.Logger {
	var level slog.Level
	if level.UnmarshalText([]byte(os.Getenv("REGION_LOG"))) != nil {
		return nil
	}
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
}

// tour takes documents in everywhere, publishes, locates and fetches across trusts, kills a node and restarts it.
func tour(ctx context.Context, t *testing.T, r *Region) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	source := synth.New(7)
	patient := source.Patients(1)[0]
	var ids []federation.DocumentID
	for i, trust := range r.Trusts() {
		receipt, err := r.TakeDocument(ctx, trust, patient, source.CaseNote(patient, 2+i))
		must(err)
		ids = append(ids, receipt.Document)
	}
	must(r.Published(ctx))
	must(r.Converged(ctx))
	far := r.Trusts()[len(r.Trusts())-1]
	found, err := r.Locate(ctx, far, patient.NHSNumber)
	must(err)
	if got := len(found.GetDocuments()); got != len(ids) {
		t.Fatalf("%d documents located, want %d", got, len(ids))
	}
	var got bytes.Buffer
	var fetched Fetched
	must(WaitFor(ctx, "the first document", func(ctx context.Context) (err error) { // a custodian that waited for a core may have no lease
		got.Reset()
		fetched, err = r.Fetch(ctx, far, &admin.FetchRequest{Document: string(ids[0])}, &got)
		return err
	}))
	if want := source.CaseNote(patient, 2).Bytes(); !bytes.Equal(got.Bytes(), want) || fetched.Bytes != int64(len(want)) {
		t.Errorf("fetched %d bytes, want the %d that were taken in", got.Len(), len(want))
	}
	leader, err := r.Leader(ctx)
	must(err)
	must(r.Kill(leader))
	if r.Node(leader) != nil {
		t.Error("a killed node still runs")
	}
	other := r.Up()[0]
	receipt, err := r.TakeDocument(ctx, other, patient, source.CaseNote(patient, 12))
	must(err)
	must(r.Published(ctx, other))
	next, err := r.Leader(ctx)
	must(err)
	if next == leader {
		t.Errorf("%s leads after it was killed", next)
	}
	must(r.Restart(ctx, leader))
	must(r.Ready(ctx))
	must(r.Converged(ctx))
	must(WaitFor(ctx, "the document", func(ctx context.Context) error { // the same
		_, err := r.Fetch(ctx, leader, &admin.FetchRequest{Document: string(receipt.Document)}, nil)
		return err
	}))
	must(r.CheckInvariants(ctx))
}

func TestRegionOfFiveInVirtualTime(t *testing.T) {
	t.Parallel()
	started := time.Now()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
		defer cancel()
		network := NewNetwork(Options{Seed: 1, Link: LinkOptions{Latency: 5 * time.Millisecond}})
		r, err := NewRegion(ctx, RegionOptions{Dir: t.TempDir(), Members: members(5), Network: network, Small: true, Logger: verboseLogger()})
		if err != nil {
			t.Fatal(err)
		}
		tour(ctx, t, r)
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		<-time.After(time.Minute) // connections and memberships that were cut off end late
	})
	t.Logf("%s of real time", time.Since(started).Round(time.Millisecond))
}

// TestRegionOfThreeOnLoopback runs in real time, so not beside the scenarios: they would keep its leader from being heard.
func TestRegionOfThreeOnLoopback(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	started := time.Now()
	r, err := NewRegion(ctx, RegionOptions{Dir: t.TempDir(), Members: members(3), Small: true, Logger: verboseLogger()})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("complete after %s", time.Since(started).Round(time.Millisecond))
	tour(ctx, t, r)
	t.Logf("checked after %s", time.Since(started).Round(time.Millisecond))
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	t.Logf("closed after %s", time.Since(started).Round(time.Millisecond))
}

// TestTwoRegionsGetNoPortTwice, though neither has opened what it was given.
func TestTwoRegionsGetNoPortTwice(t *testing.T) {
	var one, other ports
	defer one.close()
	defer other.close()
	given := make(map[string]bool)
	for range 200 {
		for _, p := range []*ports{&one, &other} {
			addr, err := p.free()
			if err != nil {
				t.Fatal(err)
			}
			if given[addr] {
				t.Errorf("%s was given out twice", addr)
			}
			given[addr] = true
		}
	}
}
