package node

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/federation/exchange"
	"github.com/ridgeway-exchange/ridgeway/policy"
	"github.com/ridgeway-exchange/ridgeway/storage/audit"
)

// unsigned says whose signature is missing, or not good, over a release that both logs have: the custodian's log holds a receipt
// signed by the requester for what left, the requester's log a ruling signed by the custodian for what came. With both of them
// neither trust can deny its part later. log is whose log lacks it, by is who should have signed.
func (v event) unsigned(roster *federation.Roster, sides map[federation.TrustID]event) (log, by federation.TrustID, problem string) {
	custodian := v.custodian()
	for t := range sides {
		if t != custodian {
			by = t
		}
	}
	requester := by
	if problem = sides[custodian].unreceipted(key(roster, requester)); problem != "" {
		return custodian, requester, fmt.Sprintf("in the log of %s: %s by %s", custodian, problem, requester)
	}
	if problem = sides[requester].unruled(sides[custodian], key(roster, custodian)); problem != "" {
		return requester, custodian, fmt.Sprintf("in the log of %s: %s by %s", requester, problem, custodian)
	}
	return "", "", ""
}

// key is the statement key of a trust; none, which verifies nothing, of one that is not in the roster.
func key(roster *federation.Roster, t federation.TrustID) federation.PublicKey {
	trust, _ := roster.Trust(t)
	return trust.StatementKey
}

// unreceipted is asked of the custodian's side: whether each release that went to its end has the requester's receipt.
func (v event) unreceipted(requester federation.PublicKey) string {
	for _, l := range v.some(true, audit.Completion) {
		if l.GetOutcome() != policy.Permit.String() {
			continue // cut off: no receipt can be had for it
		}
		if len(l.GetProof()) == 0 {
			return fmt.Sprintf("no receipt for %d bytes that left, signed", l.GetBytes())
		}
		r, err := exchange.VerifyReceipt(l.GetProof(), requester)
		switch {
		case err != nil:
			return "a receipt that is not signed"
		case !v.requested(r.Assertion, r.Intent, audit.Intent) || l.GetOf() != uint64(audit.RefTo(r.Intent)):
			return "a receipt for another release, signed"
		case r.Bytes > l.GetBytes():
			return fmt.Sprintf("that %d bytes left, and a receipt for %d, signed", l.GetBytes(), r.Bytes)
		}
	}
	return ""
}

// unruled is asked of the requester's side: whether what came, and what it was told of a refusal, has the custodian's ruling.
func (v event) unruled(custodian event, signer federation.PublicKey) string {
	for _, l := range v.some(false, audit.Receipt) {
		if len(l.GetProof()) == 0 {
			if l.GetOutcome() == policy.Permit.String() {
				return fmt.Sprintf("no ruling on %d bytes that came, signed", l.GetBytes())
			}
			continue
		}
		r, err := exchange.VerifyRuling(l.GetProof(), signer)
		switch {
		case err != nil:
			return "a ruling that is not signed"
		case !custodian.requested(r.Assertion, r.Entry, audit.Intent, audit.Refusal) || !bytes.Equal(l.GetRequest(), r.Assertion[:]):
			return "a ruling on another request, signed"
		}
	}
	return ""
}

// requested reports whether the side has an entry of these kinds, at its place in the log, for a signed request.
func (v event) requested(request federation.Digest, index uint64, kinds ...audit.Kind) bool {
	return slices.ContainsFunc(v, func(l logged) bool {
		return l.GetIndex() == index && bytes.Equal(l.GetRequest(), request[:]) && slices.ContainsFunc(kinds, func(k audit.Kind) bool { return k.String() == l.GetKind() })
	})
}
