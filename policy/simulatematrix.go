package policy

import (
	"iter"
	"slices"
	"time"

	cedar "github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/x/exp/ast"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

// OtherTrust stands in a Matrix for every trust that no agreement names.
const OtherTrust federation.TrustID = "ANYOTHER"

// OtherCode stands in a Matrix for every type, category and specialty that no agreement names.
const OtherCode = "any-other"

// Matrix yields a request for every role, purpose, trust, class of document and action that the agreements can tell
// apart, as they are at a time. The trusts are the custodian, those that the agreements name, and OtherTrust; the purposes
// are those that they name, and one for all others. A class is a level of confidentiality with one type, category,
// specialty or label that they name, or none; and, where they ask for dates, recent, five and thirty years old, and
// undated. Where they ask for a relationship, consent or the hour, these vary one at a time, and then all together.
// A request with the glass broken is one of its own, and so is one to export, where a rule permits that. Nobody has a directive but the consent, and the facts refuse nothing.
func Matrix(own federation.TrustID, now time.Time, agreements ...*Agreement) iter.Seq[Case] {
	m, u, uses := matrixOf(own, now, agreements...)
	m.classes = m.classesOf(u, uses)
	return m.cases
}

// matrixOf returns who can ask, for what and in which situations, as far as the agreements can tell.
func matrixOf(own federation.TrustID, now time.Time, agreements ...*Agreement) (matrix, *usage, attributes) {
	m := matrix{own: own, now: now, trusts: []federation.TrustID{own}}
	var uses attributes
	var each []*usage
	for _, a := range agreements {
		if a == nil {
			continue
		}
		uses |= a.uses
		m.exports = m.exports || slices.ContainsFunc(a.rules, func(r rule) bool {
			return r.policy.Effect() == cedar.Permit && coversAction(r.policy, actionExport)
		})
		for _, r := range a.rules {
			each = append(each, usageOf((*ast.Policy)(r.policy.AST())))
		}
	}
	u := joined(each...)
	for _, e := range u.named[typeTrust] {
		if t := federation.TrustID(e.ID); !slices.Contains(m.trusts, t) {
			m.trusts = append(m.trusts, t)
		}
	}
	m.trusts = append(m.trusts, OtherTrust)
	for _, v := range u.values(varPurpose, uid(typeTrust, string(own)), now) {
		if e, ok := v.(cedar.EntityUID); ok {
			m.purposes = append(m.purposes, string(e.ID))
		}
	}
	m.situations = situationsOf(u, uses, now)
	return m, u, uses
}

// situation is what a request comes with beside who and what.
type situation struct {
	link      Relationship
	consented bool
	now       time.Time
}

func situationsOf(u *usage, uses attributes, now time.Time) []situation {
	plain := situation{now: now}
	all := []situation{plain}
	every := plain
	if uses&(usesKind|usesVerified) != 0 {
		others := 0
		for _, k := range relationshipTable {
			if !slices.Contains(u.named[typeRelationship], uid(typeRelationship, string(k))) {
				if others++; others > 1 {
					continue
				}
			} else if every.link.Kind == "" {
				every.link = Relationship{Kind: k, Verified: true}
				all = append(all, situation{link: Relationship{Kind: k}, now: now})
			}
			all = append(all, situation{link: Relationship{Kind: k, Verified: true}, now: now})
		}
	}
	if uses&usesConsented != 0 {
		every.consented = true
		all = append(all, situation{consented: true, now: now})
	}
	if uses&usesHours != 0 {
		every.now = otherHour(now)
		all = append(all, situation{now: every.now})
	}
	if !slices.Contains(all, every) {
		all = append(all, every)
	}
	return all
}

// otherHour returns the nearest time before now that is in hours if now is out of them, and out of them if now is in.
func otherHour(now time.Time) time.Time {
	for other := now; ; other = other.Add(-time.Hour) {
		if outOfHours(other) != outOfHours(now) {
			return other
		}
	}
}

type matrix struct {
	own        federation.TrustID
	now        time.Time
	trusts     []federation.TrustID
	purposes   []string
	situations []situation
	classes    []Document
	exports    bool
}

// classesOf returns a document of every class.
func (m *matrix) classesOf(u *usage, uses attributes) []Document {
	base := Document{Custodian: m.own, Subject: federation.Subject{1}, Type: OtherCode, Category: OtherCode, Specialty: OtherCode, Date: m.now.AddDate(0, 0, -30)}
	kinds := []Document{base}
	vary := func(v variable, set func(d *Document, code string)) {
		for _, value := range distinct(u.texts[v]) {
			if s, ok := value.(cedar.String); ok {
				d := base
				set(&d, string(s))
				kinds = append(kinds, d)
			}
		}
	}
	vary(varType, func(d *Document, code string) { d.Type = code })
	vary(varCategory, func(d *Document, code string) { d.Category = code })
	vary(varSpecialty, func(d *Document, code string) { d.Specialty = code })
	for _, e := range u.named[typeSensitivity] {
		d := base
		d.Sensitivity = []string{string(e.ID)}
		kinds = append(kinds, d)
	}
	dates := []time.Time{base.Date}
	if uses&(usesDate|usesDated) != 0 {
		dates = append(dates, m.now.AddDate(-5, 0, 0), m.now.AddDate(-30, 0, 0), time.Time{})
	}
	var all []Document
	for i, d := range kinds {
		for c := federation.Unrestricted; c <= federation.VeryRestricted; c++ {
			for j, date := range dates {
				if i > 0 && j > 0 {
					break // of one kind after the other, dates vary with the first
				}
				d.Confidentiality, d.Date = c, date
				n := len(all) + 1
				d.ID = federation.NewDocumentID(m.own, federation.DocumentKey{byte(n), byte(n >> 8), byte(n >> 16)})
				all = append(all, d)
			}
		}
	}
	return all
}

func (m *matrix) cases(yield func(Case) bool) {
	facts := Facts{
		RegionActive: true, RequesterStanding: federation.Active, CustodianStanding: federation.Active, Complete: true, LeaseLimit: MaxLease,
	}
	for c := range m.askers(m.trusts, facts) {
		if !m.documents(c, yield) {
			return
		}
	}
}

// askers yields a case for everybody of the trusts who may ask, by role, purpose and situation; which document is asked for, and
// what is to be done with it, is left to the caller. Where the situation says so, the patient consents to all besides.
func (m *matrix) askers(trusts []federation.TrustID, facts Facts) iter.Seq[Case] {
	agreed := append(slices.Clone(facts.Directives), Directive{ID: federation.DirectiveID{1}, Effect: federation.Consent, Version: 1, By: m.own})
	return func(yield func(Case) bool) {
		for _, trust := range trusts {
			for _, role := range roleTable {
				for _, purpose := range m.purposes {
					for _, with := range m.situations {
						c := Case{Request: Request{User: User{Trust: trust, ID: "anyone", Role: role.Code}, Purpose: purpose, Link: with.link, Now: with.now}, Facts: facts}
						if with.consented {
							c.Facts.Directives = agreed
						}
						if !yield(c) {
							return
						}
					}
				}
			}
		}
	}
}

func (m *matrix) documents(c Case, yield func(Case) bool) bool {
	for _, c.Request.Document = range m.classes {
		c.Request.Action, c.Request.BreakGlass = See, false
		if !yield(c) {
			return false
		}
		c.Request.Action = Open
		if !yield(c) {
			return false
		}
		if c.Request.BreakGlass = true; !yield(c) {
			return false
		}
		if !m.exports {
			continue
		}
		c.Request.Action, c.Request.BreakGlass = Export, false
		if !yield(c) {
			return false
		}
	}
	return true
}
