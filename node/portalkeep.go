package node

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ridgeway-exchange/ridgeway/consensus"
	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/federation/index"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/node/web"
	"github.com/ridgeway-exchange/ridgeway/policy"
	"github.com/ridgeway-exchange/ridgeway/storage"
	"github.com/ridgeway-exchange/ridgeway/storage/audit"
	"github.com/ridgeway-exchange/ridgeway/storage/record"
)

// What the portal keeps of a user lies under a keyed digest of the staff id, sealed like every other value.
const (
	viewsPrefix  = "portal/views/"
	visitsPrefix = "portal/visits/"
	placesPrefix = "portal/places/"
	maxVisits    = 200     // patients whose last visit by a user is kept
	maxMarkBytes = 384_000 // bytes of what was listed then, of all of them
)

// portalDesk has one at a time read what is kept of a user's visits, change it and keep it again.
type portalDesk struct{ mu sync.Mutex }

// keptVisit is the last visit of a user to one patient.
type keptVisit struct {
	Subject federation.Subject
	At      time.Time
	Marks   []byte
}

func (n *Node) deskName(prefix, user string) string {
	blind := n.records.Blind(prefix, user)
	return prefix + hex.EncodeToString(blind[:])
}

// kept reads a value of the portal's; out is left as it is when there is none.
func (n *Node) kept(ctx context.Context, name string, out any) error {
	b, found, err := n.records.Setting(ctx, name)
	if err == nil && found {
		if failed := json.Unmarshal(b, out); failed != nil {
			err = fmt.Errorf("setting of the portal: %w", storage.ErrIntegrity)
		}
	}
	if err != nil {
		return n.storeProblem(err)
	}
	return nil
}

func (n *Node) keepFor(ctx context.Context, name string, value any) error {
	b, err := json.Marshal(value)
	if err == nil {
		err = n.records.SetSetting(ctx, name, b)
	}
	if err != nil {
		return n.storeProblem(err)
	}
	return nil
}

// Visit keeps what a user was shown of a patient, in place of the visit before, which it returns. The last 200 patients of each
// user are kept.
func (n *Node) Visit(ctx context.Context, patient, user string, shown web.Visit) (web.Visit, error) {
	number, err := n.patient(patient)
	if err != nil {
		return web.Visit{}, err
	}
	subject, name := n.records.Subject(number), n.deskName(visitsPrefix, user)
	n.portalDesk.mu.Lock()
	defer n.portalDesk.mu.Unlock()
	var all []keptVisit
	if err := n.kept(ctx, name, &all); err != nil {
		return web.Visit{}, err
	}
	var before web.Visit
	if i := slices.IndexFunc(all, func(v keptVisit) bool { return v.Subject == subject }); i >= 0 {
		before = web.Visit{At: all[i].At, Marks: all[i].Marks}
		all = slices.Delete(all, i, i+1)
	}
	all = append([]keptVisit{{subject, shown.At.UTC(), shown.Marks}}, all...)
	size := 0
	for i, v := range all {
		if size += len(v.Marks) * 4 / 3; i > 0 && (i >= maxVisits || size > maxMarkBytes) {
			all = all[:i]
			break
		}
	}
	return before, n.keepFor(ctx, name, all)
}

// Views returns the views of lists that a user of the portal has saved.
func (n *Node) Views(ctx context.Context, user string) ([]web.View, error) {
	var out []web.View
	err := n.kept(ctx, n.deskName(viewsPrefix, user), &out)
	return out, err
}

// KeepViews keeps a user's views in place of those before.
func (n *Node) KeepViews(ctx context.Context, user string, views []web.View) error {
	return n.keepFor(ctx, n.deskName(viewsPrefix, user), views)
}

// Places returns which patients the sessions of a user of the portal had open.
func (n *Node) Places(ctx context.Context, user string) ([]web.Place, error) {
	var out []web.Place
	err := n.kept(ctx, n.deskName(placesPrefix, foldStaff(user)), &out)
	return out, err
}

// KeepPlaces keeps which patients the sessions of a user have open, in place of those before.
func (n *Node) KeepPlaces(ctx context.Context, user string, places []web.Place) error {
	return n.keepFor(ctx, n.deskName(placesPrefix, foldStaff(user)), places)
}

