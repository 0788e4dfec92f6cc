package web

import (
	"io"
	"runtime"
	"runtime/metrics"
	"testing"
)

func TestUploadsAreNotHeldInMemory(t *testing.T) {
	g := newRig(t)
	b, path, token := g.filer()
	const size, most = 64 << 20, 16 << 20
	sampled := &sampler{r: io.LimitReader(&endless{}, size)}
	before := alive()
	b.upload(path+"/take", nil, say("token", token), say("type", "1"), say("date", "2026-03-01"), part{"files", "large.bin", sampled}).wants(t, 200, "1 taken in, 0 refused")
	if g.region.bytes[0] != size {
		t.Errorf("%d bytes came", g.region.bytes[0])
	}
	if sampled.peak == 0 || sampled.peak > before+most {
		t.Errorf("%d MiB were alive before, %d MiB while 64 MiB came", before>>20, sampled.peak>>20)
	}
}

// sampler looks now and then at the memory that is alive, while nothing more is sent.
type sampler struct {
	r    io.Reader
	n    int64
	peak uint64
}

func (s *sampler) Read(b []byte) (int, error) {
	n, err := s.r.Read(b)
	if s.n>>23 != (s.n+int64(n))>>23 {
		s.peak = max(s.peak, alive())
	}
	s.n += int64(n)
	return n, err
}

// alive returns the bytes that a collection leaves. One that began before would count all that was allocated while it went on.
func alive() uint64 {
	runtime.GC()
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(live)
	return live[0].Value.Uint64()
}
