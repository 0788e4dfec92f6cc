package ingest

import (
	"slices"
	"strings"

	"github.com/ridgeway-exchange/ridgeway/policy"
)

// checkLabels reads what keeps a document from being seen. A label that is misspelt would protect nothing, so it is refused.
func checkLabels(row *Row, item *Item) *RefusalError {
	for _, code := range strings.FieldsFunc(strings.ToUpper(row.Sensitivity), func(r rune) bool { return r == ' ' || r == ',' || r == ';' }) {
		if !slices.ContainsFunc(policy.Sensitivities(), func(s policy.Sensitivity) bool { return s.Code == code }) {
			return refuse(CodeField, "the sensitivity %q is no label of HL7 v3-ActCode that is known here, such as HIV or MH", clip(code))
		}
		if !slices.Contains(item.Sensitivity, code) {
			item.Sensitivity = append(item.Sensitivity, code)
		}
	}
	item.Legal = strings.ToUpper(row.Legal)
	if item.Legal != "" && !slices.ContainsFunc(policy.LegalClasses(), func(c policy.LegalClass) bool { return c.Code == item.Legal }) {
		return refuse(CodeField, "the legal class %q is none of HFEA, GRA, ADOPTION", clip(row.Legal))
	}
	return nil
}
