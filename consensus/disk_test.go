package consensus

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func newSilent() *slog.Logger { return slog.New(slog.DiscardHandler) }

func TestKilledReplicaReplaysFromItsAppliedIndex(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRegion(t)
		r := g.start(1)[0]
		for range 25 {
			if _, err := r.Submit(g.context(time.Second), []byte("count"), Bulk); err != nil {
				t.Fatal(err)
			}
		}
		before := dump(t, r)
		g.crash(r)
		r = g.open(1)
		g.leader(r)
		g.want(r, Linearizable(), "count", "\x19") // 25: nothing twice, nothing lost
		if got := dump(t, r); got != before {
			t.Errorf("state is %q, was %q", got, before)
		}
	})
}

// TestLostStateIsReplayedFromTheLog: the state is not synced, so a power cut may take its newest part.
func TestLostStateIsReplayedFromTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRegion(t)
		r := g.start(1)[0]
		for i := range 25 {
			g.set(r, fmt.Sprint("k", i), "v")
		}
		before := dump(t, r)
		g.crash(r)
		mem, err := filepath.Glob(filepath.Join(g.dirs[testID(1)], "state-*", "*"+journalSuffix))
		if err != nil || len(mem) == 0 {
			t.Fatalf("%v, %v", mem, err)
		}
		b, err := os.ReadFile(mem[0])
		if err != nil {
			t.Fatal(err)
		}
		b[len(b)/2] ^= 1
		if err := os.WriteFile(mem[0], b, 0o600); err != nil {
			t.Fatal(err)
		}
		r = g.open(1)
		g.leader(r)
		g.want(r, Linearizable(), "k24", "v")
		if got := dump(t, r); got != before {
			t.Errorf("state is %q, was %q", got, before)
		}
	})
}

// damage changes the folder of a closed replica, whose region of three goes on.
func damage(t *testing.T, change func(dir string), want ...error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		g := newRegion(t)
		all := g.start(3)
		for i := range 20 {
			g.set(all[i%3], fmt.Sprint("k", i), "v")
		}
		g.close(all[2])
		change(g.dirs[testID(3)])
		r, err := Open(g.config(testID(3)))
		if err == nil {
			g.replicas[testID(3)] = r
		}
		if !slices.ContainsFunc(want, func(w error) bool { return errors.Is(err, w) }) {
			t.Fatalf("open: %v, want one of %v", err, want)
		}
		if err := Forget(g.dirs[testID(3)]); err != nil {
			t.Fatal(err)
		}
		rejoin(t, g, all[:2])
	})
}

// rejoin opens the third replica after Forget, and sees it give no vote until it was demoted, and vote afterwards.
func rejoin(t *testing.T, g *region, rest []*Replica) {
	t.Helper()
	third := g.open(3)
	other, leader := g.follower(rest)
	g.set(leader, "later", "1")
	g.until("it to catch up", func() bool {
		v, err := get(g.context(time.Second), third, Local(), "later")
		return err == nil && v == "1"
	})
	if !third.Status().Forgotten {
		t.Error("it still claims its vote")
	}
	g.net.Isolate(leader.config.ID, true)
	synctestSleep(5 * time.Second)
	if other.Status().State == Leader || third.Status().State == Leader {
		t.Fatal("a lost vote made a leader")
	}
	if n := third.Status().Refused["forgotten"]; n == 0 {
		t.Error("no vote was refused")
	}
	g.net.Isolate(leader.config.ID, false)
	other, leader = g.follower(rest)
	ctx := g.context(20 * time.Second)
	if err := leader.Demote(ctx, testID(3)); err != nil {
		t.Fatal(err)
	}
	g.until("it to learn that its vote is gone", func() bool { return !third.Status().Forgotten })
	if err := leader.AddVoter(ctx, testID(3)); err != nil {
		t.Fatal(err)
	}
	// Raft gives no vote to who is no voter in its own newest configuration, so the two that remain must both have it.
	g.until("the other to hear of the vote", func() bool { return len(other.Status().Voters) == 3 })
	g.net.Isolate(leader.config.ID, true)
	g.set(g.leader(other, third), "end", "1")
}

func logFiles(t *testing.T, dir string) (files []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, logDir, "*.wal"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%v, %v", files, err)
	}
	return files
}

