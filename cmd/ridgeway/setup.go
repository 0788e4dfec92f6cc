package main

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/node"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

// settingFlags override the configuration file and the environment.
type settingFlags struct {
	config                             string
	listen, advertise, keyFile         string
	insecure, testNumbers              bool
	metrics, logLevel, lease, election string
}

func (s *settingFlags) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&s.config, "config", "", "configuration file (default: ridgeway.yaml in the data folder)")
	f.StringVar(&s.listen, "listen", "", "the one UDP address, host:port (RIDGEWAY_LISTEN)")
	f.StringVar(&s.advertise, "advertise", "", "address by which other nodes reach --listen, when it differs")
	f.StringVar(&s.keyFile, "master-key-file", "", "file with the master key, outside the data folder")
	f.BoolVar(&s.insecure, "insecure-dev-keys", false, "keep the master key in the data folder: for trials, never for real patients")
	f.BoolVar(&s.testNumbers, "test-numbers", false, "accept NHS numbers of the test range 999, for trials")
	f.StringVar(&s.metrics, "metrics", "", "loopback address for metrics and health, host:port")
	f.StringVar(&s.logLevel, "log-level", "", "debug, info, warn or error (default info)")
	f.StringVar(&s.lease, "lease", "", "how recent the rules must be to release, 2s to 60s (default 10s)")
	f.StringVar(&s.election, "election", "", "how long without a leader before an election (default 500ms)")
}

// settings returns file, environment and flags in their order of precedence.
func (a *app) settings(s *settingFlags) (node.Settings, error) { return a.settingsUnder(s, a.getenv) }

// newSettings returns the settings of a run that makes a data folder, and those that are to be kept in it: variables are of
// the run only, and a file that kept them would go on saying what nobody has written there.
func (a *app) newSettings(s *settingFlags) (run node.Settings, keep *node.Settings, err error) {
	if err := a.checkClock(); err != nil {
		return run, nil, err
	}
	if run, err = a.settings(s); err != nil {
		return run, nil, err
	}
	kept, err := a.settingsUnder(s, func(string) string { return "" })
	return run, &kept, err
}

// noteVariables says which variables were used and are not kept: the node needs them again.
func (a *app) noteVariables() {
	var set []string
	for _, name := range node.Variables() {
		if a.getenv(name) != "" {
			set = append(set, name)
		}
	}
	if len(set) > 0 {
		a.note("Used from the environment and not kept in %s: %s. 'ridgeway serve' needs them as well.", node.ConfigFile, strings.Join(set, ", "))
	}
}

func (a *app) settingsUnder(s *settingFlags, getenv func(string) string) (node.Settings, error) {
	if err := a.named(); err != nil {
		return node.Settings{}, err
	}
	if a.environ != nil {
		if unknown := node.Unknown(a.environ()); len(unknown) > 0 {
			return node.Settings{}, admin.Errorf(admin.CodeConfig, "the environment has what is no setting: %s. 'ridgeway help settings' lists the variables", strings.Join(unknown, ", "))
		}
	}
	out, err := node.LoadSettings(a.data, s.config, getenv)
	if err != nil {
		return out, err
	}
	if s.keyFile != "" {
		out.MasterKey, out.MasterKeyCommand = "", nil // a flag overrides every other way of naming it
	}
	for _, d := range []struct {
		flag string
		to   *string
	}{{s.listen, &out.Listen}, {s.advertise, &out.Advertise}, {s.keyFile, &out.MasterKeyFile}, {s.metrics, &out.Metrics}, {s.logLevel, &out.LogLevel}} {
		if d.flag != "" {
			*d.to = d.flag
		}
	}
	for _, d := range []struct {
		name, text string
		to         *node.Duration
	}{{"--lease", s.lease, &out.Lease}, {"--election", s.election, &out.Election}} {
		if d.text == "" {
			continue
		}
		if err := d.to.Set(d.text); err != nil {
			return out, admin.Errorf(admin.CodeConfig, "%s: %v", d.name, err)
		}
	}
	out.InsecureDevKeys = out.InsecureDevKeys || s.insecure
	out.TestNumbers = out.TestNumbers || s.testNumbers
	return out, nil
}

