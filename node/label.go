package node

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"slices"
	"strings"
	"time"

	"github.com/ridgeway-exchange/ridgeway/consensus"
	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/federation/index"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/policy"
	"github.com/ridgeway-exchange/ridgeway/storage/record"
)

const (
	noLegalClass   = "none"
	labelPage      = 500
	maxLabels      = 16      // a document bears
	maxLabelNamed  = 100_000 // documents that one call names
	maxLabelKinds  = 2000    // of change that a preview simulates
	labelProblems  = 1000    // told of one by one
	planDigestSize = 8
)

// labelChange is what is to become of labels.
type labelChange struct {
	confidentiality federation.Confidentiality // zero: as it is
	add, remove     []string
	legal           string // noLegalClass takes it away; empty: as it is
	reseal          bool
}

// readChange reads what is to be changed, and says all that is wrong with it.
func readChange(q *admin.RelabelRequest) (labelChange, error) {
	c := labelChange{reseal: q.GetReseal()}
	var wrong []string
	add := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	if text := q.GetConfidentiality(); text != "" {
		var err error
		if c.confidentiality, err = federation.ParseConfidentiality(strings.ToUpper(text)); err != nil {
			add("--confidentiality %s: it is U, L, M, N, R or V", text)
		}
	}
	read := func(flag string, texts []string) (out []string) {
		for _, text := range texts {
			code, err := policy.ReadLabel(text)
			if err != nil {
				add("--%s: %v", flag, plainLabelError(err))
			} else if !slices.Contains(out, code) {
				out = append(out, code)
			}
		}
		return out
	}
	c.add, c.remove = read("add", q.GetAdd()), read("remove", q.GetRemove())
	for _, code := range c.add {
		if slices.Contains(c.remove, code) {
			add("%s is to be added and removed: leave out one", code)
		}
	}
	switch text := q.GetLegal(); {
	case strings.EqualFold(text, noLegalClass):
		c.legal = noLegalClass
	case text != "":
		var err error
		if c.legal, err = policy.ReadLegalClass(text); err != nil {
			add("--legal: %v, or none", plainLabelError(err))
		}
	}
	if len(wrong) > 0 {
		return c, admin.Errorf(admin.CodeBadInput, "%s", strings.Join(wrong, "\n"))
	}
	if c.confidentiality == 0 && len(c.add)+len(c.remove) == 0 && c.legal == "" && !c.reseal {
		return c, admin.Errorf(admin.CodeBadInput, "say what to change: --confidentiality, --add, --remove, --legal or --reseal")
	}
	return c, nil
}

func plainLabelError(err error) string {
	return strings.TrimSuffix(err.Error(), ": "+policy.ErrLabel.Error())
}

// marks returns the labels that a document has after the change.
func (c labelChange) marks(d *record.Document) record.Marks {
	m := marksOf(d)
	if c.confidentiality != 0 {
		m.Confidentiality = c.confidentiality
	}
	m.Labels = slices.DeleteFunc(slices.Clone(m.Labels), func(code string) bool { return slices.Contains(c.remove, code) })
	for _, code := range c.add {
		if !slices.Contains(m.Labels, code) {
			m.Labels = append(m.Labels, code)
		}
	}
	switch c.legal {
	case "":
	case noLegalClass:
		m.Legal = ""
	default:
		m.Legal = c.legal
	}
	return m
}

func marksOf(d *record.Document) record.Marks {
	return record.Marks{Confidentiality: d.Confidentiality, Labels: d.Labels, Legal: d.Legal}
}

func sameMarks(a, b record.Marks) bool {
	return a.Confidentiality == b.Confidentiality && a.Legal == b.Legal && slices.Equal(a.Labels, b.Labels)
}

func marksText(m record.Marks) string {
	return strings.Join(slices.DeleteFunc(append([]string{m.Confidentiality.String(), m.Legal}, m.Labels...), func(s string) bool { return s == "" }), " ")
}

// relabelling is one document that is to be changed.
type relabelling struct {
	id      federation.DocumentID
	subject federation.Subject
	was     record.Marks
	will    record.Marks
	before  federation.DocumentID // what it has replaced, and what has replaced it
	after   federation.DocumentID
}

