package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"github.com/ridgeway-exchange/ridgeway/testnet"
)

// process is a peer's program that was started here.
type process struct {
	cmd  *exec.Cmd
	log  *tail
	done chan struct{}
	err  error
}

// lodging is a folder for a peer, and its programs that run there.
type lodging struct {
	dir     string
	running []*process
}

// lodge makes a folder for a peer.
func (e *env) lodge(name string) (*lodging, error) {
	dir, err := e.temp(name)
	return &lodging{dir: dir}, err
}

// leave ends the programs and removes the folder.
func (l *lodging) leave() {
	for _, p := range l.running {
		p.stop(syscall.SIGTERM)
	}
	_ = os.RemoveAll(l.dir)
}

// spawn starts a program in a process group of its own and reads what it says.
func spawn(cmd *exec.Cmd) (*process, error) {
	p := &process{cmd: cmd, log: &tail{}, done: make(chan struct{})}
	if cmd.Stdout == nil {
		cmd.Stdout = p.log
	}
	cmd.Stderr = p.log
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid, cmd.SysProcAttr.Pdeathsig = true, syscall.SIGKILL
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// stop ends the program, by force when it does not end by itself in time.
func (p *process) stop(how syscall.Signal) {
	if p == nil {
		return
	}
	_ = p.cmd.Process.Signal(how) // it may be gone
	timer := time.NewTimer(10 * time.Second)
	defer timer.Stop()
	select {
	case <-p.done:
	case <-timer.C:
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) // its group, which is its own
		<-p.done
	}
}

// ready waits until probe succeeds; the program's last words explain why it never did.
func (p *process) ready(ctx context.Context, what string, probe func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	err := testnet.WaitFor(ctx, what, func(ctx context.Context) error {
		select {
		case <-p.done:
			cancel()
			return fmt.Errorf("it ended: %w", errors.Join(p.err, errors.New(p.log.String())))
		default:
			return probe(ctx)
		}
	})
	if err != nil {
		return fmt.Errorf("%w: %s", err, p.log.String())
	}
	return nil
}

// tail keeps the end of what is written to it.
type tail struct {
	mu  sync.Mutex
	buf []byte
}

// Write keeps the last bytes.
func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, b...)
	if over := len(t.buf) - 2048; over > 0 {
		t.buf = append(t.buf[:0], t.buf[over:]...)
	}
	return len(b), nil
}

// String returns what was kept.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(bytes.TrimSpace(t.buf))
}

// freePorts returns TCP ports of the loopback interface that nobody listens on.
func freePorts(n int) ([]int, error) {
	var out []int
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close()
		addr, ok := l.Addr().(*net.TCPAddr)
		if !ok {
			return nil, errors.New("not a TCP address")
		}
		out = append(out, addr.Port)
	}
	return out, nil
}

// capture runs a program to its end and returns what it printed.
func capture(ctx context.Context, in io.Reader, cmd *exec.Cmd) (string, error) {
	var out, diag bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = in, &out, &diag
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s: %w: %s", cmd.Path, err, bytes.TrimSpace(diag.Bytes()))
	}
	return out.String(), ctx.Err()
}
