package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

// auditQuery are the flags that choose entries of the audit log, and say who asks.
type auditQuery struct {
	filter       admin.AuditFilter
	since, until string
	who          asking
}

func (q *auditQuery) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&q.filter.Patient, "patient", "", "entries about this patient (NHS number)")
	f.StringVar(&q.filter.Document, "document", "", "entries about this document")
	f.StringVar(&q.filter.User, "user", "", "what this member of staff did (staff id)")
	f.StringVar(&q.filter.Trust, "trust", "", "what staff of this trust did (ODS code)")
	f.StringVar(&q.filter.Outcome, "outcome", "", "permit, denied, not_found, stale_policy, ...")
	f.StringVar(&q.filter.Kind, "kind", "", "refusal, completion, search, sign-on, ... (several: a,b)")
	f.StringVar(&q.since, "since", "", "from this local day or time on, or so long ago: 2026-03-01, 48h")
	f.StringVar(&q.until, "until", "", "before this local day or time")
	f.BoolVar(&q.filter.BreakGlass, "break-glass", false, "emergencies only")
	reviewFlags(cmd, &q.who)
}

// reviewFlags say who reads evidence. --user chooses entries, so that these have another name.
func reviewFlags(cmd *cobra.Command, who *asking) {
	cmd.Flags().StringVar(&who.user, "by", "", "staff id of who asks (default: your login name)")
	cmd.Flags().StringVar(&who.role, "role", "", "role of who asks (default: governance-lead)")
	cmd.Flags().StringVar(&who.purpose, "purpose", "", "PATRQT, HOPERAT or HLEGAL (default: HOPERAT)")
}

// message returns the filter.
func (q *auditQuery) message(now time.Time) (*admin.AuditFilter, error) {
	var err error
	if q.filter.Since, err = moment("since", q.since, now); err != nil {
		return nil, err
	}
	if q.filter.Until, err = moment("until", q.until, now); err != nil {
		return nil, err
	}
	return &q.filter, nil
}

// moment reads a point in time: a day, a time of RFC 3339, or how long ago it was.
func moment(flag, text string, now time.Time) (int64, error) {
	if text == "" {
		return 0, nil
	}
	if t, err := time.ParseInLocation(time.DateOnly, text, time.Local); err == nil {
		return t.UnixMicro(), nil
	}
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t.UnixMicro(), nil
	}
	var days int
	if n, err := fmt.Sscanf(text, "%dd", &days); err == nil && n == 1 && days >= 0 && text == fmt.Sprintf("%dd", days) {
		return now.AddDate(0, 0, -days).UnixMicro(), nil
	}
	if d, err := time.ParseDuration(text); err == nil && d >= 0 {
		return now.Add(-d).UnixMicro(), nil
	}
	return 0, admin.Errorf(admin.CodeBadInput, "--%s %s: give a day such as 2026-03-01, a time such as 2026-03-01T09:00:00Z, or how long ago: 48h, 30d", flag, text)
}

func (a *app) auditSearchCommand() *cobra.Command {
	var q auditQuery
	cmd := &cobra.Command{
		Use:   "search",
		Short: "Search this node's audit log",
		Long: `Lists entries of this node's audit log, newest first: who asked for what, what
was decided, and how much was delivered. Several filters narrow it down. That
the log was searched, by whom and for what, is an entry of the log itself.

JSON: entries (index, at, kind, trust, user, role, purpose, relationship,
patient (a pseudonym), document, custodian, outcome, chain, state, lease_age_ms,
bytes, break_glass, detail, leaf, of, request, transfer), damaged, next.`,
		Example: `  ridgeway audit search --data d1 --patient 9434765919 --since 30d
  ridgeway audit search --data d1 --kind refusal --trust RAS
  ridgeway audit search --data d1 --kind sign-on,sign-out --user a.okafor
  ridgeway audit search --data d1 --break-glass --json`,
		Args: argument(0, "flags only"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			f, err := q.message(time.Now())
			if err != nil {
				return err
			}
			return a.ask(cmd.Context(), func(c admin.AdminClient) error {
				reply, err := c.SearchAudit(cmd.Context(), &admin.SearchAuditRequest{Filter: f, Asker: q.who.message()})
				if err != nil {
					return err
				}
				return a.showEntries(reply)
			})
		},
	}
	q.flags(cmd)
	cmd.Flags().Uint32Var(&q.filter.Limit, "limit", 0, "at most this many entries (default 1000)")
	cmd.Flags().StringVar(&q.filter.Cursor, "cursor", "", "continue after an earlier answer's 'next'")
	return cmd
}

