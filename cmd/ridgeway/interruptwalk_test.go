package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/ridgeway-exchange/ridgeway/node"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

// TestInterruptWhileTheNodeIsSilent stops each command in the middle of its call: the node is one that takes calls and never
// answers.
func TestInterruptWhileTheNodeIsSilent(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	if err := os.Mkdir(p.path("d1"), 0o700); err != nil {
		t.Fatal(err)
	}
	p.write(t, "letter.pdf", letter("silent"))
	p.write(t, "records.csv", header+row("letter.pdf", patient))
	p.json(t, "agreement", "init", "sharing.yaml")
	zeros := strings.Repeat("0", 32)
	lead := []string{"--user", "a.mensah", "--role", "governance-lead"}
	l, err := admin.Listen(p.path("d1"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	called := make(chan net.Conn)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			called <- c
		}
	}()
	calls := [][]string{
		{"status"},
		{"locate", patient},
		{"fetch", "RYJ-0000000000000000", "--out", "x"},
		{"object", patient},
		{"withdraw", "RYJ-0000000000000000"},
		{"suspend", "RAS"},
		{"approve", strings.Repeat("0", 64)},
		{"audit", "verify"},
		{"scrub"},
		{"invite", "--trust", "RAS", "--name", "N"},
		append([]string{"ingest", "letter.pdf"}, particulars(patient)...),
		{"ingest", "--manifest", "records.csv", "."},
		{"withdraw", "RYJ-0000000000000000", "--undo"},
		{"rejected", "list"},
		{"consent", "record", patient, "--deny", "--trust", "RAS", "--evidence", "in person", "--yes"},
		{"consent", "list", patient},
		{"consent", "withdraw", patient, zeros},
		{"consent", "receipt", patient, zeros},
		{"agreement", "check", "sharing.yaml"},
		append([]string{"agreement", "propose", "sharing.yaml"}, lead...),
		{"agreement", "simulate", "sharing.yaml"},
		append([]string{"agreement", "approve", "4b1f22c09a7e"}, lead...),
		append([]string{"agreement", "rollback", "1"}, lead...),
		{"agreement", "show"},
		{"agreement", "history"},
		{"why", "RYJ-0000000000000000", "--trust", "RAS"},
		{"who", "RYJ-0000000000000000"},
		{"report", patient, "--role", "records-staff", "--purpose", "PATRQT"},
		{"report", patient, "--role", "records-staff", "--purpose", "PATRQT", "--out", "report.txt"},
		{"audit", "search", "--patient", patient},
		{"audit", "export"},
		{"audit", "export", "--proofs"},
		{"audit", "reconcile"},
		{"break-glass", patient, "--user", "jsmith", "--role", "doctor", "--reason", "unconscious in resus, no history"},
		{"review", "list"},
		{"protect", "--list", "--user", "a.mensah"},
		{"consent", "record", patient, "--deny", "--evidence", "in person"},
		{"suspend", "--user", "j.price", "--reason", "lost card", "--by", "n.ferreira"},
		{"suspend", "--list", "--by", "n.ferreira"},
		{"invite", "--trust", "RAS", "--revoke"},
		{"label", "RYJ-0000000000000000", "--add", "HIV", "--yes"},
		{"label", "RYJ-0000000000000000", "--add", "HIV"},
		{"erase", "RYJ-0000000000000000", "--reason", "wrong patient", "--yes"},
		{"rejected", "retry", "--all"},
		{"rejected", "dismiss", "--all"},
		{"audit", "accept", "--reason", "restored a backup"},
		{"audit", "root", "--trust", "RYJ", "--size", "1"},
		{"review", "close", "RAS-0f3c9a1b2d4e5f60", "--outcome", "justified", "--note", "seen", "--user", "a.mensah"},
	}
	ofItsOwn := map[string]string{ // commands that are interrupted in another test, or need no node
		"ridgeway init": "TestInterruptWhileTheKeyIsAskedFor", "ridgeway serve": "TestInterruptWhileServing", "ridgeway join": "TestInterruptWhileJoining",
		"ridgeway demo": "TestInterruptDemo", "ridgeway audit prove": "TestInterruptProve",
		"ridgeway recover": "TestInterruptWhileTheKeyIsAskedFor", "ridgeway repair": "TestInterruptWhileTheKeyIsAskedFor",
		"ridgeway agreement init": "writes one file", "ridgeway agreement blocks": "prints what it knows", "ridgeway agreement schema": "prints what it knows", "ridgeway consent precedence": "prints what it knows",
	}
	for _, command := range leaves((&app{terminal: terminal{getenv: func(string) string { return "" }}}).root()) {
		walked := slices.ContainsFunc(calls, func(args []string) bool {
			return strings.HasPrefix("ridgeway "+strings.Join(args, " ")+" ", command+" ")
		})
		if _, known := ofItsOwn[command]; walked == known {
			t.Errorf("'%s' is interrupted nowhere, or in two places", command)
		}
	}
	for _, args := range calls {
		r := p.start(t, append(args, "--data", "d1", "--json")...)
		var c net.Conn
		select {
		case c = <-called:
		case <-r.gone:
			t.Fatalf("it ended without asking the node: %v", r.wait(t))
		}
		words := []string{"stopped", "again"}
		once := slices.Contains(args, "--by") || slices.Contains(args, "record") // the latter: it is read back first
		if look, ok := lookOf(args); ok && !once {
			words = append(words, "may have been done", look)
		}
		o := r.interrupt(t).failure(t, admin.CodeInterrupted, words...)
		if said := o["error"].(map[string]any)["message"].(string); len(words) == 2 && strings.Contains(said, "may have been done") {
			t.Errorf("%v changes nothing, or nothing twice, and says: %s", args, said)
		}
		_ = c.Close()
	}
}

