package node

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ridgeway-exchange/ridgeway/consensus"
	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/federation/index"
	"github.com/ridgeway-exchange/ridgeway/federation/wire"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

// mostEmergencies bounds what one answer tells of emergencies: more than could be declared for a patient within years.
const mostEmergencies = 200

// emergenciesOf is what this node knows of the emergencies that were declared for a patient, and how they were judged here. Those in
// which something was opened come first: whoever declares many, and opens nothing, hides none of them.
func (n *Node) emergenciesOf(subject federation.Subject) []*wire.Emergency {
	var opened, idle []*review
	for _, r := range slices.Concat(n.reviews.list(true), n.reviews.list(false)) {
		switch {
		case r.Kind != glassKind || r.Subject != subject:
		case len(r.Documents) > 0:
			opened = append(opened, r)
		default:
			idle = append(idle, r)
		}
	}
	var out []*wire.Emergency
	for _, r := range slices.Concat(opened, idle) {
		if len(out) == mostEmergencies {
			break
		}
		e := &wire.Emergency{
			Id: r.ID, Trust: string(r.Trust), User: r.User, Role: r.Role, Reason: r.Reason, At: r.At.UnixMicro(), Until: r.Until.UnixMicro(),
			Outcome: r.Outcome, Due: r.Due.UnixMicro(), Documents: uint32(len(r.Documents)),
		}
		if !r.Closed.IsZero() {
			e.Closed = r.Closed.UnixMicro()
		}
		out = append(out, e)
	}
	return out
}

// emergencyReports puts together what the region was told of emergencies for a patient and what each trust knows of them.
func (n *Node) emergencyReports(ctx context.Context, subject federation.Subject, heard []testimony) ([]*admin.ReportEmergency, error) {
	var told []index.BreakGlass
	err := n.replica.View(ctx, consensus.Local(), func(r consensus.Reader) (err error) {
		told, err = index.BreakGlasses(r, subject)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read emergencies: %w", err)
	}
	var out []*admin.ReportEmergency
	known := make(map[string]*admin.ReportEmergency)
	of := func(e *wire.Emergency) *admin.ReportEmergency {
		if r := known[e.GetId()]; r != nil {
			return r
		}
		r := &admin.ReportEmergency{Id: e.GetId(), Trust: e.GetTrust(), User: e.GetUser(), Reason: e.GetReason(), At: e.GetAt(), Until: e.GetUntil(), TrustName: n.trustName(federation.TrustID(e.GetTrust()))}
		known[r.GetId()] = r
		out = append(out, r)
		return r
	}
	for _, b := range told { // also where the trusts that know more do not answer
		of(&wire.Emergency{
			Id: glassID(b.Trust, b.Subject, b.User, b.Until), Trust: string(b.Trust), User: oneLine(b.User, maxStaffID), Reason: oneLine(b.Reason, glassReason),
			At: b.Until.Add(-glassTime).UnixMicro(), Until: b.Until.UnixMicro(),
		})
	}
	for _, t := range heard {
		for _, e := range t.emergencies {
			r := of(e)
			if r.GetRole() == "" {
				r.Role = e.GetRole()
			}
			r.Documents = max(r.GetDocuments(), e.GetDocuments())
			if slices.ContainsFunc(r.GetReviews(), func(v *admin.ReportReview) bool { return v.GetTrust() == t.site.GetTrust() }) {
				continue // a trust judges once
			}
			r.Reviews = append(r.Reviews, &admin.ReportReview{
				Trust: t.site.GetTrust(), Outcome: e.GetOutcome(), Closed: e.GetClosed(), Due: e.GetDue(), TrustName: n.trustName(federation.TrustID(t.site.GetTrust())),
			})
		}
	}
	slices.SortStableFunc(out, func(a, b *admin.ReportEmergency) int { return cmp.Compare(a.GetAt(), b.GetAt()) })
	return out, nil
}

// emergencyWords tells the patient of an emergency, and who has looked into it.
func emergencyWords(r *admin.ReportEmergency, now time.Time) string {
	who := orUnknown(r.GetUser())
	if r.GetRole() != "" {
		who += " (" + roleWords(r.GetRole()) + ")"
	}
	parts := []string{fmt.Sprintf("%s at %s said that there was an emergency. They wanted to open your records. The reason given: “%s”.", who, r.GetTrustName(), r.GetReason())}
	switch d := r.GetDocuments(); d {
	case 0:
		parts = append(parts, "No document was opened because of it, as far as we know.")
	case 1:
		parts = append(parts, "1 document was opened.")
	default:
		parts = append(parts, fmt.Sprintf("%d documents were opened.", d))
	}
	var late, waiting []string
	for _, v := range r.GetReviews() {
		switch {
		case v.GetOutcome() == reviewJustified:
			parts = append(parts, fmt.Sprintf("%s checked this afterwards: it was right to do so.", v.GetTrustName()))
		case v.GetOutcome() == reviewNotJustified:
			parts = append(parts, fmt.Sprintf("%s checked this afterwards: it was NOT right to do so.", v.GetTrustName()))
		case now.UnixMicro() > v.GetDue():
			late = append(late, v.GetTrustName())
		default:
			waiting = append(waiting, v.GetTrustName())
		}
	}
	if len(late) > 0 {
		parts = append(parts, notChecked(late)+". It should be done by now.")
	}
	if len(waiting) > 0 {
		parts = append(parts, notChecked(waiting)+".")
	}
	if len(r.GetReviews()) == 0 {
		parts = append(parts, "Nobody who answered has checked this.")
	}
	return strings.Join(parts, " ")
}

// notChecked says in one sentence which trusts have not looked into an emergency.
func notChecked(trusts []string) string {
	last := len(trusts) - 1
	if last == 0 {
		return trusts[0] + " has not checked this yet"
	}
	return strings.Join(trusts[:last], ", ") + " and " + trusts[last] + " have not checked this yet"
}

// cleanTestimony makes what another trust has sent fit to be shown: no control characters, no more than there can be.
func cleanTestimony(reply *wire.AccessesReply, subject federation.Subject) {
	for _, a := range reply.GetAccesses() {
		for _, s := range []*string{&a.Kind, &a.Trust, &a.User, &a.Role, &a.Purpose, &a.Relationship, &a.Outcome, &a.Choice} {
			*s = oneLine(*s, 256) // the report shows each so
		}
		if !federation.DocumentID(a.GetDocument()).Valid() {
			a.Document = ""
		}
	}
	reply.Emergencies = slices.DeleteFunc(reply.GetEmergencies(), func(e *wire.Emergency) bool { // one under the name of another would be told in its place
		return e.GetId() != glassID(federation.TrustID(e.GetTrust()), subject, e.GetUser(), time.UnixMicro(e.GetUntil()))
	})
	reply.Emergencies = reply.GetEmergencies()[:min(len(reply.GetEmergencies()), mostEmergencies)]
	for _, e := range reply.GetEmergencies() {
		for _, s := range []*string{&e.Id, &e.Trust, &e.User, &e.Role, &e.Outcome} {
			*s = oneLine(*s, 256) // the report shows each so
		}
		e.Reason = oneLine(e.GetReason(), glassReason)
	}
}
