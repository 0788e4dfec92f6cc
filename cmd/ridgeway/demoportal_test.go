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

// TestTwoDemonstrationsHaveAPortalEach, though the portal of the first opens only after the second has begun, and closes for a while.
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
		for range 2 { // the node is started again
			l, err := options.Portal(options.Settings.Portal.Listen)
			if err != nil || l.Addr().String() != addrs[i] {
				t.Fatalf("the portal of demonstration %d: %v", i+1, err)
			}
			if c, err := net.Dial("tcp", addrs[i]); err != nil {
				t.Error(err)
			} else if accepted, err := l.Accept(); err != nil {
				t.Error(err)
			} else {
				_, _ = c.Close(), accepted.Close() // nothing was said
			}
			if err := l.Close(); err != nil {
				t.Error(err)
			}
			if c, err := l.Accept(); err == nil {
				t.Errorf("%v comes to a portal that is closed", c.RemoteAddr())
			}
			if other, err := net.Listen("tcp", addrs[i]); err == nil {
				t.Errorf("while its node is down another takes the port of demonstration %d", i+1)
				_ = other.Close()
			}
		}
	}
}
