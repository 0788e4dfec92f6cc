package policy

import (
	"slices"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

// Block is a building block of a Form: a common agreement, with what can be said about it.
type Block struct {
	Name       string
	Does       string // what it does, in a sentence
	Parameters []Parameter
	Example    string   // YAML, as it stands under blocks
	needs      []string // parameters of which one must be given
	rules      func(given) []ruleText
}

// Parameter is one thing that a block can be told.
type Parameter struct {
	Name     string
	Kind     string // of what: "trusts", "roles", "purposes", "level", "codes", "labels", "relationships", "actions", "number", "yes or no", "words"; or the choices
	Required bool
	Default  string // what holds when it is not given, in words
	Does     string
	read     reader
	fallback any
}

// The values of parameters that stand for no list.
const (
	trustsAll    = "all"
	trustsOthers = "others"
	passes       = "passes"
	holds        = "holds"
)

// The parameters that several blocks have.
var (
	grantTrusts = Parameter{
		Name: "trusts", Kind: "trusts", Default: "all", Does: "whose staff: all active trusts of the region, or a list of ODS codes",
		read: readTrusts(trustsAll), fallback: trustSet{all: true},
	}
	grantActions = Parameter{
		Name: "actions", Kind: "actions", Default: "see, open", Does: "what they may do: see, open, export",
		read: readActions, fallback: []string{actionSee, actionOpen},
	}
	limitTrusts = Parameter{
		Name: "trusts", Kind: "trusts", Default: "others", Does: "whose staff it holds for: others (every trust but the custodian), all (its own too), or a list of ODS codes",
		read: readTrusts(trustsAll, trustsOthers), fallback: trustSet{others: true},
	}
	limitActions = Parameter{
		Name: "actions", Kind: "actions", Default: "see, open, export", Does: "what it keeps them from",
		read: readActions, fallback: []string{actionSee, actionOpen, actionExport},
	}
	careActs = Parameter{
		Name: "purposes", Kind: "purposes", Default: "TREAT, ETREAT, COC", Does: "for which purposes of use (HL7 v3-ActReason)",
		read: readPurposes, fallback: []string{"TREAT", "ETREAT", "COC"},
	}
	onlyThese = Parameter{
		Name: "only", Kind: "yes or no", Default: "no", Does: "whether these staff get nothing else of ours either, whatever other blocks give them",
		read: readFlag, fallback: false,
	}
	typeCodes = Parameter{Name: "types", Kind: "codes", Does: "types of document: SNOMED CT or local codes", read: readCodes, fallback: []string(nil)}
	catCodes  = Parameter{Name: "categories", Kind: "codes", Does: "categories of document: SNOMED CT codes", read: readCodes, fallback: []string(nil)}
	specCodes = Parameter{Name: "specialties", Kind: "codes", Does: "specialties: treatment functions or practice settings", read: readCodes, fallback: []string(nil)}
)

func upTo(level string) Parameter {
	return Parameter{
		Name: "up-to", Kind: "level", Default: level, Does: "highest confidentiality (HL7 v3-Confidentiality U, L, M, N, R, V)",
		read: readLevel, fallback: level,
	}
}

func rolesOf(codes ...string) Parameter {
	return Parameter{Name: "roles", Kind: "roles", Default: commas(codes), Does: "which staff; a group such as clinician stands for all roles in it", read: readRoles, fallback: codes}
}

func emergency(standing string) Parameter {
	return Parameter{
		Name: "emergency", Kind: "passes or holds", Default: standing, Does: "whether broken glass passes it, or it holds in an emergency too",
		read: readChoice(passes, holds), fallback: standing,
	}
}

// given is a block's parameters as its rules are made from them.
type given struct {
	own    federation.TrustID
	values map[string]any
}

func (u blockUse) given(own federation.TrustID) given { return given{own: own, values: u.values} }

func (g given) trusts() trustSet          { t, _ := g.values["trusts"].(trustSet); return t }
func (g given) list(name string) []string { l, _ := g.values[name].([]string); return l }
func (g given) text(name string) string   { s, _ := g.values[name].(string); return s }
func (g given) flag(name string) bool     { b, _ := g.values[name].(bool); return b }
func (g given) number(name string) int    { n, _ := g.values[name].(int); return n }
func (g given) actions() []string         { return g.list("actions") }
func (g given) holdsInEmergency() bool    { return g.text("emergency") == holds }
func (g given) limited() []string {
	if g.holdsInEmergency() {
		return append(slices.Clone(g.actions()), actionGlass)
	}
	return g.actions()
}

// trustSet is all trusts, all but the custodian, or those listed.
type trustSet struct {
	all, others bool
	listed      []string
}

// Blocks returns the building blocks, those that give first.
func Blocks() []Block { return slices.Clone(blockTable) }

func blockNamed(name string) *Block {
	for i := range blockTable {
		if blockTable[i].Name == name {
			return &blockTable[i]
		}
	}
	return nil
}
