package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

// TestInterruptAtThePrompt leaves nothing behind when nobody answers, or answers no.
func TestInterruptAtThePrompt(t *testing.T) {
	t.Parallel()
	p := sharedNode(t)
	line := p.invitation(t, "d1", "RWE")
	for answer, stop := range map[string]bool{"": true, "no\n": false} {
		in, typed, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer in.Close()
		defer typed.Close() // only at the end: nobody answers
		r, err := p.launch(in, "join", "--data", "prompt", "--listen", port(t), dev, line, "--json")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(r.kill)
		r.shows(t, r.errOut, "Join? [y/N]")
		for _, want := range []string{"RWE", "Trust RWE", "North West London", "Check words: "} {
			if !strings.Contains(r.errOut.String(), want) {
				t.Errorf("the question lacks %q: %s", want, r.errOut)
			}
		}
		if stop {
			r.signal(os.Interrupt)
		} else if _, err := io.WriteString(typed, answer); err != nil {
			t.Fatal(err)
		}
		r.wait(t).failure(t, admin.CodeInterrupted)
		if _, err := os.Stat(p.path("prompt")); err == nil {
			t.Error("a data folder was made all the same")
		}
	}
	in := strings.NewReader("y\n")
	r, err := p.launch(in, "join", "--data", "prompt", "--listen", port(t), dev, p.invitation(t, "d1", "RWE"))
	if err != nil {
		t.Fatal(err)
	}
	if e := r.wait(t); e.status != 0 {
		t.Errorf("yes joins: %v", e)
	}
}

// TestInterruptWhileJoining stops a join that waits for its sponsor.
func TestInterruptWhileJoining(t *testing.T) {
	t.Parallel()
	p := newPlace(t, quick)
	sponsor := p.founded(t, "d1")
	line := p.invitation(t, "d1", "RAS")
	sponsor.signal(syscall.SIGSTOP)
	r := p.start(t, "join", "--data", "d2", "--listen", port(t), dev, "--yes", line, "--json")
	p.grows(t, r, "d2/FORMAT", 1)
	r.interrupt(t).failure(t, admin.CodeInterrupted, "stopped", "again")
	sponsor.signal(syscall.SIGCONT)
	p.until(t, "d1", "the sponsor goes on", hasLeader)
	p.json(t, "join", "--data", "d2", "--listen", port(t), dev, "--yes", line)
	p.serve(t, "d2")
	p.known(t, "d2", 2)
}

// TestInterruptWhileServing stops a node at any moment of its start; the folder is as good as before.
func TestInterruptWhileServing(t *testing.T) {
	t.Parallel()
	p := newPlace(t, quick)
	p.init(t, "d1")
	for _, file := range []string{"d1/audit", "d1/records", "d1/region", "d1/node.sock"} {
		r := p.start(t, "serve", "--data", "d1", dev, "--json")
		p.grows(t, r, file, 0)
		if e := r.interrupt(t); e.status > 0 { // below: the signal came before the program did
			e.failure(t, admin.CodeInterrupted)
		}
	}
	r := p.serve(t, "d1")
	p.until(t, "d1", "it serves all the same", hasLeader)
	r.signal(syscall.SIGTERM)
	if e := r.wait(t); e.status != 0 {
		t.Errorf("SIGTERM stops a node in order: %v", e)
	}
}

// many writes a manifest of n documents.
func (p *place) many(t *testing.T, n int) []string {
	t.Helper()
	var csv strings.Builder
	csv.WriteString(header)
	for i := range n {
		name := fmt.Sprintf("%04d.pdf", i)
		p.write(t, "many/"+name, letter(name))
		csv.WriteString(row(name, patient))
	}
	p.write(t, "many.csv", csv.String())
	return []string{"ingest", "--data", "d1", "--manifest", "many.csv", "many"}
}

// outcomes counts what became of the rows, and returns the documents by line of those that were acknowledged.
func outcomes(t *testing.T, o object) (counts map[string]int, acknowledged map[float64]string) {
	t.Helper()
	counts, acknowledged = map[string]int{}, map[float64]string{}
	for _, d := range o.list(t, "documents") {
		outcome := d["outcome"].(string)
		counts[outcome]++
		if outcome == "taken_in" {
			acknowledged[d["line"].(float64)] = d["document"].(string)
		}
	}
	return counts, acknowledged
}

