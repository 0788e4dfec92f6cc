package ingest

import (
	"strings"
)

// lloydGeorgeType is the SNOMED CT code of a Lloyd George record folder, which is what the bureaux scan.
const lloydGeorgeType = "16521000000101"

// readBureau turns a line of a scanning bureau into a row. What the columns do not say, the file name does:
//
//	{n}of{m}_Lloyd_George_Record_[{full name}]_[{NHS number}]_[{date of birth}].pdf
func readBureau(line []string) Row {
	get := func(i int) string { return strings.Clone(strings.TrimSpace(line[i])) }
	r := Row{
		File: strings.TrimLeft(get(0), `/\`), Patient: get(3), Type: lloydGeorgeType, Title: "Lloyd George record folder",
		Date: get(6), PageCount: get(1), bureau: true,
	}
	if section := strings.TrimSpace(get(4) + " " + get(5)); section != "" {
		r.Title += ", " + section
	}
	folder, name := splitPath(r.File)
	count, rest, ok := strings.Cut(name, "_Lloyd_George_Record_")
	if !ok {
		return r // another name says nothing, and is no mistake
	}
	part, parts, ok := strings.Cut(count, "of")
	if !ok || !digits(part) || !digits(parts) {
		r.problem = refuse(CodeParts, "the file name begins with %q, not with a count like 1of2", clip(count))
		return r
	}
	r.Part, r.Parts = part, parts
	r.Document = folder + "/" + parts + "_" + rest
	if number := bracketed(rest, 1); number != "" && bare(number) != bare(r.Patient) {
		r.problem = refuse(CodePatient, "the NHS number in the file name is not the one in the row")
	}
	return r
}

func splitPath(p string) (folder, name string) {
	p = strings.ReplaceAll(p, `\`, "/")
	if i := strings.LastIndexByte(p, '/'); i >= 0 {
		return p[:i], p[i+1:]
	}
	return "", p
}

// bracketed returns what stands in the n-th pair of square brackets, from 0.
func bracketed(s string, n int) string {
	for ; ; n-- {
		_, after, ok := strings.Cut(s, "[")
		if !ok {
			return ""
		}
		inside, rest, ok := strings.Cut(after, "]")
		if !ok {
			return ""
		}
		if n == 0 {
			return inside
		}
		s = rest
	}
}

// bare drops the spaces and hyphens that people put into numbers.
func bare(s string) string { return strings.NewReplacer(" ", "", "-", "").Replace(s) }

func digits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}
