package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

// argument turns cobra's complaint about arguments into one that says what to type.
func argument(n int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != n {
			return admin.Errorf(admin.CodeBadInput, "'%s' takes %s, and got %s: see '%s --help'", cmd.CommandPath(), what, plural(uint64(len(args)), "argument"), cmd.CommandPath())
		}
		return nil
	}
}

// patientArgument accepts an NHS number as people write it: in one piece or in several.
func patientArgument(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return admin.Errorf(admin.CodeBadInput, "'%s' needs an NHS number, such as 943 476 5919: see '%s --help'", cmd.CommandPath(), cmd.CommandPath())
	}
	return nil
}

// needs fails when a flag that a command cannot do without is missing, and names all that are.
func needs(cmd *cobra.Command, flags ...string) error {
	var missing []string
	for _, name := range flags {
		if cmd.Flag(name).Value.String() == "" {
			missing = append(missing, "--"+name)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	last := len(missing) - 1
	list := missing[last]
	if last > 0 {
		list = strings.Join(missing[:last], ", ") + " and " + list
	}
	return admin.Errorf(admin.CodeBadInput, "'%s' needs %s as well: see '%s --help'", cmd.CommandPath(), list, cmd.CommandPath())
}

// unused fails when a flag is given that the form of a command makes no use of: whoever gives one expects something of it.
func unused(cmd *cobra.Command, form string, flags ...string) error {
	for _, name := range flags {
		if cmd.Flag(name).Changed {
			return admin.Errorf(admin.CodeBadInput, "'%s' makes no use of --%s: leave it out, or see '%s --help' for what it goes with", strings.TrimSpace(cmd.CommandPath()+" "+form), name, cmd.CommandPath())
		}
	}
	return nil
}

// groupOnly is for commands that do nothing themselves: what stands after them must be the name of another.
func groupOnly(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return unknownCommand(cmd, args[0])
}

func unknownCommand(cmd *cobra.Command, name string) error {
	cmd.SuggestionsMinimumDistance = 2
	guess := ""
	if near := cmd.SuggestionsFor(name); len(near) > 0 {
		guess = fmt.Sprintf(" Did you mean '%s %s'?", cmd.CommandPath(), near[0])
	}
	return admin.Errorf(admin.CodeBadInput, "there is no command '%s %s'.%s See '%s --help'", cmd.CommandPath(), name, guess, cmd.CommandPath())
}

// showHelp is what a command that only groups others does. A program that asked for JSON is told that something is missing.
func (a *app) showHelp(cmd *cobra.Command, _ []string) error {
	if a.json {
		return admin.Errorf(admin.CodeBadInput, "'%s' needs the name of a command: see '%s --help'", cmd.CommandPath(), cmd.CommandPath())
	}
	return cmd.Help()
}

// invalidValue is what the flag package says of a value that does not fit, with Go's own words after it.
var invalidValue = regexp.MustCompile(`^invalid argument "(.*)" for "(?:-\w, )?--([\w-]+)" flag: `)

// flagProblem says what is wrong with a flag. A flag unknown to the program is most often one of a command whose name is
// mistyped, and then that is said.
func (a *app) flagProblem(cmd *cobra.Command, err error) error {
	if cmd.HasSubCommands() {
		if i := slices.IndexFunc(a.args, func(s string) bool { return !strings.HasPrefix(s, "-") }); i == 0 && !cmd.HasParent() {
			return unknownCommand(cmd, a.args[0])
		}
	}
	if m := invalidValue.FindStringSubmatch(err.Error()); m != nil && cmd.Flag(m[2]) != nil {
		what := map[string]string{"int": "a whole number", "uint32": "a whole number from 0", "uint64": "a whole number from 0", "bool": "true or false", "duration": "a duration such as 48h or 10s"}[cmd.Flag(m[2]).Value.Type()]
		if what != "" {
			return admin.Errorf(admin.CodeBadInput, "--%s %s: give %s: see '%s --help'", m[2], m[1], what, cmd.CommandPath())
		}
	}
	return admin.Errorf(admin.CodeBadInput, "%v: see '%s --help'", err, cmd.CommandPath())
}

// wantsJSON reports whether --json is given, also where the command line cannot be parsed.
func wantsJSON(args []string) bool {
	if end := slices.Index(args, "--"); end >= 0 {
		args = args[:end]
	}
	return slices.Contains(args, "--json") || slices.Contains(args, "--json=true")
}

func helpCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND or TOPIC]",
		Short: "Help about a command or a topic",
		RunE: func(cmd *cobra.Command, args []string) error {
			topic, rest, err := cmd.Root().Find(args)
			if err != nil || len(rest) > 0 || topic == nil {
				return unknownCommand(cmd.Root(), strings.Join(args, " "))
			}
			topic.InitDefaultHelpFlag()
			topic.InitDefaultVersionFlag()
			return topic.Help()
		},
	}
}

// usageTemplate is cobra's own, less what needs more than 80 columns or says the same twice.
const usageTemplate = `Usage:{{if .HasAvailableSubCommands}}
  {{.CommandPath}} COMMAND [flags]{{else if .Runnable}}
  {{.UseLine}}{{end}}{{if .HasExample}}

Examples:
{{.Example}}{{end}}{{if .HasAvailableSubCommands}}{{$cmds := .Commands}}{{if eq (len .Groups) 0}}

Commands:{{range $cmds}}{{if .IsAvailableCommand}}
  {{rpad .Name .NamePadding }} {{.Short}}{{end}}{{end}}{{else}}{{range $group := .Groups}}

{{.Title}}{{range $cmds}}{{if (and (eq .GroupID $group.ID) .IsAvailableCommand)}}
  {{rpad .Name .NamePadding }} {{.Short}}{{end}}{{end}}{{end}}{{end}}{{end}}{{if .HasAvailableLocalFlags}}

Flags:
{{.LocalFlags.FlagUsagesWrapped 80 | trimTrailingWhitespaces}}{{end}}{{if .HasAvailableInheritedFlags}}

Flags of every command:
{{.InheritedFlags.FlagUsagesWrapped 80 | trimTrailingWhitespaces}}{{end}}{{if .HasHelpSubCommands}}

Topics:{{range .Commands}}{{if .IsAdditionalHelpTopicCommand}}
  {{rpad .Name .NamePadding}} {{.Short}}{{end}}{{end}}{{end}}{{if .HasAvailableSubCommands}}

'{{.CommandPath}}{{if .HasParent}} COMMAND --help{{else}} help COMMAND{{end}}' says more about each.{{end}}
`
