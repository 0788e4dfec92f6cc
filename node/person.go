package node

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/ridgeway-exchange/ridgeway/node/ingest"
	"github.com/ridgeway-exchange/ridgeway/storage/record"
)

// checkPerson refuses a document whose patient is said to be somebody else than this trust knows under the number: one of the
// two is wrong, and a document in the wrong record is worse than one that waits.
func (n *Node) checkPerson(ctx context.Context, number record.NHSNumber, p record.Person) error {
	if p.IsZero() {
		return nil
	}
	if err := p.Check(); err != nil {
		return refuseItem(ingest.CodePatient, err)
	}
	known, err := n.records.Person(ctx, n.records.Subject(number))
	if err != nil {
		return n.storeProblem(err)
	}
	if why := known.Contradicts(p); why != "" {
		return refuseItem(ingest.CodePatient, fmt.Errorf("as this trust knows the patient with this NHS number, %s: check number, name and date of birth with the patient's papers", why))
	}
	return nil
}

// keepPerson keeps who a patient is said to be, and says what it has changed in what was known before.
func (n *Node) keepPerson(ctx context.Context, number record.NHSNumber, p record.Person) (changed string, err error) {
	if p.IsZero() {
		return "", nil
	}
	before, err := n.records.SetPerson(ctx, number, p)
	switch {
	case errors.Is(err, record.ErrPerson): // two documents at once; this one is kept, as one whose patient nobody named
		return err.Error() + ": check which of them is right", nil
	case err != nil:
		return "", n.storeProblem(err)
	}
	var words []string
	for _, f := range []struct{ what, old, now string }{{"family name", before.Family, p.Family}, {"given name", before.Given, p.Given}, {"sex", before.Sex, p.Sex}} {
		if f.old != "" && f.now != "" && record.FoldName(f.old) != record.FoldName(f.now) {
			words = append(words, fmt.Sprintf("the patient's %s was %s and is now %s", f.what, f.old, f.now))
		}
	}
	return strings.Join(words, "; "), nil
}
