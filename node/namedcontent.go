package node

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/ridgeway-exchange/ridgeway/consensus"
	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/policy"
	"github.com/ridgeway-exchange/ridgeway/storage/record"
)

// unnamed refuses to file a document otherwise that the patient has named, in one of its versions, in what they said: it would have
// another id that nothing leads to from the one that they named.
func (n *Node) unnamed(ctx context.Context, d *record.Document, why string) error {
	all, err := n.versionsSaid(ctx, d.Subject)
	if err != nil {
		return err
	}
	if len(all) == 0 {
		return nil
	}
	others, whole, err := n.records.Versions(ctx, d.ID)
	if err != nil {
		return n.storeProblem(err)
	}
	for _, id := range all {
		if id == d.ID || slices.Contains(others, id) || !whole && id.Custodian() == n.Trust() {
			return admin.Errorf(admin.CodeBadInput, "%s", why)
		}
	}
	return nil
}

// versionsSaid returns the documents that a patient names in what counts, or waits to.
func (n *Node) versionsSaid(ctx context.Context, subject federation.Subject) ([]federation.DocumentID, error) {
	all, err := n.allSaid(ctx, subject)
	if err != nil {
		return nil, err
	}
	var wishes []policy.Directive
	for _, s := range all {
		switch s.state(time.Now()) {
		case "in_force", "here", "waiting":
			wishes = append(wishes, wish(s.Directive.Directive, s.Trust, s.Index))
		}
	}
	return namedBy(wishes, func(policy.Directive, bool) bool { return true }), nil
}

// covered looks whether what a patient refused of a document goes on holding for its content when doc is taken in as theirs. A document
// that replaces what they named is covered (policy.Document.Versions); a copy of it under another id would not be, and is refused. So
// is one that is here already and withdrawn, where it would be shared again (shares). The note says what whoever takes it in has to know.
func (n *Node) covered(ctx context.Context, item record.Item, shares bool) (note string, err error) {
	doc := &item.Document
	all, err := n.wishesOf(ctx, n.records.Subject(item.Patient))
	if err != nil {
		return "", err
	}
	var family []federation.DocumentID
	if doc.Supersedes != "" && len(all) > 0 {
		others, _, err := n.records.Versions(ctx, doc.Supersedes)
		if err != nil && !isGone(err) {
			return "", n.storeProblem(err) // that it is not here is said by the store
		}
		family = append(others, doc.Supersedes)
	}
	named := slices.DeleteFunc(n.refusedHere(all), func(id federation.DocumentID) bool { return slices.Contains(family, id) })
	if len(named) > 0 {
		if err := n.noCopy(ctx, item, named, shares); err != nil {
			return "", err
		}
	}
	permits := func(d policy.Directive, exception bool) bool {
		return d.Effect != federation.Withdrew && !refuses(d, exception)
	}
	if slices.ContainsFunc(namedBy(all, permits), func(id federation.DocumentID) bool { return slices.Contains(family, id) }) {
		note = "the patient has permitted the version that it replaces, by name: that does not hold for this one until their choice is recorded anew"
	}
	return note, nil
}

// refuses reports whether a directive refuses what it names: within its scope, or within an exception.
func refuses(d policy.Directive, exception bool) bool {
	return d.Effect == federation.Object && !exception || d.Effect == federation.Consent && exception
}

// refusedHere returns the documents of this trust that are refused by name.
func (n *Node) refusedHere(all []policy.Directive) []federation.DocumentID {
	return slices.DeleteFunc(namedBy(all, refuses), func(id federation.DocumentID) bool { return id.Custodian() != n.Trust() })
}

// noCopy refuses a document that has what one of those named says (tells), and would come to be shared under an id that none of them leads to.
func (n *Node) noCopy(ctx context.Context, item record.Item, named []federation.DocumentID, shares bool) error {
	own, again := item.Document.ID, item.Document.ID != ""
	if !again {
		var err error
		if own, err = n.records.Identify(item); err != nil {
			return nil //nolint:nilerr // what is wrong with it is said when it is added
		}
	}
	kept, err := n.records.Document(ctx, own)
	switch {
	case isGone(err):
		if !isAbsent(err) && !shares {
			return nil // it was erased, and is not taken in again
		}
	case err != nil:
		return n.storeProblem(err)
	case !shares || kept.State.Phase != record.Withdrawn:
		return nil // it is here already, and nothing comes of taking it in
	}
	for _, id := range named {
		same, err := n.copies(ctx, own, item.Document.Parts, id)
		switch {
		case err != nil:
			return err
		case same.copy && again:
			return refuseAgain(own, id)
		case same.copy && same.file != "" && len(item.Document.Parts) > 1:
			return refuseEnclosure(same.file, id)
		case same.copy:
			return refuseCopy(id)
		}
	}
	return nil
}

func refuseAgain(own, id federation.DocumentID) error {
	return admin.Errorf(admin.CodeBadInput, "the patient has refused to share %s, which has the same content: what they said would not hold for %s, and it stays withdrawn. Share %s instead, or have their choice recorded anew afterwards ('ridgeway consent list')", id, own, id)
}

func refuseCopy(id federation.DocumentID) error {
	return admin.Errorf(admin.CodeBadInput, "the patient has refused to share %s, which has the same content: a copy of it with other particulars would not be covered by what they said. Give %s as what it replaces, or have their choice recorded anew first ('ridgeway consent list')", id, id)
}

