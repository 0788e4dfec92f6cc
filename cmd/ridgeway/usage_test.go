package main

import (
	"bytes"
	"context"
	"io"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

// here runs ridgeway in this process.
func here(args ...string) ended {
	var out, errOut bytes.Buffer
	status := run(context.Background(), args, terminal{in: strings.NewReader(""), out: &out, err: &errOut, getenv: func(string) string { return "" }})
	return ended{args: args, status: status, out: out.String(), errOut: errOut.String()}
}

func TestWrongCommandLines(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		args  []string
		words []string
	}{
		{"mistyped command", []string{"locat"}, []string{"'ridgeway locat'", "Did you mean 'ridgeway locate'?", "ridgeway --help"}},
		{"mistyped command with its flags", []string{"locat", "--user", "x"}, []string{"'ridgeway locat'", "Did you mean 'ridgeway locate'?"}},
		{"unlike any command", []string{"frobnicate"}, []string{"'ridgeway frobnicate'", "ridgeway --help"}},
		{"mistyped below a command", []string{"audit", "verfy"}, []string{"Did you mean 'ridgeway audit verify'?"}},
		{"help on nothing known", []string{"help", "statsu"}, []string{"'ridgeway statsu'", "Did you mean 'ridgeway status'?"}},
		{"unknown flag", []string{"status", "--loud"}, []string{"--loud", "ridgeway status --help"}},
		{"unknown flag of the program", []string{"--loud"}, []string{"--loud", "ridgeway --help"}},
		{"flag without its value", []string{"status", "--data"}, []string{"--data", "--help"}},
		{"flag with a wrong value", []string{"invite", "--data", "x", "--valid", "1d"}, []string{"--valid", "1d", "ridgeway invite --help"}},
		{"no data folder named", []string{"status"}, []string{"--data", "RIDGEWAY_DATA"}},
		{"no NHS number", []string{"locate", "--data", "x"}, []string{"NHS number", "943 476 5919", "ridgeway locate --help"}},
		{"nobody objects", []string{"object", "--data", "x"}, []string{"NHS number", "ridgeway object --help"}},
		{"no document", []string{"fetch", "--data", "x"}, []string{"the id of one document", "0 arguments", "ridgeway fetch --help"}},
		{"two documents", []string{"fetch", "--data", "x", "a", "b"}, []string{"the id of one document", "2 arguments"}},
		{"init without flags", []string{"init", "--data", "x"}, []string{"--region, --trust and --name", "ridgeway init --help"}},
		{"invite without flags", []string{"invite", "--data", "x"}, []string{"--trust", "ridgeway invite --help"}},
		{"ingest without flags", []string{"ingest", "--data", "x", "letter.pdf"}, []string{"--patient, --type, --title and --date", "ridgeway ingest --help"}},
		{"ingest of nothing", []string{"ingest", "--data", "x"}, []string{"one file", "--manifest", "ridgeway ingest --help"}},
		{"manifest and particulars", []string{"ingest", "--data", "x", "--manifest", "m.csv", "--title", "T", "."}, []string{"--title", "--manifest", "leave --title out"}},
		{"argument where there is none", []string{"status", "--data", "x", "d1"}, []string{"flags only", "1 argument", "ridgeway status --help"}},
		{"group without a command", []string{"audit"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.words != nil {
				if e := here(c.args...); e.status != 2 || e.out != "" || !strings.HasPrefix(e.errOut, "ridgeway: ") {
					t.Errorf("for people: %v", e)
				}
			}
			here(append(c.args, "--json")...).failure(t, admin.CodeBadInput, c.words...)
		})
	}
}