// labelPlan is what a change comes to, document by document, and what for whom.
type labelPlan struct {
	n       *Node
	change  labelChange
	now     time.Time
	reply   *admin.RelabelReply
	changes []relabelling
	digest  hash.Hash

	facts map[federation.Subject]*policy.Facts
	plain *policy.Facts // of patients who have said nothing
	kinds map[string]int
	alike []policy.Relabelled
}

// planLabels finds the documents that are meant and works out what changes.
func (n *Node) planLabels(ctx context.Context, choice *admin.DocumentChoice, change labelChange) (*labelPlan, error) {
	p := &labelPlan{
		n: n, change: change, now: time.Now().UTC(), reply: &admin.RelabelReply{}, digest: sha256.New(),
		facts: make(map[federation.Subject]*policy.Facts), kinds: make(map[string]int),
	}
	if err := n.choose(ctx, choice, p.problem, func(docs []record.Document) error { return p.take(ctx, docs) }); err != nil {
		return nil, err
	}
	if err := p.noteVersions(ctx); err != nil {
		return nil, err
	}
	p.reply.Changed = uint64(len(p.changes))
	p.reply.Plan = hex.EncodeToString(p.digest.Sum(nil)[:planDigestSize])
	if p.reply.GetChosen() == 0 && len(p.reply.GetProblems()) == 0 {
		return nil, admin.Errorf(admin.CodeNotFound, "%s holds no document that fits: 'ridgeway locate' lists a patient's, with type and specialty in --json", n.Trust())
	}
	return p, nil
}

// problem notes a document that was named and cannot be labelled.
func (p *labelPlan) problem(id string, code admin.Code, format string, args ...any) {
	if len(p.reply.GetProblems()) < labelProblems {
		p.reply.Problems = append(p.reply.Problems, &admin.LabelProblem{Document: id, Code: string(code), Message: fmt.Sprintf(format, args...)})
	}
}

// take adds documents to the plan, all on one copy of the index.
func (p *labelPlan) take(ctx context.Context, docs []record.Document) error {
	listed := make([]*federation.Pointer, len(docs))
	err := p.n.replica.View(ctx, consensus.Local(), func(r consensus.Reader) error {
		for i := range docs {
			pointer, withdrawn, found, err := index.Pointer(r, docs[i].ID)
			if err != nil {
				return fmt.Errorf("read the index: %w", err)
			}
			if found && !withdrawn {
				listed[i] = &pointer
			}
		}
		return nil
	})
	for i := range docs {
		if err == nil {
			err = p.one(ctx, &docs[i], listed[i])
		}
	}
	return err
}

// one adds a document; listed is its pointer in the index, nil when it has none.
func (p *labelPlan) one(ctx context.Context, d *record.Document, listed *federation.Pointer) error {
	p.reply.Chosen++
	after := *d
	will := p.change.marks(d)
	after.Confidentiality, after.Labels, after.Legal = will.Confidentiality, will.Labels, will.Legal
	class := p.n.options.Settings.LegalTypes[d.Type]
	switch {
	case will.Legal == "" && class != "":
		p.problem(string(d.ID), admin.CodeBadInput, "%s is of type %s, which legal_types in %s says is of the class %s: take it out there", d.ID, d.Type, ConfigFile, class)
		return nil
	case len(will.Labels) > maxLabels:
		p.problem(string(d.ID), admin.CodeBadInput, "%s would bear %d sensitivity labels, at most %d: remove some", d.ID, len(will.Labels), maxLabels)
		return nil
	case sameMarks(marksOf(d), will) && (!p.change.reseal || !stale(d, listed)):
		p.reply.Unchanged++
		return nil
	}
	was, is := labelled(d), labelled(&after)
	if d.Supersedes != "" || d.State.SupersededBy != "" {
		held, err := p.n.withVersions(ctx, was.Held)
		if err != nil {
			return err
		}
		for _, x := range []*policy.Document{&was.Held, &was.Listed, &is.Held, &is.Listed} {
			x.Versions, x.MoreVersions = held.Versions, held.MoreVersions
		}
	}
	sealed := d.Sealed()
	if listed != nil && d.Legal == "" {
		was.Listed, sealed = policy.DocumentOf(*listed), listed.Sealed()
		was.Listed.Versions, was.Listed.MoreVersions = was.Held.Versions, was.Held.MoreVersions
		was.Held.Confidentiality = max(d.Confidentiality, listed.Confidentiality)
	}
	switch {
	case after.Legal != "" && (d.Legal == "" || listed != nil):
		p.reply.Barred++
	case after.Legal == "" && d.Legal != "":
		p.reply.Admitted++
	case after.Legal == "" && after.Sealed() && !sealed:
		p.reply.Sealed++
	case after.Legal == "" && !after.Sealed() && sealed:
		p.reply.Unsealed++
	}
	p.changes = append(p.changes, relabelling{id: d.ID, subject: d.Subject, was: marksOf(d), will: will, before: d.Supersedes, after: d.State.SupersededBy})
	_, _ = fmt.Fprintf(p.digest, "%s %s > %s\n", d.ID, marksText(marksOf(d)), marksText(will)) // a hash never fails
	return p.group(ctx, was, is)
}

