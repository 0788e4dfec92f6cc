package policy

import (
	"time"

	cedar "github.com/cedar-policy/cedar-go"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

const (
	typeTrust           = cedar.EntityType("Trust")
	typeRole            = cedar.EntityType("Role")
	typePurpose         = cedar.EntityType("Purpose")
	typeConfidentiality = cedar.EntityType("Confidentiality")
	typeUser            = cedar.EntityType("User")
	typeDocument        = cedar.EntityType("Document")
	typeAction          = cedar.EntityType("Action")
)

const (
	actionSee   = "see"
	actionOpen  = "open"
	actionGlass = "open_break_glass"
)

func uid(t cedar.EntityType, id string) cedar.EntityUID {
	return cedar.NewEntityUID(t, cedar.String(id))
}

// fixedEntities are the roles and levels with what they are in; read-only once made.
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
		if c < federation.VeryRestricted {
			e.Parents = cedar.NewEntityUIDSet(uid(typeConfidentiality, (c + 1).String()))
		}
		m[e.UID] = e
	}
	return m
}()

// entities are what one decision looks at. They are built from typed structs, so that no attribute can be absent.
type entities struct{ user, document cedar.Entity }

// Get returns an entity by its id, as Cedar asks for it.
func (e *entities) Get(id cedar.EntityUID) (cedar.Entity, bool) {
	switch id {
	case e.user.UID:
		return e.user, true
	case e.document.UID:
		return e.document, true
	}
	f, ok := fixedEntities[id]
	return f, ok
}

func entitiesOf(r Request) *entities {
	trust, userRole := uid(typeTrust, string(r.User.Trust)), uid(typeRole, r.User.Role)
	custodian := uid(typeTrust, string(r.Document.Custodian))
	date := r.Document.Date
	if date.IsZero() {
		date = time.Unix(0, 0)
	}
	return &entities{
		user: cedar.Entity{
			// A staff id is unique within its trust only.
			UID:     uid(typeUser, string(r.User.Trust)+"/"+r.User.ID),
			Parents: cedar.NewEntityUIDSet(trust, userRole),
			Attributes: cedar.NewRecord(cedar.RecordMap{
				"id": cedar.String(r.User.ID), "trust": trust, "role": userRole,
			}),
		},
		document: cedar.Entity{
			UID:     uid(typeDocument, string(r.Document.ID)),
			Parents: cedar.NewEntityUIDSet(custodian),
			Attributes: cedar.NewRecord(cedar.RecordMap{
				"id": cedar.String(r.Document.ID), "custodian": custodian, "type": cedar.String(r.Document.Type),
				"category": cedar.String(r.Document.Category), "specialty": cedar.String(r.Document.Specialty),
				"author": cedar.String(r.Document.Author), "confidentiality": uid(typeConfidentiality, r.Document.Confidentiality.String()),
				"dated": cedar.Boolean(!r.Document.Date.IsZero()), "date": cedar.NewDatetime(date),
			}),
		},
	}
}

func contextOf(r Request) cedar.Record {
	return cedar.NewRecord(cedar.RecordMap{
		"purpose": uid(typePurpose, r.Purpose), "relationship": cedar.String(r.Relationship), "now": cedar.NewDatetime(r.Now),
	})
}
