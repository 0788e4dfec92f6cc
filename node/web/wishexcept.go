package web

import (
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

// exceptFields are what an exception of a wish is narrowed by.
func exceptFields() []string {
	return []string{"trust", "role", "person", "purpose", "type", "sensitivity", "document"}
}

// wishException is the place of an exception in the form, counted from 1.
type wishException int

// Field returns what a field of the exception is called in the form.
func (x wishException) Field(name string) string { return fmt.Sprintf("except-%d-%s", x, name) }

// readExceptions reads the exceptions into what was typed, and how many the form shows: as many as it did, or one more where that was
// asked for. What was left empty is left out.
func (f *wishForm) readExceptions(r *http.Request) {
	shown, err := strconv.Atoi(r.PostFormValue("exceptions"))
	if err != nil || shown < 1 {
		shown = 1
	}
	if r.PostFormValue("do") == "more" {
		shown++
	}
	for x := wishException(1); x <= federation.MaxExceptions; x++ {
		for _, name := range exceptFields() {
			if value := typed(r, x.Field(name)); value != "" {
				f.In[x.Field(name)] = value
				shown = max(shown, int(x))
			}
		}
	}
	f.In["exceptions"] = strconv.Itoa(min(shown, federation.MaxExceptions))
}

// Exceptions are those that the form shows.
func (f wishForm) Exceptions() (out []wishException) {
	shown, err := strconv.Atoi(f.In["exceptions"])
	if err != nil {
		shown = 1
	}
	for x := wishException(1); x <= wishException(shown); x++ {
		out = append(out, x)
	}
	return out
}

// More reports whether the form can show one exception more.
func (f wishForm) More() bool { return len(f.Exceptions()) < federation.MaxExceptions }

// Next is the exception that the form would show then.
func (f wishForm) Next() wishException { return wishException(len(f.Exceptions()) + 1) }

// Excepts reports whether something is excepted.
func (f wishForm) Excepts() bool { return len(f.excepted()) > 0 || len(f.Exceptions()) > 1 }

// excepted are the exceptions that something was typed in.
func (f wishForm) excepted() (out []wishException) {
	for _, x := range f.Exceptions() {
		for _, name := range exceptFields() {
			if f.In[x.Field(name)] != "" {
				out = append(out, x)
				break
			}
		}
	}
	return out
}

// exceptions are the exceptions as the node takes them.
func (f wishForm) exceptions() (out []*admin.DirectiveScope) {
	for _, x := range f.excepted() {
		of := func(name string) string { return f.In[x.Field(name)] }
		out = append(out, &admin.DirectiveScope{
			Trust: of("trust"), Role: of("role"), Person: of("person"), Purpose: of("purpose"), Type: of("type"), Sensitivity: of("sensitivity"), Document: of("document"),
		})
	}
	return out
}

// wishFault is a line of what the node finds wrong: about a field, which can be one of an exception or a whole exception.
var wishFault = regexp.MustCompile(`(?i)^(?:not a valid directive: )?(?:exception (\d+): )?(?:(trust|role|person|custodian|type|sensitivity|document|from|to|purpose|until|supersedes|evidence): )?(.+)$`)

// faults puts what the node finds wrong beside the fields that it is about.
func (f wishForm) faults(err error) []fault {
	fields := map[string]string{"from": "since", "to": "until-day", "until": "end"}
	excepted := f.excepted()
	var out []fault
	for _, line := range paragraphs(plainWords(err)) {
		at, text := "effect", strings.TrimSpace(line)
		if m := wishFault.FindStringSubmatch(text); m != nil && m[1]+m[2] != "" {
			if at, text = strings.ToLower(m[2]), m[3]; fields[at] != "" {
				at = fields[at]
			}
			if n, err := strconv.Atoi(m[1]); err == nil && n >= 1 && n <= len(excepted) { // counted among those that were typed
				if at == "" {
					at = exceptFields()[0]
				}
				at = excepted[n-1].Field(at)
			}
		}
		if text != "" {
			out = append(out, fault{at, strings.ToUpper(text[:1]) + text[1:]})
		}
	}
	return out
}
