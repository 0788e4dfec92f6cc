package node

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"net/smtp"
	"os"
	"strings"
	"time"
)

// SMTPSettings say how privacy officers are told by mail.
type SMTPSettings struct {
	Server       string   `yaml:"server"`                  // host:port, such as mail.trust.example:587
	From         string   `yaml:"from"`                    // address that it comes from
	To           []string `yaml:"to"`                      // addresses of the privacy officers
	User         string   `yaml:"user,omitempty"`          // to sign in with; empty: not
	PasswordFile string   `yaml:"password_file,omitempty"` // holds the password, outside the data folder
	CAFile       string   `yaml:"ca_file,omitempty"`       // certificates to trust instead of the system's
	AllowPlain   bool     `yaml:"allow_plain,omitempty"`   // send without TLS where the server offers none
}

func (s SMTPSettings) check() error {
	var wrong []error
	if err := checkAddress(s.Server); err != nil {
		wrong = append(wrong, fmt.Errorf("notify: smtp: server: %w", err))
	}
	if len(s.To) == 0 {
		wrong = append(wrong, errors.New("notify: smtp: to: name the address of at least one privacy officer"))
	}
	for _, a := range append([]string{s.From}, s.To...) {
		if p, err := mail.ParseAddress(a); err != nil || p.Address != a || strings.ContainsAny(a, "\r\n") {
			wrong = append(wrong, fmt.Errorf("notify: smtp: %q is not a mail address such as privacy@trust.example", a))
		}
	}
	if (s.User == "") != (s.PasswordFile == "") {
		wrong = append(wrong, errors.New("notify: smtp: user and password_file belong together: give both or none"))
	}
	return errors.Join(wrong...)
}

// maxHeader is how many bytes of one thing a header has: its line stays below the 998 of RFC 5322 §2.1.1.
const maxHeader = 200

// mailer sends mail by SMTP (RFC 5321), over TLS by STARTTLS (RFC 3207).
type mailer struct {
	settings SMTPSettings
	host     string
	password string
	roots    *x509.CertPool // nil: the system's
}

func newMailer(s SMTPSettings) (*mailer, error) {
	m := &mailer{settings: s}
	m.host, _, _ = net.SplitHostPort(s.Server) // check has read it
	if s.PasswordFile != "" {
		b, err := os.ReadFile(s.PasswordFile)
		if err != nil {
			return nil, notifyProblem("smtp: password_file cannot be read: %v", err)
		}
		m.password = strings.TrimSpace(string(b))
	}
	if s.CAFile != "" {
		b, err := os.ReadFile(s.CAFile)
		if err != nil {
			return nil, notifyProblem("smtp: ca_file cannot be read: %v", err)
		}
		if m.roots = x509.NewCertPool(); !m.roots.AppendCertsFromPEM(b) {
			return nil, notifyProblem("smtp: ca_file %s has no certificate in PEM", s.CAFile)
		}
	}
	return m, nil
}

// send delivers a notice to the server. It may come twice when the connection breaks at the end: its Message-ID is the same.
func (m *mailer) send(ctx context.Context, t Notice) error {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", m.settings.Server)
	if err != nil {
		return fmt.Errorf("the mail server %s cannot be reached: check that it runs and that notify: smtp: server names it (%w)", m.settings.Server, err)
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() }) // whoever waits on it hears of it
	defer stop()
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return errors.Join(fmt.Errorf("deadline of a mail: %w", err), conn.Close())
		}
	}
	c, err := smtp.NewClient(conn, m.host)
	if err != nil {
		return errors.Join(fmt.Errorf("greeting of the mail server: %w", err), conn.Close())
	}
	defer func() { _ = c.Close() }() // the mail is accepted or it is not
	if err := m.talk(c, t); err != nil {
		return err
	}
	_ = c.Quit() // the mail is accepted already
	return nil
}

