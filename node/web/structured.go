package web

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

const (
	cdaSpace     = "urn:hl7-org:v3"
	nhsNumberOID = "2.16.840.1.113883.2.1.4.1"
	maxDepth     = 60
	maxTokens    = 400_000
)

// structured is what a clinical document (HL7 CDA R2) says to people: its header and the narrative of its sections. Nothing
// of the document's own markup reaches the browser: the narrative becomes a tree of the few kinds below, which templates
// write as text.
type structured struct {
	Title    string
	Patient  string
	Born     string
	subject  subject
	Author   string
	Made     time.Time
	Sections []narrative
}

// narrative is a section.
type narrative struct {
	Title string
	Body  []block
	Level int // of its heading, from 3
}

// block is a piece of narrative.
type block struct {
	Kind string // text, p, ul, ol, li, table, row, head, cell, strong, em, br, missing
	Text string
	Kids []block
}

// node is an element as it was read.
type node struct {
	name  xml.Name
	attrs []xml.Attr
	text  string // of a text node, which has no name
	kids  []*node
}

// readStructured reads a clinical document. Entities of the document's own are not known, so they cannot grow or load
// anything; a document that needs them is refused.
func readStructured(data []byte) (*structured, error) {
	root, err := parse(data)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrStructured, err)
	}
	if root.name.Space != cdaSpace || root.name.Local != "ClinicalDocument" {
		return nil, fmt.Errorf("%w: it is no clinical document", ErrStructured)
	}
	body := root.find("component", "structuredBody")
	if body == nil {
		return nil, fmt.Errorf("%w: it has no structured body", ErrStructured)
	}
	out := &structured{Title: root.words("title")}
	out.header(root)
	for _, c := range body.all("component") {
		out.section(c.find("section"), 3)
	}
	return out, nil
}

func parse(data []byte) (*node, error) { return parseTo(data, "") }

// parseTo is parse for who needs no more than the beginning: it ends behind the children of the document that bear this name, whatever
// comes after them. Where there are none it reads all.
func parseTo(data []byte, last string) (*node, error) {
	dec := xml.NewDecoder(bytes.NewReader(data))
	dec.CharsetReader = func(charset string, in io.Reader) (io.Reader, error) {
		if strings.EqualFold(charset, "utf-8") || strings.EqualFold(charset, "us-ascii") {
			return in, nil
		}
		return nil, errors.New("not UTF-8")
	}
	stack := []*node{{}}
	for n := 0; ; n++ {
		t, err := dec.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil && reached(stack, last) {
			return stack[1], nil
		}
		if err != nil {
			return nil, err
		}
		if n > maxTokens || len(stack) > maxDepth {
			return nil, errors.New("too large or too deep")
		}
		top := stack[len(stack)-1]
		switch t := t.(type) {
		case xml.StartElement:
			if len(stack) == 2 && t.Name.Local != last && reached(stack, last) {
				return top, nil
			}
			child := &node{name: t.Name, attrs: t.Attr}
			top.kids = append(top.kids, child)
			stack = append(stack, child)
		case xml.EndElement:
			stack = stack[:len(stack)-1]
		case xml.CharData:
			top.kids = append(top.kids, &node{text: string(t)})
		default: // comments, instructions and declarations say nothing to people
		}
	}
	for _, k := range stack[0].kids {
		if k.name.Local != "" {
			return k, nil
		}
	}
	return nil, errors.New("it is empty")
}

// reached reports whether a child of the document bears this name and is behind what is being read.
func reached(stack []*node, name string) bool {
	return name != "" && len(stack) > 1 && len(stack[1].all(name)) > 0 && (len(stack) == 2 || len(stack[1].all(name)) > 1 || stack[2].name.Local != name)
}

func (n *node) attr(name string) string {
	if n != nil {
		for _, a := range n.attrs {
			if a.Name.Local == name {
				return a.Value
			}
		}
	}
	return ""
}

func (n *node) all(name string) []*node {
	var out []*node
	if n != nil {
		for _, k := range n.kids {
			if k.name.Local == name {
				out = append(out, k)
			}
		}
	}
	return out
}

// find follows the first elements of these names downwards; nil when there is none.
func (n *node) find(path ...string) *node {
	for _, name := range path {
		found := n.all(name)
		if len(found) == 0 {
			return nil
		}
		n = found[0]
	}
	return n
}

// words returns the text at a path, in one line.
func (n *node) words(path ...string) string {
	var b strings.Builder
	n.find(path...).write(&b)
	return strings.Join(strings.Fields(b.String()), " ")
}

func (n *node) write(b *strings.Builder) {
	if n == nil {
		return
	}
	b.WriteString(n.text)
	for _, k := range n.kids {
		b.WriteString(" ")
		k.write(b)
	}
}

func (s *structured) header(root *node) {
	for i, target := range root.all("recordTarget") { // one or more: CDA R2 section 4.2.2.11
		role := target.find("patientRole")
		named := subjectOf(role)
		if i > 0 {
			s.subject.others = append(s.subject.others, named)
			continue
		}
		s.subject, s.Patient, s.Born = named, role.words("patient", "name"), longDay(named.born)
	}
	author := root.find("author", "assignedAuthor")
	s.Author = strings.Trim(author.words("assignedPerson", "name")+", "+author.words("representedOrganization", "name"), ", ")
	s.Made, _ = time.Parse("20060102150405", clip(root.find("effectiveTime").attr("value"), 14)) // none is shown when it is none
}

// subjectOf is whom a patientRole names.
func subjectOf(role *node) subject {
	s := subject{family: role.words("patient", "name", "family"), given: role.words("patient", "name", "given"), born: shortDay(role.find("patient", "birthTime").attr("value"))}
	if s.family == "" {
		s.name = role.words("patient", "name")
	}
	for _, id := range role.all("id") {
		if id.attr("root") == nhsNumberOID {
			s.numbers = append(s.numbers, digitsOf(id.attr("extension")))
		}
	}
	return s
}

func (s *structured) section(n *node, level int) {
	if n == nil {
		return
	}
	s.Sections = append(s.Sections, narrative{Title: n.words("title"), Body: blocks(n.find("text")), Level: level})
	for _, c := range n.all("component") {
		s.section(c.find("section"), min(level+1, 6))
	}
}

// blocks turns narrative (CDA R2 section 4.3.5) into its few kinds. Links keep their words and lose where they lead; what is
// not text is said to be missing.
func blocks(n *node) []block {
	if n == nil {
		return nil
	}
	var out []block
	for _, k := range n.kids {
		if k.name.Local == "" {
			if strings.TrimSpace(k.text) != "" {
				out = append(out, block{Kind: "text", Text: k.text})
			}
			continue
		}
		b := block{Kind: kindOf(k)}
		switch b.Kind {
		case "":
			out = append(out, blocks(k)...) // its words count, not the element
			continue
		case "br", "missing":
		default:
			b.Kids = blocks(k)
		}
		out = append(out, b)
	}
	return out
}

func kindOf(n *node) string {
	switch n.name.Local {
	case "paragraph", "caption":
		return "p"
	case "list":
		if n.attr("listType") == "ordered" {
			return "ol"
		}
		return "ul"
	case "item":
		return "li"
	case "table":
		return "table"
	case "tr":
		return "row"
	case "th":
		return "head"
	case "td":
		return "cell"
	case "br":
		return "br"
	case "renderMultiMedia":
		return "missing"
	case "content":
		style := strings.ToLower(n.attr("styleCode"))
		if strings.Contains(style, "bold") {
			return "strong"
		}
		if strings.Contains(style, "italics") {
			return "em"
		}
		return ""
	default:
		return ""
	}
}
