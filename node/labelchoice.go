package node

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/policy"
	"github.com/ridgeway-exchange/ridgeway/storage/record"
)

// namedProblem is told what is wrong with a document that was named.
type namedProblem func(id string, code admin.Code, format string, args ...any)

// choose finds the documents that are meant and hands them to fn, some at a time. What was named and cannot be labelled is told to
// problem.
func (n *Node) choose(ctx context.Context, c *admin.DocumentChoice, problem namedProblem, fn func([]record.Document) error) error {
	fits, err := n.readChoice(c)
	if err != nil {
		return err
	}
	if len(c.GetDocuments()) > 0 {
		return n.chooseNamed(ctx, c.GetDocuments(), problem, fn)
	}
	keep := func(docs []record.Document) error {
		return fn(slices.DeleteFunc(docs, func(d record.Document) bool {
			if d.Subject.IsZero() {
				problem(string(d.ID), admin.CodeIntegrity, "%s cannot be read, so that nobody can say whether it is meant: 'ridgeway scrub' says more", d.ID)
				return true
			}
			return d.State.Phase == record.Withdrawn || d.State.Phase == record.Erased || !fits(&d)
		}))
	}
	if c.GetPatient() != "" {
		return n.choosePatient(ctx, c.GetPatient(), problem, keep)
	}
	for _, phase := range []record.Phase{record.Published, record.Queued, record.Refused} {
		for after := federation.DocumentID(""); ; {
			docs, next, err := n.records.ByPhase(ctx, phase, after, labelPage)
			if err != nil {
				return n.storeProblem(err)
			}
			if err := keep(docs); err != nil {
				return err
			}
			if after = next; after == "" {
				break
			}
		}
	}
	return nil
}

func (n *Node) choosePatient(ctx context.Context, patient string, problem namedProblem, keep func([]record.Document) error) error {
	number, err := n.patient(patient)
	if err != nil {
		return err
	}
	subjects, err := n.linked(ctx, n.records.Subject(number))
	if err != nil {
		return err
	}
	for _, s := range subjects {
		for from := record.Cursor(0); ; {
			page, err := n.records.BySubject(ctx, s, from, labelPage)
			if err != nil {
				return n.storeProblem(err)
			}
			for _, id := range page.Damaged {
				problem(string(id), admin.CodeIntegrity, "%s cannot be read: 'ridgeway scrub' says more", id)
			}
			if err := keep(page.Documents); err != nil {
				return err
			}
			if from = page.Next; from == 0 {
				break
			}
		}
	}
	return nil
}

// chooseNamed takes the documents whose ids are given.
func (n *Node) chooseNamed(ctx context.Context, ids []string, problem namedProblem, fn func([]record.Document) error) error {
	seen := make(map[federation.DocumentID]bool, len(ids))
	var docs []record.Document
	for _, text := range ids {
		id, err := federation.ParseDocumentID(strings.TrimSpace(text))
		if err != nil {
			problem(text, admin.CodeBadInput, "%v: 'ridgeway locate' lists the ids", err)
			continue
		}
		if seen[id] {
			continue
		}
		seen[id] = true
		if id.Custodian() != n.Trust() {
			problem(text, admin.CodeDenied, "%s is held by %s, and only they label it: ask there", id, id.Custodian())
			continue
		}
		doc, err := n.records.Document(ctx, id)
		switch {
		case isGone(err):
			problem(text, admin.CodeNotFound, "%s holds no document %s: 'ridgeway locate' lists the ids", n.Trust(), id)
		case err != nil && ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			problem(text, admin.CodeOf(n.storeProblem(err)), "%v", n.storeProblem(err))
		case doc.State.Phase == record.Withdrawn:
			problem(text, admin.CodeBadInput, "%s was withdrawn on %s, so that nothing of it is shared and there is nothing to label", id, doc.State.At.Format("2 January 2006"))
		default:
			if docs = append(docs, doc); len(docs) == labelPage {
				if err := fn(docs); err != nil {
					return err
				}
				docs = docs[:0]
			}
		}
	}
	return fn(docs)
}

// readChoice returns what a document must be like to be meant.
func (n *Node) readChoice(c *admin.DocumentChoice) (func(*record.Document) bool, error) {
	var from, to time.Time
	for _, day := range []struct {
		flag, text string
		at         *time.Time
	}{{"from", c.GetFrom(), &from}, {"to", c.GetTo(), &to}} {
		if day.text == "" {
			continue
		}
		var err error
		if *day.at, err = time.Parse(time.DateOnly, day.text); err != nil {
			return nil, admin.Errorf(admin.CodeBadInput, "--%s %s: give a day such as 2026-03-01", day.flag, day.text)
		}
	}
	label, confidentiality := c.GetSensitivity(), strings.ToUpper(c.GetConfidentiality())
	if label != "" {
		var err error
		if label, err = policy.ReadLabel(label); err != nil {
			return nil, admin.Errorf(admin.CodeBadInput, "--with: %s", plainLabelError(err))
		}
	}
	if _, err := federation.ParseConfidentiality(confidentiality); confidentiality != "" && err != nil {
		return nil, admin.Errorf(admin.CodeBadInput, "--now %s: it is U, L, M, N, R or V", c.GetConfidentiality())
	}
	filters := c.GetPatient()+c.GetType()+c.GetCategory()+c.GetSpecialty()+c.GetAuthor()+c.GetFrom()+c.GetTo()+label+confidentiality != ""
	switch named := len(c.GetDocuments()); {
	case named == 0 && !filters:
		return nil, admin.Errorf(admin.CodeBadInput, "say which documents: their ids, --manifest with a file of ids, or what they are like (--patient, --type, --category, --specialty, --author, --from, --to, --with, --now)")
	case named > 0 && filters:
		return nil, admin.Errorf(admin.CodeBadInput, "name the documents, or say what they are like, not both")
	case named > maxLabelNamed:
		return nil, admin.Errorf(admin.CodeBadInput, "%d documents are named, at most %d at a time: make several files of them", named, maxLabelNamed)
	}
	is := func(want, have string) bool { return want == "" || want == have }
	return func(d *record.Document) bool {
		return is(c.GetType(), d.Type) && is(c.GetCategory(), d.Category) && is(c.GetSpecialty(), d.Specialty) && is(c.GetAuthor(), d.Author) &&
			is(confidentiality, d.Confidentiality.String()) && (label == "" || slices.Contains(d.Labels, label)) &&
			(from.IsZero() || !d.Date.Before(from)) && (to.IsZero() || d.Date.Before(to.AddDate(0, 0, 1)))
	}, nil
}
