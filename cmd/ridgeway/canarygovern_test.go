package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// hook is a program of the trust that is told of reviews.
type hook struct{ heard chan []byte } // what came, with its headers and its address

// notified is a region of one trust whose node tells a hook of reviews.
func (p *place) notified(t *testing.T, data string) (*running, *hook) {
	t.Helper()
	h := &hook{heard: make(chan []byte, 64)}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err == nil {
			h.heard <- fmt.Appendf(nil, "%s %v %s", r.URL, r.Header, body)
		}
		w.WriteHeader(http.StatusNoContent)
	}))
	t.Cleanup(server.Close)
	p.init(t, data)
	p.write(t, "secret", "0123456789abcdef")
	p.write(t, data+"/ridgeway.yaml", string(p.read(t, data+"/ridgeway.yaml"))+fmt.Sprintf("notify:\n  webhook:\n    url: %s/hook\n    secret_file: %s\n", server.URL, p.path("secret")))
	r := p.serve(t, data)
	p.until(t, data, "the region is founded", func(o object) bool { return hasLeader(o) && len(o["sites"].([]any)) == 1 })
	return r, h
}

// silentAndHeard wants the hook to have been told of a review, and of no patient.
func (h *hook) silentAndHeard(t *testing.T) {
	t.Helper()
	select {
	case b := <-h.heard:
		silent(t, "a notice", b)
		if !strings.Contains(string(b), `"kind":"break_glass"`) || !strings.Contains(string(b), "Ridgeway-Signature") {
			t.Errorf("the notice: %s", b)
		}
	case <-time.After(patience):
		t.Error("nobody was told of the emergency")
	}
	for len(h.heard) > 0 {
		silent(t, "a notice", <-h.heard)
	}
}

// governs has patient data typed into every text that governance takes: evidence, reasons and notes.
func (p *place) governs(t *testing.T, say func(want int, args ...string) ended, id string) {
	t.Helper()
	about := "Canarywing, NHS " + patient
	said := say(0, "consent", "record", "--data", "d1", patient, "--deny", "--trust", "RAS", "--evidence", "letter of "+about, "--yes", "--json").only(t)
	directive := said["directive"].(string)
	say(0, "consent", "list", "--data", "d1", patient)
	say(0, "consent", "receipt", "--data", "d1", patient, directive, "--wait", "2m")
	glass := say(0, "break-glass", "--data", "d2", patient, "--user", "jsmith", "--role", "doctor", "--reason", "unconscious in resus, is "+about, "--json").only(t)
	say(6, "fetch", "--data", "d2", id, "--user", "jsmith", "--role", "doctor", "--out", "emergency.pdf") // its chunk is damaged
	p.fails(t, "DENIED", nil, "fetch", "--data", "d2", id, "--user", "other", "--role", "doctor", "--out", "no.pdf")
	say(0, "review", "list", "--data", "d1")
	say(0, "protect", "--data", "d1", patient, "--reason", "is "+about, "--user", "a.mensah", "--role", "privacy-officer")
	say(0, "protect", "--data", "d1", "--list", "--user", "a.mensah", "--role", "privacy-officer")
	say(0, "protect", "--data", "d1", patient, "--lift", "--reason", "no longer "+about, "--user", "a.mensah", "--role", "privacy-officer")
	say(4, "review", "close", glass["review"].(string), "--data", "d2", "--outcome", "justified", "--note", "I know "+about, "--user", "jsmith", "--role", "privacy-officer")
	say(0, "review", "close", glass["review"].(string), "--data", "d2", "--outcome", "justified", "--note", "seen with "+about, "--user", "a.mensah", "--role", "privacy-officer")
	say(0, "agreement", "init", "rules.yaml")
	say(0, "agreement", "check", "--data", "d1", "rules.yaml")
	say(0, "agreement", "simulate", "--data", "d1", "rules.yaml")
	silent(t, "a simulation", []byte(p.run(t, "agreement", "simulate", "--data", "d1", "rules.yaml").out))
	say(0, "why", "--data", "d1", id, "--role", "doctor", "--by", "j.okafor")
	silent(t, "audit root", []byte(say(0, "audit", "root", "--data", "d2").out))
	silent(t, "audit verify", []byte(say(0, "audit", "verify", "--data", "d1", "--region").out))
	say(0, "consent", "withdraw", "--data", "d1", patient, directive, "--evidence", "asked by "+about)
}
