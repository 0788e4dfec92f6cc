package main

import (
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/ridgeway-exchange/ridgeway/node"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

// TestFullDisk runs the node in this process, where the size of its disk can be made up; the commands are real processes.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.init(t, "d1")
	const MiB = 1 << 20
	var free atomic.Uint64
	free.Store(300 * MiB)
	settings, err := node.LoadSettings(p.path("d1"), "", func(string) string { return "" })
	if err != nil {
		t.Fatal(err)
	}
	settings.InsecureDevKeys = true
	n, err := node.Open(t.Context(), node.Options{Data: p.path("d1"), Settings: settings, Small: true, Statfs: func(string) (uint64, uint64, error) { return 1000 * MiB, free.Load(), nil }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(t.Context()); err != nil && t.Context().Err() == nil {
			t.Error(err)
		}
	})
	p.until(t, "d1", "the region is founded", hasLeader)
	p.write(t, "small.pdf", letter("small"))
	p.write(t, "other.pdf", letter("other"))
	held := p.ingest(t, "d1", patient, "small.pdf")

	t.Run("a file larger than what is free", func(t *testing.T) {
		if err := os.WriteFile(p.path("large.bin"), noise(64), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(p.path("large.bin"), 260*MiB); err != nil {
			t.Fatal(err)
		}
		words := []string{"large.bin was not taken in", "too little space is free", "300 MiB of 1000 MiB", p.path("d1"), "make room and run it again"}
		p.fails(t, admin.CodeDiskFull, words, append([]string{"ingest", "--data", "d1", "large.bin"}, particulars(patient)...)...)
	})
	t.Run("full", func(t *testing.T) {
		free.Store(90 * MiB)
		p.fails(t, admin.CodeDiskFull, []string{"other.pdf was not taken in", "90 MiB of 1000 MiB", "make room and run it again"}, append([]string{"ingest", "--data", "d1", "other.pdf"}, particulars(patient)...)...)
		p.write(t, "records.csv", header+row("small.pdf", patient)+row("other.pdf", patient))
		o := p.fails(t, admin.CodeDiskFull, []string{"90 MiB of 1000 MiB", "Run the same command again"}, "ingest", "--data", "d1", "--manifest", "records.csv", ".")
		if o["not_reached"] != float64(2) {
			t.Errorf("got %v", o)
		}
		o = p.json(t, "status", "--data", "d1")
		if disk := o["disk"].(map[string]any); disk["state"] != "no_ingest" || !strings.Contains(strings.Join(texts(o["warnings"]), " "), "THE DISK IS NEARLY FULL: no documents are taken in. Make room") {
			t.Errorf("the status says so: got %v and %v", disk, o["warnings"])
		}
		p.json(t, "fetch", "--data", "d1", held, "--out", "got.pdf")
		if o := p.json(t, "locate", "--data", "d1", patient); len(o.list(t, "documents")) != 1 {
			t.Errorf("what is held is still found: %v", o)
		}
	})
	t.Run("so full that no evidence can be written", func(t *testing.T) {
		free.Store(1 * MiB)
		o := p.json(t, "status", "--data", "d1")
		if disk := o["disk"].(map[string]any); disk["state"] != "read_only" || !strings.Contains(strings.Join(texts(o["warnings"]), " "), "THE DISK IS FULL") {
			t.Errorf("the status says so: got %v and %v", disk, o["warnings"])
		}
		for why, args := range map[string][]string{
			"nothing is done without evidence, and ": {"locate", patient},
			held + " was not fetched: ":              {"fetch", held, "--out", "full.pdf"},
			"the objection was not recorded: ":       {"object", patient},
			held + " was not withdrawn: ":            {"withdraw", held},
		} {
			p.fails(t, admin.CodeDiskFull, []string{why, "too little space is free on the volume of RYJ's data folder " + p.path("d1"), "1 MiB of 1000 MiB", "make room and run it again"}, append(args, "--data", "d1")...)
		}
	})
	t.Run("after room was made", func(t *testing.T) {
		free.Store(350 * MiB)
		p.ingest(t, "d1", patient, "other.pdf")
	})
}

// TestFullDiskOfTheReader writes a document where there is no room.
func TestFullDiskOfTheReader(t *testing.T) {
	t.Parallel()
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skipf("a full disk is /dev/full (%v): on Linux, go test -run TestFullDiskOfTheReader ./cmd/ridgeway", err)
	}
	defer full.Close()
	p := sharedNode(t)
	id := p.json(t, "locate", "--data", "d1", patient).list(t, "documents")[0]["document"].(string)
	cmd := p.command("fetch", "--data", "d1", id, "--out", "-")
	var errOut strings.Builder
	cmd.Stdout, cmd.Stderr = full, &errOut
	_ = cmd.Run()
	if cmd.ProcessState.ExitCode() != exitStatus[admin.CodeDiskFull] || !strings.Contains(errOut.String(), "make room") {
		t.Errorf("got status %d: %s", cmd.ProcessState.ExitCode(), &errOut)
	}
}
