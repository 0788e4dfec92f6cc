package policy

import (
	"slices"
	"strings"
	"time"

	cedar "github.com/cedar-policy/cedar-go"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

const (
	typeTrust           = cedar.EntityType("Trust")
	typeRole            = cedar.EntityType("Role")
	typePurpose         = cedar.EntityType("Purpose")
	typeConfidentiality = cedar.EntityType("Confidentiality")
	typeSensitivity     = cedar.EntityType("Sensitivity")
	typeRelationship    = cedar.EntityType("Relationship")
	typeUser            = cedar.EntityType("User")
	typeDocument        = cedar.EntityType("Document")
	typeAction          = cedar.EntityType("Action")
)

const (
	actionSee    = "see"
	actionOpen   = "open"
	actionGlass  = "open_break_glass"
	actionExport = "export"
)

// allActions are the actions of the schema; a place in it is an index of Agreement.general.
var allActions = [...]string{actionSee, actionOpen, actionGlass, actionExport}

// noRelationship is what relationship_kind is when the user claims none: an entity's id is better not empty.
const noRelationship = "none"

func uid(t cedar.EntityType, id string) cedar.EntityUID {
	return cedar.NewEntityUID(t, cedar.String(id))
}

// fixedEntities are the roles and levels with what they are in; read-only once made. Parents are all ancestors, so that
// Cedar need not walk.
var fixedEntities = func() cedar.EntityMap {
	m := cedar.EntityMap{}
	for _, r := range roleTable {
		e := cedar.Entity{UID: uid(typeRole, r.Code)}
		if r.Group != "" {
			e.Parents = cedar.NewEntityUIDSet(uid(typeRole, r.Group))
		}
		m[e.UID] = e
	}
	for c := federation.Unrestricted; c <= federation.VeryRestricted; c++ {
		e := cedar.Entity{UID: uid(typeConfidentiality, c.String())}
		var above []cedar.EntityUID
		for d := c + 1; d <= federation.VeryRestricted; d++ {
			above = append(above, uid(typeConfidentiality, d.String()))
		}
		if above != nil {
			e.Parents = cedar.NewEntityUIDSet(above...)
		}
		m[e.UID] = e
	}
	return m
}()

// entities are what one decision looks at; a cedar.EntityGetter. They are built from typed structs, and have every
// attribute that a rule of the agreement mentions.
type entities struct{ user, document cedar.Entity }

// Get returns an entity by its id, as Cedar asks for it.
func (e *entities) Get(id cedar.EntityUID) (cedar.Entity, bool) {
	switch id.Type {
	case typeUser:
		return e.user, id == e.user.UID
	case typeDocument:
		return e.document, id == e.document.UID
	}
	f, ok := fixedEntities[id]
	return f, ok
}

// entitiesOf builds what the request is about, as far as the rules can tell.
func (a *Agreement) entitiesOf(r *Request) *entities {
	return entitiesWith(r, a.userOf(&r.User), a.documentOf(&r.Document))
}

func entitiesWith(r *Request, user, document *parts) *entities {
	return &entities{
		// A staff id is unique within its trust only.
		user:     cedar.Entity{UID: uid(typeUser, string(r.User.Trust)+"/"+r.User.ID), Parents: user.parents, Attributes: user.attributes},
		document: cedar.Entity{UID: uid(typeDocument, string(r.Document.ID)), Parents: document.parents, Attributes: document.attributes},
	}
}

// parts are what an entity has beside its id, and what the context has. Rules tell those apart that differ in their number, which
// counts all that the agreement has made, and no others.
type parts struct {
	number     uint64
	parents    cedar.EntityUIDSet
	attributes cedar.Record
}

// partsOf returns what is kept of a key, or makes it.
func partsOf[K comparable](a *Agreement, kept *memo[K, *parts], key K, build func(K, attributes) parts) *parts {
	found, ok := kept.get(key)
	if !ok {
		made := build(key, a.uses)
		made.number = a.made.Add(1)
		found = &made
		kept.put(key, found)
	}
	return found
}

// userOf returns what the rules can tell of a user.
func (a *Agreement) userOf(u *User) *parts {
	k := userKey{trust: u.Trust, role: u.Role}
	if a.uses&(usesID|usesUser) != 0 {
		k.id = u.ID
	}
	return partsOf(a, &a.users, k, userParts)
}

// documentOf returns what the rules can tell of a document.
func (a *Agreement) documentOf(d *Document) *parts {
	return partsOf(a, &a.documents, a.documentKey(d), documentParts)
}

// contextOf returns what the rules can tell of a request beside who and what.
func (a *Agreement) contextOf(r *Request) *parts {
	return partsOf(a, &a.contexts, a.contextKey(r), contextParts)
}

type userKey struct {
	trust    federation.TrustID
	role, id string
}

func userParts(k userKey, uses attributes) parts {
	trust, role := uid(typeTrust, string(k.trust)), uid(typeRole, k.role)
	above := []cedar.EntityUID{trust, role}
	for group := range fixedEntities[role].Parents.All() {
		above = append(above, group)
	}
	all := newRecordOf(uses)
	all.set(usesID, "id", cedar.String(k.id))
	all.set(usesTrust, "trust", trust)
	all.set(usesRole, "role", role)
	return parts{parents: cedar.NewEntityUIDSet(above...), attributes: all.record()}
}

// documentKey is a document as the rules can tell it from others: what none of them mentions is left out.
type documentKey struct {
	custodian                            federation.TrustID
	id, typ, category, specialty, author string
	sensitivity                          string // sorted, with a space after each
	confidentiality                      federation.Confidentiality
	dated                                bool
	milliseconds                         int64
}

func (a *Agreement) documentKey(d *Document) documentKey {
	k := documentKey{custodian: d.Custodian}
	if a.uses&usesConfidentiality != 0 {
		k.confidentiality = d.Confidentiality
	}
	if a.uses&usesType != 0 {
		k.typ = d.Type
	}
	if a.uses&usesCategory != 0 {
		k.category = d.Category
	}
	if a.uses&usesSpecialty != 0 {
		k.specialty = d.Specialty
	}
	if a.uses&usesAuthor != 0 {
		k.author = d.Author
	}
	if a.uses&usesID != 0 {
		k.id = string(d.ID)
	}
	if a.uses&(usesDate|usesDated) != 0 {
		k.dated = !d.Date.IsZero()
	}
	if a.uses&usesDate != 0 && k.dated {
		k.milliseconds = d.Date.UnixMilli()
	}
	if a.uses&usesSensitivity != 0 {
		k.sensitivity = labelsOf(d)
	}
	return k
}

// labelsOf returns the labels of a document with all that they are kinds of. A sealed pointer does not say which it
// bears, so that it bears them all: what a rule hides stays hidden.
func labelsOf(d *Document) string {
	if !d.Sealed && len(d.Sensitivity) == 0 {
		return ""
	}
	var all []string
	if d.Sealed {
		for _, s := range sensitivityTable {
			all = append(all, s.Code)
		}
	}
	for _, code := range d.Sensitivity {
		for code != "" && !slices.Contains(all, code) {
			all = append(all, code)
			code = sensitivityGroup(code)
		}
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

func sensitivityGroup(code string) string {
	for _, s := range sensitivityTable {
		if s.Code == code {
			return s.Group
		}
	}
	return ""
}

func documentParts(k documentKey, uses attributes) parts {
	custodian := uid(typeTrust, string(k.custodian))
	all := newRecordOf(uses)
	all.set(usesID, "id", cedar.String(k.id))
	all.set(usesCustodian, "custodian", custodian)
	all.set(usesType, "type", cedar.String(k.typ))
	all.set(usesCategory, "category", cedar.String(k.category))
	all.set(usesSpecialty, "specialty", cedar.String(k.specialty))
	all.set(usesAuthor, "author", cedar.String(k.author))
	all.set(usesConfidentiality, "confidentiality", uid(typeConfidentiality, k.confidentiality.String()))
	all.set(usesDated, "dated", cedar.Boolean(k.dated))
	if uses&usesDate != 0 {
		all.set(usesDate, "date", cedar.NewDatetimeFromMillis(k.milliseconds))
	}
	if uses&usesSensitivity != 0 {
		var labels []cedar.Value
		for _, code := range strings.Fields(k.sensitivity) {
			labels = append(labels, uid(typeSensitivity, code))
		}
		all.set(usesSensitivity, "sensitivity", cedar.NewSet(labels...))
	}
	return parts{parents: cedar.NewEntityUIDSet(custodian), attributes: all.record()}
}

// contextKey is what the rules can tell of a request beside who and what.
type contextKey struct {
	purpose, relationship                  string
	now                                    int64 // milliseconds
	kind                                   RelationshipKind
	verified, consented, glass, outOfHours bool
}

// contextKey returns what the rules can tell of the request's context.
func (a *Agreement) contextKey(r *Request) contextKey {
	k := contextKey{purpose: r.Purpose}
	if a.uses&usesKind != 0 {
		k.kind = r.Link.Kind
	}
	k.verified = a.uses&usesVerified != 0 && r.Link.Verified
	k.consented = a.uses&usesConsented != 0 && r.consented
	k.glass = a.uses&usesGlass != 0 && r.BreakGlass
	k.outOfHours = a.uses&usesHours != 0 && outOfHours(r.Now)
	if a.uses&usesRelationship != 0 {
		k.relationship = r.Relationship
	}
	if a.uses&usesNow != 0 {
		k.now = r.Now.UnixMilli() // the same for all documents of one search
	}
	return k
}

func contextParts(k contextKey, uses attributes) parts {
	kind := string(k.kind)
	if kind == "" {
		kind = noRelationship
	}
	all := newRecordOf(uses)
	all.set(usesPurpose, "purpose", uid(typePurpose, k.purpose))
	all.set(usesRelationship, "relationship", cedar.String(k.relationship))
	all.set(usesKind, "relationship_kind", uid(typeRelationship, kind))
	all.set(usesVerified, "relationship_verified", cedar.Boolean(k.verified))
	all.set(usesConsented, "consented", cedar.Boolean(k.consented))
	all.set(usesGlass, "break_glass", cedar.Boolean(k.glass))
	all.set(usesHours, "out_of_hours", cedar.Boolean(k.outOfHours))
	if uses&usesNow != 0 {
		all.set(usesNow, "now", cedar.NewDatetimeFromMillis(k.now))
	}
	return parts{attributes: all.record()}
}

// outOfHours reports whether general practice is closed: core hours are 08:00 to 18:30, Monday to Friday (General Medical
// Services contract). Public holidays are not known here.
func outOfHours(t time.Time) bool {
	local := inLondon(t)
	if day := local.Weekday(); day == time.Saturday || day == time.Sunday {
		return true
	}
	minute := local.Hour()*60 + local.Minute()
	return minute < 8*60 || minute >= 18*60+30
}

// inLondon returns t on British clocks. The rule is in the code, not in the time zone database, because two nodes must
// not decide differently for having different databases: summer time is from 01:00 UTC on the last Sunday of March to
// 01:00 UTC on the last Sunday of October (Summer Time Act 1972).
func inLondon(t time.Time) time.Time {
	t = t.UTC()
	lastSunday := func(month time.Month) time.Time {
		last := time.Date(t.Year(), month, 31, 1, 0, 0, 0, time.UTC) // both months have 31 days
		return last.AddDate(0, 0, -int(last.Weekday()))
	}
	if !t.Before(lastSunday(time.March)) && t.Before(lastSunday(time.October)) {
		return t.Add(time.Hour)
	}
	return t
}