// goesOn runs the same manifest again: what was acknowledged is held, and the rest goes in.
func (p *place) goesOn(t *testing.T, args []string, total int, acknowledged map[float64]string) {
	t.Helper()
	o := p.json(t, args...)
	for _, d := range o.list(t, "documents") {
		id, was := acknowledged[d["line"].(float64)]
		if was && (d["outcome"] != "already_held" || d["document"] != id) {
			t.Errorf("line %v was acknowledged as %s, and now is %v", d["line"], id, d)
		}
	}
	if o["taken_in"].(float64)+o["already_held"].(float64) != float64(total) {
		t.Errorf("got %v taken in and %v held, want %d together", o["taken_in"], o["already_held"], total)
	}
	if o := p.json(t, "scrub", "--data", "d1"); o["records"] != float64(total) || len(o["findings"].([]any)) != 0 {
		t.Errorf("the scrub finds %v", o)
	}
}

const manyRows = 1500

// manyTaken: those that go in at once, 64, are counted a moment before they are acknowledged.
func manyTaken(o object) bool { return o["documents"].(float64) >= 150 }

// underWay begins to take many rows in, and returns once some are. The rest waits for answers that do not come before open is closed,
// so that it is not over before it is stopped.
func (p *place) underWay(t *testing.T, args []string, open <-chan struct{}) *running {
	t.Helper()
	p.sluice(t, "slow", "d1", manyAnswers, open)
	r := p.start(t, append(args, "--data", "slow", "--json")...)
	p.until(t, "d1", "some are taken in", manyTaken)
	return r
}

// manyAnswers are the bytes of the answers for some 900 rows.
const manyAnswers = 48 << 10

func TestInterruptIngest(t *testing.T) {
	t.Parallel()
	p := newPlace(t, quick)
	p.founded(t, "d1")
	args := p.many(t, manyRows)
	counts, acknowledged := outcomes(t, p.underWay(t, args, nil).interrupt(t).failure(t, admin.CodeInterrupted, "stopped", "Run the same command again", "only what is missing"))
	if counts["taken_in"] == 0 || counts["not_reached"] == 0 || counts["taken_in"]+counts["not_reached"] != manyRows {
		t.Errorf("got %v of %d rows", counts, manyRows)
	}
	p.goesOn(t, args, manyRows, acknowledged)
}

// TestKillNodeDuringIngest is kill -9 of the node: nothing that was acknowledged may be gone.
func TestKillNodeDuringIngest(t *testing.T) {
	t.Parallel()
	p := newPlace(t, quick)
	node := p.founded(t, "d1")
	args := p.many(t, manyRows)
	open := make(chan struct{})
	r := p.underWay(t, args, open)
	node.kill()
	close(open) // and the connection ends
	counts, acknowledged := outcomes(t, r.wait(t).failure(t, admin.CodeUnavailable, "node stopped", "Run the same command again", "only what is missing"))
	if counts["taken_in"] == 0 || counts["not_reached"] == 0 || counts["taken_in"]+counts["not_reached"] != manyRows {
		t.Errorf("got %v of %d rows", counts, manyRows)
	}
	p.serve(t, "d1")
	p.until(t, "d1", "the node is back", hasLeader)
	for line, id := range acknowledged {
		p.json(t, "fetch", "--data", "d1", id, "--out", "acknowledged.pdf")
		if got := string(p.read(t, "acknowledged.pdf")); got != letter(fmt.Sprintf("%04d.pdf", int(line)-2)) {
			t.Errorf("line %v came back as other bytes", line)
		}
		break // the scrub reads all
	}
	p.goesOn(t, args, manyRows, acknowledged)
}

// TestKillCustodian is kill -9 of the only trust that holds a document: another fetches it once the custodian is back.
func TestKillCustodian(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.write(t, "letter.pdf", letter("kept"))
	custodian := p.founded(t, "d1")
	p.joined(t, "d1", "d2", "RAS")
	p.known(t, "d2", 2)
	document := p.ingest(t, "d1", patient, "letter.pdf")
	p.listed(t, "d2", 1)
	p.fetched(t, "d2", document, "before.pdf")
	custodian.kill()
	p.serve(t, "d1")
	p.known(t, "d2", 2)
	p.fetched(t, "d2", document, "after.pdf")
	if string(p.read(t, "after.pdf")) != letter("kept") {
		t.Error("other bytes came back")
	}
}
