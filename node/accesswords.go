package node

import (
	"slices"
	"strings"

	"github.com/ridgeway-exchange/ridgeway/federation/wire"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/policy"
	"github.com/ridgeway-exchange/ridgeway/storage/audit"
)

// What the log has of somebody who looked at what a patient has said: a search whose detail is one of these. Logs are kept, so
// do not change them.
const (
	detailListed     = "directives"
	detailRecording  = "directives, to record one"
	detailWithdrawal = "directives, to withdraw one"
	detailReceipt    = "receipt of a directive"
)

// What the log has of patients who have signed on as themselves: a review whose detail is one of these.
const (
	detailOwnReport     = "the patient asked who has seen their documents"
	detailOwnListed     = "the patient asked what they have said about sharing"
	detailOwnRecording  = "the patient says something about sharing"
	detailOwnWithdrawal = "the patient takes back what they have said"
	detailOwnReceipt    = "the patient asked how far what they have said has come"
	detailOwnSharing    = "the patient asked what is shared and with whom"
)

// How the log has what staff with duties do about a record, other than reading evidence: a review whose detail begins with one of
// these.
const (
	detailWhy    = "asked why: "
	detailWho    = "asked who could see it"
	detailOpened = "looked at what was opened, for review "
	detailMarked = "marked a person as "
	detailLifted = "took marks of a person back: "
)

// dutyOf says what somebody with duties did about a record; empty where an entry tells of something else.
func dutyOf(e *audit.Entry) string {
	switch {
	case e.Kind != audit.Review:
		return ""
	case strings.HasPrefix(e.Detail, detailWhy), e.Detail == detailWho:
		return "rules_asked"
	case strings.HasPrefix(e.Detail, detailOpened):
		return "opened_checked"
	case strings.HasPrefix(e.Detail, detailMarked), strings.HasPrefix(e.Detail, detailLifted):
		return "watch_changed"
	}
	return ""
}

// isDuty reports whether a kind of a report is one of those.
func isDuty(kind string) bool {
	return slices.Contains([]string{"rules_asked", "opened_checked", "watch_changed"}, kind)
}

// choiceOf says what somebody did with a patient's choices about sharing, or about the record as a duty; empty where an entry tells
// of something else.
func choiceOf(e *audit.Entry) string {
	if duty := dutyOf(e); duty != "" && e.Role != patientRole {
		return duty
	}
	if e.Kind != audit.Search && (e.Kind != audit.Review || e.Role != patientRole) {
		return ""
	}
	switch e.Detail {
	case detailListed, detailOwnListed:
		return "choices_listed"
	case detailRecording, detailOwnRecording:
		return "choice_recording"
	case detailWithdrawal, detailOwnWithdrawal:
		return "choice_withdrawal"
	case detailReceipt, detailOwnReceipt:
		return "choice_receipt"
	case detailOwnSharing:
		return "sharing_listed"
	}
	return ""
}

// lookOf is the kind of a search in a report. A trust whose program does not say what a search was of is told of as one of
// documents, and so is one of something that this program does not know.
func lookOf(a *wire.Access) string {
	if c := a.GetChoice(); isLook(c) {
		return c
	}
	return "looked_up"
}

// isLook reports whether a kind of a report is one of a search.
func isLook(kind string) bool {
	return slices.Contains([]string{"looked_up", "choices_listed", "choice_recording", "choice_withdrawal", "choice_receipt", "sharing_listed"}, kind)
}

// A sentence tells of an access, with {who}, {what} and {why} to be filled in.
type sentence string

func (s sentence) tell(who, what, why string) string {
	return strings.NewReplacer("{who}", who, "{what}", what, "{why}", why).Replace(string(s))
}

// A telling is how an access is told of: in the report that staff give to a patient, and on the patient's own page.
type telling struct{ report, mine sentence }

// tellings are by the kind of an access, or by what became of it.
var tellings = map[string]telling{
	"opened": {"{who} opened {what}{why}.", "{who} opened {what}{why}."},
	"stopped": {
		"{who} opened {what}{why}. It was stopped before the end.",
		"{who} opened {what}{why}. It stopped before the end.",
	},
	"refused": {
		"{who} asked for {what}{why}. It was refused, and nothing was shown.",
		"{who} asked for {what}{why}. The answer was no. Nothing was shown.",
	},
	"attempted": {"{who} asked for {what}{why}. Nothing came.", "{who} asked for {what}{why}. Nothing came."},
	"looked_up": {
		"{who} looked up which documents there are about you{why}.",
		"{who} looked at the list of your documents{why}.",
	},
	"choices_listed": {
		"{who} looked at your choices about sharing{why}.",
		"{who} looked at your choices about sharing{why}.",
	},
	"choice_recording": {
		"{who} looked at your choices about sharing, so as to write one down{why}.",
		"{who} looked at your choices about sharing, so as to write one down{why}.",
	},
	"choice_withdrawal": {
		"{who} looked at your choices about sharing, so as to end one{why}.",
		"{who} looked at your choices about sharing, so as to end one{why}.",
	},
	"choice_receipt": {
		"{who} looked at how far one of your choices about sharing has come{why}.",
		"{who} looked at how far one of your choices about sharing has come{why}.",
	},
	"sharing_listed": {
		"{who} looked at what is shared about you and with whom{why}.",
		"{who} looked at what is shared about you and with whom{why}.",
	},
	"look refused": {
		"{who} asked to look at what is kept about you{why}. It was refused, and nothing was shown.",
		"{who} asked to look at what is kept about you{why}. The answer was no. Nothing was shown.",
	},
	"reviewed": {"{who} asked who has seen your documents{why}.", "{who} asked who has seen your documents{why}."},
	"rules_asked": {
		"{who} asked by which rules {what} may be seen. The document itself was not shown.",
		"{who} asked by which rules {what} may be seen. They did not open it.",
	},
	"opened_checked": {
		"{who} looked at which of your documents somebody opened, to check whether that was right.",
		"{who} looked at a list of your documents that were opened. They check if that was right.",
	},
	"watch_changed": {
		"{who} changed how looks at your record are checked.",
		"{who} changed how looks at your record are checked.",
	},
	"judged": {
		"{who} judged whether it was right to open your record in an emergency.",
		"{who} checked an emergency: was it right to open your records?",
	},
	"emergency": {
		"{who} said that there was an emergency, and could open your record{why}.",
		"{who} said that there was an emergency. They could then open your records.",
	},
	"emergency refused": {
		"{who} said that there was an emergency, and asked to open your record{why}. It was refused.",
		"{who} said that there was an emergency. They asked to open your records. The answer was no.",
	},
}

// tellingOf finds how an access is told of.
func tellingOf(a *admin.ReportAccess) telling {
	kind, permitted := a.GetKind(), a.GetOutcome() == policy.Permit.String()
	switch {
	case isLook(kind) && a.GetOutcome() == policy.Denied.String():
		kind = "look refused"
	case kind == "reviewed" && a.GetBreakGlass() && a.GetPurpose() == "": // a judgement has no purpose of its own
		kind = "judged"
	case kind == "emergency" && !permitted:
		kind = "emergency refused"
	case kind == "opened" && !permitted:
		kind = "stopped"
	}
	return tellings[kind]
}
