package testnet

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/node"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

// A node that lost its copy of the agreed state does not vote, and its founder does not begin a second history: it refuses to
// start, is recovered, gets the state from the others and its vote back.
//
//	RYJ (founder)  S1 S2 S3 x lost ............ recover . S1 S2 S3 S4
//	RAS            S1 S2 S3 ............. S4 .. gives it
//	R1K            S1 S2 S3 ............. S4 ..
func TestLostCopyOfTheStateIsRecoveredFromTheRegion(t *testing.T) {
	play(t, seeds(1, 1), RegionOptions{Members: members(3)}, func(s *stage) {
		take := func(at federation.TrustID, n int) {
			s.Helper()
			for range n {
				s.published(at, s.patients[0], 1000)
			}
		}
		take(ryj, 3)
		s.must(s.r.Stop(ryj))
		logs, err := filepath.Glob(filepath.Join(s.r.Data(ryj), "region", "log*", "*"))
		if err != nil || len(logs) == 0 {
			s.Fatalf("no log: %v", err)
		}
		for _, f := range logs {
			s.must(os.RemoveAll(f))
		}
		if err := s.r.Restart(s.ctx, ryj); admin.CodeOf(err) != admin.CodeIntegrity {
			s.Fatalf("started without its log: %v, want INTEGRITY", err)
		}
		take(ras, 2)
		settings, err := node.LoadSettings(s.r.Data(ryj), "", func(string) string { return "" })
		s.must(err)
		settings.InsecureDevKeys = true
		s.must(node.Recover(s.ctx, node.RecoverOptions{Data: s.r.Data(ryj), Settings: settings, Yes: true}))
		s.must(s.r.Restart(s.ctx, ryj))
		s.must(s.soon(time.Minute, "the region to be complete", s.r.Ready))
		s.must(s.r.CheckInvariants(s.ctx))
		s.must(s.soon(time.Minute, "the vote of RYJ", func(ctx context.Context) error {
			return WaitFor(ctx, "the vote of RYJ", func(ctx context.Context) error {
				status, err := s.r.Node(ryj).Status(ctx, &admin.StatusRequest{})
				if err == nil && status.GetState() != "voter" && status.GetState() != "leader" {
					err = errors.New(status.GetState())
				}
				return err
			})
		}))
	})
}
