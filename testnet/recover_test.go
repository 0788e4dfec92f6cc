package testnet

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/node"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/testnet/synth"
)

// A node that lost its copy of the agreed state does not vote, and its founder does not begin a second history: it refuses to
// start, is recovered, gets the state from the others and its vote back.
//
//	RYJ (founder)  S1 S2 S3 x lost ............ recover . S1 S2 S3 S4
//	RAS            S1 S2 S3 ............. S4 .. gives it
//	R1K            S1 S2 S3 ............. S4 ..
func TestLostCopyOfTheStateIsRecoveredFromTheRegion(t *testing.T) {
	ctx := t.Context()
	r, err := NewRegion(ctx, RegionOptions{Dir: t.TempDir(), Small: true, Members: []Member{{"RYJ", "Imperial"}, {"RAS", "Hillingdon"}, {"R1K", "London North West"}}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := r.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}()
	p := synth.New(1).Patients(1)[0]
	take := func(at federation.TrustID, n int) {
		t.Helper()
		for d := range synth.New(1).Documents(p, n) {
			if _, err := r.TakeDocument(ctx, at, p, d); err != nil {
				t.Fatal(err)
			}
		}
		if err := r.Published(ctx, at); err != nil {
			t.Fatal(err)
		}
	}
	take("RYJ", 3)
	if err := r.Stop("RYJ"); err != nil {
		t.Fatal(err)
	}
	region := filepath.Join(r.Data("RYJ"), "region")
	logs, err := filepath.Glob(filepath.Join(region, "log*", "*"))
	if err != nil || len(logs) == 0 {
		t.Fatalf("no log in %s: %v", region, err)
	}
	for _, f := range logs {
		if err := os.RemoveAll(f); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Restart(ctx, "RYJ"); admin.CodeOf(err) != admin.CodeIntegrity {
		t.Fatalf("started without its log: %v, want INTEGRITY", err)
	}
	take("RAS", 2)
	settings, err := node.LoadSettings(r.Data("RYJ"), "", func(string) string { return "" })
	if err != nil {
		t.Fatal(err)
	}
	settings.InsecureDevKeys = true
	if err := node.Recover(ctx, r.Data("RYJ"), settings); err != nil {
		t.Fatal(err)
	}
	if err := r.Restart(ctx, "RYJ"); err != nil {
		t.Fatal(err)
	}
	if err := r.Ready(ctx); err != nil {
		t.Fatal(err)
	}
	if err := r.CheckInvariants(ctx); err != nil {
		t.Fatal(err)
	}
	err = WaitFor(ctx, "the vote of RYJ", func(ctx context.Context) error {
		s, err := r.Node("RYJ").Status(ctx, &admin.StatusRequest{})
		if err == nil && s.GetState() != "voter" && s.GetState() != "leader" {
			err = errors.New(s.GetState())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
