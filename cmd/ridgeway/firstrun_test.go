package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ridgeway-exchange/ridgeway/node"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

// TestVariablesAreOfTheRunOnly: a variable counts when a folder is made, and is not written into its configuration.
func TestVariablesAreOfTheRunOnly(t *testing.T) {
	t.Parallel()
	listen := port(t)
	p := newPlace(t, quick, "RIDGEWAY_LISTEN="+listen, "RIDGEWAY_LEASE=7s", "RIDGEWAY_LOG_LEVEL=warn", "RIDGEWAY_TEST_NUMBERS=true")
	e := p.run(t, "init", "--data", "d1", "--region", "R", "--trust", "RYJ", "--name", "N", dev, "--metrics", "127.0.0.1:0")
	if e.status != 0 || !strings.Contains(e.errOut, "RIDGEWAY_LEASE") || !strings.Contains(e.errOut, "not kept") {
		t.Errorf("the variables that were used are named: %v", e)
	}
	if kept := string(p.read(t, "d1/ridgeway.yaml")); strings.TrimSpace(kept) != "metrics: 127.0.0.1:0" {
		t.Errorf("only flags are kept, and got %q", kept)
	}
	p.serve(t, "d1")
	if o := p.until(t, "d1", "it is founded", hasLeader); o["address"] != listen {
		t.Errorf("the variable counts when it is served: got %v", o["address"])
	}
	line := p.invitation(t, "d1", "RAS")
	second := port(t)
	p.json(t, "join", "--data", "d2", "--listen", second, dev, "--yes", line)
	if kept := string(p.read(t, "d2/ridgeway.yaml")); strings.TrimSpace(kept) != "listen: "+second {
		t.Errorf("only flags are kept, and got %q", kept)
	}
}

// TestFlagsThatSayTheSameBothCount: to advertise the address that is listened on is needless, and no fault.
func TestFlagsThatSayTheSameBothCount(t *testing.T) {
	t.Parallel()
	p, at := newPlace(t, quick), port(t)
	p.json(t, "init", "--data", "d1", "--region", "R", "--trust", "RYJ", "--name", "N", "--listen", at, "--advertise", at, dev)
	if kept := string(p.read(t, "d1/ridgeway.yaml")); kept != "listen: "+at+"\nadvertise: "+at+"\n" {
		t.Errorf("kept %q", kept)
	}
}

// TestCommandsThatAreSuggestedCanBeCopied: a folder's name with a space is one argument.
func TestCommandsThatAreSuggestedCanBeCopied(t *testing.T) {
	t.Parallel()
	p := newPlace(t, quick)
	e := p.run(t, "init", "--data", "my data", "--region", "R", "--trust", "RYJ", "--name", "N", "--listen", port(t), dev)
	if !strings.Contains(e.out, `serve --data "my data"`) {
		t.Errorf("init: %v", e)
	}
	if e = p.run(t, "status", "--data", "my data"); !strings.Contains(e.errOut, `serve --data "my data"`) {
		t.Errorf("status: %v", e)
	}
}

func TestWrongClockIsSaidBeforeAnythingIsMade(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "d")
	for _, args := range [][]string{
		{"init", "--region", "R", "--trust", "RYJ", "--name", "N", "--listen", "127.0.0.1:7401", dev},
		{"join", "--listen", "127.0.0.1:7401", dev, "--yes", "rw1.x"},
		{"serve", dev},
	} {
		var out bytes.Buffer
		term := terminal{
			out: &out, err: io.Discard, getenv: func(string) string { return "" },
			now: func() time.Time { return time.Unix(0, 0) }, built: func() time.Time { return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC) },
		}
		status := run(context.Background(), append(args, "--data", dir, "--json"), term)
		ended{args: args, status: status, out: out.String()}.failure(t, admin.CodeConfig, "clock", "1 January 1970", "set the clock")
		if _, err := os.Stat(dir); err == nil {
			t.Fatalf("%s has made a folder", args[0])
		}
	}
}

// TestKilledInit is kill -9 at any moment of init: the next run ends it, or the node can be served as it is.
func TestKilledInit(t *testing.T) {
	t.Parallel()
	p := newPlace(t, quick)
	for i, file := range []string{"master.key", "LOCK", "secrets", "FORMAT", "ridgeway.yaml"} {
		data := "d" + string(rune('1'+i))
		args := []string{"init", "--data", data, "--region", "R", "--trust", "RYJ", "--name", "N", "--listen", port(t), dev, "--json"}
		r := p.start(t, args...)
		p.appears(r, data+"/"+file)
		r.kill()
		e := p.run(t, args...)
		if e.status != 0 {
			e.failure(t, admin.CodeDataFolder, data, "not empty") // it had been done
		}
		again := p.serve(t, data)
		p.until(t, data, "it serves", hasLeader)
		again.kill()
	}
}

// TestInitGoesOnWhereItWasCutOff, between the keys and the settings.
func TestInitGoesOnWhereItWasCutOff(t *testing.T) {
	t.Parallel()
	p := newPlace(t, quick)
	args := []string{"init", "--data", "d1", "--region", "R", "--name", "N", "--listen", port(t), dev, "--trust"}
	first := p.json(t, append(args, "RYJ")...)
	if err := os.Remove(p.path("d1/ridgeway.yaml")); err != nil {
		t.Fatal(err)
	}
	p.fails(t, admin.CodeDataFolder, []string{"d1", "not empty"}, append(args, "RAS")...)
	if again := p.json(t, append(args, "RYJ")...); again["node"] != first["node"] {
		t.Errorf("got node %v, want the one that was made: %v", again["node"], first["node"])
	}
	p.fails(t, admin.CodeDataFolder, []string{"d1", "not empty"}, append(args, "RYJ")...)
	p.serve(t, "d1")
	p.until(t, "d1", "it serves", hasLeader)
}

