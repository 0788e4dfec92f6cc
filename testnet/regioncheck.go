package testnet

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/ridgeway-exchange/ridgeway/consensus"
	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/federation/index"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

// sampled is how many documents CheckInvariants fetches; all when there are fewer.
const sampled = 200

// ErrInvariant is returned when a promise of the region does not hold.
var ErrInvariant = errors.New("invariant broken")

func broken(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrInvariant, fmt.Errorf(format, args...))
}

// Converged waits until all nodes that run have applied the same entries, with the same state root. It fails with
// ErrInvariant as soon as two nodes had different roots at the same index.
func (r *Region) Converged(ctx context.Context) error {
	var fork error
	err := WaitFor(ctx, "all nodes to have the same state", func(ctx context.Context) error {
		var first mark
		var at uint64
		for _, t := range r.Up() {
			index, root, err := r.Root(ctx, t)
			switch {
			case errors.Is(err, ErrInvariant):
				fork = err
				return nil
			case err != nil:
				return err
			case first.trust == "":
				first, at = mark{root, t}, index
			case index != at:
				return fmt.Errorf("%s is at entry %d and %s at %d", first.trust, at, t, index)
			}
		}
		return nil
	})
	return errors.Join(fork, err)
}

// Root returns how far a trust's copy of the agreed state is, and its state root. It fails with ErrInvariant when another
// node was seen to have another root at that index.
func (r *Region) Root(ctx context.Context, t federation.TrustID) (at uint64, root federation.Digest, err error) {
	n, err := r.live(t)
	if err != nil {
		return 0, root, err
	}
	err = n.Agreed(ctx, consensus.Local(), func(reader consensus.Reader) (err error) {
		root, at, err = index.Root(reader)
		return err
	})
	if err != nil {
		return 0, root, err
	}
	l := r.ledger
	l.mu.Lock()
	defer l.mu.Unlock()
	if m, seen := l.marks[at]; seen && m.root != root {
		return at, root, broken("at entry %d %s has root %s and %s has %s", at, t, root, m.trust, m.root)
	}
	l.marks[at] = mark{root, t}
	return at, root, nil
}

// CheckInvariants checks what must hold of a region that has come to rest, with all links healed:
//
//   - nodes that have applied the same entries have the same state;
//   - every audit log is whole and fits what the region has witnessed of it;
//   - nothing that was acknowledged is lost: every document taken in is at its custodian, every one published is in every
//     node's copy of the index, every directive that was agreed on is there;
//   - what is fetched has the bytes that were taken in, or is refused by the rules.
//
// It waits until the nodes that run have the same state. Documents of custodians that do not run are looked for in the
// index only. The errors are ErrInvariant, or say what could not be checked.
func (r *Region) CheckInvariants(ctx context.Context) error {
	if err := r.Converged(ctx); err != nil {
		return err
	}
	var errs []error
	for _, t := range r.Up() {
		errs = append(errs, r.checkIndex(ctx, t), r.checkAudit(ctx, t), r.checkHeld(ctx, t))
	}
	return errors.Join(append(errs, r.checkBytes(ctx))...)
}

// checkIndex looks for everything that the region has agreed on in one node's copy.
func (r *Region) checkIndex(ctx context.Context, t federation.TrustID) error {
	n, err := r.live(t)
	if err != nil {
		return err
	}
	promises, missing := r.ledger.snapshot()
	return n.Agreed(ctx, consensus.Local(), func(reader consensus.Reader) error {
		for _, p := range promises {
			if !p.published {
				continue
			}
			_, withdrawn, found, err := index.Pointer(reader, p.id)
			switch {
			case err != nil:
				return err
			case !found, withdrawn && !p.withdrawn:
				return broken("%s was published, and is not in the index of %s", p.id, t)
			}
		}
		err := index.Statements(reader, 0, func(_ uint64, signed federation.Signed) (bool, error) {
			_, body, err := open(signed)
			if d, ok := body.(federation.Directive); ok {
				delete(missing, hex.EncodeToString(d.ID[:]))
			}
			return true, err
		})
		for id, by := range missing {
			return errors.Join(err, broken("directive %s, which %s said was agreed on, is not among the statements that %s has", id, by, t))
		}
		return err
	})
}