// refuseEnclosure is refuseCopy where one file among several is the same. Only whoever files it knows which of both it is.
func refuseEnclosure(file string, id federation.DocumentID) error {
	return admin.Errorf(admin.CodeBadInput, "the file %s is in %s too, which the patient has refused to share, and fewer than %d other patients have it: it may be the very thing that they refused, and they have not said which of its files they meant. "+
		"If this is another letter with an enclosure of that one, leave the enclosure out: the letter goes in without %s. If it is a copy or a later version, give %s as what it replaces. "+
		"If the patient agrees that it is shared, have their choice recorded anew first ('ridgeway consent list')", file, id, commonPatients, file, id)
}

// wishesOf returns what a patient has said that counts here.
func (n *Node) wishesOf(ctx context.Context, subject federation.Subject) (out []policy.Directive, err error) {
	local := n.refusalsBefore(ctx, subject)
	err = n.replica.View(ctx, consensus.Local(), func(r consensus.Reader) error {
		w := saidBy(r, local, subject)
		if !w.complete {
			return admin.Errorf(admin.CodeUnavailable, "what the patient has said cannot be read: nothing is taken in that it might be about")
		}
		out = slices.Concat(w.agreed, w.local)
		return nil
	})
	now := time.Now()
	return slices.DeleteFunc(out, func(d policy.Directive) bool { return !d.Until.IsZero() && !now.Before(d.Until) }), err
}

// likeness is what a document has of another.
type likeness struct {
	copy bool   // it has what the other says
	file string // by this file of its own, where not by all files of the other
}

// copies reports whether a document has what another one says, or a version of that, and is none of them.
func (n *Node) copies(ctx context.Context, own federation.DocumentID, parts []federation.Part, of federation.DocumentID) (likeness, error) {
	others, _, err := n.records.Versions(ctx, of)
	if isGone(err) {
		return likeness{}, nil
	} else if err != nil {
		return likeness{}, n.storeProblem(err)
	}
	versions := append(others, of)
	if slices.Contains(versions, own) {
		return likeness{}, nil
	}
	for _, id := range versions {
		kept, err := n.records.Document(ctx, id)
		if isGone(err) {
			continue
		} else if err != nil {
			return likeness{}, n.storeProblem(err)
		}
		if like, err := n.tells(ctx, parts, &kept); err != nil || like.copy {
			return like, err
		}
	}
	return likeness{}, nil
}

// tells reports whether files have what a document says. Those that have all of its files do, whatever these are. Otherwise each file
// that they share does, unless it is a common one: an enclosure such as a map goes to many patients, and is nobody's content.
func (n *Node) tells(ctx context.Context, files []federation.Part, of *record.Document) (likeness, error) {
	shared := 0
	for _, p := range of.Parts {
		if slices.ContainsFunc(files, func(q federation.Part) bool { return p.SHA256 == q.SHA256 }) {
			shared++
		}
	}
	if shared == 0 || shared == len(of.Parts) {
		return likeness{copy: shared > 0}, nil
	}
	b, err := n.records.Manifest(ctx, of.ID)
	if err != nil {
		return likeness{}, n.storeProblem(err)
	}
	manifest, err := federation.DecodeManifest(b)
	if err != nil {
		return likeness{}, n.storeProblem(err)
	}
	for _, p := range manifest.Parts {
		i := slices.IndexFunc(files, func(q federation.Part) bool { return p.SHA256 == q.SHA256 })
		if i < 0 {
			continue
		}
		if common, err := n.isCommon(ctx, p, of.Subject); err != nil || !common {
			return likeness{copy: err == nil, file: files[i].Name}, err
		}
	}
	return likeness{}, nil
}

// A file is common when so many patients besides the one at hand have it, among so many documents that are looked at. One or two are
// not enough: a letter can be about mother and child.
const (
	commonPatients = 3
	commonLooks    = 64
)

// isCommon reports whether a file goes to many patients. What is withdrawn does not count: it can have been taken in for the wrong one.
func (n *Node) isCommon(ctx context.Context, file federation.Part, subject federation.Subject) (bool, error) {
	if len(file.Chunks) == 0 {
		return true, nil // it is empty
	}
	same, err := n.linked(ctx, subject)
	if err != nil {
		return false, err
	}
	ids, err := n.records.Holders(ctx, file.Chunks[0], commonLooks)
	if err != nil {
		return false, n.storeProblem(err)
	}
	others := make(map[federation.Subject]bool)
	for _, id := range ids {
		d, err := n.records.Document(ctx, id)
		shared := err == nil && (d.State.Phase == record.Queued || d.State.Phase == record.Published)
		if shared && !slices.Contains(same, d.Subject) && slices.ContainsFunc(d.Parts, func(p federation.Part) bool { return p.SHA256 == file.SHA256 }) {
			others[d.Subject] = true
		}
	}
	return len(others) >= commonPatients, nil
}

// stricter reports whether fewer people may see what has the one labels than what has the other.
func stricter(later, earlier record.Marks) bool {
	labelled := slices.ContainsFunc(later.Labels, func(l string) bool { return !slices.Contains(earlier.Labels, l) })
	return later.Confidentiality > earlier.Confidentiality || labelled || later.Legal != "" && earlier.Legal == ""
}

// moreOpen says what follows for those who may see what a document replaces and not the document itself: nothing may tell them that
// there is a later one, so that it is for whoever files it to judge.
func (n *Node) moreOpen(ctx context.Context, d *record.Document) string {
	if d.Supersedes == "" {
		return ""
	}
	old, err := n.records.Document(ctx, d.Supersedes)
	if err != nil || old.State.Phase == record.Withdrawn {
		return ""
	}
	if !stricter(marksOf(d), marksOf(&old)) {
		return ""
	}
	return fmt.Sprintf("what it replaces is open to more people, and who may not see this one is shown that one as the latest. If nobody should act on it: 'ridgeway withdraw %s'", old.ID)
}