// auditLine is an entry in JSON.
type auditLine struct {
	Index        uint64   `json:"index"`
	At           string   `json:"at"`
	Kind         string   `json:"kind"`
	Trust        string   `json:"trust,omitempty"`
	User         string   `json:"user,omitempty"`
	Role         string   `json:"role,omitempty"`
	Purpose      string   `json:"purpose,omitempty"`
	Relationship string   `json:"relationship,omitempty"`
	Patient      string   `json:"patient,omitempty"`
	Document     string   `json:"document,omitempty"`
	Custodian    string   `json:"custodian,omitempty"`
	Outcome      string   `json:"outcome,omitempty"`
	Chain        []string `json:"chain,omitempty"`
	State        uint64   `json:"state,omitempty"`
	LeaseAge     float64  `json:"lease_age_ms,omitempty"`
	Bytes        uint64   `json:"bytes"`
	BreakGlass   bool     `json:"break_glass"`
	Detail       string   `json:"detail,omitempty"`
	Leaf         string   `json:"leaf"`
	Of           *int64   `json:"of,omitempty"`
	Request      string   `json:"request,omitempty"`
	Transfer     string   `json:"transfer,omitempty"`
	Signed       bool     `json:"signed"` // by the other trust
}

func auditLineOf(e *admin.AuditEntry) auditLine {
	out := auditLine{
		Index: e.GetIndex(), At: stamp(e.GetAt()), Kind: e.GetKind(), Trust: e.GetTrust(), User: e.GetUser(), Role: e.GetRole(), Purpose: e.GetPurpose(),
		Relationship: e.GetRelationship(), Patient: e.GetPatient(), Document: e.GetDocument(), Custodian: e.GetCustodian(), Outcome: e.GetOutcome(),
		Chain: e.GetChain(), State: e.GetState(), LeaseAge: float64(e.GetLeaseAge()) / 1000, Bytes: e.GetBytes(), BreakGlass: e.GetBreakGlass(),
		Detail: e.GetDetail(), Leaf: e.GetLeaf(), Request: e.GetRequest(), Transfer: e.GetTransfer(), Signed: e.GetSigned(),
	}
	if of := e.GetOf(); of >= 0 {
		out.Of = &of
	}
	return out
}

func (a *app) showEntries(r *admin.SearchAuditReply) error {
	if a.json {
		lines := make([]auditLine, 0, len(r.GetEntries()))
		for _, e := range r.GetEntries() {
			lines = append(lines, auditLineOf(e))
		}
		out := map[string]any{"entries": lines, "damaged": nonNil(r.GetDamaged())}
		if r.GetNext() != "" {
			out["next"] = r.GetNext()
		}
		return a.emit(out)
	}
	if len(r.GetEntries()) == 0 {
		a.say("There is no such entry.")
	} else {
		rows := [][]string{{"WHEN", "WHAT", "WHO", "WHY", "OUTCOME", "DOCUMENT"}}
		glass := false
		for _, e := range r.GetEntries() {
			what := e.GetKind()
			if e.GetBreakGlass() {
				what, glass = "!"+what, true
			}
			who := strings.TrimSpace(e.GetTrust() + " " + clip(e.GetUser(), 10))
			rows = append(rows, []string{shortTime(time.UnixMicro(e.GetAt()), time.Now()), what, orDash(who), orDash(e.GetPurpose()), strings.ToLower(orDash(e.GetOutcome())), clip(orDash(e.GetDocument()), 20)})
		}
		table(a.out, 2, rows)
		if glass {
			a.say("! is of an emergency: break-glass, or a judgement of one.")
		}
	}
	if n := len(r.GetDamaged()); n > 0 {
		a.say("Warning: %s might belong here and cannot be read; 'ridgeway audit verify' says more.", plural(uint64(n), "entry"))
	}
	if r.GetNext() != "" {
		a.say("There are more; for those add --cursor %s", r.GetNext())
	}
	return nil
}

// shortTime writes a time in twelve columns: with the clock when it was within the last half year, and with the year otherwise.
func shortTime(at, now time.Time) string {
	if age := now.Sub(at); age > 182*24*time.Hour || age < -24*time.Hour {
		return at.Local().Format("02 Jan  2006")
	}
	return at.Local().Format("02 Jan 15:04")
}
