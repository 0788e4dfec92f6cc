package node

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
)

// WebhookSettings say how a program of the trust is told of reviews.
type WebhookSettings struct {
	URL        string `yaml:"url"`         // https; http on this machine only
	SecretFile string `yaml:"secret_file"` // holds the key of the signature, at least 16 bytes, outside the data folder
}

func (s WebhookSettings) check() error {
	u, err := url.Parse(s.URL)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return fmt.Errorf("notify: webhook: url: %q is not one such as https://alerts.trust.example/ridgeway", s.URL)
	case u.Scheme == "http" && !loopback(hostPort(u)):
		return errors.New("notify: webhook: url: http is for this machine only: use https")
	case s.SecretFile == "":
		return errors.New("notify: webhook: secret_file: name a file with the key that messages are signed with")
	}
	return nil
}

func hostPort(u *url.URL) string {
	if u.Port() != "" {
		return u.Host
	}
	return u.Host + ":80"
}

// webhook posts notices as JSON. The receiver checks a signature over time and body, and drops what is older than it likes:
//
//	Ridgeway-Time: seconds since 1970
//	Ridgeway-Signature: hex of HMAC-SHA256(key, Ridgeway-Time "." body)
//	Ridgeway-Notice: the same for the same notice, however often it is tried
type webhook struct {
	url    string
	key    []byte
	client *http.Client
}

func newWebhook(s WebhookSettings) (*webhook, error) {
	b, err := os.ReadFile(s.SecretFile)
	if err != nil {
		return nil, notifyProblem("webhook: secret_file cannot be read: %v", err)
	}
	key := []byte(strings.TrimSpace(string(b)))
	if len(key) < 16 {
		return nil, notifyProblem("webhook: secret_file %s has %d bytes: at least 16 are needed", s.SecretFile, len(key))
	}
	return &webhook{url: s.URL, key: key, client: &http.Client{
		Transport:     &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

func (w *webhook) send(ctx context.Context, t Notice) error {
	body, err := json.Marshal(t)
	if err != nil {
		return err
	}
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("webhook: %w", err)
	}
	at := strconv.FormatInt(time.Now().Unix(), 10)
	q.Header.Set("Content-Type", "application/json")
	q.Header.Set("Ridgeway-Time", at)
	q.Header.Set("Ridgeway-Notice", t.id())
	q.Header.Set("Ridgeway-Signature", w.sign(at, body))
	reply, err := w.client.Do(q)
	if err != nil {
		return fmt.Errorf("webhook: %w", err)
	}
	defer reply.Body.Close()
	_, _ = io.CopyN(io.Discard, reply.Body, 4096) // what it says is of no use here
	if reply.StatusCode/100 != 2 {
		return fmt.Errorf("webhook: the receiver answers %s", reply.Status)
	}
	return nil
}

func (w *webhook) sign(at string, body []byte) string {
	mac := hmac.New(sha256.New, w.key)
	_, _ = mac.Write([]byte(at + ".")) // a hash never fails
	_, _ = mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}
