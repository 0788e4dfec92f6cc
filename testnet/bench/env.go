package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// env is what the benchmarks have in common.
type env struct {
	out     io.Writer // for people who wait
	runs    int
	quick   bool
	full    bool
	peers   string
	dir     string
	profile string // file; empty: none
	kept    string // folder of prepared indexes that outlives the run; empty: none does

	made         bool // dir is ours to remove
	small, large *prepared
}

func (e *env) open() error {
	if e.quick {
		e.runs = 1
	}
	dir, err := os.MkdirTemp(e.dir, "bench-")
	if err != nil {
		return err
	}
	e.dir, e.made = dir, true
	// A peer that runs as another user has to pass through.
	return os.Chmod(dir, 0o755)
}

func (e *env) close() {
	if e.made {
		_ = os.RemoveAll(e.dir) // what is left is in the temporary folder
	}
}

func (e *env) say(format string, args ...any) {
	_, _ = fmt.Fprintf(e.out, time.Now().Format("15:04:05 ")+format+"\n", args...)
}

// temp makes a folder that the caller removes.
func (e *env) temp(name string) (string, error) { return os.MkdirTemp(e.dir, name+"-") }

// few returns quick in a quick run, and n otherwise.
func (e *env) few(n, quick int) int {
	if e.quick {
		return quick
	}
	return n
}

// last returns how long a measurement by time takes.
func (e *env) last() time.Duration {
	if e.quick {
		return 500 * time.Millisecond
	}
	return 3 * time.Second
}

// pointers returns how many pointers the index has that is searched.
func (e *env) pointers() int {
	switch {
	case e.quick:
		return 40_000
	case e.full:
		return 10_000_000
	default:
		return 1_000_000
	}
}

// sample measures once.
type sample func(ctx context.Context) (float64, error)

// alternate measures ours and the peer in turns, beginning with the peer, so that neither has the quieter half of the run.
// peer may be nil.
func (e *env) alternate(ctx context.Context, ours, peer sample) (mine, theirs series, err error) {
	for i := range e.runs {
		turns := []struct {
			measure sample
			to      *series
		}{{peer, &theirs}, {ours, &mine}}
		if i%2 == 1 {
			turns[0], turns[1] = turns[1], turns[0]
		}
		for _, t := range turns {
			if t.measure == nil {
				continue
			}
			v, err := t.measure(ctx)
			if err != nil {
				return mine, theirs, err
			}
			*t.to = append(*t.to, v)
		}
	}
	return mine, theirs, nil
}

// program returns the path of a peer's program, or why it is not used.
func (e *env) program(candidates ...string) (string, error) {
	if e.peers == "none" {
		return "", fmt.Errorf("peers are switched off: %w", errSkipped)
	}
	for _, c := range candidates {
		if path, err := exec.LookPath(c); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s is not installed (testnet/bench/peers.sh): %w", filepath.Base(candidates[0]), errSkipped)
}

// machine is what the figures depend on.
type machine struct {
	CPU    string `json:"cpu"`
	Cores  int    `json:"cores"`
	Memory string `json:"memory"`
	Kernel string `json:"kernel"`
	Go     string `json:"go"`
	Load   string `json:"load"`        // of the last minute, when it began
	Stolen string `json:"stolen"`      // of the processors' time, by the host, from beginning to end
	Sync   string `json:"fdatasync"`   // of 4 KiB, one writer
	Write  string `json:"disk_write"`  // sequential, then synced
	Folder string `json:"file_system"` // of what is measured
}

func machineOf(dir string) machine {
	m := machine{
		CPU: fieldOf("/proc/cpuinfo", "model name"), Cores: runtime.NumCPU(), Memory: fieldOf("/proc/meminfo", "MemTotal"), Go: runtime.Version(),
		Kernel: firstLine("/proc/sys/kernel/osrelease"), Load: strings.SplitN(firstLine("/proc/loadavg"), " ", 2)[0],
	}
	if kb, err := strconv.Atoi(strings.TrimSuffix(m.Memory, " kB")); err == nil {
		m.Memory = fmt.Sprintf("%d GiB", (kb+1<<19)>>20)
	}
	if out, err := exec.Command("stat", "-f", "-c", "%T", dir).Output(); err == nil {
		m.Folder = strings.TrimSpace(string(out))
	}
	m.probe(dir)
	return m
}

// probe measures the disk for half a second: everything durable rests on it.
func (m *machine) probe(dir string) {
	f, err := os.Create(filepath.Join(dir, "probe"))
	if err != nil {
		return
	}
	defer func() { _, _ = f.Close(), os.Remove(f.Name()) }()
	block := make([]byte, 1<<20)
	fillRandom(block, 1)
	const small = 500
	if _, err := f.Write(block); err != nil || f.Sync() != nil {
		return
	}
	began := time.Now()
	for i := range small {
		if _, err := f.WriteAt(block[:4096], int64(i%16)*4096); err != nil || datasync(f) != nil {
			return
		}
	}
	m.Sync = fmt.Sprintf("%.0f/s", small/time.Since(began).Seconds())
	began = time.Now()
	for i := range int64(256) {
		if _, err := f.WriteAt(block, i<<20); err != nil {
			return
		}
	}
	if f.Sync() == nil {
		m.Write = fmt.Sprintf("%.0f MB/s", 268.4/time.Since(began).Seconds())
	}
}

// ticks is what the processors' time went into, in the kernel's units, since the machine began.
type ticks struct{ all, steal float64 }

// processors reads what the kernel counts; nothing where it does not.
func processors() ticks {
	var t ticks
	const steal, guest = 7, 8 // user, nice, system, idle, iowait, irq, softirq, steal; what follows is in the others
	for i, text := range strings.Fields(strings.TrimPrefix(firstLine("/proc/stat"), "cpu")) {
		v, err := strconv.ParseFloat(text, 64)
		if err != nil || i >= guest {
			break
		}
		t.all += v
		if i == steal {
			t.steal = v
		}
	}
	return t
}

func (t ticks) since(before ticks) ticks {
	return ticks{all: t.all - before.all, steal: t.steal - before.steal}
}

// stolen is how much of the processors' time the host gave to others while something here wanted it, in percent. What is timed on
// such a machine waits for the host too.
func (t ticks) stolen() float64 { return 100 * t.steal / max(t.all, 1) }

func firstLine(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	line, _, _ := strings.Cut(string(b), "\n")
	return line
}

// fieldOf returns the value of the first "name: value" line of a file of /proc.
func fieldOf(path, name string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if key, value, ok := strings.Cut(s.Text(), ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