// Person returns what this trust was told of who a patient is; the zero Person when nothing, or nothing that by may know of.
func (n *Node) Person(ctx context.Context, patient string, by *admin.Asker) (web.Person, error) {
	number, err := n.patient(patient)
	if err != nil {
		return web.Person{}, err
	}
	p, err := n.records.Person(ctx, n.records.Subject(number))
	if err != nil {
		return web.Person{}, n.storeProblem(err)
	}
	if p.IsZero() {
		return web.Person{}, nil
	}
	if may, err := n.mayKnowPerson(ctx, by, n.records.Subject(number)); err != nil || !may {
		return web.Person{}, err
	}
	return personOf(number, p), nil
}

// mayKnowPerson reports whether somebody may be told who a patient is. All that this trust knows of people came with documents, and
// would tell of one that is kept from them: so it takes a document of this trust that they may know of, or a role that may read in the
// log what there is about the patient.
func (n *Node) mayKnowPerson(ctx context.Context, by *admin.Asker, subject federation.Subject) (bool, error) {
	who := asker(by)
	if slices.Contains(evidenceRoles(), who.GetRole()) {
		return true, nil
	}
	if err := n.mayAnswer(); err != nil {
		return false, err
	}
	room := n.borrowRoom()
	defer n.returnRoom(room)
	for q := (search{who: who, subject: subject, limit: locateLimit}); ; {
		page, err := n.page(ctx, q, room)
		if err != nil {
			return false, err
		}
		if slices.ContainsFunc(page.pointers, func(p federation.Pointer) bool { return p.Custodian() == n.Trust() }) {
			return true, nil
		}
		if q.cursor = page.next; q.cursor == "" {
			return false, nil
		}
	}
}

func personOf(number record.NHSNumber, p record.Person) web.Person {
	if p.IsZero() {
		return web.Person{}
	}
	return web.Person{Number: number.Digits(), Family: p.Family, Given: p.Given, Born: p.Born, Sex: p.Sex}
}

// FindPersons returns this trust's own patients of a family name who were born on a day; those only whose given name begins
// like the one asked for, where one is, and of whom by may know. That somebody searched is written down before they are told; the name is not.
func (n *Node) FindPersons(ctx context.Context, q web.Person, by *admin.Asker) ([]web.Person, error) {
	if err := n.admitUser(ctx, by); err != nil {
		return nil, err
	}
	if err := (record.Person{Family: q.Family, Given: q.Given, Born: q.Born}).Check(); err != nil || q.Family == "" || q.Born == "" {
		return nil, admin.Errorf(admin.CodeBadInput, "a family name and a date of birth are needed: %v", errors.Join(err, record.ErrPerson))
	}
	found, err := n.records.FindPersons(ctx, q.Family, q.Born)
	if err != nil {
		return nil, n.storeProblem(err)
	}
	var out []web.Person
	for _, p := range found {
		if !strings.HasPrefix(record.FoldName(p.Given), record.FoldName(q.Given)) {
			continue
		}
		may, err := n.mayKnowPerson(ctx, by, n.records.Subject(p.Number))
		if err != nil {
			return nil, err
		}
		if may {
			out = append(out, personOf(p.Number, p.Person))
		}
	}
	if err := n.note(ctx, audit.Entry{
		Time: time.Now().UTC(), Kind: audit.Search, Trust: n.Trust(), Node: n.ID(), User: by.GetUser(), Role: by.GetRole(), Purpose: by.GetPurpose(),
		Outcome: policy.Permit.String(), Detail: fmt.Sprintf("searched this trust's patients by name and date of birth, %d found", len(out)),
	}); err != nil {
		return nil, err
	}
	return out, nil
}

// Terms returns under which agreement of its custodian a document is shared now, as this node's copy of the agreed state has it;
// the zero Terms when there is none in force.
func (n *Node) Terms(ctx context.Context, document string) (web.Terms, error) {
	id, err := federation.ParseDocumentID(document)
	if err != nil {
		return web.Terms{}, admin.Errorf(admin.CodeBadInput, "%v", err)
	}
	var out web.Terms
	err = n.replica.View(ctx, consensus.Local(), func(r consensus.Reader) error {
		a, found, err := index.AgreementOf(r, id.Custodian(), time.Now())
		if err == nil && found {
			out = web.Terms{Version: a.Version, Since: a.Effective}
		}
		return err
	})
	return out, err
}
