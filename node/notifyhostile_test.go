package node

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/mail"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/federation/exchange"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

// hostileTexts are what somebody could type or another trust could say, so that a notice says what they want.
func hostileTexts() []string {
	return []string{
		"x\r\nBcc: thief@evil.example\r\n\r\nAll is well", "x\n.\r\nMAIL FROM:<thief@evil.example>", "evil\u202e\u2066gnp.exe", `<script src="https://evil.example/x.js"></script>`,
		`","event":"closed","due":"2099-01-01`, "evil\x00\x1b[2J\u2028\u0085\xff",
	}
}

// TestANoticeHasNothingThatSomebodyTyped opens reviews of emergencies with hostile users, roles and reasons, and reads what a mail server
// and a webhook are told, byte by byte.
func TestANoticeHasNothingThatSomebodyTyped(t *testing.T) {
	t.Parallel()
	server, mails := mailServer(t, "")
	posted := make(chan string, 64)
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		posted <- string(b)
	}))
	defer hook.Close()
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("0123456789abcdef"), 0o600); err != nil {
		t.Fatal(err)
	}
	n := settledNode(t, func(o *Options) {
		o.Settings.Notify = NotifySettings{
			SMTP:    &SMTPSettings{Server: server, From: "ridgeway@ryj.example", To: []string{"privacy@ryj.example"}, AllowPlain: true},
			Webhook: &WebhookSettings{URL: hook.URL, SecretFile: secret},
		}
	})
	for i, text := range hostileTexts() {
		at := time.Now().UTC()
		r := &review{Kind: glassKind, User: text, Trust: "RAS", Role: text, Reason: text, Subject: federation.Subject{byte(i + 1)}, At: at, Until: at.Add(time.Minute)}
		r.ID = glassID(r.Trust, r.Subject, r.User, r.Until)
		if _, err := n.reviews.begin(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		for _, c := range n.channels {
			signal(c.wake)
		}
		told := <-mails
		_, message, _ := strings.Cut(told, "DATA\n")
		m, err := mail.ReadMessage(strings.NewReader(message))
		if err != nil {
			t.Fatalf("%q: %v in %q", text, err, told)
		}
		var heads []string
		for name := range m.Header {
			heads = append(heads, name)
		}
		slices.Sort(heads)
		if got := strings.Join(heads, " "); got != "Auto-Submitted Content-Type Date From Message-Id Mime-Version Subject To" || strings.Count(told, "RCPT TO") != 1 {
			t.Errorf("%q: headers %s", text, got)
		}
		body := <-posted
		var keys map[string]any
		if err := json.Unmarshal([]byte(body), &keys); err != nil || len(keys) != 5 || keys["event"] != toldOpened || keys["review"] != r.ID || keys["trust"] != "RYJ" {
			t.Errorf("%q: %s, %v", text, body, err)
		}
		for _, s := range []string{told, body} {
			if strings.Contains(s, "evil") || strings.Contains(s, "script") || strings.ContainsFunc(s, func(r rune) bool { return r > '~' || r < ' ' && r != '\n' }) {
				t.Errorf("%q is told: %q", text, s)
			}
		}
	}
}

// TestAMailStaysOneMail: were a notice to say more one day, it could not write headers, a second body or another address.
func TestAMailStaysOneMail(t *testing.T) {
	m := &mailer{settings: SMTPSettings{From: "ridgeway@ryj.example", To: []string{"privacy@ryj.example"}}}
	clean := strings.Count(string(m.message(noticeOf(), time.Now())), "\n")
	for _, text := range append(hostileTexts(), strings.Repeat("long ", 1000)) {
		for name, set := range map[string]func(*Notice){
			"event": func(t *Notice) { t.Event = text }, "review": func(t *Notice) { t.Review = text }, "kind": func(t *Notice) { t.Kind = text }, "trust": func(t *Notice) { t.Trust = text },
		} {
			notice := noticeOf()
			set(&notice)
			got := string(m.message(notice, time.Now()))
			if n := strings.Count(got, "\n"); n != clean || strings.ContainsAny(strings.ReplaceAll(got, "\r\n", ""), "\r\n\x00\x1b\u202e\u2066\u2028\u0085") {
				t.Errorf("%s %q: %d lines, want %d: %q", name, text, n, clean, got)
			}
			for _, line := range strings.Split(got, "\r\n") {
				if len(line) > 998 {
					t.Errorf("%s: a line of %d bytes", name, len(line))
				}
			}
		}
	}
}

