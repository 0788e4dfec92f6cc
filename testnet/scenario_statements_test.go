package testnet

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/ridgeway-exchange/ridgeway/consensus"
	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/federation/index"
)

// attempt is something that a rogue says to the region, and what must be answered.
type attempt struct {
	name    string
	command []byte
	outcome index.Outcome
	code    index.Code
}

// TestForeignStatementsAreRefusedOnEveryReplica has a member's node and keys used to submit what no member may say.
func TestForeignStatementsAreRefusedOnEveryReplica(t *testing.T) {
	play(t, seeds(1, 1), RegionOptions{Members: members(4)}, func(s *stage) {
		var docs []federation.DocumentID
		for i, at := range s.r.Trusts() {
			docs = append(docs, s.published(at, s.patients[i], 1000))
		}
		s.must(s.r.Converged(s.ctx))
		before := s.agreedOn(ryj)
		g := s.impostor(rqm)
		leader := s.leader()
		attempts := slices.Concat(g.forged(docs[0]), g.outOfPlace(), g.replayed(), g.garbled())
		s.dice.Shuffle(len(attempts), func(i, j int) { attempts[i], attempts[j] = attempts[j], attempts[i] })
		refused := 0
		for _, a := range attempts {
			_, answer, err := g.submit(leader, a.command)
			if unfit := a.code == index.Malformed; unfit || errors.Is(err, errUnfit) {
				if !unfit || !errors.Is(err, errUnfit) {
					s.Errorf("%s: %v, want that the leader keeps what nobody can read out of the log: %v", a.name, err, unfit)
				}
				continue
			}
			s.must(err)
			response, err := index.DecodeResponse(answer)
			s.must(err)
			if response.Outcome != a.outcome || response.Code != a.code {
				s.Errorf("%s: %s %s (%s), want %s %s", a.name, response.Outcome, response.Code, response.Detail, a.outcome, a.code)
			}
			if a.outcome == index.Refused {
				refused++
			}
		}
		g.close()
		s.must(s.r.Restart(s.ctx, rqm))
		s.must(s.soon(time.Minute, "equal roots", s.r.Converged))
		first := s.agreedOn(ryj)
		if got := len(first.refusals) - len(before.refusals); got != refused {
			s.Errorf("%d refusals recorded, want %d", got, refused)
		}
		for _, at := range s.r.Up() {
			after := s.agreedOn(at)
			if after.effects != before.effects {
				s.Errorf("%s: agreed on\n%s\nbefore it was\n%s", at, after.effects, before.effects)
			}
			if !slices.Equal(after.refusals, first.refusals) {
				s.Errorf("%s and %s have recorded different refusals", ryj, at)
			}
		}
		for i, id := range docs {
			s.must(s.sees(rqm, s.patients[i], id))
		}
		s.published(rqm, s.patients[3], 1000) // its true owner can still speak
	})
}

// agreement is what a trust's copy says that the refused statements might have changed.
type agreement struct {
	effects  string
	refusals []index.Refusal
}

// agreedOn reads a trust's copy. Checkpoints of audit logs are left out: nodes go on to make them.
func (s *stage) agreedOn(at federation.TrustID) (out agreement) {
	s.Helper()
	s.must(s.r.Node(at).Agreed(s.ctx, consensus.Local(), func(r consensus.Reader) error {
		c, err := index.CountsOf(r)
		if err != nil {
			return err
		}
		out.effects = fmt.Sprintf("pointers %d, withdrawn %d, directives %d, links %d", c.Pointers, c.Withdrawn, c.Directives, c.Links)
		for _, t := range s.r.Trusts() {
			version, err := index.LastAgreementVersion(r, t)
			if err != nil {
				return err
			}
			out.effects += fmt.Sprintf("; %s has agreement %d", t, version)
		}
		open, err := index.Proposals(r)
		if err != nil {
			return err
		}
		out.effects += fmt.Sprintf("; %d proposals", len(open))
		out.refusals, err = index.Refusals(r, index.MaxRefusals)
		return err
	}))
	return out
}