// changeLog changes the first file of the log.
func changeLog(t *testing.T, dir string, change func(content []byte)) {
	t.Helper()
	file := logFiles(t, dir)[0]
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	change(b)
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestDeletedLogNeverVotes(t *testing.T) {
	damage(t, func(dir string) {
		if err := os.RemoveAll(filepath.Join(dir, logDir)); err != nil {
			t.Fatal(err)
		}
	}, ErrLogLost)
}

func TestDeletedLogAndStateNeverVote(t *testing.T) {
	damage(t, func(dir string) {
		for _, name := range []string{logDir, currentFile} {
			if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
	}, ErrLogLost)
}

func TestTruncatedLogIsRefused(t *testing.T) {
	damage(t, func(dir string) {
		// A state as of the last entries would stand in for them: this is about a log that ends early.
		removeState(t, dir)
		changeLog(t, dir, func(b []byte) { clear(b[len(bytes.TrimRight(b, "\x00"))-300:]) })
	}, ErrLogLost)
}

func TestFlippedBitsInTheLogAreRefused(t *testing.T) {
	damage(t, func(dir string) {
		removeState(t, dir)
		changeLog(t, dir, func(b []byte) {
			// Between entries there are up to seven bytes to the next multiple of eight, and a frame of sixteen after each write: a bit
			// that flips there harms nothing. One of so many in a row is of an entry.
			middle := len(bytes.TrimRight(b, "\x00")) / 2
			for i := range 32 {
				b[middle+i] ^= 1
			}
		})
	}, ErrDamaged, ErrLogLost)
}

func TestDamagedMarkIsRefused(t *testing.T) {
	damage(t, func(dir string) {
		if err := os.WriteFile(filepath.Join(dir, markFile), make([]byte, 128), 0o600); err != nil {
			t.Fatal(err)
		}
	}, ErrDamaged)
}

func TestMissingMarkIsRefused(t *testing.T) {
	damage(t, func(dir string) {
		if err := os.Remove(filepath.Join(dir, markFile)); err != nil {
			t.Fatal(err)
		}
	}, ErrDamaged)
}

// TestAFolderWithoutItsMarkIsBlank whatever else lies in it: Open would begin anew in it, and could vote twice.
func TestAFolderWithoutItsMarkIsBlank(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRegion(t)
		r := g.start(1)[0]
		g.set(r, "k", "v")
		g.crash(r)
		dir := g.dirs[testID(1)]
		blank := func(what string, want bool) {
			t.Helper()
			if got, err := Blank(dir); err != nil || got != want {
				t.Errorf("%s: blank %v, %v", what, got, err)
			}
		}
		blank("as it was left", false)
		if err := os.RemoveAll(filepath.Join(dir, logDir)); err != nil {
			t.Fatal(err)
		}
		blank("without a log", false)
		if err := os.Truncate(filepath.Join(dir, markFile), 0); err != nil {
			t.Fatal(err)
		}
		blank("with an empty mark", true)
		if err := os.Remove(filepath.Join(dir, markFile)); err != nil {
			t.Fatal(err)
		}
		blank("with a state and no mark", true)
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		blank("not there", true)
	})
}

func TestDamagedStateIsRefused(t *testing.T) {
	g := newRegion(t)
	r := g.start(1)[0]
	g.set(r, "k", "v")
	g.close(r)
	tables, err := filepath.Glob(filepath.Join(g.dirs[testID(1)], "state-*", manifestFile))
	if err != nil || len(tables) == 0 {
		t.Fatalf("%v, %v", tables, err)
	}
	b, err := os.ReadFile(tables[0])
	if err != nil {
		t.Fatal(err)
	}
	b[10] ^= 1
	if err := os.WriteFile(tables[0], b, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(g.config(testID(1))); !errors.Is(err, ErrDamaged) {
		t.Errorf("got %v, want ErrDamaged", err)
	}
}

// removeState leaves a replica with a log that it has to replay from the start.
func removeState(t *testing.T, dir string) {
	t.Helper()
	states, err := filepath.Glob(filepath.Join(dir, "state-*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range append(states, filepath.Join(dir, currentFile)) {
		if err := os.RemoveAll(s); err != nil {
			t.Fatal(err)
		}
	}
}

func TestNothingLiesInClear(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRegion(t)
		r := g.start(1)[0]
		g.set(r, "key", "canary-of-the-region")
		g.close(r)
		err := filepath.WalkDir(g.dirs[testID(1)], func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			b, err := os.ReadFile(path)
			if bytes.Contains(b, []byte("canary")) {
				t.Errorf("%s holds the value in clear", path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}
