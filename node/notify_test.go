package node

import (
	"bufio"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/federation/exchange"
)

func noticeOf() Notice {
	return Notice{Event: toldOpened, Review: "RAS-0011223344556677", Kind: glassKind, Trust: "RYJ", Due: time.Date(2026, 3, 4, 9, 0, 0, 0, time.UTC)}
}

// mailServer is a small server of RFC 5321 without TLS. It says what it was told, one session after the other.
func mailServer(t *testing.T, refuse string) (addr string, sessions <-chan string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l.Addr().String(), sessionsOf(t, l, func(conn net.Conn) string { return mailSession(conn, refuse) })
}

// sessionsOf serves what connects, one after another, and tells what each session said.
func sessionsOf(t *testing.T, l net.Listener, session func(net.Conn) string) <-chan string {
	t.Helper()
	t.Cleanup(func() { l.Close() })
	out := make(chan string, 16)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			out <- session(conn)
		}
	}()
	return out
}

func mailSession(conn net.Conn, refuse string) string {
	defer conn.Close()
	c := textproto.NewConn(conn)
	var said strings.Builder
	_ = c.PrintfLine("220 test ESMTP")
	for {
		line, err := c.ReadLine()
		if err != nil {
			return said.String()
		}
		said.WriteString(line + "\n")
		verb, _, _ := strings.Cut(strings.ToUpper(line), " ")
		if verb == refuse {
			_ = c.PrintfLine("451 try later")
			continue
		}
		switch verb {
		case "EHLO":
			_ = c.PrintfLine("250-test\r\n250 8BITMIME")
		case "DATA":
			_ = c.PrintfLine("354 go on")
			body, _ := io.ReadAll(textproto.NewReader(bufio.NewReader(c.R)).DotReader())
			said.Write(body)
			_ = c.PrintfLine("250 taken")
		case "QUIT":
			_ = c.PrintfLine("221 bye")
			return said.String()
		default:
			_ = c.PrintfLine("250 ok")
		}
	}
}

func TestMailIsHandedToAServer(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	addr, sessions := mailServer(t, "")
	s := SMTPSettings{Server: addr, From: "ridgeway@ryj.example", To: []string{"privacy@ryj.example", "caldicott@ryj.example"}, AllowPlain: true}
	if err := s.check(); err != nil {
		t.Fatal(err)
	}
	m, err := newMailer(s)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.send(ctx, noticeOf()); err != nil {
		t.Fatal(err)
	}
	got := <-sessions
	for _, want := range []string{
		"MAIL FROM:<ridgeway@ryj.example>", "RCPT TO:<privacy@ryj.example>", "RCPT TO:<caldicott@ryj.example>",
		"Subject: Ridgeway at RYJ: an access is to be reviewed (RAS-0011223344556677)", "Message-ID: <RAS-0011223344556677.opened.RYJ@ryj.example>", "4 March 2026 09:00 UTC",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the mail lacks %q:\n%s", want, got)
		}
	}
}

func TestMailThatIsNotTakenIsAnError(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for _, refuse := range []string{"MAIL", "RCPT", "DATA"} {
		addr, _ := mailServer(t, refuse)
		m, err := newMailer(SMTPSettings{Server: addr, From: "a@b.example", To: []string{"c@d.example"}, AllowPlain: true})
		if err != nil {
			t.Fatal(err)
		}
		if err := m.send(ctx, noticeOf()); err == nil {
			t.Errorf("%s was refused, and the mail counts as sent", refuse)
		}
		m.settings.AllowPlain = false
		if err := m.send(ctx, noticeOf()); err == nil || !strings.Contains(err.Error(), "no TLS") {
			t.Errorf("without TLS: %v", err)
		}
	}
}

func TestWebhookIsSigned(t *testing.T) {
	status := http.StatusNoContent
	var head http.Header
	var body []byte
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		head = r.Header.Clone()
		body, _ = io.ReadAll(r.Body)
		w.WriteHeader(status)
	}))
	defer server.Close()
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte("0123456789abcdef\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := WebhookSettings{URL: server.URL, SecretFile: file}
	if err := s.check(); err != nil {
		t.Fatal(err)
	}
	w, err := newWebhook(s)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.send(t.Context(), noticeOf()); err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha256.New, []byte("0123456789abcdef"))
	mac.Write([]byte(head.Get("Ridgeway-Time") + "."))
	mac.Write(body)
	if head.Get("Ridgeway-Signature") != hex.EncodeToString(mac.Sum(nil)) || !strings.Contains(string(body), `"review":"RAS-0011223344556677"`) {
		t.Errorf("signature %q over %s", head.Get("Ridgeway-Signature"), body)
	}
	status = http.StatusBadGateway
	if err := w.send(t.Context(), noticeOf()); err == nil {
		t.Error("an answer of 502 counts as told")
	}
}

