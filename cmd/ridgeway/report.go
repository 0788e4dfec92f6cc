package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/ridgeway-exchange/ridgeway/node"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

func (a *app) reportCommand() *cobra.Command {
	var who asking
	var out, format string
	cmd := &cobra.Command{
		Use:   "report NHS-NUMBER",
		Short: "Who has seen a patient's documents, at every trust",
		Long: `Asks every trust who has seen, looked for or been refused this patient's
documents, and lists what the patient has said about sharing. It is written for
the patient. It says of each trust whether it answered, and ends with status 10
when one did not. Every trust writes down that it was asked, by whom and why.

It is given to records-staff, governance-lead and privacy-officer, for PATRQT
(the patient asks), HOPERAT (the trust checks) or HLEGAL. With --out the file
can be read by you alone; print the HTML to make a PDF of it.

JSON: patient, made, by, accesses (at, kind, trust, user, role, purpose,
document, title, custodian, outcome, break_glass, bytes, text, one_sided),
emergencies (trust, user, role, reason, at, until, documents, text, reviews:
trust, outcome, closed, due), directives (text, state, trust, by, at), sites,
complete.`,
		Example: `  ridgeway report --data d1 9434765919 --role records-staff --purpose PATRQT
  ridgeway report --data d1 9434765919 --role records-staff \
    --purpose PATRQT --format html --out report.html`,
		Args: patientArgument,
		RunE: func(cmd *cobra.Command, args []string) error {
			if a.json {
				if cmd.Flag("format").Changed && format != "json" {
					return admin.Errorf(admin.CodeBadInput, "--json and --format %s ask for two forms: leave one of them out", format)
				}
				format = "json"
			}
			if format != "text" && format != "json" && format != "html" {
				return admin.Errorf(admin.CodeBadInput, "--format %s: it is text, json or html", format)
			}
			if who.role == "" || who.purpose == "" {
				return needs(cmd, "role", "purpose")
			}
			return a.ask(cmd.Context(), func(c admin.AdminClient) error {
				reply, err := c.Report(cmd.Context(), &admin.ReportRequest{Patient: joined(args), Asker: who.message()})
				if err != nil {
					return err
				}
				if err := a.writeReport(reply, format, out); err != nil {
					return err
				}
				if !reply.GetComplete() {
					return errShown{admin.CodePartly}
				}
				return nil
			})
		},
	}
	reviewFlags(cmd, &who)
	cmd.Flag("role").Usage = "role of who asks"
	cmd.Flag("purpose").Usage = "PATRQT, HOPERAT or HLEGAL"
	cmd.Flags().StringVar(&out, "out", "", "file to write; it must not be there yet (default: standard output)")
	cmd.Flags().StringVar(&format, "format", "text", "text, json or html")
	return cmd
}

// writeReport writes the report where it is wanted. A file is whole or not there.
func (a *app) writeReport(r *admin.ReportReply, format, out string) error {
	render := func(w io.Writer) error {
		switch format {
		case "json":
			return emitTo(w, reportJSON(r))
		case "html":
			return reportHTML(w, r)
		default:
			return reportText(w, r)
		}
	}
	if out == "" {
		return render(a.out)
	}
	if _, err := os.Lstat(out); err == nil {
		return admin.Errorf(admin.CodeBadInput, "--out %s is there already: name another file", out)
	}
	f, err := os.CreateTemp(filepath.Dir(out), ".report-*")
	if err != nil {
		return admin.Errorf(admin.CodeBadInput, "--out: %v: name a file in a folder that you may write to", err)
	}
	defer func() { _ = os.Remove(f.Name()) }() // gone already when all went well
	err = render(f)
	if e := f.Sync(); err == nil {
		err = e
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Link(f.Name(), out) // never in place of another file
	}
	if err != nil {
		return admin.Errorf(admin.CodeDiskFull, "write %s: %v: nothing was left behind; run the command again", out, err)
	}
	if a.json {
		return a.emit(map[string]any{"out": out, "complete": r.GetComplete()})
	}
	a.say("%s was written: %s at %s.", out, plural(uint64(len(r.GetAccesses())), "entry"), plural(uint64(len(r.GetSites())), "trust"))
	for _, s := range missing(r) {
		a.say("%s", s)
	}
	return nil
}

// missing says which trusts did not answer.
func missing(r *admin.ReportReply) []string {
	var out []string
	for _, s := range r.GetSites() {
		if !s.GetAnswered() {
			out = append(out, fmt.Sprintf("NOT COMPLETE. %s (%s) did not tell us who has looked there: %s. Ask again later.", tame(siteName(s)), s.GetTrust(), s.GetProblem()))
		}
	}
	return out
}