// TestAnEmergencyCountsTowardsAQuotaAndIsNotHeldUp: the next ordinary request is.
func TestAnEmergencyCountsTowardsAQuotaAndIsNotHeldUp(t *testing.T) {
	t.Parallel()
	for rule, limits := range map[string]WatchSettings{ruleUserQuota: {QuotaUser: 2, QuotaTrust: 9}, ruleTrustQuota: {QuotaUser: 9, QuotaTrust: 2}} {
		m := &misuse{limits: limits, released: make(map[person]*seenPatients), looked: make(map[person]*seenPatients), unlinked: make(map[person][]unlinked), opened: make(map[suspicion]bool)}
		ask := func(patient byte, glass bool) string {
			said, why := m.quota(exchange.Assertion{Trust: "RAS", User: "ada", Subject: federation.Subject{patient}}, glass, time.Now())
			if said != "" && !strings.HasSuffix(why, "; the limit is 2") {
				t.Errorf("%s: %q", rule, why)
			}
			return said
		}
		if ask(1, false)+ask(2, true) != "" {
			t.Errorf("%s: refused below it", rule)
		}
		if got := ask(3, false); got != rule {
			t.Errorf("%s: what was opened in an emergency does not count: %q", rule, got)
		}
		if ask(3, true) != "" || ask(3, false) != "" {
			t.Errorf("%s: an emergency is held up, or the patient who was opened in one", rule)
		}
		if got := ask(4, false); got != rule {
			t.Errorf("%s: %q", rule, got)
		}
	}
}

// TestMarksAreOfAPersonWhateverTheirNumber has a person who goes by two numbers, and marks under both:
//
//	A ── linked ── B
func TestMarksAreOfAPersonWhateverTheirNumber(t *testing.T) {
	t.Parallel()
	n := settledNode(t, nil)
	subject := func(patient string) federation.Subject {
		number, err := n.patient(patient)
		if err != nil {
			t.Fatal(err)
		}
		return n.records.Subject(number)
	}
	a, b := subject(patientA), subject(patientB)
	if _, err := n.records.Enqueue(t.Context(), federation.Link{Prior: a, Survivor: b}); err != nil {
		t.Fatal(err)
	}
	signal(n.speaker.wake)
	eventually(t, "the link", func() bool { all, err := n.linked(t.Context(), a); return err == nil && len(all) == 2 })
	protect := func(q *admin.ProtectRequest) (int, error) {
		q.Asker = &admin.Asker{User: "g1", Role: "privacy-officer", Purpose: "HOPERAT"}
		reply, err := n.Protect(t.Context(), q)
		return len(reply.GetPersons()), err
	}
	marks := []*admin.ProtectRequest{{Patient: patientA, Reason: "known to the press"}, {Patient: patientA, Staff: "ada"}, {Patient: patientB, Near: "bob"}, {Patient: patientB, Near: "cyd"}}
	for i, q := range marks {
		if shown, err := protect(q); err != nil || shown != i+1 {
			t.Fatalf("mark %d: %d are shown, %v", i, shown, err)
		}
	}
	if shown, err := protect(&admin.ProtectRequest{Patient: patientA, Near: "BOB", Lift: true}); err != nil || shown != 3 {
		t.Errorf("one is lifted under the other number: %d are left, %v", shown, err)
	}
	n.misuse.look(t.Context(), person{n.Trust(), "dan"}, b, "referral")
	if got := n.reviews.list(false); !slices.ContainsFunc(got, func(r *review) bool { return r.Kind == ruleProtected && r.User == "dan" }) {
		t.Errorf("a look under the other number opens no review of a protected person: %v", got)
	}
	if shown, err := protect(&admin.ProtectRequest{Patient: patientA, Lift: true, Reason: "asked for it"}); err != nil || shown != 0 || !n.misuse.marks.none() {
		t.Errorf("all are lifted: %d are left, %v", shown, err)
	}
	again, err := n.openMarks(context.WithoutCancel(t.Context()))
	if err != nil || !again.none() {
		t.Errorf("marks come back at the next start: %v, %v", again.by, err)
	}
	if _, err := protect(&admin.ProtectRequest{Patient: patientB, Lift: true}); admin.CodeOf(err) != admin.CodeNotFound {
		t.Errorf("a lift of nothing: %v", err)
	}
	n.misuse.look(t.Context(), person{n.Trust(), "eve"}, a, "referral")
	if got := n.reviews.list(false); slices.ContainsFunc(got, func(r *review) bool { return r.User == "eve" }) {
		t.Errorf("a look after all was lifted: %v", got)
	}
}
