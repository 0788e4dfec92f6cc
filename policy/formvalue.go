package policy

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

// reader makes a parameter's value of what stands in the form; or says what is wrong, and where.
type reader func(ast.Node) (value any, at ast.Node, problem string)

const (
	maxList = 500
	maxCode = 64
)

// scalar returns the text of a single value as it was written: codes of digits alone are text too.
func scalar(n ast.Node) (string, string) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, ""
	case *ast.LiteralNode:
		return n.Value.Value, ""
	case *ast.IntegerNode:
		return n.Token.Value, ""
	case *ast.FloatNode:
		return n.Token.Value, ""
	case *ast.BoolNode:
		return n.Token.Value, ""
	case *ast.NullNode, nil:
		return "", "has no value"
	default:
		return "", "is one value"
	}
}

// texts reads a list, or one value as a list of one. Each must be there once and pass valid, which says what is wrong.
func texts(n ast.Node, valid func(string) string) ([]string, ast.Node, string) {
	nodes := []ast.Node{n}
	if s, ok := n.(*ast.SequenceNode); ok {
		nodes = s.Values
	}
	if len(nodes) == 0 {
		return nil, n, "the list is empty"
	}
	if len(nodes) > maxList {
		return nil, n, fmt.Sprintf("%d entries, at most %d", len(nodes), maxList)
	}
	var all []string
	for _, v := range nodes {
		s, problem := scalar(v)
		if problem == "" {
			problem = valid(s)
		}
		if problem == "" && slices.Contains(all, s) {
			problem = fmt.Sprintf("%q stands here twice", s)
		}
		if problem != "" {
			return nil, v, problem
		}
		all = append(all, s)
	}
	return all, n, ""
}

func readList(valid func(string) string) reader {
	return func(n ast.Node) (any, ast.Node, string) {
		all, at, problem := texts(n, valid)
		if problem != "" {
			return nil, at, problem
		}
		return all, at, ""
	}
}

// known makes a check of whether a code is one of a published list.
func known(what string, is func(string) bool) func(string) string {
	return func(s string) string {
		if is(s) {
			return ""
		}
		return fmt.Sprintf("%q is not a %s that exists", s, what)
	}
}

// The readers never change.
var (
	readRoles         = readList(known("role", IsRole))
	readPurposes      = readList(known("purpose of use", IsPurpose))
	readLabels        = readList(known("sensitivity label", knownSensitivity))
	readRelationships = readList(known("kind of relationship", knownRelationship))
	readActions       = readList(known("action (see, open, export)", func(s string) bool {
		return s == actionSee || s == actionOpen || s == actionExport
	}))
	readCodes = readList(func(s string) string {
		if s == "" || len(s) > maxCode || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) {
			return fmt.Sprintf("%q is not a code: at most %d characters of ASCII without spaces", s, maxCode)
		}
		if !validSNOMED(s) {
			return fmt.Sprintf("%q is not a SNOMED CT code: its check digit is wrong", s)
		}
		return ""
	})
)

func readTrusts(words ...string) reader {
	return func(n ast.Node) (any, ast.Node, string) {
		if s, problem := scalar(n); problem == "" && slices.Contains(words, s) {
			return trustSet{all: s == trustsAll, others: s == trustsOthers}, n, ""
		}
		listed, at, problem := texts(n, func(s string) string {
			if federation.TrustID(s).Valid() {
				return ""
			}
			return fmt.Sprintf("%q is not an ODS code, which has capital letters and digits, such as RYJ; nor is it %s", s, strings.Join(words, " or "))
		})
		if problem != "" {
			return nil, at, problem
		}
		return trustSet{listed: listed}, n, ""
	}
}

func readLevel(n ast.Node) (any, ast.Node, string) {
	s, problem := scalar(n)
	if problem == "" {
		if _, err := federation.ParseConfidentiality(s); err == nil {
			return s, n, ""
		}
		problem = fmt.Sprintf("%q is none of U, L, M, N, R, V", s)
	}
	return nil, n, problem
}

func readFlag(n ast.Node) (any, ast.Node, string) {
	switch s, _ := scalar(n); s {
	case "yes", "true":
		return true, n, ""
	case "no", "false":
		return false, n, ""
	default:
		return nil, n, "is yes or no"
	}
}

func readChoice(words ...string) reader {
	return func(n ast.Node) (any, ast.Node, string) {
		if s, problem := scalar(n); problem == "" && slices.Contains(words, s) {
			return s, n, ""
		}
		return nil, n, "is one of: " + commas(words)
	}
}

func readNumber(least, most int) reader {
	return func(n ast.Node) (any, ast.Node, string) {
		s, _ := scalar(n)
		if v, err := strconv.Atoi(s); err == nil && v >= least && v <= most {
			return v, n, ""
		}
		return nil, n, fmt.Sprintf("is a whole number from %d to %d", least, most)
	}
}

// validSNOMED reports whether s may be a code: digits that are as many as a SNOMED CT identifier has must have its check
// digit (Verhoeff's, SNOMED CT Technical Implementation Guide) and be a concept's. Shorter ones are local codes.
func validSNOMED(s string) bool {
	if len(s) < 8 || len(s) > 18 || strings.Trim(s, "0123456789") != "" {
		return true
	}
	c := 0
	for i := range len(s) {
		digit := int(s[len(s)-1-i] - '0')
		for range i % 8 {
			digit = verhoeffPermute[digit]
		}
		c = verhoeffMultiply(c, digit)
	}
	return c == 0
}

var verhoeffPermute = [10]int{1, 5, 7, 6, 2, 8, 3, 0, 9, 4}

// verhoeffMultiply is composition in the dihedral group of order ten: 0 to 4 rotate, 5 to 9 reflect.
func verhoeffMultiply(a, b int) int {
	switch {
	case a < 5 && b < 5:
		return (a + b) % 5
	case a < 5:
		return (a+b-5)%5 + 5
	case b < 5:
		return (a-5-b+5)%5 + 5
	default:
		return (a - b + 5) % 5
	}
}