// TestFlagWithoutUseIsRefused: whoever says in which role a trust is suspended would believe that it is kept.
func TestFlagWithoutUseIsRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ line, form, flag string }{
		{"suspend RAS --reason x --role privacy-officer", "suspend TRUST", "--role"},
		{"suspend RAS --reason x --by me", "suspend TRUST", "--by"},
		{"suspend RAS --lift --yes", "suspend TRUST --lift", "--yes"},
		{"suspend --user j --by me --reason x --yes", "suspend --user", "--yes"},
		{"suspend --list --by me --lift", "suspend --list", "--lift"},
		{"suspend --list --by me --reason x", "suspend --list", "--reason"},
		{"protect --list --user me --near j", "protect --list", "--near"},
		{"protect --list --user me --reason x", "protect --list", "--reason"},
		{"invite --trust RAS --revoke --name N", "invite --revoke", "--name"},
		{"invite --trust RAS --revoke --valid 48h", "invite --revoke", "--valid"},
		{"ingest --patient 9434765919 --type t --title T --date 2026-01-01 --workers 2 a.txt", "ingest FILE", "--workers"},
		{"label x --yes --examples 3", "label --yes", "--examples"},
		{"repair --listen 127.0.0.1:1", "repair", "--listen"},
	} {
		t.Run(c.line, func(t *testing.T) {
			here(append(strings.Fields(c.line), "--data", "gone", "--json")...).failure(t, admin.CodeBadInput, "'ridgeway "+c.form+"' makes no use of "+c.flag, "leave it out", "--help")
		})
	}
	here("report", "9434765919", "--role", "r", "--purpose", "p", "--data", "gone", "--json", "--format", "html").failure(t, admin.CodeBadInput, "--json and --format html", "leave one of them out")
}

// commands returns all commands, by the words that call them.
func commands() map[string]*cobra.Command {
	a := &app{terminal: terminal{getenv: func(string) string { return "" }}}
	all := map[string]*cobra.Command{}
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		all[strings.TrimPrefix(strings.TrimPrefix(c.CommandPath(), "ridgeway"), " ")] = c
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(a.root())
	return all
}

func TestHelpFitsTheScreen(t *testing.T) {
	t.Parallel()
	for words, c := range commands() {
		e := here(append([]string{"help"}, strings.Fields(words)...)...)
		if e.status != 0 || e.errOut != "" {
			t.Errorf("%v", e)
		}
		for line := range strings.Lines(e.out) {
			if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > screenWidth {
				t.Errorf("help %s: %d columns: %s", words, n, line)
			}
		}
		if !c.Runnable() {
			continue
		}
		if !c.HasSubCommands() && c.Example == "" {
			t.Errorf("help %s has no example", words)
		}
		same := here(append(strings.Fields(words), "--help")...)
		if same.out != e.out {
			t.Errorf("'help %s' and '%s --help' differ", words, words)
		}
	}
}

// TestExamplesOfHelpParse tries each example: it may fail for what is not there, and not for how it is written.
func TestExamplesOfHelpParse(t *testing.T) {
	t.Parallel()
	for words, c := range commands() {
		text := strings.ReplaceAll(c.Example, "\\\n", " ")
		for line := range strings.Lines(text) {
			line, _, _ = strings.Cut(line, "|")
			fields := arguments(line)
			if len(fields) == 0 {
				continue
			}
			if fields[0] != "ridgeway" {
				t.Errorf("help %s: the example is not of ridgeway: %s", words, line)
				continue
			}
			root := (&app{terminal: terminal{getenv: func(string) string { return "" }, out: io.Discard, err: io.Discard}, args: fields[1:]}).root()
			found, rest, err := root.Find(fields[1:])
			if err == nil {
				err = found.ParseFlags(rest)
			}
			if err == nil && found.Args != nil {
				err = found.Args(found, found.Flags().Args())
			}
			if err != nil {
				t.Errorf("help %s: %s: %v", words, line, err)
			}
		}
	}
}

// arguments splits a line as a shell would, as far as the examples need it.
func arguments(line string) []string {
	var out []string
	for _, m := range regexp.MustCompile(`"([^"]*)"|(\S+)`).FindAllStringSubmatch(line, -1) {
		out = append(out, m[1]+m[2])
	}
	return out
}

func TestExitStatusTopicListsEveryCode(t *testing.T) {
	t.Parallel()
	topic := here("help", "exit-status").out
	for code, status := range exitStatus {
		if status == 0 {
			t.Errorf("%s ends with 0", code)
		}
		if !strings.Contains(topic, string(code)) {
			t.Errorf("the topic does not explain %s", code)
		}
	}
}

func TestFolderThatIsNotANodes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	here("status", "--data", dir, "--json").failure(t, admin.CodeDataFolder, dir, "not a Ridgeway data folder", "ridgeway init")
}
