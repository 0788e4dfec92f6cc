package node

import (
	"context"
	"slices"

	"github.com/ridgeway-exchange/ridgeway/consensus"
	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/federation/index"
	"github.com/ridgeway-exchange/ridgeway/policy"
)

// maxPast bounds how far back the index is followed from a document to those that it has replaced.
const maxPast = 64

// naming finds out which of the documents that a patient has named are versions of another one, as far as this node knows. Where that
// cannot be told they may be: the index says of a sealed document, and of a withdrawn one, nothing of what it replaced.
type naming struct {
	n    *Node
	r    index.Reader
	ids  map[federation.TrustID][]federation.DocumentID
	past map[federation.DocumentID]past
}

// past is what a document has replaced, the latest first; whole says that this is all.
type past struct {
	ids   []federation.DocumentID
	whole bool
}

// newNaming returns nil for a patient who has named no document, as nearly all have not.
func newNaming(n *Node, r index.Reader, w words) *naming {
	var x *naming
	for _, id := range namedBy(slices.Concat(w.agreed, w.local), func(policy.Directive, bool) bool { return true }) {
		if x == nil {
			x = &naming{n: n, r: r, ids: make(map[federation.TrustID][]federation.DocumentID), past: make(map[federation.DocumentID]past)}
		}
		x.ids[id.Custodian()] = append(x.ids[id.Custodian()], id)
	}
	return x
}

// namedBy returns the documents that directives name, each once, where want says so of the directive and of whether it is an exception.
func namedBy(all []policy.Directive, want func(d policy.Directive, exception bool) bool) (out []federation.DocumentID) {
	add := func(id federation.DocumentID) {
		if id != "" && !slices.Contains(out, id) {
			out = append(out, id)
		}
	}
	for _, d := range all {
		if want(d, false) {
			add(d.Scope.Document)
		}
		for _, e := range d.Except {
			if want(d, true) {
				add(e.Document)
			}
		}
	}
	return out
}

// describe makes d what p says of its document, with those of its versions that the patient has named.
func (x *naming) describe(ctx context.Context, p *federation.Pointer, d *policy.Document) {
	d.Describe(p)
	if x == nil || len(x.ids[d.Custodian]) == 0 {
		return
	}
	if d.Custodian == x.n.Trust() {
		if others, all, err := x.n.records.Versions(ctx, p.Document); err == nil {
			d.Versions, d.MoreVersions = others, !all
			return
		}
	}
	d.Versions = x.fromIndex(*p)
}

// fromIndex returns the documents that the patient has named which are, or may be, versions of one, as the index alone tells.
func (x *naming) fromIndex(p federation.Pointer) (out []federation.DocumentID) {
	for _, id := range x.ids[p.Custodian()] {
		if id != p.Document && x.related(p, id) {
			out = append(out, id)
		}
	}
	return out
}

// related reports whether one of two documents of a custodian has, or may have, replaced the other, directly or by way of others.
func (x *naming) related(p federation.Pointer, id federation.DocumentID) bool {
	before := x.pastOf(p)
	if slices.Contains(before.ids, id) {
		return true
	}
	other, withdrawn, found, err := index.Pointer(x.r, id)
	switch {
	case err != nil:
		return true
	case !found:
		return false // nothing that the region knows replaced what it has never known
	case withdrawn:
		return !before.whole || p.Sealed() || p.Status == federation.Superseded
	}
	if !before.whole && (other.Sealed() || other.Status == federation.Superseded) {
		return true
	}
	after := x.pastOf(other)
	return slices.Contains(after.ids, p.Document) || !after.whole && (p.Sealed() || p.Status == federation.Superseded)
}

// pastOf follows the index back.
func (x *naming) pastOf(p federation.Pointer) past {
	if known, ok := x.past[p.Document]; ok {
		return known
	}
	out := past{whole: true}
	for at := p; ; {
		if at.Sealed() {
			out.whole = false
			break
		}
		id := at.Supersedes
		if id == "" {
			break
		}
		out.ids = append(out.ids, id)
		next, withdrawn, found, err := index.Pointer(x.r, id)
		if err != nil || withdrawn || !found || len(out.ids) == maxPast {
			out.whole = false
			break
		}
		at = next
	}
	x.past[p.Document] = out
	return out
}

// documentOf describes a document of the index as decisions look at it here.
func (n *Node) documentOf(ctx context.Context, p federation.Pointer) (doc policy.Document, err error) {
	local := n.refusalsBefore(ctx, p.Subject)
	err = n.replica.View(ctx, consensus.Local(), func(r consensus.Reader) error {
		w := saidBy(r, local, p.Subject)
		newNaming(n, r, w).describe(ctx, &p, &doc)
		return nil
	})
	return doc, err
}

// withVersions adds to a description of a document of this trust which others are versions of it.
func (n *Node) withVersions(ctx context.Context, d policy.Document) (policy.Document, error) {
	others, all, err := n.records.Versions(ctx, d.ID)
	if err != nil && !isAbsent(err) {
		return d, err
	}
	d.Versions, d.MoreVersions = others, err != nil || !all
	return d, nil //nolint:nilerr // one that is not here may have any
}