// head returns the place of a trust's next statement, as a node has it that runs.
func (g *rogue) head(t federation.TrustID) (place federation.Place) {
	g.s.must(g.s.r.Node(ryj).Agreed(g.s.ctx, consensus.Linearizable(), func(r consensus.Reader) error {
		seq, digest, err := index.Head(r, t)
		place = federation.Place{Trust: t, Seq: seq + 1, Prev: digest, At: time.Now().UTC()}
		return err
	}))
	return place
}

// say signs a body at a place.
func (g *rogue) say(place federation.Place, body federation.Body, key ed25519.PrivateKey) federation.Signed {
	signed, err := federation.Compose(place, body, key)
	g.s.must(err)
	return signed
}

// invented returns a pointer to a document that a trust is said to hold.
func (g *rogue) invented(t federation.TrustID) federation.Pointer {
	return federation.Pointer{
		Subject: federation.Subject{1, 2, 3}, Document: federation.NewDocumentID(t, federation.DocumentKey{9, 9}), Confidentiality: federation.Normal,
		Manifest: federation.Sum([]byte("nothing")), Type: "373942005", Category: "734163000", ContentType: "application/pdf", Title: "Forged",
		Author: "Nobody", Status: federation.Current, Date: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), Parts: 1, Pages: 1, Bytes: 10,
	}
}

// forged are statements in the name of others.
func (g *rogue) forged(victims federation.DocumentID) []attempt {
	objection := federation.Directive{ID: federation.DirectiveID{7}, Subject: federation.Subject{1, 2, 3}, Effect: federation.Object, By: "somebody"}
	agreement := federation.Agreement{Version: 99, Effective: time.Now().UTC().Truncate(time.Microsecond), Cedar: "permit(principal, action, resource);"}
	var out []attempt
	for _, victim := range []federation.TrustID{ryj, ras, r1k} {
		place := g.head(victim)
		for _, body := range []federation.Body{
			federation.Publish{Pointers: []federation.Pointer{g.invented(victim)}},
			objection, agreement,
			federation.Suspend{Trust: victim, Reason: "forged"},
			federation.Link{Prior: federation.Subject{1}, Survivor: federation.Subject{2}},
		} {
			out = append(out, attempt{"forged " + body.Kind().String() + " of " + string(victim), g.say(place, body, g.statement).Encode(), index.Refused, index.BadSignature})
		}
	}
	place := g.head(ryj)
	out = append(out, attempt{"withdrawal of another's document", g.say(place, federation.Withdraw{Documents: []federation.DocumentID{victims}}, g.statement).Encode(), index.Refused, index.BadSignature})
	own := g.say(g.head(g.trust), objection, g.statement)
	for _, at := range []int{0, 31, 63, 64 + 20, len(own.Encode()) - 1} {
		flipped := own.Encode()
		flipped[at] ^= 1
		a := attempt{fmt.Sprintf("own statement with byte %d changed", at), flipped, index.Refused, index.BadSignature}
		if at == len(flipped)-1 {
			a.code = index.Malformed // the length of an empty text
		}
		out = append(out, a)
	}
	nobody := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	place = federation.Place{Trust: "RXX", Seq: 1, Prev: place.Prev, At: time.Now().UTC()}
	return append(out, attempt{"statement of a stranger", g.say(place, objection, nobody).Encode(), index.Refused, index.UnknownTrust})
}

