package consensus

import (
	"bytes"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// choosy is a Machine that refuses some commands and is told of the others ahead.
type choosy struct {
	register
	mu    sync.Mutex
	ahead [][]byte
}

func (*choosy) Vet(cmd []byte) error {
	switch {
	case bytes.HasPrefix(cmd, []byte("fail")):
		return errors.New("not that")
	case bytes.HasPrefix(cmd, []byte("odd")):
		panic("vet panicked")
	}
	return nil
}

func (m *choosy) Prepare(cmd []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ahead = append(m.ahead, cmd)
}

func TestTheLeaderAsksItsMachineBeforeACommandIsInAnyLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRegion(t)
		machines := map[ID]*choosy{}
		g.tune = func(c *Config) {
			machines[c.ID] = &choosy{}
			c.Machine = machines[c.ID]
		}
		all := g.start(3)
		for _, r := range all { // the leader, and followers that forward
			for _, cmd := range []string{"fail", "odd"} {
				_, err := r.Submit(g.context(5*time.Second), []byte(cmd), Bulk)
				if !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), map[string]string{"fail": "not that", "odd": "panicked"}[cmd]) {
					t.Errorf("%s at %s: %v", cmd, r.config.ID[:1], err)
				}
			}
		}
		result := g.set(all[1], "k", "v")
		for _, r := range all {
			if err := r.WaitApplied(g.context(5*time.Second), result.Index); err != nil {
				t.Fatal(err)
			}
			g.want(r, Local(), "k", "v")
			m := machines[r.config.ID]
			m.mu.Lock()
			if n := len(m.ahead); n != 1 || string(m.ahead[0]) != "set k v" {
				t.Errorf("%s was told %q", r.config.ID[:1], m.ahead)
			}
			m.mu.Unlock()
		}
	})
}
