package consensus

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// quiet has production's election timeout, so that a busy machine does not elect.
func quiet(c *Config) {
	c.Heartbeat, c.Election = time.Second, time.Second
	c.CommandTimeout = 30 * time.Second
	c.Storage = Storage{MemTable: 32 << 20, BlockCache: 16 << 20}
	c.TrailingLogs = 1 << 20
	block, err := aes.NewCipher(make([]byte, 32))
	if err != nil {
		panic(err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err)
	}
	c.Sealer = gcm{aead}
}

// gcm seals as fast as production does.
type gcm struct{ aead cipher.AEAD }

func (g gcm) Seal(dst, aad, plain []byte) []byte { return g.aead.Seal(dst, nil, plain, aad) }

func (g gcm) Open(dst, aad, sealed []byte) ([]byte, error) { return g.aead.Open(dst, nil, sealed, aad) }

// BenchmarkSubmit measures commands committed by three replicas with their own fsynced logs on one disk.
func BenchmarkSubmit(b *testing.B) {
	for _, c := range []struct{ clients, size int }{{1, 300}, {64, 300}, {64, 200 << 10}} {
		b.Run(fmt.Sprintf("clients=%d/bytes=%d", c.clients, c.size), func(b *testing.B) {
			g := newRegion(b)
			g.tune = quiet
			leader := g.leader(g.start(3)...)
			cmd := append([]byte("other "), make([]byte, c.size)...)
			var left atomic.Int64
			left.Store(int64(b.N))
			b.SetBytes(int64(c.size))
			b.ResetTimer()
			var clients sync.WaitGroup
			for range c.clients {
				clients.Go(func() {
					for left.Add(-1) >= 0 {
						if _, err := leader.Submit(context.Background(), cmd, Bulk); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			clients.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "commits/s")
		})
	}
}

// BenchmarkUrgent measures from Submit to applied on all three, with and without bulk commands of 200 KB under way.
func BenchmarkUrgent(b *testing.B) {
	for _, bulk := range []int{0, 8} {
		b.Run(fmt.Sprintf("bulk=%d", bulk), func(b *testing.B) {
			g := newRegion(b)
			g.tune = quiet
			all := g.start(3)
			leader := g.leader(all...)
			ctx, cancel := context.WithCancel(context.Background())
			var load sync.WaitGroup
			for range bulk {
				load.Go(func() {
					cmd := append([]byte("other "), make([]byte, 200<<10)...)
					for ctx.Err() == nil {
						if _, err := leader.Submit(ctx, cmd, Bulk); err != nil {
							return
						}
					}
				})
			}
			var worst, acked time.Duration
			b.ResetTimer()
			for b.Loop() {
				begin := time.Now()
				result, err := leader.Submit(context.Background(), []byte("set k v"), Urgent)
				if err != nil {
					b.Fatal(err)
				}
				acked += time.Since(begin)
				for _, r := range all {
					if err := r.WaitApplied(context.Background(), result.Index); err != nil {
						b.Fatal(err)
					}
				}
				worst = max(worst, time.Since(begin))
			}
			b.ReportMetric(float64(worst.Microseconds())/1000, "ms-worst")
			b.ReportMetric(float64(acked.Microseconds())/1000/float64(b.N), "ms-acked")
			cancel()
			load.Wait()
		})
	}
}

// BenchmarkLinearizable measures reads at a follower by 64 clients.
func BenchmarkLinearizable(b *testing.B) {
	g := newRegion(b)
	g.tune = quiet
	all := g.start(3)
	follower := all[0]
	if follower == g.leader(all...) {
		follower = all[1]
	}
	g.set(follower, "k", "v")
	g.want(follower, Linearizable(), "k", "v")
	b.SetParallelism(32)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := get(context.Background(), follower, Linearizable(), "k"); err != nil {
				b.Error(err)
				return
			}
		}
	})
}
