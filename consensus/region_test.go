package consensus

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// register is the Machine of the tests: "set key value" writes, "fail" and "panic" do what they say, "big n" writes n bytes.
type register struct {
	applied atomic.Uint64
	refuse  atomic.Bool // refuse snapshots
	mu      sync.Mutex
	seen    []uint64
}

func (m *register) Apply(tx *Tx, index uint64, cmd []byte) ([]byte, error) {
	words := strings.SplitN(string(cmd), " ", 3)
	switch words[0] {
	case "set":
		old, _, err := tx.Get([]byte(words[1]))
		if err != nil {
			return nil, err
		}
		tx.Set([]byte(words[1]), []byte(words[2]))
		return old, nil
	case "count":
		v, _, err := tx.Get([]byte("count"))
		if err != nil {
			return nil, err
		}
		n, _ := binary.Uvarint(v)
		tx.Set([]byte("count"), binary.AppendUvarint(nil, n+1))
		return binary.AppendUvarint(nil, n+1), nil
	case "spread": // many keys
		for i := range 1000 {
			tx.Set(fmt.Appendf(nil, "spread/%s/%04d", words[1], i), []byte(words[2]))
		}
		return nil, nil
	case "fail":
		tx.Set([]byte("trace of a failure"), nil)
		return nil, errors.New("told to fail")
	case "panic":
		panic("told to panic")
	case "huge":
		for i := range MaxEffectKeys + 1 {
			tx.Set(fmt.Appendf(nil, "huge/%d", i), nil)
		}
		return nil, nil
	}
	return nil, nil
}

func (m *register) SnapshotSize(r Reader) (int64, error) {
	size := int64(0)
	err := r.Scan(nil, nil, func(k, v []byte) (bool, error) {
		size += int64(8 + len(k) + len(v))
		return true, nil
	})
	return size, err
}

func (m *register) Snapshot(r Reader, w io.Writer) error {
	return r.Scan(nil, nil, func(k, v []byte) (bool, error) {
		b := binary.BigEndian.AppendUint32(nil, uint32(len(k)))
		b = binary.BigEndian.AppendUint32(b, uint32(len(v)))
		_, err := w.Write(append(append(b, k...), v...))
		return true, err
	})
}

func (m *register) Restore(src io.Reader, store Store) error {
	for {
		var head [8]byte
		if _, err := io.ReadFull(src, head[:]); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return err
		}
		k, v := make([]byte, binary.BigEndian.Uint32(head[:])), make([]byte, binary.BigEndian.Uint32(head[4:]))
		if _, err := io.ReadFull(src, k); err != nil {
			return err
		}
		if _, err := io.ReadFull(src, v); err != nil {
			return err
		}
		if err := store.Update(func(tx *Tx) error { tx.Set(k, v); return nil }); err != nil {
			return err
		}
	}
	if m.refuse.Load() {
		return errors.New("told to refuse")
	}
	return nil
}

func (m *register) Applied(index uint64) {
	m.applied.Store(index)
	m.mu.Lock()
	m.seen = append(m.seen, index)
	m.mu.Unlock()
}

// xorSealer is a Sealer with a checksum over the aad: enough to show that places are bound and bytes are not in clear.
type xorSealer struct{}

func (xorSealer) sum(aad, b []byte) uint32 {
	h := uint32(2166136261)
	for _, part := range [][]byte{aad, {0}, b} {
		for _, c := range part {
			h = (h ^ uint32(c)) * 16777619
		}
	}
	return h
}

func (s xorSealer) Seal(dst, aad, plain []byte) []byte {
	dst = binary.BigEndian.AppendUint32(dst, s.sum(aad, plain))
	for _, c := range plain {
		dst = append(dst, c^0x5a)
	}
	return dst
}

func (s xorSealer) Open(dst, aad, sealed []byte) ([]byte, error) {
	if len(sealed) < 4 {
		return nil, errors.New("too short")
	}
	start := len(dst)
	for _, c := range sealed[4:] {
		dst = append(dst, c^0x5a)
	}
	if s.sum(aad, dst[start:]) != binary.BigEndian.Uint32(sealed) {
		return nil, errors.New("seal is broken")
	}
	return dst, nil
}

// region is replicas on one network.
type region struct {
	t        testing.TB
	root     string
	net      *memNetwork
	members  sync.Map // ID -> bool
	replicas map[ID]*Replica
	machines map[ID]*register
	dirs     map[ID]string
	tune     func(*Config)
	crashes  int
}

func newRegion(t testing.TB) *region {
	g := &region{
		root: t.TempDir(), t: t, net: newMemNetwork(), replicas: map[ID]*Replica{}, machines: map[ID]*register{}, dirs: map[ID]string{},
	}
	t.Cleanup(func() {
		for _, id := range slices.Sorted(maps.Keys(g.replicas)) {
			g.net.Isolate(id, false)
		}
		var wg sync.WaitGroup
		for _, r := range g.replicas {
			wg.Go(func() {
				ctx, cancel := context.WithCancel(context.Background())
				cancel() // no hand-over
				if err := r.Close(ctx); err != nil {
					t.Logf("close: %v", err)
				}
			})
		}
		wg.Wait()
	})
	return g
}

