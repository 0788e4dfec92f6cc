package main

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

// TestClocksOfTwoProcessesApart sets the wall clock of a process, and of no other: the machine's stays as it is.
//
//	RYJ d1 (custodian)   RAS d2 (asks): its clock is right, then off, then right; then that of d1 is off
func TestClocksOfTwoProcessesApart(t *testing.T) {
	t.Parallel()
	p := newPlace(t, quick)
	p.write(t, "letter.pdf", letter("by two clocks"))
	custodian := p.founded(t, "d1")
	requester := p.joined(t, "d1", "d2", "RAS")
	id := p.ingest(t, "d1", patient, "letter.pdf")
	p.listed(t, "d2", 1)
	ask := func() ended {
		return p.run(t, "fetch", "--data", "d2", id, "--out", "got.pdf", "--user", "rn1", "--role", "nurse", "--json")
	}
	opens := func(when string) {
		t.Helper()
		for deadline := time.Now().Add(patience); ; {
			e := ask()
			if e.status == 0 {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s: %v", when, e)
			}
		}
	}
	apart := func(words ...string) {
		t.Helper()
		for deadline := time.Now().Add(patience); ; {
			e := ask()
			if e.status == exitStatus[admin.CodeDenied] {
				e.failure(t, admin.CodeDenied, append(words, "No rule has refused", "clocks of these two machines")...)
				return
			}
			if e.status == 0 || time.Now().After(deadline) { // a jump costs the lease, for a moment
				t.Fatalf("it is not told of the clocks: %v", e)
			}
		}
	}
	searches := func(told bool) {
		t.Helper()
		for deadline := time.Now().Add(patience); ; {
			said := strings.Contains(strings.Join(texts(p.json(t, "locate", "--data", "d2", patient)["warnings"]), "\n"), "the clock of RAS's machine and that of RYJ are apart")
			if said == told {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("searches tell of the clocks: %v", said)
			}
		}
	}
	opens("before")
	searches(false)
	for _, off := range []time.Duration{25 * time.Second, -25 * time.Second} {
		requester.off(t, off)
		opens(off.String())
	}
	requester.off(t, 40*time.Second)
	apart("The clock of the trust that asks is ", "s ahead of the clock")
	requester.off(t, -2*time.Minute)
	apart("The clock of the trust that asks is ", "s behind the clock")
	p.until(t, "d2", "it says of its own clock that it is behind", apartFrom("RYJ", true))
	searches(true)
	requester.off(t, 0)
	opens("after")
	p.until(t, "d2", "it says so no more", apartFrom("RYJ", false))
	searches(false)
	custodian.off(t, time.Hour)
	apart("1h0m", "behind the clock")
	custodian.off(t, 0)
	opens("at the end")
	named := 0
	for _, e := range p.json(t, "audit", "search", "--data", "d1", "--kind", "refusal", "--user", "rn1").list(t, "entries") {
		if strings.Contains(fmt.Sprint(e["detail"]), "off this node's clock") {
			named++
		}
	}
	if named < 3 {
		t.Errorf("%d of 3 refusals stand in the custodian's log with who asked", named)
	}
}

// apartFrom looks for the warning that the clock of a trust is ahead.
func apartFrom(trust string, wanted bool) func(object) bool {
	return func(o object) bool {
		return wanted == slices.ContainsFunc(texts(o["warnings"]), func(w string) bool {
			return strings.HasPrefix(w, "THE CLOCKS OF THIS MACHINE AND OF "+trust+" (") && strings.Contains(w, "Have the time of both machines looked at")
		})
	}
}

// off makes the wall clock of a process differ from the machine's from now on. Programs in Go read the clock from code that the
// kernel lays into every process; in this one it is replaced by the system call, and an addition:
//
//	mov eax, 228; syscall; test edi, edi; jne end; add qword [rsi], seconds; end: ret
func (r *running) off(t *testing.T, d time.Duration) {
	t.Helper()
	pid := r.cmd.Process.Pid
	low, high := vdsoOf(t, pid)
	mem, err := os.OpenFile(fmt.Sprintf("/proc/%d/mem", pid), os.O_RDWR, 0)
	if errors.Is(err, os.ErrPermission) {
		t.Skip("the memory of a child cannot be written to here: run it as root, or with kernel.yama.ptrace_scope at 0 or 1")
	}
	if err != nil {
		t.Fatal(err)
	}
	defer mem.Close()
	image := make([]byte, high-low)
	if _, err := mem.ReadAt(image, low); err != nil {
		t.Fatal(err)
	}
	code := []byte{0xb8, 0xe4, 0, 0, 0, 0x0f, 0x05, 0x85, 0xff, 0x75, 0x07, 0x48, 0x81, 0x06}
	code = append(binary.LittleEndian.AppendUint32(code, uint32(int32(d/time.Second))), 0xc3)
	at := low + clockIn(t, image)
	for deadline := time.Now().Add(patience); !r.stoppedOutside(t, at, at+int64(len(code))); {
		if time.Now().After(deadline) {
			t.Fatal("the process reads the clock all the time, or does not stop")
		}
	}
	defer r.signal(syscall.SIGCONT)
	if _, err := mem.WriteAt(code, at); err != nil {
		t.Fatal(err)
	}
}

// stoppedOutside stops a process, and reports whether each of its threads stands still, and none between low and high. Where one does
// it lets the process go on.
func (r *running) stoppedOutside(t *testing.T, low, high int64) bool {
	t.Helper()
	r.signal(syscall.SIGSTOP)
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", r.cmd.Process.Pid))
	if err != nil || len(threads) == 0 {
		t.Fatal("the process has no threads: ", err)
	}
	for _, thread := range threads {
		stat, err := os.ReadFile(thread + "/stat")
		if errors.Is(err, os.ErrNotExist) {
			continue // it has ended
		}
		_, state, _ := strings.Cut(string(stat), ") ")
		where, werr := os.ReadFile(thread + "/syscall") // its last number is where it stands
		if err := errors.Join(err, werr); err != nil {
			t.Fatal(err)
		}
		fields := strings.Fields(string(where))
		var pc int64
		_, err = fmt.Sscanf(fields[len(fields)-1], "0x%x", &pc)
		if !strings.HasPrefix(state, "T") || err != nil || pc >= low && pc < high {
			r.signal(syscall.SIGCONT)
			return false
		}
	}
	return true
}

// vdsoOf returns where a process has the code that the kernel has laid into it.
func vdsoOf(t *testing.T, pid int) (low, high int64) {
	t.Helper()
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(maps)) {
		if strings.Contains(line, "[vdso]") {
			if _, err := fmt.Sscanf(line, "%x-%x", &low, &high); err != nil {
				t.Fatal(err)
			}
			return low, high
		}
	}
	t.Skip("the kernel lays no code for the clock into processes here (vdso=0)")
	return 0, 0
}

// clockIn returns where in the image the clock is read.
func clockIn(t *testing.T, image []byte) int64 {
	t.Helper()
	f, err := elf.NewFile(bytes.NewReader(image))
	if err != nil {
		t.Fatal(err)
	}
	symbols, err := f.DynamicSymbols()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range symbols {
		if s.Name == "__vdso_clock_gettime" {
			return int64(s.Value)
		}
	}
	t.Fatal("the kernel's code does not read the clock")
	return 0
}