// stale reports whether the region is to be told of a document otherwise than it was, and nothing of that waits.
func stale(d *record.Document, listed *federation.Pointer) bool {
	switch {
	case d.State.Pending():
		return false
	case d.Legal != "":
		return listed != nil
	case listed == nil:
		return d.State.Phase == record.Published
	default:
		return listed.Confidentiality != d.Pointer().Confidentiality
	}
}

// labelled returns a document as it is decided on under the labels that it has.
func labelled(d *record.Document) policy.Labelled {
	p := d.Pointer()
	l := policy.Labelled{Held: descriptionOf(d), Listed: policy.DocumentOf(p)}
	l.Held.Confidentiality = max(l.Held.Confidentiality, p.Confidentiality) // as releases are decided on
	l.Listed.LegalClass = d.Legal
	return l
}

// group counts a change with those that nobody can tell from it.
func (p *labelPlan) group(ctx context.Context, was, is policy.Labelled) error {
	facts, err := p.factsOf(ctx, &is.Held)
	if err != nil {
		return err
	}
	said := slices.Concat(facts.Directives, facts.LocalRefusals)
	kind := ""
	for _, d := range []policy.Document{was.Held, was.Listed, is.Held, is.Listed} {
		kind += facts.Agreement.Class(d, said) + "\n"
	}
	if i, known := p.kinds[kind]; known {
		p.alike[i].Count++
		return nil
	}
	if len(p.alike) == maxLabelKinds {
		p.reply.Unexamined++
		return nil
	}
	p.kinds[kind] = len(p.alike)
	p.alike = append(p.alike, policy.Relabelled{Before: was, After: is, Facts: *facts, Count: 1})
	return nil
}

// factsOf gathers what a patient has said, once.
func (p *labelPlan) factsOf(ctx context.Context, d *policy.Document) (*policy.Facts, error) {
	if f, known := p.facts[d.Subject]; known {
		return f, nil
	}
	f, err := p.n.factsNow(ctx, policy.Request{User: policy.User{Trust: p.n.Trust()}, Document: *d, Now: p.now}, 0)
	if err != nil {
		return nil, err
	}
	out := &f
	if f.Complete && len(f.Directives)+len(f.LocalRefusals) == 0 {
		if p.plain == nil {
			p.plain = out
		}
		out = p.plain
	}
	p.facts[d.Subject] = out
	return out, nil
}

// impact simulates who gains and loses by the plan.
func (p *labelPlan) impact(ctx context.Context, examples int) error {
	var agreement *policy.Agreement
	if len(p.alike) > 0 {
		agreement = p.alike[0].Facts.Agreement
	}
	x, err := policy.Relabel(ctx, p.n.Trust(), p.now, agreement, p.alike)
	if err != nil {
		return err
	}
	p.reply.Impact = impactOf(x, examples)
	return nil
}
