package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

// located is a document in the answer of locate.
type located struct {
	Document        string `json:"document"`
	Custodian       string `json:"custodian"`
	Type            string `json:"type"`
	Category        string `json:"category,omitempty"`
	Specialty       string `json:"specialty,omitempty"`
	Title           string `json:"title"`
	Author          string `json:"author,omitempty"`
	Date            string `json:"date"`
	Pages           uint32 `json:"pages"`
	Bytes           uint64 `json:"bytes"`
	ContentType     string `json:"content_type"`
	Confidentiality string `json:"confidentiality"`
	Status          string `json:"status"`
	Sealed          bool   `json:"sealed,omitempty"`
	Supersedes      string `json:"supersedes,omitempty"`
}

// site is a trust in the answers of locate and status.
type site struct {
	Trust     string `json:"trust"`
	Name      string `json:"name,omitempty"`
	Reachable bool   `json:"reachable"`
	AsOf      string `json:"as_of"`
	Standing  string `json:"standing,omitempty"`
	Raft      string `json:"raft,omitempty"`
	Address   string `json:"address,omitempty"`
	Node      string `json:"node,omitempty"`
	Version   string `json:"version,omitempty"`

	Suspension *suspended `json:"suspension,omitempty"`
}

// suspended says how a trust came to be suspended.
type suspended struct {
	Trust  string `json:"trust"`
	By     string `json:"by"`
	Reason string `json:"reason"`
	Since  string `json:"since"`
	ToldBy string `json:"told_by,omitempty"`
}

func suspendedOf(s *admin.Suspension) *suspended {
	if s == nil {
		return nil
	}
	return &suspended{Trust: s.GetTrust(), By: s.GetBy(), Reason: s.GetReason(), Since: stamp(s.GetSince()), ToldBy: s.GetToldBy()}
}

func siteOf(s *admin.Site) site {
	return site{Trust: s.GetTrust(), Name: s.GetName(), Reachable: s.GetReachable(), AsOf: stamp(s.GetAsOf()), Standing: s.GetStanding(), Raft: s.GetRaft(), Address: s.GetAddress(), Node: s.GetNode(), Version: s.GetVersion(), Suspension: suspendedOf(s.GetSuspension())}
}

func (a *app) locateCommand() *cobra.Command {
	var who asking
	var limit uint32
	var cursor string
	cmd := &cobra.Command{
		Use:   "locate NHS-NUMBER",
		Short: "Find a patient's documents at every trust of the region",
		Long: `Finds the documents of a patient that you may know of, newest first, from this
node's own copy of the region's index. The answer says how old that copy is and
which trusts cannot be reached now: one that stops without a word is noticed
after about 5 seconds, and counts as reachable until then. A document is marked
as superseded when you may see what has replaced it: one that is not marked is
the latest for you.

JSON: documents (document, custodian, type, title, date, pages, bytes, ...),
as_of, sites (trust, reachable, as_of, suspension), warnings (why the list may
not be complete), next (give it to --cursor for more).`,
		Example: `  ridgeway locate --data d2 943 476 5919
  ridgeway locate --data d2 9434765919 --json | jq -r '.documents[].document'`,
		Args: patientArgument,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.ask(cmd.Context(), func(c admin.AdminClient) error {
				reply, err := c.Locate(cmd.Context(), &admin.LocateRequest{Patient: joined(args), Asker: who.message(), Limit: limit, Cursor: cursor})
				if err != nil {
					return err
				}
				return a.showLocated(reply)
			})
		},
	}
	who.flags(cmd)
	cmd.Flags().Uint32Var(&limit, "limit", 0, "at most this many documents (default 100)")
	cmd.Flags().StringVar(&cursor, "cursor", "", "continue after an earlier answer's 'next'")
	return cmd
}

func (a *app) showLocated(reply *admin.LocateReply) error {
	documents := make([]located, 0, len(reply.GetDocuments()))
	for _, d := range reply.GetDocuments() {
		documents = append(documents, located{
			Document: d.GetDocument(), Custodian: d.GetCustodian(), Type: d.GetType(), Category: d.GetCategory(), Specialty: d.GetSpecialty(),
			Title: d.GetTitle(), Author: d.GetAuthor(), Date: day(d.GetDate()), Pages: d.GetPages(), Bytes: d.GetBytes(), ContentType: d.GetContentType(),
			Confidentiality: d.GetConfidentiality(), Status: d.GetStatus(), Sealed: d.GetSealed(), Supersedes: d.GetSupersedes(),
		})
	}
	sites := make([]site, 0, len(reply.GetSites()))
	for _, s := range reply.GetSites() {
		sites = append(sites, siteOf(s))
	}
	if a.json {
		out := map[string]any{"documents": documents, "as_of": stamp(reply.GetAsOf()), "sites": sites, "warnings": nonNil(reply.GetWarnings())}
		if reply.GetNext() != "" {
			out["next"] = reply.GetNext()
		}
		return a.emit(out)
	}
	if len(documents) == 0 {
		a.say("There are no documents that you may know of.")
	} else {
		rows := [][]string{{"DATE", "DOCUMENT", "TRUST", "TITLE", "PAGES", "SIZE"}}
		for _, d := range documents {
			title := d.Title
			switch {
			case d.Sealed:
				title = "(sealed for others: " + d.Custodian + " decides)"
			case d.Status == "superseded":
				title = "(superseded) " + title
			}
			rows = append(rows, []string{orDash(d.Date), d.Document, d.Custodian, title, orDash(number(d.Pages)), orDash(amount(d.Bytes))})
		}
		table(a.out, 3, rows)
		a.say("What you may not see is left out, and can be a later version of what is listed.")
	}
	for _, w := range reply.GetWarnings() {
		a.say("Warning: %s", w)
	}
	if reply.GetNext() != "" {
		a.say("There are more; for those add --cursor %s", reply.GetNext())
	}
	a.say("")
	a.say("This is as of %s.", since(reply.GetAsOf()))
	for _, s := range reply.GetSites() {
		switch {
		case s.GetSuspension() != nil:
			a.say("%s (%s) is suspended from the region (%s): nothing of it is released.", s.GetTrust(), s.GetName(), orDash(s.GetSuspension().GetReason()))
		case !s.GetReachable() && s.GetAsOf() == 0:
			a.say("%s (%s) cannot be reached now; it was stopped, or was not heard since this node started. Documents that it took in since it was last heard are missing here.", s.GetTrust(), s.GetName())
		case !s.GetReachable():
			a.say("%s (%s) cannot be reached now; it was last heard at %s, and documents that it took in since are missing here.", s.GetTrust(), s.GetName(), since(s.GetAsOf()))
		}
	}
	return nil
}

// since is a moment for people, with how long ago it was.
func since(micros int64) string {
	if micros == 0 {
		return "an unknown time"
	}
	t := time.UnixMicro(micros)
	ago := time.Since(t).Round(time.Second)
	if ago < 0 {
		ago = 0
	}
	form := "15:04:05"
	if ago >= 12*time.Hour {
		form = "2 Jan 2006 15:04:05"
	}
	return fmt.Sprintf("%s (%s ago)", t.Local().Format(form), ago)
}

func joined(args []string) string {
	out := ""
	for _, arg := range args {
		out += arg
	}
	return out
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func number(n uint32) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprint(n)
}

func amount(n uint64) string {
	if n == 0 {
		return ""
	}
	return size(int64(n))
}
