package web

import (
	"net/http"
	"slices"
	"strings"

	"github.com/ridgeway-exchange/ridgeway/policy"
)

// nothingPath is where people land for whose role there is no area.
const nothingPath = "/nothing"

// reviewsPath is where the accesses are that somebody must judge.
const reviewsPath = "/reviews"

// area is a part of the portal: where it begins, what it is called, and the roles, or groups of them, that may use it. The
// node decides on every question besides; an area only keeps people from pages on which nothing would work for them.
type area struct {
	Path, Label string
	roles       []string
}

// areas are the parts of the portal, in the order in which they are offered. The first that a role may use is where it begins.
func areas() []area {
	return []area{
		{"/find", "Find a patient", []string{"clinician", "social-worker", "healthcare-assistant", "student", "care-coordinator", "records-staff"}},
		{"/documents", "Our documents", []string{"records-staff"}},
		{"/agreements", "Agreements", governors()},
		{"/wishes", "Patients' choices", recorders()},
		{reviewsPath, "Reviews", governors()},
		{labelsPath, "Labels", recorders()},
		{"/audit", "Audit", recorders()},
		{"/why", "Why, and who", recorders()},
		{"/suspensions", "Suspensions", governors()},
		{regionPath, "Region", []string{"admin", "records-staff", "governance-lead", "privacy-officer"}},
	}
}

// governors decide what a trust shares, and judge accesses; recorders look after what patients have said as well.
func governors() []string { return []string{"governance-lead", "privacy-officer"} }

func recorders() []string { return append(governors(), "records-staff") }

// may reports whether a role may use the area.
func (a area) may(role string) bool {
	return slices.ContainsFunc(policy.Roles(), func(r policy.Role) bool {
		return r.Code == role && (slices.Contains(a.roles, r.Code) || r.Group != "" && slices.Contains(a.roles, r.Group))
	})
}

// has reports whether a path lies in the area.
func (a area) has(path string) bool {
	return path == a.Path || strings.HasPrefix(path, a.Path+"/") || a.Path == "/find" && strings.HasPrefix(path, "/patients/")
}

// areasOf returns what a role may use.
func areasOf(role string) []area {
	return slices.DeleteFunc(areas(), func(a area) bool { return !a.may(role) })
}

// beginning is the page that a role begins with: the first of its areas, but for who is there to judge accesses, which wait.
func beginning(role string) string {
	if role == "privacy-officer" {
		return reviewsPath
	}
	if own := areasOf(role); len(own) > 0 {
		return own[0].Path
	}
	return nothingPath
}

// areaOf returns the area of a path.
func areaOf(path string) (area, bool) {
	for _, a := range areas() {
		if a.has(path) {
			return a, true
		}
	}
	return area{}, false
}

// allowed lets a person through to the areas of their role; what lies in no area is for everybody who is signed on.
func (p *Portal) allowed(next sessionHandler) sessionHandler {
	return func(w http.ResponseWriter, r *http.Request, s *session) {
		if a, found := areaOf(r.URL.Path); found && !a.may(s.user.Role) {
			p.show(w, r, s, http.StatusForbidden, view{Name: "message", Title: "This page is not for your role", Body: message{
				Text: []string{"You are signed on as " + roleName(s.user.Role) + ". If you need this page for your work, ask your IT service desk for the role."}, Link: "/", LinkText: "Go to your first page",
			}})
			return
		}
		next(w, r, s)
	}
}

// showNothing is for people whose role has no use for the portal.
func (p *Portal) showNothing(w http.ResponseWriter, r *http.Request, s *session) {
	p.show(w, r, s, http.StatusOK, view{Name: "message", Title: "There is nothing here for your role", Body: message{
		Text: []string{"You are signed on as " + roleName(s.user.Role) + ", and the portal has no pages for that. If this is not your role, ask your IT service desk."}, Link: "/", LinkText: "Try again",
	}})
}
