package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/user"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/ridgeway-exchange/ridgeway/node"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

// version is what the program calls itself; a release build sets it.
var version = "0.1.0"

// terminal is the world outside the program, so that a test can hand in another.
type terminal struct {
	in       io.Reader
	out, err io.Writer
	getenv   func(string) string
	environ  func() []string // nil: nothing to look through

	now, built func() time.Time // nil: the machine's clock, and what the build says
}

// app is one run of the program.
type app struct {
	terminal
	args []string
	json bool
	data string

	oneLine  bool // JSON takes one line, as what stands before it does
	harmless bool // what runs now changes nothing, or nothing when it is done twice, whatever lookFirst has of its command
}

// run carries out one command line and returns the exit status.
func run(ctx context.Context, args []string, t terminal) int {
	a := &app{terminal: t, args: args}
	root := a.root()
	root.SetArgs(args)
	root.SetIn(t.in)
	root.SetOut(t.out)
	root.SetErr(t.err)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return 0
	}
	// What a command says of its own end is kept.
	if ctx.Err() != nil && !shown(err) && (admin.CodeOf(err) != admin.CodeInterrupted || errors.Is(err, context.Canceled) || err.Error() == stoppedEarly) {
		err = a.stopped(cmd)
	}
	return a.fail(err)
}

// stoppedEarly is what is said of a command that Ctrl-C has ended.
const stoppedEarly = "stopped before it was done: run the same command again"

// lookFirst names, for each command that does something again when it is run again, the one that tells whether it was done.
var lookFirst = map[string]string{
	"ridgeway suspend": "ridgeway status", "ridgeway approve": "ridgeway status",
	"ridgeway consent record": "ridgeway consent list", "ridgeway consent withdraw": "ridgeway consent list",
	"ridgeway agreement propose": "ridgeway agreement show", "ridgeway agreement approve": "ridgeway agreement show",
	"ridgeway agreement rollback": "ridgeway agreement show", "ridgeway break-glass": "ridgeway review list",
}

// stopped is the failure of a command that Ctrl-C has ended: the node may have done by then what it was asked for.
func (a *app) stopped(cmd *cobra.Command) error {
	if look, ok := lookFirst[cmd.CommandPath()]; ok && !a.harmless {
		return admin.Errorf(admin.CodeInterrupted, "stopped before the answer came, so it may have been done: '%s' shows that. Run it again only if it was not", look)
	}
	return context.Canceled
}

// exitStatus is what the program ends with for each code; 'ridgeway help exit-status' documents it.
var exitStatus = map[admin.Code]int{
	admin.CodeInternal: 1, admin.CodeBadInput: 2, admin.CodeConfig: 2, admin.CodeNotFound: 3, admin.CodeDenied: 4, admin.CodeTooMany: 4,
	admin.CodeStale: 5, admin.CodeUnavailable: 5, admin.CodeNoQuorum: 5, admin.CodeIntegrity: 6, admin.CodeDiskFull: 7,
	admin.CodeInUse: 8, admin.CodeWrongKey: 8, admin.CodeDataFolder: 8, admin.CodeInvitation: 9, admin.CodePartly: 10,
	admin.CodeInterrupted: 130,
}

// errShown ends a command whose outcome has been printed already, with the status of its code.
type errShown struct{ code admin.Code }

// Error returns the code.
func (e errShown) Error() string { return string(e.code) }

func shown(err error) bool {
	var e errShown
	return errors.As(err, &e)
}

func (a *app) fail(err error) int {
	var done errShown
	if errors.As(err, &done) {
		return exitStatus[done.code]
	}
	code, message := admin.CodeOf(err), err.Error()
	if errors.Is(err, context.Canceled) {
		message = stoppedEarly
	}
	if a.json || wantsJSON(a.args) {
		_ = a.emit(map[string]any{"error": problem{Code: string(code), Message: message}})
	} else {
		a.note("ridgeway: %s", strings.ReplaceAll(message, "\n", "\n  "))
	}
	return exitStatus[code]
}

