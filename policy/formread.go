package policy

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// ParseForm reads a form. It is strict: a key that is not documented, a value of the wrong kind, an unknown code, an
// anchor, an alias, a tag or a second document is a fault. It fails with a *TextError that wraps ErrAgreement and names
// every fault by line and column.
func ParseForm(text []byte) (Form, error) {
	if f := checkFormShape(string(text)); f != nil {
		return Form{}, &TextError{Faults: []Fault{*f}}
	}
	file, err := parser.ParseBytes(text, 0)
	if err != nil {
		return Form{}, &TextError{Faults: []Fault{yamlFault(err)}}
	}
	r := formReader{}
	var form Form
	switch len(file.Docs) {
	case 0:
		r.fail(nil, "the form is empty")
	case 1:
		form = r.form(file.Docs[0].Body)
	default:
		r.fail(file.Docs[1].Body, "a form is one document")
	}
	if len(r.faults) > 0 {
		slices.SortStableFunc(r.faults, func(x, y Fault) int { return (x.Line-y.Line)*4096 + x.Column - y.Column })
		return Form{}, &TextError{Faults: r.faults}
	}
	return form, nil
}

// checkFormShape refuses text on which a recursive parser would take too much of the stack: a form nests three deep.
func checkFormShape(text string) *Fault {
	if len(text) > maxForm {
		return &Fault{1, 1, fmt.Sprintf("%d bytes, at most %d", len(text), maxForm)}
	}
	if !utf8.ValidString(text) {
		return &Fault{1, 1, "not UTF-8"}
	}
	const most = 16
	for i, line := range strings.Split(text, "\n") {
		indent := len(line) - len(strings.TrimLeft(line, " \t"))
		entries := strings.Count(line, "- ") + strings.Count(line, "? ") + strings.Count(line, ": ")
		if open := strings.Count(line, "[") + strings.Count(line, "{"); open > most || indent > 8*most || entries > 4*most || len(line) > 8192 {
			return &Fault{i + 1, 1, "the line nests deeper or is longer than any in a form"}
		}
	}
	if strings.Count(text, "[")+strings.Count(text, "{") > 8*maxBlocks {
		return &Fault{1, 1, "more brackets than any form has"}
	}
	return nil
}

// yamlFault takes the place out of the parser's error.
func yamlFault(err error) Fault {
	var e yaml.Error
	if errors.As(err, &e) {
		if t := e.GetToken(); t != nil && t.Position != nil {
			return Fault{max(t.Position.Line, 1), max(t.Position.Column, 1), e.GetMessage()}
		}
		return Fault{1, 1, e.GetMessage()}
	}
	return Fault{1, 1, err.Error()}
}

// formReader collects what is wrong.
type formReader struct{ faults []Fault }

func (r *formReader) fail(n ast.Node, format string, args ...any) {
	f := placeOf(n)
	f.Text = fmt.Sprintf(format, args...)
	r.faults = append(r.faults, f)
}

func placeOf(n ast.Node) Fault {
	f := Fault{Line: 1, Column: 1}
	if n != nil {
		if m, ok := n.(*ast.MappingNode); ok && len(m.Values) > 0 {
			n = m.Values[0].Key
		}
		if t := n.GetToken(); t != nil && t.Position != nil {
			f.Line, f.Column = max(t.Position.Line, 1), max(t.Position.Column, 1)
		}
	}
	return f
}

// mapping returns the entries of a mapping, or fails.
func (r *formReader) mapping(n ast.Node, what string) []*ast.MappingValueNode {
	var entries []*ast.MappingValueNode
	switch n := n.(type) {
	case *ast.MappingNode:
		entries = n.Values
	case *ast.MappingValueNode:
		entries = []*ast.MappingValueNode{n}
	default:
		r.fail(n, "%s is a list of keys with values", what)
		return nil
	}
	seen := map[string]bool{}
	for _, e := range entries {
		key := keyOf(e)
		if seen[key] {
			r.fail(e.Key, "%q stands here twice", key)
		}
		seen[key] = true
	}
	return entries
}

// keyOf returns an entry's key, or a text that is no key of a form.
func keyOf(e *ast.MappingValueNode) string {
	if s, ok := e.Key.(*ast.StringNode); ok {
		return s.Value
	}
	return strings.TrimSpace(e.Key.String())
}

func (r *formReader) form(n ast.Node) Form {
	var f Form
	var blocks ast.Node
	for _, e := range r.mapping(n, "a form") {
		switch key := keyOf(e); key {
		case "name":
			f.Name = r.words(e.Value, key, 120)
		case "description":
			f.Description = r.words(e.Value, key, 2000)
		case "owner":
			f.Owner = r.words(e.Value, key, 200)
		case "effective":
			f.Effective = r.date(e.Value, key)
		case "expires":
			f.Expires = r.date(e.Value, key)
			if !f.Effective.IsZero() && !f.Expires.IsZero() && !f.Expires.After(f.Effective) {
				r.fail(e.Value, "expires is not after effective")
			}
		case "blocks":
			blocks = e.Value
			f.blocks = r.blocks(e.Value)
		default:
			r.fail(e.Key, "%q is not a key of a form: name, description, owner, effective, expires, blocks", key)
		}
	}
	if len(r.faults) == 0 && f.Name == "" {
		r.fail(n, "the form has no name")
	}
	if len(r.faults) == 0 && blocks == nil {
		r.fail(n, "the form has no blocks")
	}
	return f
}

