package consensus

import (
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"
)

// TestPipelineWhoseAnswersNobodyTakesLetsGo sends on while raft takes no answers, as after a rejection, until it looks whether the
// pipeline is to end: it gets to look, and what it could never be rid of ends with an error.
func TestPipelineWhoseAnswersNobodyTakesLetsGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		tr := &transport{muted: func() bool { return false }, open: make(map[net.Conn]struct{})}
		p := newPipeline(tr, testID(2), newStream(near))
		go p.read()
		go func() { _, _ = io.Copy(io.Discard, far) }()
		go func() { _ = writeFrame(newStream(far).w, frameFailed, []byte("rejected")) }()
		begin := time.Now()
		for i := range answered {
			if _, err := p.AppendEntries(&raft.AppendEntriesRequest{}, new(raft.AppendEntriesResponse)); err != nil || time.Since(begin) > 0 {
				t.Fatalf("request %d: %v after %v", i, err, time.Since(begin))
			}
		}
		var err error
		for range 2 * inFlight {
			if _, err = p.AppendEntries(&raft.AppendEntriesRequest{}, new(raft.AppendEntriesResponse)); err != nil {
				break
			}
		}
		if !errors.Is(err, raft.ErrPipelineShutdown) || time.Since(begin) > rpcTimeout {
			t.Errorf("%v after %v", err, time.Since(begin))
		}
		if err := errors.Join(p.Close(), far.Close()); err != nil {
			t.Error(err)
		}
	})
}
