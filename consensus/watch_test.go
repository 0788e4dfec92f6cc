package consensus

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"
)

// slowLog takes its time for writes while told to.
type slowLog struct {
	logFile
	mu   sync.Mutex
	gate chan struct{} // writes wait for it while set
}

func (s *slowLog) hang() (release func()) {
	gate := make(chan struct{})
	s.mu.Lock()
	s.gate = gate
	s.mu.Unlock()
	return func() {
		s.mu.Lock()
		s.gate = nil
		s.mu.Unlock()
		close(gate)
	}
}

func (s *slowLog) StoreLogs(logs []*raft.Log) error {
	s.mu.Lock()
	gate := s.gate
	s.mu.Unlock()
	if gate != nil {
		<-gate
	}
	return s.logFile.StoreLogs(logs)
}

func TestLeaderWhoseLogHangsIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRegion(t)
		logs := map[ID]*slowLog{}
		g.tune = func(c *Config) {
			id := c.ID
			c.wrapLog = func(f logFile) logFile { logs[id] = &slowLog{logFile: f}; return logs[id] }
		}
		all := g.start(3)
		leader := g.leader(all...)
		release := logs[leader.config.ID].hang()
		defer release()
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if _, err := leader.Submit(ctx, []byte("set k lost?"), Bulk); !errors.Is(err, ErrOutcomeUnknown) {
			t.Fatalf("submit to the hanging leader: %v, want ErrOutcomeUnknown", err)
		}
		var rest []*Replica
		for _, r := range all {
			if r != leader {
				rest = append(rest, r)
			}
		}
		begin := time.Now()
		g.set(g.leader(rest...), "k", "new")
		if took := time.Since(begin); took > 10*time.Second {
			t.Errorf("the next write came after %s", took)
		}
		g.want(rest[0], Linearizable(), "k", "new")
	})
}

// failingLog loses its disk when told to.
type failingLog struct {
	logFile
	mu   sync.Mutex
	fail bool
}

func (s *failingLog) StoreLogs(logs []*raft.Log) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail {
		return errors.New("input/output error")
	}
	return s.logFile.StoreLogs(logs)
}

func TestFailedLogWriteStopsTheReplica(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRegion(t)
		var log *failingLog
		g.tune = func(c *Config) {
			c.wrapLog = func(f logFile) logFile { log = &failingLog{logFile: f}; return log }
		}
		r := g.start(1)[0]
		log.mu.Lock()
		log.fail = true
		log.mu.Unlock()
		if _, err := r.Submit(g.context(5*time.Second), []byte("set k 1"), Bulk); err == nil {
			t.Fatal("acknowledged without a log")
		}
		g.until("it to stop", func() bool { return r.Status().State == Stopped })
		if cause := r.Status().Cause.Error(); !strings.Contains(cause, "input/output error") {
			t.Errorf("cause is %s", cause)
		}
	})
}

// TestFuturesEndWithRaft holds what outcome needs of raft's types.
func TestFuturesEndWithRaft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRegion(t)
		r := g.start(1)[0]
		f := r.raft.ApplyLog(raft.Log{Data: []byte{entryEmpty}}, 0)
		if _, ok := reflect.TypeOf(f).Elem().FieldByName("ShutdownCh"); !ok {
			t.Fatalf("%T has no ShutdownCh any more", f)
		}
		if err := outcome(f, r.dead); err != nil {
			t.Fatal(err)
		}
		if field := reflect.ValueOf(f).Elem().FieldByName("ShutdownCh"); !field.CanSet() {
			t.Fatalf("%T does not let its ShutdownCh be set any more", f)
		}
		dead := make(chan struct{})
		close(dead)
		if err := outcome(&stranded{}, dead); !errors.Is(err, raft.ErrRaftShutdown) {
			t.Errorf("got %v", err)
		}
	})
}

// stranded is a future that nobody answers, built like raft's.
type stranded struct{ embedded }

type embedded struct{ ShutdownCh chan struct{} }

func (e *embedded) Error() error {
	<-e.ShutdownCh
	return raft.ErrRaftShutdown
}
