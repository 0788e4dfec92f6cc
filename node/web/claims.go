package web

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

const (
	maxStaffID = 128
	maxName    = 200
)

// identify reads who signed on out of the claims of a verified ID token. What is missing, or of another trust, refuses; the id comes
// along where there is one, so that it can be written down who was refused.
func (o SignOn) identify(claims map[string]any, trust federation.TrustID) (person, error) {
	names := o.Claims.withDefaults()
	id := first(values(claims, names.User))
	if len(id) > maxStaffID || strings.ContainsFunc(id, func(r rune) bool { return !federation.TextRune(r) || r < 0x20 }) {
		id = ""
	}
	who := person{ID: id}
	if len(o.Assurance) > 0 && !overlap(o.Assurance, values(claims, "acr")) {
		return who, fmt.Errorf("%w: this service asks for a stricter sign-on than you used, such as with a smartcard or a second step", ErrSignOn)
	}
	if names.Organisation != noOrganisation && !slices.Contains(values(claims, names.Organisation), string(trust)) {
		return who, fmt.Errorf("%w: your account is not that of staff of %s", ErrSignOn, trust)
	}
	if id == "" {
		return who, fmt.Errorf("%w: the provider did not say which member of staff you are", ErrSignOn)
	}
	for _, theirs := range values(claims, names.Role) {
		if ours, known := o.Roles[theirs]; known {
			return person{ID: id, Name: clip(cmp.Or(first(values(claims, names.Name)), id), maxName), Role: ours}, nil
		}
	}
	return who, fmt.Errorf("%w: your role is not one that may use this portal", ErrSignOn)
}

// values returns the text found at a path of claims. A list on the way is looked through.
func values(claims map[string]any, path string) []string {
	at := []any{claims}
	if v, whole := claims[path]; whole { // a name may hold dots itself, as URLs do
		at, path = []any{v}, ""
	}
	for path != "" {
		var step string
		step, path, _ = strings.Cut(path, ".")
		var next []any
		for _, v := range flat(at) {
			if object, ok := v.(map[string]any); ok && object[step] != nil {
				next = append(next, object[step])
			}
		}
		at = next
	}
	var out []string
	for _, v := range flat(at) {
		switch v := v.(type) {
		case string:
			out = append(out, v)
		case json.Number:
			out = append(out, v.String())
		}
	}
	return out
}

func flat(in []any) []any {
	var out []any
	for _, v := range in {
		if list, ok := v.([]any); ok {
			out = append(out, list...)
		} else {
			out = append(out, v)
		}
	}
	return out
}

func overlap(a, b []string) bool {
	return slices.ContainsFunc(a, func(x string) bool { return slices.Contains(b, x) })
}

func first(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}

// clip returns at most n bytes of a text, whole characters only.
func clip(text string, n int) string {
	if len(text) <= n {
		return text
	}
	return strings.ToValidUTF8(text[:n], "")
}