func siteName(s *admin.ReportSite) string {
	if s.GetName() == "" {
		return s.GetTrust()
	}
	return s.GetName()
}

// shownTime is a moment for people to read, in the time zone of this machine.
func shownTime(micros int64) string {
	if micros == 0 {
		return "not known"
	}
	return time.UnixMicro(micros).Local().Format("2 January 2006, 15:04 MST")
}

func spacedNumber(n string) string {
	if len(n) != 10 {
		return n
	}
	return n[:3] + " " + n[3:6] + " " + n[6:]
}

// standing says what became of what a patient has said.
func standing(d *admin.DirectiveInfo) string {
	switch d.GetState() {
	case "in_force":
		return "This counts now."
	case "here":
		return "This counts at the trust that recorded it. The others have not heard of it yet."
	case "waiting":
		return "This does not count yet: the trusts have yet to agree on it."
	case "withdrawn_here":
		return "This was taken back at the trust that recorded it. The others have not heard of that yet."
	case "refused":
		return "The trusts have refused this, and it does not count."
	case "withdrawn":
		return "This was taken back, and does not count any more."
	case "superseded":
		return "A later choice has taken its place."
	case "expired":
		return "The time that it was for is over."
	default:
		return d.GetState()
	}
}

// tame takes out of a name or a title what would change how the text around it is shown: control characters, and those that
// turn the direction of writing.
func tame(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return ' '
		case unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == unicode.ReplacementChar:
			return -1
		default:
			return r
		}
	}, s)
}

// madeBy says who has made a report, where and why.
func madeBy(r *admin.ReportReply) string {
	return fmt.Sprintf("Made on %s at %s by %s (%s), %s.", shownTime(r.GetMade()), tame(r.GetTrustName()), tame(r.GetBy()), node.RoleWords(r.GetRole()), node.ReasonWords(r.GetPurpose()))
}

// siteLine says of a trust whether it answered.
func siteLine(s *admin.ReportSite) string {
	if s.GetAnswered() {
		return fmt.Sprintf("%s (%s) answered.", tame(siteName(s)), s.GetTrust())
	}
	return fmt.Sprintf("%s (%s) did NOT answer: %s.", tame(siteName(s)), s.GetTrust(), s.GetProblem())
}

const allAnswered = "Every trust in the region answered. So this list is complete."

func reportText(w io.Writer, r *admin.ReportReply) error {
	var b strings.Builder
	put := func(indent, text string) { b.WriteString(wrap(indent+text, screenWidth) + "\n") }
	put("", "Who has seen your health documents")
	put("", "NHS number "+spacedNumber(r.GetPatient()))
	put("", madeBy(r))
	put("", "")
	if r.GetComplete() {
		put("", allAnswered)
	}
	for _, s := range missing(r) {
		put("", s)
	}
	put("", fmt.Sprintf("\nWho looked, and when (%d)", len(r.GetAccesses())))
	for _, x := range r.GetAccesses() {
		put("", "\n"+shownTime(x.GetAt()))
		put("  ", tame(x.GetText()))
	}
	put("", fmt.Sprintf("\nEmergencies (%d)", len(r.GetEmergencies())))
	for _, e := range r.GetEmergencies() {
		put("", "\n"+shownTime(e.GetAt())+" until "+shownTime(e.GetUntil()))
		put("  ", tame(e.GetText()))
	}
	put("", fmt.Sprintf("\nYour choices about sharing (%d)", len(r.GetDirectives())))
	for _, d := range r.GetDirectives() {
		put("", fmt.Sprintf("\n%s, written down by %s at %s", shownTime(d.GetAt()), tame(orDash(d.GetBy())), d.GetTrust()))
		put("  ", tame(d.GetText()))
		put("  ", standing(d))
	}
	put("", "\nThe trusts that we asked")
	for _, s := range r.GetSites() {
		put("  ", siteLine(s))
	}
	put("", "\n"+reportHelp)
	return writeTame(w, b.String())
}

// writeTame writes a whole report: whatever its texts came from, it shows what it says.
func writeTame(w io.Writer, report string) error {
	lines := strings.Split(report, "\n")
	for i, l := range lines {
		lines[i] = tame(l)
	}
	_, err := io.WriteString(w, strings.Join(lines, "\n"))
	return err
}

// reportHelp is what a patient can do about what a report says.
const reportHelp = "If you do not know why somebody looked, ask the trust where they work. Show them this page. You can also ask them to stop sharing your documents."
