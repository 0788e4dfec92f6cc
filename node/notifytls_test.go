package node

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/textproto"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

const mailPassword = "correct horse"

// selfSigned returns a certificate for the loopback address, and a file that has it as the one to trust.
func selfSigned(t *testing.T) (tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	about := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "mail"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, about, about, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, file
}

// secureMail is a server of RFC 5321 that takes mail over TLS (RFC 3207) from whoever signs in (RFC 4954) only. It says what it
// was told, session by session; what came before TLS is marked.
func secureMail(t *testing.T, l net.Listener, cert tls.Certificate) <-chan string {
	t.Helper()
	return sessionsOf(t, l, func(conn net.Conn) string { return secureSession(conn, cert) })
}

func secureSession(conn net.Conn, cert tls.Certificate) string {
	defer func() { conn.Close() }()
	want := base64.StdEncoding.EncodeToString([]byte("\x00ridgeway\x00" + mailPassword))
	c := textproto.NewConn(conn)
	var said strings.Builder
	secured, signed := false, false
	_ = c.PrintfLine("220 test ESMTP")
	for {
		line, err := c.ReadLine()
		if err != nil {
			return said.String()
		}
		if !secured {
			said.WriteString("clear: ")
		}
		said.WriteString(line + "\n")
		verb, rest, _ := strings.Cut(line, " ")
		switch verb = strings.ToUpper(verb); {
		case verb == "EHLO" && !secured:
			_ = c.PrintfLine("250-test\r\n250 STARTTLS")
		case verb == "EHLO":
			_ = c.PrintfLine("250-test\r\n250 AUTH PLAIN")
		case verb == "STARTTLS":
			_ = c.PrintfLine("220 go on")
			over := tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12})
			if err := over.Handshake(); err != nil {
				return said.String() + "no handshake\n"
			}
			conn, c, secured = over, textproto.NewConn(over), true
		case verb == "AUTH" && rest == "PLAIN "+want:
			signed = true
			_ = c.PrintfLine("235 welcome")
		case verb == "AUTH":
			_ = c.PrintfLine("535 no")
		case verb == "QUIT":
			_ = c.PrintfLine("221 bye")
			return said.String()
		case !signed:
			_ = c.PrintfLine("530 sign in first")
		case verb == "DATA":
			_ = c.PrintfLine("354 go on")
			body, _ := io.ReadAll(textproto.NewReader(bufio.NewReader(c.R)).DotReader())
			said.Write(body)
			_ = c.PrintfLine("250 taken")
		default:
			_ = c.PrintfLine("250 ok")
		}
	}
}

func mailSettings(t *testing.T, addr, password, ca string) SMTPSettings {
	t.Helper()
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte(password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return SMTPSettings{Server: addr, From: "ridgeway@ryj.example", To: []string{"privacy@ryj.example"}, User: "ridgeway", PasswordFile: file, CAFile: ca}
}

func loopbackListener(t *testing.T, addr string) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestMailGoesOverTLSToAServerThatIsTrustedAndSignedInto(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cert, ca := selfSigned(t)
	l := loopbackListener(t, "127.0.0.1:0")
	sessions := secureMail(t, l, cert)
	_, otherCA := selfSigned(t)
	for name, c := range map[string]struct {
		password, ca, problem string
	}{
		"as it should be":         {mailPassword, ca, ""},
		"another password":        {"wrong", ca, "sign in"},
		"a server of no trust":    {mailPassword, "", "not among those that this machine trusts: name a file that has it in notify: smtp: ca_file"},
		"trusted for another one": {mailPassword, otherCA, "none of the certificates in notify: smtp: ca_file has signed it"},
		"for another name":        {mailPassword, ca, "it is not for localhost: let notify: smtp: server name the server as its certificate does"},
	} {
		server := l.Addr().String()
		if name == "for another name" {
			server = strings.Replace(server, "127.0.0.1", "localhost", 1)
		}
		m, err := newMailer(mailSettings(t, server, c.password, c.ca))
		if err != nil {
			t.Fatal(err)
		}
		err = m.send(ctx, noticeOf())
		said := <-sessions
		if (err == nil) != (c.problem == "") || err != nil && !strings.Contains(err.Error(), c.problem) {
			t.Errorf("%s: %v", name, err)
		}
		if taken := strings.Contains(said, "Subject: Ridgeway at RYJ"); taken != (c.problem == "") || strings.Contains(said, "clear: AUTH") || strings.Contains(said, "clear: MAIL") {
			t.Errorf("%s: the server heard %q", name, said)
		}
	}
}

// The mail server is down while a review is opened, and while the node is stopped and started again: status says so, and the mail
// goes out when the server is back, once.
func TestMailThatCannotBeSentIsKeptOverARestart(t *testing.T) {
	t.Parallel()
	cert, ca := selfSigned(t)
	addr := freeAddr(t)
	s := mailSettings(t, addr, mailPassword, ca)
	n := settledNode(t, func(o *Options) { o.Settings.Notify.SMTP = &s })
	r := &review{ID: "RYJ-0011223344556677", Kind: glassKind, User: "ada", Trust: "RAS", Subject: federation.Subject{1}, Reason: "unconscious in resus, no history", At: time.Now().UTC()}
	if _, err := n.reviews.begin(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	alarm := func(n *Node) bool {
		s, err := n.Status(t.Context(), &admin.StatusRequest{})
		return err == nil && strings.Contains(strings.Join(s.GetWarnings(), "\n"), "cannot be told by smtp")
	}
	eventually(t, "the alarm", func() bool { return alarm(n) })
	stop(t, n)
	n = reopen(t, n.options)
	eventually(t, "the alarm after the restart", func() bool { return alarm(n) })
	stop(t, n)
	sessions := secureMail(t, loopbackListener(t, addr), cert)
	n = reopen(t, n.options)
	select {
	case said := <-sessions:
		if !strings.Contains(said, "("+r.ID+")") || strings.Contains(said, "ada") || strings.Contains(said, "resus") {
			t.Errorf("the mail: %s", said)
		}
	case <-time.After(patience):
		t.Fatal("the mail is lost")
	}
	eventually(t, "the end of the alarm", func() bool { return !alarm(n) })
	eventually(t, "nothing left to tell", func() bool { _, _, waits := n.reviews.untold("smtp"); return !waits })
	if len(sessions) > 0 {
		t.Errorf("it was told again: %s", <-sessions)
	}
}
