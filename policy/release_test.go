package policy

import (
	"strings"
	"testing"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

// TestWhatEachAgreementReleases draws, for each of the common agreements, who gets which documents: a cell is "x" where the document
// is listed and opened, "." where it is neither. RYJ is the custodian.
func TestWhatEachAgreementReleases(t *testing.T) {
	tuesday := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	evening := tuesday.Add(8 * time.Hour)
	document := func(kind, category string, age int, level federation.Confidentiality) Document {
		return Document{Type: kind, Category: category, Date: tuesday.AddDate(-age, 0, 0), Confidentiality: level}
	}
	documents := []Document{ // in the order of the cells
		document("discharge", "", 1, federation.Normal),
		document("discharge", "", 9, federation.Normal),
		document("letter", "", 1, federation.Normal),
		document("summary", "", 1, federation.Normal),
		document("medicines", "", 1, federation.Normal),
		document("home", "734163000", 1, federation.Normal), // a care plan
		document("discharge", "", 1, federation.Restricted),
		document("discharge", "", 1, federation.VeryRestricted),
	}
	everybody := "  - {block: direct-care, trusts: all}\n"
	research := "  - {block: direct-care, trusts: all, roles: [clinician, researcher], purposes: [TREAT, HRESCH, CLINTRCH]}\n"
	for _, tt := range []struct {
		name, blocks string
		at           time.Time
		want         map[string]string // by trust, role and purpose
	}{
		{"own records", "", tuesday, map[string]string{
			"RYJ doctor TREAT": "xxxxxxx.", "RYJ records-staff PATADMIN": "xxxxxxx.", "RYJ admin HSYSADMIN": "........", "RAS doctor TREAT": "........",
		}},
		{"direct care with named trusts", "  - {block: direct-care, trusts: [RAS]}\n", tuesday, map[string]string{
			"RAS doctor TREAT": "xxxxxx..", "RAS nurse ETREAT": "xxxxxx..", "RAS doctor HRESCH": "........", "RAS doctor HMARKT": "........", "RAS social-worker TREAT": "........",
			"RAS admin TREAT": "........", "RXX doctor TREAT": "........", "RYJ doctor TREAT": "xxxxxxx.",
		}},
		{"only these types", everybody + "  - {block: only-types, types: [discharge, letter]}\n", tuesday, map[string]string{
			"RAS doctor TREAT": "xxx.....", "RXX pharmacist COC": "xxx.....", "RAS doctor HRESCH": "........", "RYJ nurse TREAT": "xxxxxxx.",
		}},
		{"only the last five years", everybody + "  - {block: last-years, years: 5}\n", tuesday, map[string]string{
			"RAS doctor TREAT": "x.xxxx..", "RXX doctor TREAT": "x.xxxx..", "RAS doctor HRESCH": "........", "RYJ doctor TREAT": "xxxxxxx.",
		}},
		{"pharmacists see medication documents", "  - {block: pharmacist-medications, types: [medicines]}\n", tuesday, map[string]string{
			"RAS pharmacist TREAT": "....x...", "RXX pharmacist COC": "....x...", "RAS pharmacist HRESCH": "........", "RAS doctor TREAT": "........", "RYJ pharmacist TREAT": "xxxxxxx.",
		}},
		{"pharmacists see nothing else", everybody + "  - {block: pharmacist-medications, types: [medicines], only: yes}\n", tuesday, map[string]string{
			"RAS pharmacist TREAT": "....x...", "RAS doctor TREAT": "xxxxxx..", "RYJ pharmacist TREAT": "xxxxxxx.",
		}},
		{"out-of-hours sees summaries, at noon", "  - {block: out-of-hours-summaries, trusts: [RAS], types: [summary]}\n", tuesday, map[string]string{
			"RAS doctor TREAT": "........", "RYJ doctor TREAT": "xxxxxxx.",
		}},
		{"out-of-hours sees summaries, in the evening", "  - {block: out-of-hours-summaries, trusts: [RAS], types: [summary]}\n", evening, map[string]string{
			"RAS doctor TREAT": "...x....", "RXX doctor TREAT": "........", "RAS doctor HRESCH": "........", "RAS social-worker TREAT": "........", "RYJ doctor TREAT": "xxxxxxx.",
		}},
		{"social care sees care plans", "  - {block: social-care-plans, trusts: [RAS]}\n", tuesday, map[string]string{
			"RAS social-worker TREAT": ".....x..", "RAS social-worker CAREMGT": ".....x..", "RAS social-worker HRESCH": "........", "RXX social-worker COC": "........", "RAS doctor TREAT": "........",
		}},
		{"research never", research + "  - block: research-never\n", tuesday, map[string]string{
			"RAS doctor TREAT": "xxxxxx..", "RAS doctor HRESCH": "........", "RAS doctor CLINTRCH": "........", "RAS researcher TREAT": "........", "RAS researcher HRESCH": "........",
			"RYJ doctor TREAT": "xxxxxxx.", "RYJ doctor HRESCH": "........", "RYJ researcher TREAT": "........",
		}},
		{"research, were it not for that block", research, tuesday, map[string]string{
			"RAS doctor HRESCH": "xxxxxx..", "RAS researcher TREAT": "xxxxxx..", "RYJ researcher CLINTRCH": "xxxxxx..",
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, facts := good(t)
			facts.Agreement = compileForm(t, ownBlock+tt.blocks)
			for who, want := range tt.want {
				f := strings.Fields(who)
				r := Request{User: User{Trust: federation.TrustID(f[0]), ID: "u1", Role: f[1]}, Purpose: f[2], Now: tt.at}
				if got := released(r, facts, documents); got != want {
					t.Errorf("%s gets %s, want %s", who, got, want)
				}
			}
		})
	}
}

// released draws which documents a request gets. One that is listed and not opened, or the other way round, is a "?".
func released(r Request, f Facts, documents []Document) string {
	var cells strings.Builder
	for i, d := range documents {
		d.ID, d.Custodian, d.Subject = federation.NewDocumentID("RYJ", federation.DocumentKey{byte(i + 1)}), "RYJ", federation.Subject{1}
		r.Document, r.Action = d, See
		listed := Decide(r, f).Permitted()
		r.Action = Open
		switch opened := Decide(r, f).Permitted(); {
		case listed != opened:
			cells.WriteByte('?')
		case opened:
			cells.WriteByte('x')
		default:
			cells.WriteByte('.')
		}
	}
	return cells.String()
}
