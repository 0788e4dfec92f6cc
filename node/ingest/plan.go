package ingest

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// batch is the rows of one document, in the order of the manifest.
type batch struct {
	rows     []*Row
	problems []*RefusalError // one a row; nil where nothing is wrong
}

// plan groups the rows into documents and finds the files that are listed more than once.
func plan(m *Manifest) []*batch {
	var batches []*batch
	documents := map[string]*batch{}
	files := map[string]*Row{}
	where := map[*Row]*batch{}
	for i := range m.Rows {
		row := &m.Rows[i]
		problem := row.problem
		if problem == nil && row.File != "" {
			key := canonical(row.File)
			if first := files[key]; first == nil {
				files[key] = row
			} else if bare(first.Patient) == bare(row.Patient) {
				// A repeated row is refused by itself; the document that it repeats goes in.
				b := &batch{}
				b.add(row, refuse(CodeDuplicate, "the file is listed before, on line %d: take one of the two lines out", first.Line))
				batches = append(batches, b)
				continue
			} else {
				// Nobody can tell whose file it is: it goes to neither.
				where[first].spoil(first, refuse(CodeConflict, "the file is listed again on line %d for another patient: find out whose it is", row.Line))
				problem = refuse(CodeConflict, "the file is listed on line %d for another patient: find out whose it is", first.Line)
			}
		}
		b := documents[row.Document]
		if b == nil {
			b = &batch{}
			batches = append(batches, b)
			if row.Document != "" {
				documents[row.Document] = b
			}
		}
		where[row] = b
		b.add(row, problem)
	}
	return batches
}

func (b *batch) add(row *Row, problem *RefusalError) {
	b.rows = append(b.rows, row)
	b.problems = append(b.problems, problem)
}

// spoil notes a problem of a row, unless it has one.
func (b *batch) spoil(row *Row, problem *RefusalError) {
	if i := slices.Index(b.rows, row); b.problems[i] == nil {
		b.problems[i] = problem
	}
}

func (b *batch) ok() bool {
	return !slices.ContainsFunc(b.problems, func(p *RefusalError) bool { return p != nil })
}

// agree checks that the rows of a document say the same of it.
func (b *batch) agree() {
	first := b.rows[0]
	for _, row := range b.rows[1:] {
		for _, f := range []struct{ name, a, b string }{
			{"patient", bare(first.Patient), bare(row.Patient)},
			{"type", first.Type, row.Type},
			{"title", first.Title, row.Title},
			{"date", first.Date, row.Date},
			{"category", first.Category, row.Category},
			{"specialty", first.Specialty, row.Specialty},
			{"author", first.Author, row.Author},
			{"confidentiality", first.Confidentiality, row.Confidentiality},
			{"sensitivity", first.Sensitivity, row.Sensitivity},
			{"legal", first.Legal, row.Legal},
			{"language", first.Language, row.Language},
			{"supersedes", first.Supersedes, row.Supersedes},
			{"family_name", first.FamilyName, row.FamilyName},
			{"given_name", first.GivenName, row.GivenName},
			{"birth_date", first.BirthDate, row.BirthDate},
			{"sex", first.Sex, row.Sex},
			{"reference", first.Reference, row.Reference},
		} {
			if f.a != f.b {
				b.spoil(row, refuse(CodeParts, "the %s is not that of line %d, which is a part of the same document", f.name, first.Line))
			}
		}
	}
}

// sortParts checks the numbers of the parts and puts the rows in their order.
func (b *batch) sortParts() {
	first := b.rows[0]
	numbered := slices.ContainsFunc(b.rows, func(r *Row) bool { return r.Part != "" || r.Parts != "" })
	switch {
	case len(b.rows) > maxParts:
		b.spoil(first, refuse(CodeParts, "the document has %d parts, limit %d", len(b.rows), maxParts))
		return
	case !numbered:
		return // in the order of the manifest
	}
	total := len(b.rows)
	at := map[int]*Row{}
	numbers := map[*Row]int{}
	for _, row := range b.rows {
		n, ok := number(row.Part, maxParts)
		if !ok {
			b.spoil(row, refuse(CodeParts, "the part %q is not a number from 1 to %d", clip(row.Part), maxParts))
			return
		}
		if row.Parts != first.Parts {
			b.spoil(row, refuse(CodeParts, "line %d says that there are %q parts, this line %q", first.Line, clip(first.Parts), clip(row.Parts)))
			return
		}
		if before := at[n]; before != nil {
			b.spoil(row, refuse(CodeParts, "part %d of the document is on line %d already", n, before.Line))
			return
		}
		at[n], numbers[row] = row, n
	}
	if first.Parts != "" {
		n, ok := number(first.Parts, maxParts)
		if !ok {
			b.spoil(first, refuse(CodeParts, "the number of parts %q is not a number from 1 to %d", clip(first.Parts), maxParts))
			return
		}
		total = n
	}
	if missing := missingParts(at, total); missing != "" {
		b.spoil(first, refuse(CodeParts, "of %d parts %s not listed (rows of one document must have the same name in the column document)", total, missing))
		return
	}
	slices.SortFunc(b.rows, func(x, y *Row) int { return cmp.Compare(numbers[x], numbers[y]) })
	b.problems = make([]*RefusalError, len(b.rows)) // all nil: sortParts is the last check before the files
}

// missingParts names the parts that are not there, or one that should not be.
func missingParts(at map[int]*Row, total int) string {
	var missing []string
	for n := 1; n <= total; n++ {
		if at[n] == nil {
			missing = append(missing, strconv.Itoa(n))
		}
	}
	switch {
	case len(missing) == 1:
		return missing[0] + " is"
	case len(missing) > 8:
		return strings.Join(missing[:8], ", ") + " and more are"
	case len(missing) > 1:
		return strings.Join(missing, ", ") + " are"
	case len(at) > total:
		return "more are there than there should be; one is"
	default:
		return ""
	}
}
