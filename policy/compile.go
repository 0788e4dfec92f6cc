package policy

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	cedar "github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/x/exp/ast"
	"github.com/cedar-policy/cedar-go/x/exp/schema/validate"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

const (
	maxText    = 192 << 10
	maxRules   = 2000
	maxRule    = 16 << 10
	maxNesting = 32
)

// Compile checks the text of an agreement and readies it. The text must parse, conform to schema.cedarschema in Cedar's strict mode,
// and name only roles, purposes, levels of confidentiality and ODS codes that can exist; Cedar's validator itself does
// not look at those. It fails with a *TextError that wraps ErrAgreement and names every fault by line and column.
func Compile(text string) (*Agreement, error) {
	if f := checkShape(text); f != nil {
		return nil, &TextError{Faults: []Fault{*f}}
	}
	list, err := cedar.NewPolicyListFromBytes("", []byte(text))
	if err != nil {
		return nil, &TextError{Faults: []Fault{parseFault(text, err)}}
	}
	if len(list) == 0 {
		return nil, &TextError{Faults: []Fault{{1, 1, "the agreement has no rule"}}}
	}
	if len(list) > maxRules {
		return nil, &TextError{Faults: []Fault{{1, 1, fmt.Sprintf("%d rules, at most %d", len(list), maxRules)}}}
	}
	a := &Agreement{text: text, digest: federation.Sum([]byte(text)), rules: make([]rule, len(list))}
	faults := a.name(list)
	validator := validate.New(resolvedSchema(), validate.WithStrict())
	for i, p := range list {
		pos := p.Position()
		if err := validator.Policy("", (*ast.Policy)(p.AST())); err != nil {
			for _, line := range strings.Split(err.Error(), "\n") {
				faults = append(faults, Fault{pos.Line, pos.Column, "rule " + string(a.rules[i].id) + ": " + line})
			}
		}
		faults = append(faults, lint(text, p)...)
	}
	if len(faults) > 0 {
		return nil, &TextError{Faults: faults}
	}
	a.reindex()
	return a, nil
}

// name gives each rule the id of its @id annotation, or its number.
func (a *Agreement) name(list cedar.PolicyList) []Fault {
	var faults []Fault
	seen := map[cedar.PolicyID]bool{}
	for i, p := range list {
		id := cedar.PolicyID(strconv.Itoa(i + 1))
		if given, ok := p.Annotations()["id"]; ok {
			id = cedar.PolicyID(given)
		}
		if pos := p.Position(); seen[id] {
			faults = append(faults, Fault{pos.Line, pos.Column, fmt.Sprintf("two rules have the id %q", string(id))})
		}
		seen[id] = true
		a.rules[i] = rule{id: id, reason: string(p.Annotations()["reason"]), policy: p}
	}
	return faults
}

var (
	parsePosition = regexp.MustCompile(`^parse error at (?:<input>|[^:"]*)?:?(\d+):(\d+) `)
	parseEffect   = regexp.MustCompile(`^"(?:[^"\\]|\\.)*": unexpected effect: (\S+)$`)
	parsePrimary  = regexp.MustCompile(`^"(?:[^"\\]|\\.)+": invalid primary$`)
	lastWord      = regexp.MustCompile(`(?:[\pL\pN_]+|.)$`)
	parseExact    = regexp.MustCompile(`^"(?:[^"\\]|\\.)*": (exact )?got (.*) want (\S+)$`)
)

// parseFault takes line and column out of the parser's message, and puts the message into words.
func parseFault(text string, err error) Fault {
	for e := err; e != nil; e = errors.Unwrap(e) {
		if m := parsePosition.FindStringSubmatch(e.Error()); m != nil {
			line, _ := strconv.Atoi(m[1]) // digits by the pattern
			column, _ := strconv.Atoi(m[2])
			return parseWords(text, Fault{line, column, strings.TrimPrefix(e.Error(), m[0])})
		}
	}
	return Fault{1, 1, err.Error()}
}

// parseWords says what stands in place of what. The parser has gone on by a word when it misses one, and its place is of that.
func parseWords(text string, f Fault) Fault {
	if m := parseEffect.FindStringSubmatch(f.Text); m != nil {
		f.Text = m[1] + " stands where a rule must begin, with permit or forbid"
		return f.back(text, m[1])
	}
	if before := strings.TrimRight(text[:offsetOf(text, f.Line, f.Column)], " \t\r\n"); parsePrimary.MatchString(f.Text) && before != "" {
		word := lastWord.FindString(before)
		f.Text = word + " stands where a value must, such as context.purpose, true or a text between quotes"
		return f.back(text, word)
	}
	m := parseExact.FindStringSubmatch(f.Text)
	switch {
	case m == nil:
		if said, early := strings.CutPrefix(f.Text, `"": `); early {
			f.Text = "the text ends too early: " + strings.Replace(said, "invalid primary", "a value must follow", 1)
		}
		return f
	case m[2] == "":
		f.Text = fmt.Sprintf("the text ends where %q must follow", m[3])
		return f
	}
	f.Text = fmt.Sprintf("%s stands where %q must", m[2], m[3])
	if m[1] != "" {
		return f.back(text, m[2])
	}
	return f
}

// back is the fault at the word, which stands before its place.
func (f Fault) back(text, word string) Fault {
	if i := strings.LastIndex(text[:offsetOf(text, f.Line, f.Column)], word); i >= 0 {
		f.Line, f.Column = lineColumn(text, i)
	}
	return f
}

// offsetOf is where a line and column are, which count from 1; the end of text where it has not so many.
func offsetOf(text string, line, column int) int {
	i := 0
	for ; line > 1; line-- {
		n := strings.IndexByte(text[i:], '\n')
		if n < 0 {
			return len(text)
		}
		i += n + 1
	}
	for ; column > 1 && i < len(text); column-- {
		_, n := utf8.DecodeRuneInString(text[i:])
		i += n
	}
	return i
}

// checkShape refuses text on which the recursive parser would take too much of the stack: rules are short and nesting is
// shallow in anything that a person wrote.
func checkShape(text string) *Fault {
	if len(text) > maxText {
		return &Fault{1, 1, fmt.Sprintf("%d bytes, at most %d", len(text), maxText)}
	}
	if !utf8.ValidString(text) {
		return &Fault{1, 1, "not UTF-8"}
	}
	depth, start, ifs := 0, 0, 0
	for i := 0; i < len(text); i++ {
		switch c := text[i]; c {
		case '"':
			i = endOfString(text, i)
		case '/':
			if strings.HasPrefix(text[i:], "//") {
				i = endOfLine(text, i)
			}
		case '(', '[', '{':
			depth++
		case ')', ']', '}':
			depth--
		case ';':
			start, ifs = i+1, 0
		case 'i':
			if strings.HasPrefix(text[i:], "if") {
				ifs++
			}
		}
		if depth > maxNesting || ifs > 8*maxNesting || i-start > maxRule {
			line, column := lineColumn(text, min(i, len(text)))
			return &Fault{line, column, fmt.Sprintf("a rule is nested over %d deep or longer than %d bytes", maxNesting, maxRule)}
		}
	}
	return nil
}

func endOfString(text string, i int) int {
	for i++; i < len(text) && text[i] != '"'; i++ {
		if text[i] == '\\' {
			i++
		}
	}
	return i
}

func endOfLine(text string, i int) int {
	if n := strings.IndexByte(text[i:], '\n'); n >= 0 {
		return i + n
	}
	return len(text)
}

func lineColumn(text string, offset int) (int, int) {
	before := text[:offset]
	return strings.Count(before, "\n") + 1, utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:]) + 1
}
