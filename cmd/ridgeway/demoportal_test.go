package main

import (
	"crypto/tls"
	"io"
	"net/http"
	"strings"
	"testing"
)

// TestDemonstrationOpensAPortal looks at the address that the demonstration prints, as a browser would.
func TestDemonstrationOpensAPortal(t *testing.T) {
	d := startDemo(t)
	lines := d.until("  https://127.0.0.1:")
	at := strings.TrimSpace(lines[len(lines)-1])
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	defer client.CloseIdleConnections()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, at+"/sign-on", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK || !strings.Contains(string(body), "Sign on to Ridgeway") {
		t.Errorf("the portal answers %d, %v: %.300s", resp.StatusCode, err, body)
	}
	d.end()
}