func (m *mailer) talk(c *smtp.Client, t Notice) error {
	secured, _ := c.Extension("STARTTLS")
	switch {
	case secured:
		if err := c.StartTLS(&tls.Config{ServerName: m.host, RootCAs: m.roots, MinVersion: tls.VersionTLS12}); err != nil {
			return m.certificateProblem(err)
		}
	case !m.settings.AllowPlain:
		return errors.New("the mail server offers no TLS, so that nothing is sent to it: have it offer STARTTLS, or set notify: smtp: allow_plain where it is on this machine")
	}
	if m.settings.User != "" {
		if err := c.Auth(smtp.PlainAuth("", m.settings.User, m.password, m.host)); err != nil {
			return fmt.Errorf("the mail server does not let this node sign in: check notify: smtp: user and password_file (%w)", err)
		}
	}
	if err := c.Mail(m.settings.From); err != nil {
		return m.unwilling("sender "+m.settings.From, err)
	}
	for _, to := range m.settings.To {
		if err := c.Rcpt(to); err != nil {
			return m.unwilling("recipient "+to, err)
		}
	}
	w, err := c.Data()
	if err != nil {
		return fmt.Errorf("send mail: %w", err)
	}
	if _, err := w.Write(m.message(t, time.Now())); err != nil {
		return fmt.Errorf("send mail: %w", err)
	}
	if err := w.Close(); err != nil {
		return fmt.Errorf("the mail server did not take it: %w", err)
	}
	return nil
}

// certificateProblem says what of the mail server's certificate is not right, and who can put it right.
func (m *mailer) certificateProblem(err error) error {
	signer := "its issuer's certificate is not among those that this machine trusts: name a file that has it in notify: smtp: ca_file"
	if m.settings.CAFile != "" {
		signer = "none of the certificates in notify: smtp: ca_file has signed it: put its issuer's certificate there"
	}
	wrong := ""
	if named, ok := errors.AsType[x509.HostnameError](err); ok {
		wrong = "it is not for " + oneLine(named.Host, maxHeader) + ": let notify: smtp: server name the server as its certificate does, or give the server one for this name"
	} else if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		wrong = signer
	} else if invalid, ok := errors.AsType[x509.CertificateInvalidError](err); ok && invalid.Reason == x509.Expired {
		wrong = "it has run out, or is not valid yet: have it renewed, and check this machine's clock"
	}
	if wrong == "" {
		return fmt.Errorf("TLS with the mail server: %w", err)
	}
	return fmt.Errorf("the mail server's certificate is refused, and nothing was sent: %s (%w)", wrong, err)
}

// unwilling says that the mail server does not take a mail from, or for, somebody.
func (m *mailer) unwilling(who string, err error) error {
	next := "check the address in notify: smtp, and what the server lets this node send"
	if m.settings.User == "" {
		next += "; it may ask for user and password_file"
	}
	return fmt.Errorf("the mail server does not accept the %s: %s (%w)", who, next, err)
}

// message is the mail (RFC 5322). Whatever a notice may come to say, it is one line of a header, and what it is in the text.
func (m *mailer) message(t Notice, now time.Time) []byte {
	t.Event, t.Review, t.Kind, t.Trust = oneLine(t.Event, maxHeader), oneLine(t.Review, maxHeader), oneLine(t.Kind, maxHeader), oneLine(t.Trust, maxHeader)
	_, domain, _ := strings.Cut(m.settings.From, "@")
	lines := []string{
		"From: <" + m.settings.From + ">",
		"To: <" + strings.Join(m.settings.To, ">, <") + ">",
		"Subject: " + t.subject(),
		"Date: " + now.UTC().Format(time.RFC1123Z),
		"Message-ID: <" + t.id() + "." + t.Trust + "@" + domain + ">",
		"Auto-Submitted: auto-generated",
		"MIME-Version: 1.0",
		"Content-Type: text/plain; charset=utf-8",
		"",
	}
	return []byte(strings.Join(lines, "\r\n") + "\r\n" + strings.ReplaceAll(t.text(), "\n", "\r\n"))
}
