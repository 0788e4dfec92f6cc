package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/ridgeway-exchange/ridgeway/testnet/tour"
)

// trial is a command to try while the demonstration runs.
type trial struct {
	what string
	args []string
}

// trials are the commands to try, in an order in which each of them works.
func trials(t *tour.Tour) []trial {
	reader, at := t.Reader()
	holder, holds, records := t.Holder()
	number, note := t.Patient().NHSNumber, string(t.CaseNote())
	data := []string{"--data", at}
	with := func(command string, more ...string) []string {
		return append(append(strings.Fields(command), data...), more...)
	}
	return []trial{
		{fmt.Sprintf("Find the patient's documents, as a clinician at %s:", reader), with("locate", number)},
		{fmt.Sprintf("Read three pages of the case note that %s holds, then all of it:", holder), with("fetch", note, "--pages", "1-3", "--out", "three-pages.tif")},
		{"", with("fetch", note, "--out", "case-note.tif")},
		{"Record that the patient objects, and try to read it again (it is refused):", with("object", number)},
		{"", with("fetch", note, "--out", "refused.tif")},
		{"Withdraw that:", with("object", number, "--withdraw")},
		{fmt.Sprintf("Take the records of %s in again (it holds them already):", holder), []string{"ingest", "--data", holds, "--manifest", filepath.Join(records, tour.ManifestName), records}},
		{fmt.Sprintf("See how the region is, and verify the evidence of %s:", reader), with("status")},
		{"", with("audit verify")},
	}
}

// demoCommands prints commands that work from a second terminal.
func (a *app) demoCommands(t *tour.Tour) {
	a.say("")
	a.say("The region stays up until you press Ctrl-C. Try these in a second terminal.")
	a.say("The patient is %s, NHS number %s.", t.Patient().Name(), t.Patient().SpacedNumber())
	self := itself()
	for _, c := range trials(t) {
		if c.what != "" {
			a.say("\n%s", c.what)
		}
		words := []string{self}
		for _, w := range c.args {
			words = append(words, quoted(w))
		}
		a.say("%s", broken(words, tour.Width-4))
	}
}

// itself is how the visitor can run this program.
func itself() string {
	exe, err := os.Executable()
	if err != nil {
		return "ridgeway"
	}
	if strings.Contains(exe, string(filepath.Separator)+"go-build") {
		return "go run ./cmd/ridgeway" // the program is gone when it ends
	}
	if found, err := exec.LookPath("ridgeway"); err == nil && found == exe {
		return "ridgeway"
	}
	if here, err := os.Getwd(); err == nil {
		if rel, err := filepath.Rel(here, exe); err == nil && filepath.IsLocal(rel) {
			return quoted("." + string(filepath.Separator) + rel)
		}
	}
	return quoted(exe)
}

// quoted makes one word of a shell of s.
func quoted(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:,+@%", r)
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// broken breaks a command into lines of about n characters, as a shell takes it.
func broken(words []string, n int) string {
	text, at := "  ", 2
	for i, w := range words {
		switch {
		case i == 0:
		case at+1+len(w) > n && at > 6:
			text += " \\\n      "
			at = 6
		default:
			text += " "
			at++
		}
		text += w
		at += len(w)
	}
	return text
}