// slowToConfirm is a node that reads a directive back, and does not come to recording it.
type slowToConfirm struct {
	admin.UnimplementedAdminServer
	confirmed chan struct{}
}

func (s *slowToConfirm) RecordDirective(ctx context.Context, q *admin.RecordDirectiveRequest) (*admin.RecordDirectiveReply, error) {
	if !q.GetConfirm() {
		return &admin.RecordDirectiveReply{ReadBack: "Nobody may see it."}, nil
	}
	close(s.confirmed)
	<-ctx.Done()
	return nil, ctx.Err()
}

// TestInterruptOfWhatWasConfirmed: from then on it may have been recorded.
func TestInterruptOfWhatWasConfirmed(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	if err := os.Mkdir(p.path("d1"), 0o700); err != nil {
		t.Fatal(err)
	}
	l, err := admin.Listen(p.path("d1"))
	if err != nil {
		t.Fatal(err)
	}
	slow := &slowToConfirm{confirmed: make(chan struct{})}
	s := admin.NewServer(slow)
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	t.Cleanup(func() {
		s.Stop()
		<-served // nil: it was stopped
	})
	r := p.start(t, "consent", "record", "--data", "d1", patient, "--deny", "--evidence", "in person", "--yes", "--json")
	select {
	case <-slow.confirmed:
	case <-r.gone:
	}
	r.interrupt(t).failure(t, admin.CodeInterrupted, "may have been done", "'ridgeway consent list'")
}

// lookOf finds the command of args in lookFirst, where it stands under one word or two.
func lookOf(args []string) (look string, ok bool) {
	if look, ok = lookFirst["ridgeway "+args[0]]; !ok && len(args) > 1 {
		look, ok = lookFirst["ridgeway "+args[0]+" "+args[1]]
	}
	return look, ok
}

