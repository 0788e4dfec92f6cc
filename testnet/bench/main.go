package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/pprof"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is the program. It returns 0 when everything ran, 1 when a benchmark failed, 2 when the arguments are wrong. A goal
// that is missed is no failure of the program.
func run(ctx context.Context, args []string, in io.Reader, out, diag io.Writer) int {
	if len(args) > 0 && args[0] == childArg {
		return runChild(ctx, args[1:], in, out, diag)
	}
	o := options{env: env{out: diag}}
	if !o.parse(args, diag) {
		_, _ = fmt.Fprintln(diag, "bench: see -help for what there is to set")
		return 2
	}
	chosen, err := choose(o.only)
	if err != nil {
		_, _ = fmt.Fprintln(diag, "bench:", err)
		return 2
	}
	if err := o.measure(ctx, chosen, out); err != nil {
		if !errors.Is(err, errBench) {
			_, _ = fmt.Fprintln(diag, "bench:", err)
		}
		return 1
	}
	return 0
}

// options are what the arguments say.
type options struct {
	env
	only, save string
	json       bool
}

// parse reports whether the arguments are right.
func (o *options) parse(args []string, diag io.Writer) bool {
	fs := flag.NewFlagSet("bench", flag.ContinueOnError)
	fs.SetOutput(diag)
	fs.StringVar(&o.only, "only", "", "comma-separated `names` of benchmarks; empty: all but lossy. One of "+strings.Join(names(), ", "))
	fs.IntVar(&o.runs, "runs", 5, "how often each side is measured")
	fs.BoolVar(&o.quick, "quick", false, "one short run, to see that it works")
	fs.BoolVar(&o.full, "full", false, "ten million pointers instead of one")
	fs.StringVar(&o.peers, "peers", "auto", "auto: those that are installed; none")
	fs.StringVar(&o.dir, "dir", "", "folder on a real disk for everything that is written; empty: the system's temporary folder")
	fs.StringVar(&o.kept, "index", "", "`folder` in which the indexes of pointers stay, for later runs; empty: they are made anew and removed")
	fs.BoolVar(&o.json, "json", false, "print JSON instead of Markdown")
	fs.StringVar(&o.save, "save", "", "write the JSON to this `file` as well")
	fs.StringVar(&o.profile, "cpuprofile", "", "write a profile of this process, ours and the load on it, to this `file`, and of a portal's node to file.node")
	err := fs.Parse(args)
	return err == nil && fs.NArg() == 0 && o.runs >= 1 && (o.peers == "auto" || o.peers == "none")
}

// errBench is returned when a benchmark failed, which has been said, or the run was cut off.
var errBench = errors.New("a benchmark failed")

// measure runs benchmarks and prints what they came to. The others run, and are printed, when one fails.
func (o *options) measure(ctx context.Context, chosen []benchmark, out io.Writer) error {
	if err := o.open(); err != nil {
		return err
	}
	defer o.close()
	stop, err := profiled(o.profile)
	if err != nil {
		return err
	}
	defer stop()
	r := &report{Machine: machineOf(o.dir), Date: time.Now().UTC(), Runs: o.runs, Quick: o.quick}
	var failed error
	before := processors()
	for _, b := range chosen {
		if ctx.Err() != nil {
			return errBench
		}
		if err := o.bench(ctx, r, b); err != nil {
			failed = errBench
		}
	}
	r.Machine.Stolen = fmt.Sprintf("%.1f %%", processors().since(before).stolen())
	r.Region = arithmetic(r)
	if o.save != "" {
		if err := r.save(o.save); err != nil {
			return err
		}
	}
	if err := r.print(out, o.json); err != nil {
		return err
	}
	return failed
}

// profiled begins a profile; the function returned ends it.
func profiled(path string) (func(), error) {
	if path == "" {
		return func() {}, nil
	}
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return func() {
		pprof.StopCPUProfile()
		_ = f.Close() // a profile that is cut short says so when it is read
	}, nil
}

// benchmark is one entry of -only.
type benchmark struct {
	name  string
	extra bool // only when it is asked for
	run   func(ctx context.Context, e *env) ([]row, error)
}

// benchmarks are all there are, the most important first.
func benchmarks() []benchmark {
	return []benchmark{
		{name: "register", run: benchRegister},
		{name: "single", run: benchSingle},
		{name: "grow", run: benchGrow, extra: true},
		{name: "grown", run: benchGrown, extra: true},
		{name: "locate", run: benchLocate},
		{name: "bulk", run: benchBulk},
		{name: "first", run: benchFirst},
		{name: "far", run: benchFar},
		{name: "thousand", run: benchThousand},
		{name: "gigabyte", run: benchGigabyte},
		{name: "intake", run: benchIntake},
		{name: "lossy", run: benchLossy, extra: true},
		{name: "portal", run: benchPortal},
		{name: "downloads", run: benchDownloads},
		{name: "readers", run: benchReaders},
		{name: "state", run: benchState},
		{name: "observer", run: benchObserver},
		{name: "failover", run: benchFailover},
		{name: "revoke", run: benchRevoke},
		{name: "audit", run: benchAudit},
		{name: "verify", run: benchVerify},
	}
}

func names() []string {
	var out []string
	for _, b := range benchmarks() {
		out = append(out, b.name)
	}
	return out
}

func choose(only string) ([]benchmark, error) {
	all := benchmarks()
	if only == "" {
		return slices.DeleteFunc(all, func(b benchmark) bool { return b.extra }), nil
	}
	wanted := strings.Split(only, ",")
	for _, w := range wanted {
		if !slices.Contains(names(), w) {
			return nil, fmt.Errorf("there is no benchmark %q: they are %s", w, strings.Join(names(), ", "))
		}
	}
	return slices.DeleteFunc(all, func(b benchmark) bool { return !slices.Contains(wanted, b.name) }), nil
}

// errSkipped is wrapped by a benchmark that cannot run here, with the reason.
var errSkipped = errors.New("skipped")

// bench runs one benchmark into the report. What fails is a line of the table too.
func (e *env) bench(ctx context.Context, r *report, b benchmark) error {
	began := time.Now()
	e.say("%s ...", b.name)
	rows, err := b.run(ctx, e)
	for i := range rows {
		rows[i].Bench = b.name
	}
	r.Rows = append(r.Rows, rows...)
	if err != nil {
		r.Rows = append(r.Rows, row{Bench: b.name, Operation: b.name, Note: err.Error()})
		e.say("%s: %v", b.name, err)
		if errors.Is(err, errSkipped) {
			err = nil
		}
	}
	e.say("%s took %s", b.name, time.Since(began).Round(100*time.Millisecond))
	for _, row := range rows {
		e.say("  %s", row.line())
	}
	return err
}
