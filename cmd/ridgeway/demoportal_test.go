package main

import (
	"crypto/tls"
	"io"
	"net/http"
	"strings"
)

// opensAPortal looks at the address that the demonstration prints, as a browser would.
func (d *visit) opensAPortal(at string) {
	d.t.Helper()
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	defer client.CloseIdleConnections()
	r, err := http.NewRequestWithContext(d.t.Context(), http.MethodGet, at+"/sign-on", nil)
	if err != nil {
		d.t.Fatal(err)
	}
	resp, err := client.Do(r)
	if err != nil {
		d.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK || !strings.Contains(string(body), "Sign on to Ridgeway") {
		d.t.Errorf("the portal answers %d, %v: %.300s", resp.StatusCode, err, body)
	}
}