// problem is how a failure looks in JSON.
type problem struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// emit prints one JSON object, the only thing on standard output with --json.
func (a *app) emit(v any) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	if !a.oneLine {
		enc.SetIndent("", "  ")
	}
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err
	}
	_, err := io.WriteString(a.out, escaped(b.String()))
	return err
}

// escaped writes what would steer a terminal, or turn the order of text on it, as escapes of JSON, which mean the same. Such
// characters stand in strings only.
func escaped(text string) string {
	steers := func(r rune) bool { return r >= 0x7f && (unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r)) }
	if !strings.ContainsFunc(text, steers) {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		if steers(r) {
			fmt.Fprintf(&b, "\\u%04x", r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// say prints a line for people; with --json it prints nothing.
func (a *app) say(format string, args ...any) {
	if !a.json {
		line(a.out, fmt.Sprintf(format, args...))
	}
}

// note prints a line for people on standard error, so that standard output stays what was asked for.
func (a *app) note(format string, args ...any) { line(a.err, fmt.Sprintf(format, args...)) }

// named fails unless --data names a folder.
func (a *app) named() error {
	switch {
	case a.data == "":
		return admin.Errorf(admin.CodeBadInput, "which node is meant? Name its data folder with --data, or with RIDGEWAY_DATA")
	case strings.HasPrefix(a.data, "-"):
		return admin.Errorf(admin.CodeBadInput, "--data needs the name of a folder, and got %s: see 'ridgeway --help'", a.data)
	default:
		return nil
	}
}

// connect reaches the node of --data.
func (a *app) connect(ctx context.Context) (admin.AdminClient, func() error, error) {
	if err := a.named(); err != nil {
		return nil, nil, err
	}
	client, done, err := admin.Dial(ctx, a.data)
	if err != nil && admin.CodeOf(err) == admin.CodeUnavailable {
		if why := node.WhyNotRunning(a.data); why != nil {
			err = why
		}
	}
	return client, done, err
}

// ask runs fn with a connection to the node, and turns what the socket carried into the node's own error.
func (a *app) ask(ctx context.Context, fn func(admin.AdminClient) error) error {
	client, done, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = done() }()
	return admin.FromStatus(fn(client))
}

// asking are the flags that say who asks and why; they go into the signed assertion.
type asking struct{ user, role, purpose, relationship string }

func (q *asking) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&q.user, "user", "", "staff id of who asks (default: your login name)")
	cmd.Flags().StringVar(&q.role, "role", "", "role of who asks (default: clinician)")
	cmd.Flags().StringVar(&q.purpose, "purpose", "", "purpose of use, a code of HL7 v3-ActReason (default: TREAT)")
	cmd.Flags().StringVar(&q.relationship, "relationship", "", "what justifies it, KIND or KIND:EVIDENCE: referral, appointment, admission, registered-list, mdt or self-claimed")
}

func (q *asking) message() *admin.Asker {
	who := q.user
	if who == "" {
		who = "operator"
		if u, err := user.Current(); err == nil && u.Username != "" {
			who = u.Username
		}
	}
	return &admin.Asker{User: who, Role: q.role, Purpose: q.purpose, Relationship: q.relationship}
}

// stamp is a time in JSON: RFC 3339 in UTC, or empty for none.
func stamp(micros int64) string {
	if micros == 0 {
		return ""
	}
	return time.UnixMicro(micros).UTC().Format(time.RFC3339)
}

// day is a date in JSON.
func day(micros int64) string {
	if micros == 0 {
		return ""
	}
	return time.UnixMicro(micros).UTC().Format(time.DateOnly)
}

// size is a number of bytes for people.
func size(n int64) string {
	const unit = 1024
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	v, prefix := float64(n)/unit, 0
	for v >= unit && prefix < 4 {
		v, prefix = v/unit, prefix+1
	}
	return fmt.Sprintf("%.1f %ciB", v, "KMGTP"[prefix])
}