func (g *region) config(id ID) Config {
	g.members.Store(id, true)
	if g.dirs[id] == "" {
		g.dirs[id] = filepath.Join(g.root, string(id[:1]))
	}
	g.machines[id] = &register{}
	c := Config{
		ID: id, Dir: g.dirs[id], Network: g.net.node(id), Machine: g.machines[id], Sealer: xorSealer{},
		Member:    func(id ID) bool { _, ok := g.members.Load(id); return ok },
		Heartbeat: 150 * time.Millisecond, Election: 150 * time.Millisecond,
		Storage: SmallStorage(), TrailingLogs: 64, SnapshotThreshold: 1 << 40,
	}
	if os.Getenv("CONSENSUS_LOG") != "" {
		c.Logger = slog.New(slog.NewTextHandler(os.Stderr, nil)).With(slog.String("replica", string(id[:1])))
	}
	if g.tune != nil {
		g.tune(&c)
	}
	return c
}

func (g *region) open(digit int) *Replica {
	g.t.Helper()
	r, err := Open(g.config(testID(digit)))
	if err != nil {
		g.t.Fatalf("open %d: %v", digit, err)
	}
	g.replicas[testID(digit)] = r
	return r
}

// start opens n voters and waits until all of them are.
func (g *region) start(n int) []*Replica {
	g.t.Helper()
	ctx := g.context(20 * time.Second)
	var all []*Replica
	for i := range n {
		all = append(all, g.open(i+1))
	}
	if err := all[0].Bootstrap(ctx); err != nil {
		g.t.Fatalf("bootstrap: %v", err)
	}
	for _, r := range all[1:] {
		if err := all[0].AddVoter(ctx, r.config.ID); err != nil {
			g.t.Fatalf("add voter: %v", err)
		}
	}
	return all
}

func (g *region) context(d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	g.t.Cleanup(cancel)
	return ctx
}

// leader waits for a leader among the given replicas.
func (g *region) leader(among ...*Replica) *Replica {
	g.t.Helper()
	var found *Replica
	g.until("a leader", func() bool {
		for _, r := range among {
			if s := r.Status(); s.State == Leader && s.Commit > 0 {
				found = r
				return true
			}
		}
		return false
	})
	return found
}

// follower returns a replica that follows, and the leader it follows.
func (g *region) follower(all []*Replica) (follower, leader *Replica) {
	g.t.Helper()
	leader = g.leader(all...)
	at := slices.IndexFunc(all, func(r *Replica) bool { return r != leader })
	return all[at], leader
}

// until waits for a condition.
func (g *region) until(what string, ok func() bool) {
	g.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	give := time.After(20 * time.Second)
	for !ok() {
		select {
		case <-tick.C:
		case <-give:
			for _, id := range slices.Sorted(maps.Keys(g.replicas)) {
				g.t.Logf("%+v", g.replicas[id].Status())
			}
			g.t.Fatalf("waited in vain for %s", what)
		}
	}
}

func (g *region) set(r *Replica, key, value string) Result {
	g.t.Helper()
	result, err := r.Submit(g.context(10*time.Second), []byte("set "+key+" "+value), Bulk)
	if err != nil {
		g.t.Fatalf("submit to %s: %v", r.config.ID[:1], err)
	}
	return result
}

func get(ctx context.Context, r *Replica, c Consistency, key string) (string, error) {
	var value []byte
	err := r.View(ctx, c, func(rd Reader) (err error) {
		value, _, err = rd.Get([]byte(key))
		return err
	})
	return string(value), err
}

// want checks a key at a replica.
func (g *region) want(r *Replica, c Consistency, key, want string) {
	g.t.Helper()
	got, err := get(g.context(10*time.Second), r, c, key)
	if err != nil || got != want {
		g.t.Fatalf("%s at %s is %q, %v; want %q", key, r.config.ID[:1], got, err, want)
	}
}

// dump is the whole state of a replica.
func dump(t testing.TB, r *Replica) string {
	t.Helper()
	var out bytes.Buffer
	err := r.View(context.Background(), Local(), func(rd Reader) error {
		return rd.Scan(nil, nil, func(k, v []byte) (bool, error) {
			fmt.Fprintf(&out, "%q=%q\n", k, v)
			return true, nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// crash abandons a replica: its folder is copied as it is, and the copy takes the folder's place.
func (g *region) crash(r *Replica) {
	g.t.Helper()
	id := r.config.ID
	g.crashes++
	copied := filepath.Join(g.root, fmt.Sprintf("crashed-%d", g.crashes))
	if err := os.CopyFS(copied, os.DirFS(g.dirs[id])); err != nil {
		g.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := r.Close(ctx); err != nil {
		g.t.Fatalf("close: %v", err)
	}
	delete(g.replicas, id)
	g.dirs[id] = copied
}

func (g *region) close(r *Replica) {
	g.t.Helper()
	if err := r.Close(g.context(10 * time.Second)); err != nil {
		g.t.Fatalf("close: %v", err)
	}
	delete(g.replicas, r.config.ID)
}
