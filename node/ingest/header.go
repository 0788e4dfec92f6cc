package ingest

import (
	"slices"
	"strings"
)

// bureauHeader is the header of a scanning bureau's metadata.csv, exactly, as the National Document Repository defines it.
func bureauHeader() []string {
	return []string{"FILEPATH", "PAGE COUNT", "GP-PRACTICE-CODE", "NHS-NO", "SECTION", "SUB-SECTION", "SCAN-DATE", "SCAN-ID", "USER-ID", "UPLOAD"}
}

func expectedHeader() string {
	var names []string
	for _, c := range columns() {
		if c.required {
			names = append(names, c.name)
		}
	}
	return strings.Join(names, ",")
}

// parseHeader returns how to turn a line into a Row. Names are compared without case and surrounding spaces.
func parseHeader(header []string) (func([]string) Row, error) {
	names := make([]string, len(header))
	for i, h := range header {
		names[i] = strings.ToLower(strings.TrimSpace(h))
	}
	if isBureau(names) {
		if !slices.EqualFunc(names, bureauHeader(), strings.EqualFold) {
			return nil, bureauError(header)
		}
		return readBureau, nil
	}
	known := columns()
	e := &HeaderError{Expected: expectedHeader()}
	fields := make([]func(*Row) *string, len(names))
	for i, n := range names {
		at := slices.IndexFunc(known, func(c column) bool { return c.name == n })
		switch {
		case at < 0:
			e.Unknown = append(e.Unknown, UnknownColumn{clip(header[i]), nearest(n)})
		case slices.Contains(names[:i], n):
			e.Repeated = append(e.Repeated, n)
		default:
			fields[i] = known[at].field
		}
	}
	for _, c := range known {
		if c.required && !slices.Contains(names, c.name) {
			e.Missing = append(e.Missing, c.name)
		}
	}
	if len(e.Missing)+len(e.Unknown)+len(e.Repeated) > 0 {
		e.Hint = separatorHint(header)
		return nil, e
	}
	return func(line []string) Row {
		var r Row
		for i, f := range fields {
			*f(&r) = strings.Clone(strings.TrimSpace(line[i]))
		}
		return r
	}, nil
}

func isBureau(names []string) bool {
	return slices.Contains(names, "filepath") && slices.Contains(names, "nhs-no")
}

func bureauError(header []string) *HeaderError {
	e := &HeaderError{Expected: strings.Join(bureauHeader(), ","), Hint: "this looks like a scanning bureau's metadata.csv, whose columns must be exactly these in this order"}
	for _, want := range bureauHeader() {
		if !slices.ContainsFunc(header, func(h string) bool { return strings.EqualFold(strings.TrimSpace(h), want) }) {
			e.Missing = append(e.Missing, want)
		}
	}
	for _, h := range header {
		if !slices.ContainsFunc(bureauHeader(), func(want string) bool { return strings.EqualFold(strings.TrimSpace(h), want) }) {
			e.Unknown = append(e.Unknown, UnknownColumn{Name: clip(h)})
		}
	}
	return e
}

// separatorHint recognises a table whose columns are not separated by commas.
func separatorHint(header []string) string {
	line := strings.Join(header, ",")
	for _, s := range []struct{ mark, name string }{{";", "semicolons"}, {"\t", "tabs"}, {"|", "bars"}} {
		if strings.Count(line, s.mark) >= 2 {
			return "the columns are separated by " + s.name + "; save it as CSV with commas"
		}
	}
	return ""
}

// nearest returns the known column within two typing errors of a name, or one that the name is another word for.
func nearest(name string) string {
	switch name {
	case "nhs number", "nhs_number", "nhsnumber", "nhs-number", "nhs", "nhs no", "patient id", "patient_id":
		return "patient"
	case "filename", "file name", "file_name", "path", "filepath":
		return "file"
	case "document type", "doctype", "type code", "kind", "snomed":
		return "type"
	case "name", "description", "subject":
		return "title"
	case "document date", "document_date", "created":
		return "date"
	}
	best, at := "", 3
	for _, c := range columns() {
		if d := Distance(name, c.name); d < at && d < len(c.name)-1 {
			best, at = c.name, d
		}
	}
	return best
}

// Distance is the number of letters to insert, drop or change to make b of a.
func Distance(a, b string) int {
	if len(a) > 64 {
		return 64
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}

// clip shortens what is quoted in a message.
func clip(s string) string {
	s = strings.TrimSpace(strings.ToValidUTF8(s, "?"))
	if r := []rune(s); len(r) > 60 {
		return string(r[:60]) + "..."
	}
	return s
}
