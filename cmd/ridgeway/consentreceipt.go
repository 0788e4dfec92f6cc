package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

// receiptPause is how long lies between two questions while a receipt is waited for.
const receiptPause = 500 * time.Millisecond

func (a *app) consentReceiptCommand() *cobra.Command {
	var who recorder
	var wait time.Duration
	cmd := &cobra.Command{
		Use:   "receipt NHS-NUMBER DIRECTIVE",
		Short: "Say where something that a patient has said is in force",
		Long: `Says when it was recorded, when the region agreed on it, and when each trust of
the region had applied it. Every trust is asked, whether it holds documents of
the patient or not; who does is told to a governance-lead or privacy-officer
only. A trust that has not applied it, or does not answer, is named. Such a
trust releases nothing to others once it has not heard the region for one lease
(10 s, unless set otherwise).

With --wait it ends with status 5 when not every trust has applied it in time.

JSON: directive, text, recorded, agreed, committed, index, complete, sites
(trust, holds, applied, at, problem).`,
		Example: `  ridgeway consent receipt --data d1 9434765919 \
      4b1f22c09a7d4e58b3c16f00d2a9e871 --wait 10s`,
		Args: ofDirective,
		RunE: func(cmd *cobra.Command, args []string) error {
			last := len(args) - 1
			q := &admin.ReceiptRequest{Patient: joined(args[:last]), Directive: args[last], Asker: who.message()}
			return a.ask(cmd.Context(), func(c admin.AdminClient) error {
				reply, err := awaitReceipt(cmd.Context(), c, q, wait)
				if err != nil {
					return err
				}
				if err := a.showReceipt(reply); err != nil {
					return err
				}
				if wait > 0 && !reply.GetComplete() {
					return errShown{admin.CodeUnavailable}
				}
				return nil
			})
		},
	}
	cmd.Flags().DurationVar(&wait, "wait", 0, "wait so long until every trust has applied it, such as 10s")
	who.flags(cmd)
	return cmd
}

// awaitReceipt asks until every trust has applied the directive, or the time is over.
func awaitReceipt(ctx context.Context, c admin.AdminClient, q *admin.ReceiptRequest, wait time.Duration) (*admin.ReceiptReply, error) {
	tick := time.NewTicker(receiptPause)
	defer tick.Stop()
	over := time.NewTimer(wait)
	defer over.Stop()
	for {
		reply, err := c.Receipt(ctx, q)
		if err != nil || wait == 0 || reply.GetComplete() {
			return reply, err
		}
		select {
		case <-tick.C:
		case <-over.C:
			return reply, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (a *app) showReceipt(r *admin.ReceiptReply) error {
	if a.json {
		sites := []map[string]any{}
		for _, s := range r.GetSites() {
			sites = append(sites, map[string]any{"trust": s.GetTrust(), "holds": s.GetHolds(), "applied": s.GetApplied(), "at": instant(s.GetAt()), "problem": s.GetProblem()})
		}
		return a.emit(map[string]any{
			"directive": r.GetDirective(), "text": r.GetText(), "recorded": instant(r.GetRecorded()), "agreed": r.GetAgreed(), "committed": instant(r.GetCommitted()),
			"index": r.GetIndex(), "complete": r.GetComplete(), "sites": sites,
		})
	}
	a.say("%s", r.GetText())
	a.say("")
	a.say("Recorded  %s", instant(r.GetRecorded()))
	switch {
	case !r.GetAgreed():
		a.say("The region has not agreed on it yet.")
	case r.GetCommitted() == 0:
		a.say("Agreed    (when is not known here any more)")
	default:
		a.say("Agreed    %s", instant(r.GetCommitted()))
	}
	a.say("")
	a.showSites(r.GetSites())
	if r.GetComplete() {
		a.say("Every trust of the region has applied it.")
	} else {
		a.say("Not every trust has applied it.")
	}
	return nil
}

// showSites says of each trust when it had applied a directive, and below of those that are in the way why, in full.
func (a *app) showSites(sites []*admin.ReceiptSite) {
	rows, problems := [][]string{{"TRUST", "APPLIED", ""}}, []string{}
	for _, s := range sites {
		at, note := "not yet", ""
		switch {
		case s.GetProblem() != "":
			at = "not known"
		case s.GetApplied() && s.GetAt() == 0:
			at = "yes (when is not known)"
		case s.GetApplied():
			at = instant(s.GetAt())
		}
		if s.GetHolds() {
			note = "holds documents of the patient"
		}
		rows = append(rows, []string{s.GetTrust(), at, note})
		if s.GetProblem() != "" {
			problems = append(problems, s.GetTrust()+" "+s.GetProblem()+".")
		}
	}
	table(a.out, 2, rows)
	for _, p := range problems {
		a.say("%s", wrap(p, screenWidth))
	}
}

// instant is a moment to the millisecond, in UTC; empty for none.
func instant(micros int64) string {
	if micros == 0 {
		return ""
	}
	return time.UnixMicro(micros).UTC().Format("2006-01-02T15:04:05.000Z07:00")
}
