package policy

import (
	"cmp"
	"sync"

	cedar "github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/x/exp/ast"
)

// attributes are the names that the rules of an agreement mention. Building a Cedar record costs more than evaluating a
// rule over it, and a rule cannot tell that an attribute is absent which it does not mention.
type attributes uint32

const (
	usesID attributes = 1 << iota // of the user or the document
	usesTrust
	usesRole
	usesCustodian
	usesType
	usesCategory
	usesSpecialty
	usesAuthor
	usesConfidentiality
	usesSensitivity
	usesDated
	usesDate
	usesPurpose
	usesRelationship
	usesKind
	usesVerified
	usesConsented
	usesGlass
	usesHours
	usesNow
	usesUser // a user by name: no attribute

	usesEverything = usesUser<<1 - 1
)

// attributeNames has every attribute of schema.cedarschema; it never changes.
var attributeNames = map[string]attributes{
	"id": usesID, "trust": usesTrust, "role": usesRole, "custodian": usesCustodian, "type": usesType, "category": usesCategory,
	"specialty": usesSpecialty, "author": usesAuthor, "confidentiality": usesConfidentiality, "sensitivity": usesSensitivity,
	"dated": usesDated, "date": usesDate, "purpose": usesPurpose, "relationship": usesRelationship, "relationship_kind": usesKind,
	"relationship_verified": usesVerified, "consented": usesConsented, "break_glass": usesGlass, "out_of_hours": usesHours, "now": usesNow,
}

// mentions returns what the rule mentions. Heads mention no attribute, but may name a user or a document.
func mentions(p *cedar.Policy) attributes {
	found := naming(principalEntity(p))
	switch s := (*ast.Policy)(p.AST()).Resource.(type) {
	case ast.ScopeTypeEq:
		found |= naming(s.Entity)
	case ast.ScopeTypeIn:
		found |= naming(s.Entity)
	case ast.ScopeTypeIsIn:
		found |= naming(s.Entity)
	}
	name := func(op ast.StrOpNode) bool {
		bit, known := attributeNames[string(op.Value)]
		if !known {
			bit = usesEverything
		}
		found |= bit
		// context.purpose is about one attribute; context on its own is about all of them.
		v, direct := op.Arg.(ast.NodeTypeVariable)
		return !direct || v.Name != "context"
	}
	for _, c := range (*ast.Policy)(p.AST()).Conditions {
		ast.Inspect(ast.NewNode(c.Body), func(n ast.IsNode) bool {
			switch n := n.(type) {
			case ast.NodeTypeAccess:
				return name(n.StrOpNode)
			case ast.NodeTypeHas:
				return name(n.StrOpNode)
			case ast.NodeValue:
				found |= naming(n.Value)
			case ast.NodeTypeVariable:
				if n.Name == "context" {
					found = usesEverything
				}
			}
			return true
		})
	}
	return found
}

// naming returns what a rule that names v can tell from all others: a document, a user.
func naming(v cedar.Value) (found attributes) {
	switch v := v.(type) {
	case cedar.EntityUID:
		switch v.Type {
		case typeDocument:
			found = usesID
		case typeUser:
			found = usesUser
		}
	case cedar.Set:
		for member := range v.All() {
			found |= naming(member)
		}
	case cedar.Record:
		for member := range v.Values() {
			found |= naming(member)
		}
	}
	return found
}

// newRecordOf starts a record of those attributes that rules mention.
func newRecordOf(uses attributes) recordOf { return recordOf{uses: uses, values: cedar.RecordMap{}} }

type recordOf struct {
	uses   attributes
	values cedar.RecordMap
}

func (r recordOf) set(bit attributes, name string, v cedar.Value) {
	if r.uses&bit != 0 {
		r.values[cedar.String(name)] = v
	}
}

func (r recordOf) record() cedar.Record { return cedar.NewRecord(r.values) }

// maxMemo bounds what an agreement keeps of each kind, and maxAnswers how many answers: most questions are new combinations of what
// is not. Of a moment few come again, and all of them soon.
const (
	maxMemo      = 512
	maxAnswers   = 2048
	maxOfAMoment = 256
)

// memo keeps values that are dear to make. It is emptied when full: what recurs is soon there again.
type memo[K comparable, V any] struct {
	most int // maxMemo unless it is set

	mu   sync.RWMutex
	kept map[K]V
}

func (m *memo[K, V]) get(k K) (V, bool) {
	m.mu.RLock()
	v, ok := m.kept[k]
	m.mu.RUnlock()
	return v, ok
}

func (m *memo[K, V]) put(k K, v V) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.kept == nil {
		m.kept = make(map[K]V)
	}
	if len(m.kept) >= cmp.Or(m.most, maxMemo) {
		clear(m.kept)
	}
	m.kept[k] = v
}
