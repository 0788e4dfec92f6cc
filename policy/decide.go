package policy

import (
	"fmt"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

// Decide says whether the request is permitted, and why. It is pure: the same arguments give the same decision. The
// outcomes are Permit, Denied, StalePolicy, and Unavailable when the facts are not complete.
//
// Staff of the custodian read its own records: for them no lease is needed, and of the patient's directives only those
// that name their trust apply.
func Decide(r Request, f Facts) Decision {
	if d, refused := decideFirst(&r, &f); refused {
		return d
	}
	var w wishes
	if f.Complete {
		w = wishesOf(&r, &f)
	}
	r.consented = w.consent != nil
	ordinary := decideOrdinary(&r, &f, &w)
	if ordinary.Permitted() || !r.BreakGlass {
		if ordinary.Outcome == Denied && ordinary.Visible && !r.BreakGlass {
			ordinary.CanBreak = decideGlass(&r, &f).Permitted()
		}
		return ordinary
	}
	glass := decideGlass(&r, &f)
	// What the ordinary rules refused stands in the chain first: it is why the glass had to be broken.
	glass.Chain = append(ordinary.Chain, glass.Chain...)
	glass.Visible = glass.Visible || ordinary.Visible
	return glass
}

// decideOrdinary decides with the glass whole, what nothing later may permit apart (decideFirst).
func decideOrdinary(r *Request, f *Facts, w *wishes) Decision {
	d := Decision{Chain: make([]Reason, 0, 4)}
	switch {
	case !f.Complete:
		d.Outcome = Unavailable
		d.Chain = append(d.Chain, Reason{Rule: ruleDirective, Text: "what the patient has said could not be read in full"})
		return d
	case w.refusal != nil:
		d.Outcome, d.Chain = Denied, append(d.Chain, w.reason())
		if r.Action != See && !w.telling {
			// Whom the custodian shares with may be told that the patient has dissented: it is the same for every document of
			// theirs, so it gives none away (the Spine's NO_PATIENT_CONSENT). Lists leave the documents out all the same.
			d.Visible, _ = f.Agreement.evaluate(r, actionSee, f.AgreementVersion)
		}
		return d
	case w.consent != nil:
		d.Chain = append(d.Chain, Reason{Rule: ruleDirective, Text: "the patient agrees to sharing", Version: w.consent.Version, Source: w.consent.By})
	case !r.own():
		d.Chain = append(d.Chain, Reason{Rule: ruleDirective, Text: "no objection in force"})
	}
	permit, why := f.Agreement.evaluate(r, r.Action.String(), f.AgreementVersion)
	d.Chain = append(append(d.Chain, r.Link.reasons()...), why...)
	if !permit {
		d.Outcome = Denied
		if r.Action != See {
			d.Visible, _ = f.Agreement.evaluate(r, actionSee, f.AgreementVersion)
		}
		return d
	}
	d.Visible = true
	if reason, fresh := lease(r, f); !fresh {
		d.Outcome, d.Chain = StalePolicy, append(d.Chain, reason)
		return d
	}
	d.Outcome = Permit
	return d
}

// decideGlass decides as if the glass were broken, what nothing later may permit apart (decideFirst).
func decideGlass(r *Request, f *Facts) Decision {
	if r.Action == Export {
		return Decision{Outcome: Denied, Chain: []Reason{{Rule: ruleGlass, Text: "breaking the glass opens a document; it lets nobody keep a copy"}}}
	}
	permit, why := f.Agreement.evaluate(r, actionGlass, f.AgreementVersion)
	d := Decision{Outcome: Denied, Chain: append(r.Link.reasons(), why...)}
	if permit {
		d.Outcome, d.Visible, d.Glass = Permit, true, true
		d.Chain = append(d.Chain, Reason{Rule: ruleGlass, Text: "opened in an emergency; must be audited at both sites and reviewed"})
	}
	return d
}

// decideFirst refuses what nothing later may permit.
func decideFirst(r *Request, f *Facts) (Decision, bool) {
	refuse := func(rule, format string, args ...any) (Decision, bool) {
		return Decision{Outcome: Denied, Chain: []Reason{{Rule: rule, Text: fmt.Sprintf(format, args...)}}}, true
	}
	switch {
	case !f.RegionActive:
		return refuse(ruleStanding, "the region is not active")
	case f.RequesterStanding != federation.Active:
		return refuse(ruleStanding, "the requester's trust %s is %s", r.User.Trust, f.RequesterStanding)
	case f.CustodianStanding != federation.Active:
		return refuse(ruleStanding, "the custodian %s is %s", r.Document.Custodian, f.CustodianStanding)
	}
	if text := fault(r); text != "" {
		return refuse(checkRequest, "%s", text)
	}
	if r.Document.Restricted() {
		return refuse(ruleLegal, "the document is of a legally restricted class %s", r.Document.LegalClass)
	}
	return Decision{}, false
}

// fault returns what is wrong with the request itself, or "".
func fault(r *Request) string {
	if r.Action != See && r.Action != Open && r.Action != Export {
		return "no action is named"
	}
	if text := faultOfAsker(r); text != "" {
		return text
	}
	return faultOf(&r.Document)
}

// faultOfAsker returns what is wrong with what a request says of who asks, why and when, or "".
func faultOfAsker(r *Request) string {
	switch {
	case !r.User.Trust.Valid() || r.User.ID == "":
		return "no user is named"
	case !IsRole(r.User.Role):
		return fmt.Sprintf("role %q is not a documented one", r.User.Role)
	case !IsPurpose(r.Purpose):
		return fmt.Sprintf("purpose %q is not a documented one", r.Purpose)
	case r.Now.IsZero():
		return "the time is not known"
	default:
		return ""
	}
}

// faultOf returns what is wrong with what a request says of its document, or "".
func faultOf(d *Document) string {
	switch {
	case d.Custodian == "" || d.ID.Custodian() != d.Custodian || d.Subject.IsZero(): // an id that is not valid has none
		return "the document, its custodian or its patient is not named"
	case d.Confidentiality < federation.Unrestricted || d.Confidentiality > federation.VeryRestricted:
		return "the document's confidentiality is not known"
	default:
		return ""
	}
}

// own reports whether the user belongs to the trust that holds the document.
func (r *Request) own() bool { return r.User.Trust == r.Document.Custodian }

// lease reports whether the facts are recent enough for the action.
func lease(r *Request, f *Facts) (Reason, bool) {
	if r.Action == See || r.own() {
		return Reason{}, true
	}
	if f.LeaseAge < 0 || f.LeaseLimit <= 0 || f.LeaseLimit > MaxLease || f.LeaseAge > f.LeaseLimit {
		return Reason{Rule: checkLease, Text: fmt.Sprintf("the agreed state was last confirmed %s ago, at most %s is allowed", f.LeaseAge, f.LeaseLimit)}, false
	}
	return Reason{}, true
}