// TestKilledJoin is kill -9 at any moment of join: the same command ends it.
func TestKilledJoin(t *testing.T) {
	t.Parallel()
	p := newPlace(t, quick)
	p.founded(t, "d1")
	for i, file := range []string{"LOCK", "FORMAT", "ridgeway.yaml", "secrets/membership"} {
		data := "j" + string(rune('1'+i))
		args := []string{"join", "--data", data, "--listen", port(t), dev, "--yes", p.invitation(t, "d1", "RA"+string(rune('A'+i))), "--json"}
		r := p.start(t, args...)
		p.appears(r, data+"/"+file)
		r.kill()
		if e := p.run(t, args...); e.status != 0 {
			e.failure(t, admin.CodeDataFolder, data, "joined a region already", "ridgeway serve")
		}
		p.serve(t, data).kill()
	}
}

// appears waits until a file is there or the process has ended.
func (p *place) appears(r *running, name string) {
	look := time.NewTicker(100 * time.Microsecond)
	defer look.Stop()
	for {
		if _, err := os.Stat(p.path(name)); err == nil {
			return
		}
		select {
		case <-look.C:
		case <-r.gone:
			return
		}
	}
}

// TestFolderOfAnotherUser runs the program as a user who may not, which root can arrange.
func TestFolderOfAnotherUser(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can run a process as another user: sudo go test -run TestFolderOfAnotherUser ./cmd/ridgeway")
	}
	p := newPlace(t, quick)
	p.init(t, "d1")
	r := p.serve(t, "d1")
	p.until(t, "d1", "it is founded", hasLeader)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	open := t.TempDir()
	program := filepath.Join(open, "ridgeway")
	for _, err := range []error{os.Chmod(filepath.Dir(open), 0o755), os.Chmod(open, 0o755), os.Link(self, program), os.Chmod(program, 0o755)} {
		if err != nil {
			t.Skipf("the program cannot be put where all may run it (%v): sudo env TMPDIR=/tmp go test -run TestFolderOfAnotherUser ./cmd/ridgeway", err)
		}
	}
	data := filepath.Join(open, "d1")
	if err := os.CopyFS(data, os.DirFS(p.path("d1"))); err != nil && !strings.Contains(err.Error(), "node.sock") {
		t.Logf("copy: %v", err)
	}
	if err := os.Chmod(data, 0o755); err != nil {
		t.Fatal(err)
	}
	nobody := func(args ...string) ended {
		cmd := p.command(args...)
		cmd.Path, cmd.Dir = program, open
		var out, errOut bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &errOut
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		_ = cmd.Run() // the status is in ProcessState
		if cmd.ProcessState == nil {
			t.Skip("a process of another user cannot be started: outside a user namespace, sudo go test -run TestFolderOfAnotherUser ./cmd/ridgeway")
		}
		return ended{args: args, status: cmd.ProcessState.ExitCode(), out: out.String(), errOut: errOut.String()}
	}
	for _, args := range [][]string{
		{"init", "--data", filepath.Join(open, "new"), "--region", "R", "--trust", "RYJ", "--name", "N", "--listen", port(t), dev, "--json"},
		{"serve", "--data", data, "--master-key-file", "/dev/null", "--listen", port(t), "--json"},
		{"status", "--data", p.path("d1"), "--json"},
	} {
		e := nobody(args...)
		if e.status != exitStatus[admin.CodeDataFolder] && e.status != exitStatus[admin.CodeConfig] {
			t.Errorf("got %v", e)
			continue
		}
		if !strings.Contains(e.out, "permission denied") && args[0] != "serve" {
			t.Errorf("it does not say why: %v", e)
		}
		t.Log(e.out)
	}
	r.kill()
}

func TestVariablesAreListedOnce(t *testing.T) {
	t.Parallel()
	all := map[string]string{}
	for _, name := range node.Variables() {
		all[name] = "1"
	}
	asked := map[string]bool{}
	_, _ = node.LoadSettings(t.TempDir(), "", func(name string) string { asked[name] = true; return "" })
	for name := range asked {
		if all[name] == "" {
			t.Errorf("%s is read and not listed", name)
		}
	}
	if len(asked) != len(all) {
		t.Errorf("%d are read, %d listed", len(asked), len(all))
	}
}

func TestNothingRefusedToDealWith(t *testing.T) {
	t.Parallel()
	p := sharedNode(t)
	if o := p.json(t, "rejected", "list", "--data", "d1"); len(o.list(t, "rejected")) != 0 || o["total"] != float64(0) {
		t.Errorf("got %v", o)
	}
	if e := p.run(t, "rejected", "list", "--data", "d1"); e.status != 0 || !strings.Contains(e.out, "refused nothing") {
		t.Errorf("got %v", e)
	}
	p.fails(t, admin.CodeBadInput, []string{"--all", "rejected list"}, "rejected", "dismiss", "--data", "d1")
	p.fails(t, admin.CodeNotFound, []string{"30000000000000f", "rejected list"}, "rejected", "dismiss", "--data", "d1", "30000000000000f")
	if o := p.json(t, "rejected", "retry", "--data", "d1", "--all"); o["retried"] != float64(0) {
		t.Errorf("got %v", o)
	}
	p.fails(t, admin.CodeBadInput, []string{"nothing to accept"}, "audit", "accept", "--data", "d1", "--reason", "none")
}