func (r *formReader) blocks(n ast.Node) []blockUse {
	s, ok := n.(*ast.SequenceNode)
	if !ok || len(s.Values) == 0 {
		r.fail(n, "blocks is a list, and not an empty one")
		return nil
	}
	if len(s.Values) > maxBlocks {
		r.fail(n, "%d blocks, at most %d", len(s.Values), maxBlocks)
		return nil
	}
	var uses []blockUse
	ids := map[string]bool{}
	for _, v := range s.Values {
		use, ok := r.block(v)
		if !ok {
			continue
		}
		if use.id != "" && ids[use.id] {
			r.fail(v, "two blocks have the id %q", use.id)
		}
		ids[use.id] = true
		uses = append(uses, use)
	}
	return uses
}

func (r *formReader) block(n ast.Node) (blockUse, bool) {
	entries := r.mapping(n, "a block")
	at := slices.IndexFunc(entries, func(e *ast.MappingValueNode) bool { return keyOf(e) == "block" })
	if at < 0 {
		if entries != nil {
			r.fail(n, "the entry does not say which block it is: block: NAME")
		}
		return blockUse{}, false
	}
	name, problem := scalar(entries[at].Value)
	use := blockUse{block: blockNamed(name), at: placeOf(n), values: map[string]any{}, words: map[string]Fault{}}
	if problem != "" || use.block == nil {
		r.fail(entries[at].Value, "%q is not a block: %s", name, blockNames())
		return use, false
	}
	for _, p := range use.block.Parameters {
		use.values[p.Name] = p.fallback
	}
	told := map[string]bool{}
	for _, e := range entries {
		told[keyOf(e)] = true
		r.parameter(&use, e)
	}
	for _, p := range use.block.Parameters {
		if p.Required && !told[p.Name] {
			r.fail(n, "block %s needs %s: %s", name, p.Name, p.Does)
		}
	}
	if len(use.block.needs) > 0 && !slices.ContainsFunc(use.block.needs, func(p string) bool {
		l, _ := use.values[p].([]string)
		return told[p] || len(l) > 0
	}) {
		r.fail(n, "block %s needs one of %s", name, commas(use.block.needs))
	}
	return use, true
}

func (r *formReader) parameter(use *blockUse, e *ast.MappingValueNode) {
	key := keyOf(e)
	switch key {
	case "block":
		return
	case "reason":
		use.reason = r.words(e.Value, key, 300)
		return
	case "id":
		use.id = r.words(e.Value, key, 40)
		if strings.Trim(use.id, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" || blockNamed(use.id) != nil || numbered(use.id) {
			r.fail(e.Value, "an id is of small letters, digits and hyphens, and not the name of a block")
		}
		return
	}
	i := slices.IndexFunc(use.block.Parameters, func(p Parameter) bool { return p.Name == key })
	if i < 0 {
		r.fail(e.Key, "%q is not a parameter of block %s: %s", key, use.block.Name, use.block.parameterNames())
		return
	}
	v, n, problem := use.block.Parameters[i].read(e.Value)
	if problem != "" {
		r.fail(n, "%s: %s", key, problem)
		return
	}
	use.values[key] = v
	use.remember(e.Value)
}

// remember keeps where the words of a value stand.
func (use *blockUse) remember(n ast.Node) {
	nodes := []ast.Node{n}
	if s, ok := n.(*ast.SequenceNode); ok {
		nodes = s.Values
	}
	for _, v := range nodes {
		word, problem := scalar(v)
		if _, before := use.words[word]; problem == "" && !before {
			use.words[word] = placeOf(v)
		}
	}
}

// numbered reports whether the id could be one that a second block of a kind gets.
func numbered(id string) bool {
	for _, b := range blockTable {
		if rest, ok := strings.CutPrefix(id, b.Name+"-"); ok {
			if _, err := strconv.Atoi(rest); err == nil {
				return true
			}
		}
	}
	return false
}

func blockNames() string {
	var names []string
	for _, b := range blockTable {
		names = append(names, b.Name)
	}
	return commas(names)
}

func (b *Block) parameterNames() string {
	names := []string{"id", "reason"}
	for _, p := range b.Parameters {
		names = append(names, p.Name)
	}
	return commas(names)
}

func (r *formReader) words(n ast.Node, what string, most int) string {
	s, problem := scalar(n)
	switch {
	case problem != "":
		r.fail(n, "%s: %s", what, problem)
	case oneLine(s) == "":
		r.fail(n, "%s is empty", what)
	case len(s) > most:
		r.fail(n, "%s is over %d bytes long", what, most)
	}
	return oneLine(s)
}

func (r *formReader) date(n ast.Node, what string) time.Time {
	s, problem := scalar(n)
	if problem == "" {
		for _, layout := range []string{time.DateOnly, time.RFC3339} {
			if t, err := time.Parse(layout, s); err == nil && t.Year() >= 2000 && t.Year() < 2200 {
				return t.UTC()
			}
		}
	}
	r.fail(n, "%s is a date, as in 2026-12-01 (from 00:00 UTC), or a time, as in 2026-12-01T08:00:00Z", what)
	return time.Time{}
}