func TestSettingsOfNoticesAreChecked(t *testing.T) {
	for name, s := range map[string]Settings{
		"no recipient":   {Notify: NotifySettings{SMTP: &SMTPSettings{Server: "mail:25", From: "a@b.example"}}},
		"header in from": {Notify: NotifySettings{SMTP: &SMTPSettings{Server: "mail:25", From: "a@b.example\r\nBcc: x@y.example", To: []string{"c@d.example"}}}},
		"plain http":     {Notify: NotifySettings{Webhook: &WebhookSettings{URL: "http://alerts.example/x", SecretFile: "s"}}},
		"no secret":      {Notify: NotifySettings{Webhook: &WebhookSettings{URL: "https://alerts.example/x"}}},
		"secret inside":  {Notify: NotifySettings{Webhook: &WebhookSettings{URL: "https://alerts.example/x", SecretFile: "/data/x/s"}}},
		"own record":     {Watch: WatchSettings{OwnRecords: map[string]string{"ada": "943 476 5919"}}},
		"protected":      {Watch: WatchSettings{Protected: []string{"943 476 5919"}}},
		"no such rule":   {Watch: WatchSettings{Off: []string{"user_quota"}}},
		"negative":       {Glass: GlassSettings{PerUser: -1}},
	} {
		wrong := s.checkReviews("/data/x")
		if len(wrong) == 0 {
			t.Errorf("%s: accepted", name)
		}
		if strings.Contains(strings.Join(wrong, ""), "476") {
			t.Errorf("%s: an NHS number is repeated: %v", name, wrong)
		}
	}
}

func FuzzParseEmergency(f *testing.F) {
	f.Add("until 2026-03-04T09:00:00.5Z: unconscious in resus")
	f.Add("until 2026-03-04T09:00:00+01:00: unconscious in resus")
	f.Add("x: y")
	f.Fuzz(func(t *testing.T, text string) {
		until, reason, err := parseEmergency(text)
		if err == nil && emergencyText(&review{Until: until, Reason: reason}) != text {
			t.Errorf("%q is read as %v, %q", text, until, reason)
		}
	})
}

func TestWhatWasSeenAnHourAgoDoesNotCount(t *testing.T) {
	now := time.Now()
	var s seenPatients
	for _, look := range []lookedAt{ // the audit log is read back from its end
		{federation.Subject{3}, now},
		{federation.Subject{2}, now.Add(-misuseHour + time.Second)},
		{federation.Subject{1}, now.Add(-misuseHour)},
		{federation.Subject{4}, now.Add(-misuseHour)},
		{federation.Subject{3}, now.Add(-2 * misuseHour)},
		{federation.Subject{4}, now.Add(-time.Minute)},
	} {
		s.see(look.subject, look.at)
	}
	if n := s.within(now); n != 3 || s.has(federation.Subject{1}) {
		t.Errorf("%d patients within the hour, want 3: 2, 3 and 4", n)
	}
	if n := s.within(now.Add(misuseHour - 2*time.Minute)); n != 2 || s.has(federation.Subject{2}) {
		t.Errorf("%d patients within the hour, want 2: 3 and 4", n)
	}
	if n := s.within(now.Add(misuseHour)); n != 0 {
		t.Errorf("%d patients within the hour, want none", n)
	}
	m := &misuse{unlinked: make(map[person][]unlinked), limits: WatchSettings{UnlinkedAnHour: 2}}
	for i, want := range []int{1, 2, 3, 3} {
		if n := m.without(person{"RYJ", "ada"}, "", unlinked{at: now.Add(time.Duration(i) * time.Minute)}); n != want {
			t.Errorf("request %d: %d without a relationship, want %d", i, n, want)
		}
	}
	if n := m.without(person{"RYJ", "ada"}, "", unlinked{at: now.Add(2 * misuseHour)}); n != 1 {
		t.Errorf("an hour later: %d", n)
	}
	if n := m.without(person{"RYJ", "ada"}, "referral", unlinked{at: now}); n != 0 {
		t.Errorf("with a relationship: %d", n)
	}
	one, other := exchange.Transfer{1}, exchange.Transfer{2}
	for i, c := range []struct {
		of   fetching
		want int
	}{{fetching{one, "RYJ-A"}, 1}, {fetching{one, "RYJ-A"}, 1}, {fetching{one, "RYJ-B"}, 2}, {fetching{other, "RYJ-B"}, 3}} {
		if n := m.without(person{"RYJ", "bob"}, "", unlinked{now, c.of}); n != c.want {
			t.Errorf("stream %d: %d requests without a relationship, want %d", i, n, c.want)
		}
	}
}
