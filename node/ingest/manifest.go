package ingest

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

const (
	maxManifest = 256 << 20
	maxRows     = 1_000_000
	maxRowBytes = 64 << 10
)

// Row is one line of a manifest, as it was written.
type Row struct {
	Line            int
	File            string
	Patient         string
	Type            string
	Title           string
	Date            string
	Category        string
	Specialty       string
	Author          string
	Confidentiality string
	Sensitivity     string // several are separated by spaces
	Legal           string
	Language        string
	Supersedes      string
	FamilyName      string
	GivenName       string
	BirthDate       string
	Sex             string
	Reference       string
	Document        string
	Part, Parts     string
	PageCount       string // of a scanning bureau: what the file must have
	bureau          bool   // dates are dd/mm/yyyy, and the file name says more
	problem         *RefusalError
}

// Manifest is a list of files with what is known of them.
type Manifest struct {
	Rows []Row
}

// column is one that a manifest may have, and where its values go.
type column struct {
	name     string
	required bool
	field    func(*Row) *string
}

// columns returns all columns, in the order of the line that is suggested.
func columns() []column {
	return []column{
		{"file", true, func(r *Row) *string { return &r.File }},
		{"patient", true, func(r *Row) *string { return &r.Patient }},
		{"type", true, func(r *Row) *string { return &r.Type }},
		{"title", true, func(r *Row) *string { return &r.Title }},
		{"date", true, func(r *Row) *string { return &r.Date }},
		{"category", false, func(r *Row) *string { return &r.Category }},
		{"specialty", false, func(r *Row) *string { return &r.Specialty }},
		{"author", false, func(r *Row) *string { return &r.Author }},
		{"confidentiality", false, func(r *Row) *string { return &r.Confidentiality }},
		{"sensitivity", false, func(r *Row) *string { return &r.Sensitivity }},
		{"legal", false, func(r *Row) *string { return &r.Legal }},
		{"language", false, func(r *Row) *string { return &r.Language }},
		{"supersedes", false, func(r *Row) *string { return &r.Supersedes }},
		{"family_name", false, func(r *Row) *string { return &r.FamilyName }},
		{"given_name", false, func(r *Row) *string { return &r.GivenName }},
		{"birth_date", false, func(r *Row) *string { return &r.BirthDate }},
		{"sex", false, func(r *Row) *string { return &r.Sex }},
		{"reference", false, func(r *Row) *string { return &r.Reference }},
		{"document", false, func(r *Row) *string { return &r.Document }},
		{"part", false, func(r *Row) *string { return &r.Part }},
		{"parts", false, func(r *Row) *string { return &r.Parts }},
	}
}

// ParseManifest reads a manifest. It fails with a *HeaderError (ErrHeader) or ErrManifest, or with r's error; a row that cannot be read
// does not fail it but comes back refused when the manifest is run. A byte order mark and any line ends are accepted.
func ParseManifest(r io.Reader) (*Manifest, error) {
	limited := &io.LimitedReader{R: r, N: maxManifest + 1}
	text, err := skipMark(limited)
	if err != nil {
		return nil, err
	}
	c := csv.NewReader(text)
	c.FieldsPerRecord = -1
	c.ReuseRecord = true
	header, err := c.Read()
	switch {
	case errors.Is(err, io.EOF):
		return nil, fmt.Errorf("%w: it is empty; its first line must be: %s", ErrManifest, expectedHeader())
	case err != nil && isParseError(err):
		return nil, &HeaderError{Hint: "the line cannot be read as CSV: " + err.Error(), Expected: expectedHeader()}
	case err != nil:
		return nil, fmt.Errorf("read manifest: %w", err)
	}
	read, err := parseHeader(header)
	if err != nil {
		return nil, err
	}
	return readRows(c, limited, read, len(header))
}

// skipMark passes over a UTF-8 byte order mark and refuses UTF-16, which is what a spreadsheet saves as "Unicode text".
func skipMark(r io.Reader) (io.Reader, error) {
	head := make([]byte, 3)
	n, err := io.ReadFull(r, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, fmt.Errorf("read manifest: %w", err)
	}
	head = head[:n]
	if bytes.HasPrefix(head, []byte{0xff, 0xfe}) || bytes.HasPrefix(head, []byte{0xfe, 0xff}) {
		return nil, fmt.Errorf("%w: it is in UTF-16; save it as CSV UTF-8", ErrManifest)
	}
	return io.MultiReader(bytes.NewReader(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf"))), r), nil
}

func isParseError(err error) bool {
	var p *csv.ParseError
	return errors.As(err, &p)
}

// readRows reads the lines after the header. read turns the fields of a line into a row.
func readRows(c *csv.Reader, limited *io.LimitedReader, read func([]string) Row, width int) (*Manifest, error) {
	m := &Manifest{}
	for {
		fields, err := c.Read()
		var parse *csv.ParseError
		var row Row
		switch {
		case errors.Is(err, io.EOF):
			if limited.N <= 0 {
				return nil, fmt.Errorf("%w: it is larger than %d MiB; split it", ErrManifest, maxManifest>>20)
			}
			return m, nil
		case errors.As(err, &parse):
			row = Row{Line: parse.StartLine, problem: refuse(CodeRow, "the line cannot be read as CSV (%v); a field with a quotation mark must be quoted, and the mark doubled", parse.Err)}
		case err != nil:
			return nil, fmt.Errorf("read manifest: %w", err)
		default:
			line, _ := c.FieldPos(0)
			if blank(fields) {
				continue
			}
			row = checkedRow(fields, width, read)
			row.Line = line
		}
		if len(m.Rows) == maxRows {
			return nil, fmt.Errorf("%w: it has more than %d rows; split it", ErrManifest, maxRows)
		}
		m.Rows = append(m.Rows, row)
	}
}

func blank(fields []string) bool {
	for _, f := range fields {
		if strings.TrimSpace(f) != "" {
			return false
		}
	}
	return true
}

func checkedRow(fields []string, width int, read func([]string) Row) Row {
	size := 0
	for _, f := range fields {
		size += len(f)
		if !utf8.ValidString(f) {
			return Row{problem: refuse(CodeEncoding, "the line is not in UTF-8; save the manifest as CSV UTF-8")}
		}
	}
	switch {
	case size > maxRowBytes:
		return Row{problem: refuse(CodeRow, "the line has more than %d KiB", maxRowBytes>>10)}
	case len(fields) != width:
		return Row{problem: refuse(CodeRow, "the line has %d fields, the header %d", len(fields), width)}
	default:
		return read(fields)
	}
}