// outOfPlace are statements of the member itself, rightly signed, that do not stand where they must, or that it may not make.
func (g *rogue) outOfPlace() []attempt {
	place := g.head(g.trust)
	body := federation.Directive{ID: federation.DirectiveID{8}, Subject: federation.Subject{1, 2, 3}, Effect: federation.Object, By: "somebody"}
	at := func(change func(*federation.Place)) []byte {
		p := place
		change(&p)
		return g.say(p, body, g.statement).Encode()
	}
	withdrawal := federation.Directive{ID: federation.DirectiveID{9}, Subject: federation.Subject{1, 2, 3}, Effect: federation.Withdrew, Target: federation.DirectiveID{55}, By: "somebody", Evidence: "none"}
	stolen := federation.Member{Trust: "RXX", Name: "Nobody", Address: "192.0.2.1:1", StatementKey: federation.PublicKey{1}, AuditKey: federation.PublicKey{2}, NodeKey: federation.PublicKey{3}}
	checkpoint := federation.Checkpoint{Node: g.nodes[ryj], Size: 1 << 40, Root: federation.Sum(nil)}
	refused := func(name string, body federation.Body, code index.Code) attempt {
		return attempt{name, g.say(place, body, g.statement).Encode(), index.Refused, code}
	}
	return []attempt{
		{"a number too high", at(func(p *federation.Place) { p.Seq++ }), index.Refused, index.Gap},
		{"the one after next, of a chain nobody has seen", at(func(p *federation.Place) { p.Seq, p.Prev = p.Seq+1, federation.Sum([]byte("x")) }), index.Refused, index.Gap},
		{"another statement with a number that is taken", at(func(p *federation.Place) { p.Seq, p.Prev = 1, g.region() }), index.Refused, index.Fork},
		{"a statement of another region", at(func(p *federation.Place) { p.Prev = federation.Sum([]byte("another region")) }), index.Refused, index.BrokenChain},
		refused("a withdrawal of an objection that there is not", withdrawal, index.NoDirective),
		refused("an enrolment with an invented key", federation.Enrol{Member: stolen}, index.BadMember),
		refused("an approval of nothing", federation.Approve{Proposal: federation.Sum([]byte("x"))}, index.NoProposal),
		refused("a checkpoint of another's audit log", checkpoint, index.NoSuchTrust),
		refused("a charter", g.charter(), index.RegionExists),
	}
}

func (g *rogue) charter() federation.Charter {
	key := func(n byte) ed25519.PrivateKey {
		return ed25519.NewKeyFromSeed(append(make([]byte, ed25519.SeedSize-1), n))
	}
	m := federation.Member{
		Trust: g.trust, Name: "Usurper", Governing: true, Address: "192.0.2.1:1",
		StatementKey: federation.PublicOf(g.statement), AuditKey: federation.PublicOf(key(1)), NodeKey: federation.PublicOf(key(2)),
	}
	m.Prove(g.statement)
	return federation.Charter{Region: "Mine", Approvals: 1, Voters: 3, Founder: m}
}

// replayed is everything that the region has ever accepted, once more.
func (g *rogue) replayed() []attempt {
	var out []attempt
	g.s.must(g.s.r.Node(ryj).Agreed(g.s.ctx, consensus.Local(), func(r consensus.Reader) error {
		return index.Statements(r, 0, func(at uint64, signed federation.Signed) (bool, error) {
			out = append(out, attempt{fmt.Sprintf("entry %d again", at), slices.Clone(signed.Encode()), index.Duplicate, 0})
			return true, nil
		})
	}))
	return out
}

// garbled are commands that are no statements.
func (g *rogue) garbled() []attempt {
	var out []attempt
	for _, n := range []int{0, 1, 64, 65, 300, 100_000, federation.MaxStatement + 1} {
		out = append(out, attempt{fmt.Sprintf("%d random bytes", n), garbage(g.s.dice, n), index.Refused, index.Malformed})
	}
	whole := g.say(g.head(g.trust), federation.Approve{}, g.statement).Encode()
	return append(out,
		attempt{"a statement cut short", whole[:len(whole)-1], index.Refused, index.Malformed},
		attempt{"a statement with a byte too many", append(slices.Clone(whole), 0), index.Refused, index.Malformed})
}

// region returns the region's id, which every trust's first statement names.
func (g *rogue) region() (id federation.Digest) {
	g.s.must(g.s.r.Node(ryj).Agreed(g.s.ctx, consensus.Local(), func(r consensus.Reader) (err error) {
		_, id, err = index.Head(r, "NOBODY")
		return err
	}))
	return id
}