// open returns what a statement says.
func open(signed federation.Signed) (federation.Statement, federation.Body, error) {
	s, err := signed.Statement()
	if err != nil {
		return s, nil, err
	}
	body, err := federation.DecodeBody(s)
	return s, body, err
}

// snapshot returns copies of what was promised.
func (l *ledger) snapshot() ([]promise, map[string]federation.TrustID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []promise
	for _, id := range l.order {
		out = append(out, *l.documents[id])
	}
	directives := make(map[string]federation.TrustID, len(l.directives))
	for id, t := range l.directives {
		directives[id] = t
	}
	return out, directives
}

func (r *Region) checkAudit(ctx context.Context, t federation.TrustID) error {
	n, err := r.live(t)
	if err != nil {
		return err
	}
	report, err := n.VerifyAudit(ctx, &admin.VerifyAuditRequest{})
	if err == nil && !report.GetOk() {
		err = broken("the audit log of %s: %s", t, strings.Join(report.GetFindings(), "; "))
	}
	return err
}

// checkHeld reads everything that a trust holds, and wants no less of it than it acknowledged.
func (r *Region) checkHeld(ctx context.Context, t federation.TrustID) error {
	n, err := r.live(t)
	if err != nil {
		return err
	}
	report, err := n.Scrub(ctx, &admin.ScrubRequest{})
	if err != nil {
		return err
	}
	if bad := append(report.GetFindings(), report.GetDamagedDocuments()...); len(bad) > 0 {
		return broken("the store of %s: %s", t, strings.Join(bad, "; "))
	}
	promises, _ := r.ledger.snapshot()
	promised := uint64(0)
	for _, p := range promises {
		if p.id.Custodian() == t {
			promised++
		}
	}
	if report.GetRecords() < promised {
		return broken("%s acknowledged %d documents and holds %d", t, promised, report.GetRecords())
	}
	return nil
}

// checkBytes fetches documents, each at its custodian and at one other node.
func (r *Region) checkBytes(ctx context.Context) error {
	promises, _ := r.ledger.snapshot()
	dice := rand.New(rand.NewPCG(r.opts.Seed, uint64(len(promises))))
	dice.Shuffle(len(promises), func(i, j int) { promises[i], promises[j] = promises[j], promises[i] })
	up := r.Up()
	var errs []error
	for _, p := range promises[:min(len(promises), sampled)] {
		if r.Node(p.id.Custodian()) == nil || p.withdrawn {
			continue
		}
		at := []federation.TrustID{p.id.Custodian()}
		if other := up[dice.IntN(len(up))]; p.published && other != p.id.Custodian() {
			at = append(at, other)
		}
		for _, t := range at {
			errs = append(errs, r.checkFetch(ctx, t, p))
		}
	}
	return errors.Join(errs...)
}

func (r *Region) checkFetch(ctx context.Context, t federation.TrustID, p promise) error {
	for i, want := range p.parts {
		got, err := r.Fetch(ctx, t, &admin.FetchRequest{Document: string(p.id), Part: uint32(i + 1)}, nil)
		switch code := admin.CodeOf(err); {
		case err == nil && got.SHA256 != want:
			return broken("%s fetched %s, part %d: %s was taken in, %s came", t, p.id, i+1, want, got.SHA256)
		case err == nil:
		case code == admin.CodeDenied || code == admin.CodeNotFound:
			if p.confidentiality == "N" && (t == p.id.Custodian() || !r.objects(ctx, t, p.id)) {
				return broken("%s may open %s, and is refused: %w", t, p.id, err)
			}
		case code == admin.CodeIntegrity:
			return broken("%s fetched %s: %w", t, p.id, err)
		default:
			return fmt.Errorf("%s fetches %s: %w", t, p.id, err)
		}
	}
	return nil
}

// objects reports whether a directive of the patient stands against sharing, as far as a node knows.
func (r *Region) objects(ctx context.Context, t federation.TrustID, id federation.DocumentID) bool {
	n := r.Node(t)
	if n == nil {
		return false
	}
	objects := false
	err := n.Agreed(ctx, consensus.Local(), func(reader consensus.Reader) error {
		p, _, found, err := index.Pointer(reader, id)
		if err != nil || !found {
			return err
		}
		active, err := index.Directives(reader, p.Subject)
		objects = len(active) > 0
		return err
	})
	return err == nil && objects
}
