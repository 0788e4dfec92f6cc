package web

import (
	"io"
	"runtime/metrics"
	"testing"
)

func TestUploadsAreNotHeldInMemory(t *testing.T) {
	g := newRig(t)
	b, path, token := g.filer()
	const size = 64 << 20
	var peak uint64
	sampled := &sampler{r: io.LimitReader(&endless{}, size), peak: &peak}
	b.upload(path+"/take", nil, say("token", token), say("type", "1"), say("date", "2026-03-01"), part{"files", "large.bin", sampled}).wants(t, 200, "1 taken in, 0 refused")
	if g.region.bytes[0] != size {
		t.Errorf("%d bytes came", g.region.bytes[0])
	}
	if peak == 0 || peak > 36<<20 {
		t.Errorf("%d MiB were alive while 64 MiB came", peak>>20)
	}
}

// sampler looks now and then at the memory that is alive: what waits to be collected depends on how busy the machine is.
type sampler struct {
	r    io.Reader
	n    int64
	peak *uint64
}

func (s *sampler) Read(b []byte) (int, error) {
	n, err := s.r.Read(b)
	if s.n>>23 != (s.n+int64(n))>>23 {
		live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
		metrics.Read(live)
		*s.peak = max(*s.peak, live[0].Value.Uint64())
	}
	s.n += int64(n)
	return n, err
}