// leaves returns the paths of the commands under c that do something themselves.
func leaves(c *cobra.Command) []string {
	if !c.HasSubCommands() {
		if !c.IsAvailableCommand() {
			return nil
		}
		return []string{c.CommandPath()}
	}
	var all []string
	for _, sub := range c.Commands() {
		all = append(all, leaves(sub)...)
	}
	return all
}

// TestInterruptWhileTheKeyIsAskedFor stops commands that read the data folder themselves while the key store does not answer:
// nothing is made, and the same command does it all afterwards.
func TestInterruptWhileTheKeyIsAskedFor(t *testing.T) {
	t.Parallel()
	p := keyed(t)
	p.write(t, "store", "#!/bin/sh\ntouch asked\nexec sleep 300\n")
	if err := os.Chmod(p.path("store"), 0o700); err != nil {
		t.Fatal(err)
	}
	slow := &place{dir: p.dir, env: append(p.env, "RIDGEWAY_MASTER_KEY_COMMAND="+p.path("store"))}
	p.write(t, "slow.yaml", "listen: "+port(t)+"\n")
	found := []string{"init", "--data", "d2", "--region", "R", "--trust", "RYJ", "--name", "N", "--config", "slow.yaml"}
	for _, args := range [][]string{found, {"serve", "--data", "d1", "--config", "slow.yaml"}, {"recover", "--data", "d1", "--config", "slow.yaml", "--yes"}, {"repair", "--data", "d1", "--config", "slow.yaml", "--yes"}} {
		_ = os.Remove(p.path("asked"))
		r := slow.start(t, append(args, "--json")...)
		p.grows(t, r, "asked", 0)
		r.interrupt(t).failure(t, admin.CodeInterrupted, "stopped", "again")
	}
	if _, err := os.Stat(p.path("d2/FORMAT")); err == nil {
		t.Error("a folder was made all the same")
	}
	p.json(t, append(found, "--master-key-file", "key")...)
	p.json(t, "repair", "--data", "d1")
}

// TestInterruptProve stops the reading of a file that goes on.
func TestInterruptProve(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	zeros := strings.Repeat("0", 64)
	head, err := json.Marshal(node.ExportHead{Format: node.ExportFormat, Region: zeros, Trust: "RYJ", Node: zeros, Root: zeros})
	if err != nil {
		t.Fatal(err)
	}
	in, feed, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r, err := p.launch(in, "audit", "prove", "/dev/stdin", "--json")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.kill)
	_ = in.Close()
	lines := string(head) + strings.Repeat("\n{}", 1000) + "\n"
	for fed := 0; ; {
		n, err := io.WriteString(feed, lines)
		if err != nil {
			break // it reads no more
		}
		if before := fed; before < 1<<20 && fed+n >= 1<<20 {
			r.signal(os.Interrupt) // more than a pipe holds, so it does read
		}
		fed += n
		if fed > 1<<30 {
			t.Fatal("it reads on")
		}
	}
	_ = feed.Close()
	r.wait(t).failure(t, admin.CodeInterrupted, "stopped", "again")
}

// TestCutOffExportEndsWithAWholeLine: what came before the cut is there, line by line, and nothing else.
func TestCutOffExportEndsWithAWholeLine(t *testing.T) {
	t.Parallel()
	line := []byte(`{"resourceType":"AuditEvent","text":"` + strings.Repeat("x", 10_000) + `"}`)
	for _, tt := range []struct{ end, want error }{{io.EOF, nil}, {context.Canceled, context.Canceled}} {
		var out strings.Builder
		n := 0
		err := writeLines(&out, func() ([]byte, error) {
			if n++; n > 20 {
				return nil, tt.end
			}
			return line, nil
		})
		if !errors.Is(err, tt.want) {
			t.Errorf("got %v after %v", err, tt.end)
		}
		if got, want := out.String(), strings.Repeat(string(line)+"\n", 20); got != want {
			t.Errorf("%v: got %d bytes, want %d", tt.end, len(got), len(want))
		}
	}
}