func (a *app) logger(level string) *slog.Logger {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		l = slog.LevelInfo
	}
	return slog.New(slog.NewTextHandler(a.err, &slog.HandlerOptions{Level: l}))
}

func (a *app) initCommand() *cobra.Command {
	var s settingFlags
	var region, trust, name string
	var voters, approvals int
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Found a region, with this node's trust as its first member",
		Long: `Makes a data folder with new keys and the charter of a new region. Start the
node with 'ridgeway serve', then invite other trusts with 'ridgeway invite'.

The master key seals everything in the folder and must not lie in it: name a
file with --master-key-file, or set RIDGEWAY_MASTER_KEY or master_key_command.

Flags are kept in ridgeway.yaml in the folder; RIDGEWAY_ variables are not.

JSON: region, trust, node, data, listen.`,
		Example: `  ridgeway init --data d1 --region "North West London" --trust RYJ \
    --name "Imperial College Healthcare" --listen 127.0.0.1:7401 \
    --master-key-file /etc/ridgeway.key`,
		Args: argument(0, "flags only"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			settings, keep, err := a.newSettings(&s)
			if err != nil {
				return err
			}
			if err := needs(cmd, "region", "trust", "name"); err != nil {
				return err
			}
			code, err := federation.ParseTrustID(trust)
			if err != nil {
				return admin.Errorf(admin.CodeBadInput, "--trust %v", err)
			}
			switch {
			case voters != 0 && voters != 3 && voters != 5 && voters != 7:
				return admin.Errorf(admin.CodeBadInput, "--voters %d: give 3, 5 or 7", voters)
			case cmd.Flag("approvals").Changed && (approvals < 1 || approvals > 16):
				return admin.Errorf(admin.CodeBadInput, "--approvals %d: give 1 to 16", approvals)
			}
			return a.found(cmd.Context(), node.InitOptions{
				Data: a.data, Settings: settings, Keep: keep, Region: region, Trust: code, Name: name, Voters: voters, Approvals: approvals, Now: time.Now(),
			})
		},
	}
	s.flags(cmd)
	cmd.Flags().StringVar(&region, "region", "", "name of the region")
	cmd.Flags().StringVar(&trust, "trust", "", "ODS code of the trust, such as RYJ")
	cmd.Flags().StringVar(&name, "name", "", "name of the trust")
	cmd.Flags().IntVar(&voters, "voters", 0, "most voters that agree on the index: 3, 5 or 7 (default 5)")
	cmd.Flags().IntVar(&approvals, "approvals", 0, "how many trusts must agree to admit or suspend one (default 1)")
	return cmd
}

func (a *app) found(ctx context.Context, o node.InitOptions) error {
	if err := o.Settings.Check(o.Data); err != nil {
		return err
	}
	if err := node.CheckListen(ctx, o.Settings.Listen); err != nil {
		return err
	}
	id, err := node.Init(ctx, o)
	if err != nil {
		return err
	}
	a.warnDevKeys(o.Settings)
	a.noteVariables()
	if a.json {
		return a.emit(map[string]any{"region": o.Region, "trust": o.Trust, "node": id.String(), "data": o.Data, "listen": o.Settings.Listen})
	}
	a.say("Founded the region %q with %s (%s), node %s.", o.Region, o.Trust, o.Name, id.Short())
	a.say("Start it:  ridgeway serve --data %s%s", admin.Arg(o.Data), devFlag(o.Settings))
	return nil
}

func (a *app) warnDevKeys(s node.Settings) {
	if s.InsecureDevKeys {
		a.note("The master key lies in the data folder: whoever takes the folder can read it. For trials only.")
	}
}

func devFlag(s node.Settings) string {
	if s.InsecureDevKeys {
		return " --insecure-dev-keys"
	}
	return ""
}
