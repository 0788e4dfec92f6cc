package main

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/ridgeway-exchange/ridgeway/node"
	"github.com/ridgeway-exchange/ridgeway/testnet/tour"
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

// TestTwoDemonstrationsHaveAPortalEach, though the portal of the first opens only after the second has begun.
func TestTwoDemonstrationsHaveAPortalEach(t *testing.T) {
	t.Parallel()
	var begun [2]tour.Options
	var addrs [2]string
	for i := range begun {
		begun[i].Trusts = tour.MinTrusts
		addr, err := demoPortal(&begun[i])
		if err != nil {
			t.Fatal(err)
		}
		addrs[i] = addr
	}
	if addrs[0] == addrs[1] {
		t.Errorf("both are to open their portal at %s", addrs[0])
	}
	for i, o := range begun {
		var options node.Options
		o.Region.Open(tour.Members(o.Trusts)[1].Trust, &options)
		l, err := net.Listen("tcp", options.Settings.Portal.Listen)
		if err != nil {
			t.Errorf("the portal of demonstration %d: %v", i+1, err)
			continue
		}
		_ = l.Close() // it was free
	}
}
