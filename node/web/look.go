package web

import (
	"net/http"
	"net/url"
	"strings"
	"time"
)

// The forms that pages have, by the value of the cookie; none follows what the browser asks for.
const (
	lookCookie = "__Host-ridgeway-look"
	lookDark   = "dark"
	lookLight  = "light"
	lookTime   = 365 * 24 * time.Hour
)

// lookOf is the form that a browser was told to show.
func lookOf(r *http.Request) string {
	if c, err := r.Cookie(lookCookie); err == nil && (c.Value == lookDark || c.Value == lookLight) {
		return c.Value
	}
	return ""
}

// setLook keeps the form in the browser, and goes back to the page that asked. It is of the browser, not of a person, so nobody
// needs to be signed on.
func (p *Portal) setLook(w http.ResponseWriter, r *http.Request) {
	look := r.PostFormValue("look")
	if look != lookDark && look != lookLight {
		look = ""
	}
	setCookie(w, lookCookie, look, lookTime)
	http.Redirect(w, r, p.cameFrom(r), http.StatusSeeOther)
}

// cameFrom is the page of the portal that a form stands on, as its browser says: never an address of another place.
func (p *Portal) cameFrom(r *http.Request) string {
	from, err := url.Parse(r.Referer())
	if err != nil || from.Scheme != "https" || from.Host != p.origin.Load().Host || !strings.HasPrefix(from.Path, "/") || strings.HasPrefix(from.Path, "//") {
		return "/"
	}
	return (&url.URL{Path: from.Path, RawQuery: from.RawQuery}).String()
}
