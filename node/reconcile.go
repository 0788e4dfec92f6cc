package node

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/federation/wire"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/policy"
	"github.com/ridgeway-exchange/ridgeway/storage/audit"
)

const (
	// reconcileSkew is how far the clocks of two trusts may be apart: the other end of what began just after since may bear an
	// earlier time.
	reconcileSkew = 5 * time.Minute
	// reconcileUnderWay is how old a release must be to be judged: the entries of its two ends are not written at once.
	reconcileUnderWay = 2 * time.Second
)

// Reconcile compares this node's log with those of the other trusts: every release between two trusts must be in both, with
// the digest of the same signed request. It names what is at one end only, and the trusts that did not answer.
func (n *Node) Reconcile(ctx context.Context, q *admin.ReconcileRequest) (*admin.ReconcileReply, error) {
	who := evidenceReader(q.GetAsker())
	if err := n.admitReader(ctx, who, federation.Subject{}, "", "compared the audit log with those of the other trusts"); err != nil {
		return nil, err
	}
	reply := &admin.ReconcileReply{Since: q.GetSince(), Until: time.Now().Add(-reconcileUnderWay).UnixMicro()}
	from := max(q.GetSince()-reconcileSkew.Microseconds(), 0)
	heard := n.hear(ctx, func() []*wire.AccessesRequest {
		return []*wire.AccessesRequest{{Since: from, User: who.GetUser(), Role: who.GetRole(), Purpose: who.GetPurpose()}}
	})
	own, err := n.hearSelf(ctx, []federation.Subject{{}}, "", from)
	if err != nil {
		return nil, err
	}
	answered := map[federation.TrustID]bool{}
	all := own.accesses
	for _, t := range heard {
		reply.Sites = append(reply.Sites, t.site)
		answered[federation.TrustID(t.site.GetTrust())] = t.site.GetAnswered()
		all = append(all, t.accesses...)
	}
	if !own.site.GetAnswered() {
		reply.Sites = append(reply.Sites, own.site)
	}
	roster := n.ledger.Roster()
	for _, v := range byTransfer(all) {
		other := v.other(n.Trust())
		switch {
		case !answered[other], v[0].GetAt() < q.GetSince(), v[0].GetAt() >= reply.GetUntil():
			continue
		}
		reply.Compared++
		if s := v.compare(roster, n.Trust(), other); s != nil {
			reply.OneSided = append(reply.OneSided, s)
		}
	}
	return reply, nil
}

// other returns the trust at the other end.
func (v event) other(own federation.TrustID) federation.TrustID {
	if v[0].log != own {
		return v[0].log
	}
	if t := federation.TrustID(v[0].GetTrust()); t != own {
		return t
	}
	return v.custodian()
}

// compare returns what is wrong with a release, or nil.
func (v event) compare(roster *federation.Roster, own, other federation.TrustID) *admin.OneSided {
	sides := map[federation.TrustID]event{}
	for _, l := range v {
		sides[l.log] = append(sides[l.log], l)
	}
	here, there := own, other
	if len(sides[own]) == 0 {
		here, there = other, own
	}
	out := &admin.OneSided{
		Transfer: v.transferName(), Here: string(here), There: string(there), Document: v[0].GetDocument(), User: v[0].GetUser(), At: v[0].GetAt(),
	}
	switch {
	case len(sides[there]) > 0:
		if !sameRequest(sides[own], sides[other]) {
			out.Problem = "both logs have it, and not the same signed request"
			break
		}
		log, by, problem := v.unsigned(roster, sides)
		if problem == "" {
			return nil
		}
		out.Here, out.There, out.Problem = string(log), string(by), problem
	case here == v.custodian():
		out.Problem = v.unasked(there)
	default:
		if out.Problem = v.unanswered(there); out.Problem == "" {
			return nil
		}
	}
	return out
}

// unasked says what it means that a custodian has what the requester has not.
func (v event) unasked(requester federation.TrustID) string {
	if len(v.some(true, audit.Intent, audit.Completion)) == 0 {
		return fmt.Sprintf("refused to %s, which has no entry of having asked", requester)
	}
	if n := v.some(true, audit.Completion).bytes(); n > 0 {
		return fmt.Sprintf("%d bytes were released to %s, which has no entry of it", n, requester)
	}
	return fmt.Sprintf("released to %s, which has no entry of it", requester)
}

// unanswered says what it means that a requester has what the custodian has not. That a request never reached the custodian,
// and brought nothing, is no read.
func (v event) unanswered(custodian federation.TrustID) string {
	came := v.some(false, audit.Receipt)
	switch n := came.bytes(); {
	case n > 0:
		return fmt.Sprintf("%d bytes came from %s, which has no entry of it", n, custodian)
	case len(came) > 0 && came[0].GetOutcome() != policy.Permit.String():
		return ""
	default:
		return fmt.Sprintf("asked of %s, which has no entry of it, and how it ended is not recorded", custodian)
	}
}

// sameRequest reports whether the two sides have the digest of one signed request in common. A release that took several
// streams has a request for each at the custodian, and the first at the requester. What was never asked has none.
func sameRequest(a, b event) bool {
	requests := func(v event) (out [][]byte) {
		for _, l := range v {
			if len(l.GetRequest()) > 0 {
				out = append(out, l.GetRequest())
			}
		}
		return out
	}
	theirs := requests(b)
	return slices.ContainsFunc(requests(a), func(x []byte) bool {
		return slices.ContainsFunc(theirs, func(y []byte) bool { return bytes.Equal(x, y) })
	})
}
