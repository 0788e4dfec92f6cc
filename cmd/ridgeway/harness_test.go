package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

// actAsRidgeway makes the test binary be the program, so that tests run real processes without building another binary.
const actAsRidgeway = "ACT_AS_RIDGEWAY"

// patience is how long a test waits for what must come. It is only ever used up by a test that fails.
const patience = 2 * time.Minute

func TestMain(m *testing.M) {
	if os.Getenv(actAsRidgeway) != "" {
		main()
	}
	flag.Parse()
	if f := flag.Lookup("test.parallel"); f.Value.String() == f.DefValue {
		_ = flag.Set("test.parallel", "6") // nodes mostly wait for each other
	}
	code := m.Run()
	for _, stop := range atEnd.list {
		stop()
	}
	os.Exit(code)
}

// atEnd is what ends with the last test.
var atEnd struct {
	sync.Mutex
	list []func()
}

// place is a working folder in which ridgeway runs as an operator would run it there.
type place struct {
	dir string
	env []string
}

func newPlace(t *testing.T, env ...string) *place {
	t.Helper()
	return &place{dir: t.TempDir(), env: env}
}

func (p *place) path(name string) string { return filepath.Join(p.dir, name) }

func (p *place) write(t *testing.T, name, content string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(p.path(name)), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(p.path(name), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func (p *place) read(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(p.path(name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// command returns ridgeway with args as a process that dies with this one.
func (p *place) command(args ...string) *exec.Cmd {
	self, err := os.Executable()
	if err != nil {
		self = os.Args[0]
	}
	cmd := exec.Command(self, args...)
	cmd.Dir = p.dir
	cmd.Env = append([]string{actAsRidgeway + "=1", "PATH=" + os.Getenv("PATH"), "HOME=" + p.dir, "TMPDIR=" + p.dir, "GOCOVERDIR=" + p.dir}, p.env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

// ended is what became of a process.
type ended struct {
	args        []string
	status      int
	out, errOut string
}

func (e ended) String() string {
	return fmt.Sprintf("ridgeway %s\nstatus %d\nstdout: %s\nstderr: %s", strings.Join(e.args, " "), e.status, e.out, e.errOut)
}

// run runs ridgeway to its end.
func (p *place) run(t *testing.T, args ...string) ended {
	t.Helper()
	r := p.start(t, args...)
	return r.wait(t)
}

// running is a process under way.
type running struct {
	args        []string
	cmd         *exec.Cmd
	out, errOut *buffer
	gone        chan struct{}
}

// start starts ridgeway. It is killed when the test ends.
func (p *place) start(t *testing.T, args ...string) *running {
	t.Helper()
	r, err := p.launch(nil, args...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.kill)
	return r
}

func (p *place) launch(in io.Reader, args ...string) (*running, error) {
	r := &running{args: args, cmd: p.command(args...), out: newBuffer(), errOut: newBuffer(), gone: make(chan struct{})}
	r.cmd.Stdin, r.cmd.Stdout, r.cmd.Stderr = in, r.out, r.errOut
	if err := r.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = r.cmd.Wait() // the status is in ProcessState
		close(r.gone)
	}()
	return r, nil
}

func (r *running) signal(s os.Signal) { _ = r.cmd.Process.Signal(s) }

// kill is kill -9.
func (r *running) kill() {
	_ = r.cmd.Process.Kill()
	<-r.gone
}

func (r *running) wait(t *testing.T) ended {
	t.Helper()
	select {
	case <-r.gone:
	case <-time.After(patience):
		r.signal(syscall.SIGQUIT)
		<-r.gone
		t.Fatalf("did not end: %v", r.ended())
	}
	return r.ended()
}

func (r *running) ended() ended {
	return ended{args: r.args, status: r.cmd.ProcessState.ExitCode(), out: r.out.String(), errOut: r.errOut.String()}
}

// interrupt is Ctrl-C.
func (r *running) interrupt(t *testing.T) ended {
	t.Helper()
	r.signal(os.Interrupt)
	return r.wait(t)
}

// buffer holds what a process writes, and tells when there is more.
type buffer struct {
	mu   sync.Mutex
	b    bytes.Buffer
	more chan struct{}
}

func newBuffer() *buffer { return &buffer{more: make(chan struct{})} }

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	close(b.more)
	b.more = make(chan struct{})
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// shows waits until the process has written text.
func (r *running) shows(t *testing.T, b *buffer, text string) {
	t.Helper()
	timeout := time.After(patience)
	for {
		b.mu.Lock()
		found, more := strings.Contains(b.b.String(), text), b.more
		b.mu.Unlock()
		if found {
			return
		}
		select {
		case <-more:
		case <-r.gone:
			if !strings.Contains(b.String(), text) {
				t.Fatalf("ended without saying %q: %v", text, r.ended())
			}
		case <-timeout:
			t.Fatalf("%v did not say %q but: %s%s", r.args, text, r.out, r.errOut)
		}
	}
}

// object is a JSON object.
type object map[string]any

// only returns the one JSON object that standard output must be.
func (e ended) only(t *testing.T) object {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(e.out))
	var o object
	if err := d.Decode(&o); err != nil {
		t.Fatalf("standard output is not a JSON object: %v\n%v", err, e)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		t.Fatalf("standard output has more than one JSON object:\n%v", e)
	}
	return o
}

// json runs ridgeway with --json, which must succeed, and returns its answer.
func (p *place) json(t *testing.T, args ...string) object {
	t.Helper()
	e := p.run(t, append(args, "--json")...)
	if e.status != 0 {
		t.Fatalf("failed: %v", e)
	}
	return e.only(t)
}

// fails runs ridgeway with --json, which must fail with code. The message must have all of the words, which are those for
// what, where and the next step.
func (p *place) fails(t *testing.T, code admin.Code, words []string, args ...string) object {
	t.Helper()
	return p.run(t, append(args, "--json")...).failure(t, code, words...)
}

// failure checks what a process that failed left on standard output.
func (e ended) failure(t *testing.T, code admin.Code, words ...string) object {
	t.Helper()
	o := e.only(t)
	problem, _ := o["error"].(map[string]any)
	message, _ := problem["message"].(string)
	if problem["code"] != string(code) || e.status != exitStatus[code] || e.status == 0 {
		t.Fatalf("got code %v and status %d, want %s and %d: %v", problem["code"], e.status, code, exitStatus[code], e)
	}
	for _, w := range words {
		if !strings.Contains(message, w) {
			t.Errorf("the message lacks %q: %s", w, message)
		}
	}
	t.Logf("%s: %s", code, message)
	return o
}

// until asks for the status of a node until good likes it. The question is asked in this process: it is the same code.
func (p *place) until(t *testing.T, data, what string, good func(object) bool) object {
	t.Helper()
	o, err := p.await(data, good)
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	return o
}

func (p *place) await(data string, good func(object) bool) (object, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	pause := time.NewTicker(20 * time.Millisecond)
	defer pause.Stop()
	for {
		var out bytes.Buffer
		status := run(ctx, []string{"status", "--data", p.path(data), "--json"}, terminal{out: &out, err: io.Discard, getenv: func(string) string { return "" }})
		var o object
		if err := json.Unmarshal(out.Bytes(), &o); err == nil && status == 0 && good(o) {
			return o, nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("did not come to pass; the last status is %s", out.String())
		case <-pause.C:
		}
	}
}

func hasLeader(o object) bool { return o["leader"] != "" }

// ports are the sockets that keep those that were given out.
var ports struct {
	sync.Mutex
	kept []net.PacketConn
}

// freePort returns a loopback address that is free for UDP and TCP, below the range from which the system takes ports for others.
// It is given to no other test, here or in another package: the port above is kept open, as package testnet does.
func freePort() (string, error) {
	ports.Lock()
	defer ports.Unlock()
	for range 1000 {
		port := 20000 + 2*rand.IntN(6000)
		above, err := net.ListenPacket("udp", fmt.Sprintf("127.0.0.1:%d", port+1))
		if err != nil {
			continue
		}
		ports.kept = append(ports.kept, above)
		addr := fmt.Sprintf("127.0.0.1:%d", port)
		c, err := net.ListenPacket("udp", addr)
		if err != nil {
			continue
		}
		l, tcpErr := net.Listen("tcp", addr)
		syscall.ForkLock.RLock() // what is closed while a program is being started stays open in that, until its exec
		if tcpErr == nil {
			tcpErr = l.Close()
		}
		err = errors.Join(tcpErr, c.Close())
		syscall.ForkLock.RUnlock()
		if err != nil {
			continue
		}
		return addr, nil
	}
	return "", errors.New("no port is free")
}

func port(t *testing.T) string {
	t.Helper()
	addr, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	return addr
}
