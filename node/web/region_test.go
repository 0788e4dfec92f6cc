package web

import (
	"bufio"
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

// fakeWatching answers how the region is.
type fakeWatching struct {
	watch  sync.Mutex
	health *Health
	asked  int
}

func (f *fakeWatching) Health(context.Context) (*Health, error) {
	f.watch.Lock()
	defer f.watch.Unlock()
	f.asked++
	if f.health == nil {
		return nil, admin.Errorf(admin.CodeUnavailable, "no")
	}
	return f.health, nil
}

func (f *fakeWatching) set(h *Health) {
	f.watch.Lock()
	defer f.watch.Unlock()
	f.health = h
}

func healthOf(now time.Time, up bool) *Health {
	return &Health{
		Status: &admin.StatusReply{
			Version: "1.2.3", Region: "North West", Trust: "RAS", Node: "n1", Address: "127.0.0.1:7000", State: "voter", Leader: "RYJ", Applied: 1200, Committed: 1200, AsOf: now.UnixMicro(),
			Disk: "warn", DiskFree: 5e9, DiskTotal: 100e9, Warnings: []string{"the disk is filling up. Make room <script>alert(1)</script>"}, Rejected: 2, RefusedEver: 3, Refused: []*admin.RefusedStatement{{Trust: "R1K", Detail: "statement 9 after 5 <b>"}}, AuditEntries: 12345, Started: time.Date(2026, 7, 1, 9, 30, 0, 0, time.UTC).UnixMicro(),
			Sites: []*admin.Site{
				{Trust: "RAS", Name: "The Hillingdon Hospitals", Node: "n1", Reachable: true, Standing: "active", Raft: "voter", Version: "1.2.3"},
				{Trust: "RYJ", Name: "Imperial <b>College</b>", Node: "n2", Reachable: up, Standing: "active", Raft: "leader", Version: "1.2.2", AsOf: now.Add(-time.Hour).UnixMicro()},
				{Trust: "R1K", Name: "London North West", Node: "n3", Reachable: true, Standing: "suspended", Raft: "observer", Suspension: &admin.Suspension{Trust: "R1K", By: "RYJ", Reason: "stolen keys"}},
			},
			Proposals: []*admin.Proposal{{Id: "p-77", What: "admit RQM", By: "RYJ", Approvals: 1, Needed: 2}},
		},
		Applied: map[string]uint64{"n1": 1200, "n2": 1000},
		Roots:   []*admin.AuditRoot{{Trust: "RYJ", Node: "n2", Size: 4321, Root: "abcdef0123456789abcdef", At: now.UnixMicro()}},
		Scrub:   &Scrubbed{At: now.Add(-3 * time.Hour), Documents: 99, Bytes: 5e6},
	}
}

// TestASuspendedTrustIsSaidPlainly: that it is, since when and by whom where that is known, what it means, and what to do.
func TestASuspendedTrustIsSaidPlainly(t *testing.T) {
	g := newRig(t)
	h := healthOf(g.clock.now(), true)
	since := time.Date(2026, 3, 4, 5, 6, 0, 0, time.UTC).UnixMicro()
	h.Status.Sites[2].Suspension.Since = since
	h.Status.Suspended = &admin.Suspension{Trust: "RAS", By: "RYJ", Reason: "lost laptop", Since: since, ToldBy: "R1K"}
	g.region.set(h)
	b := g.browser()
	page := b.signOn("t.hughes")
	page.wants(t, 200,
		"<strong>This trust is suspended from the region</strong> since 4 March 2026 at 05:06, as Imperial College Healthcare proposed. Reason: lost laptop. So says ",
		"nothing of other trusts can be opened here", "What to do: ask Imperial College Healthcare what has to be put right", "ridgeway suspend RAS --lift",
		"<strong>London North West is suspended from the region</strong> since 4 March 2026 at 05:06, as Imperial College Healthcare proposed. Reason: stolen keys.",
		"nothing that London North West holds can be opened at other trusts", "telephone its health records team", "ridgeway suspend R1K --lift")
	h = healthOf(g.clock.now(), true)
	h.Status.Sites[0].Standing, h.Status.Suspended = "suspended", &admin.Suspension{Trust: "RAS"}
	g.region.set(h)
	page = b.get("/region")
	page.wants(t, 200, "(since when is not known here), by whom is not known here.", "What to do: ask the other trusts")
	if n := strings.Count(page.body, "ridgeway suspend RAS --lift"); n != 1 {
		t.Errorf("of this trust the page speaks %d times", n)
	}
}

func TestTheRegionPageSaysAllOfTheStatus(t *testing.T) {
	g := newRig(t)
	g.region.set(healthOf(g.clock.now(), true))
	b := g.browser()
	page := b.signOn("t.hughes")
	page.wants(t, 200, "Region North West", "Imperial &lt;b&gt;College&lt;/b&gt;", "200 entries behind", "1.2.2", "5.0 GB free of 100.0 GB: filling up", "3 hours ago", "is suspended", "stolen keys",
		"ridgeway approve p-77", "4,321", "abcdef0123456789", "Make room &lt;script&gt;", "12,345 entries", "Refused by the region", "3; the newest, of R1K: statement 9 after 5 &lt;b&gt;", "3 of 3 nodes answer", "Running since", "1 July 2026 at 10:30")
	if strings.Contains(page.body, "<script>alert") || strings.Contains(page.body, "style=") {
		t.Error("words of the region reach the page as markup, or a style stands in it")
	}
	g.region.set(healthOf(g.clock.now(), false))
	b.get("/region").wants(t, 200, "No answer from Imperial", "led, and does not answer", "<rect ")
	g.region.set(nil)
	b.get("/region").wants(t, 502, "does not say how it is")
	for who, status := range map[string]int{"s.lindqvist": 502, "n.ferreira": 502, "p.osei": 502, "a.okafor": 403, "j.price": 403} {
		o := g.browser()
		o.signOn(who)
		for _, path := range []string{"/region", "/region/events"} {
			want := status
			if got := o.do(o.request("GET", path, nil).WithContext(short(t))); got.StatusCode != want && (path == "/region" || want == 403) {
				t.Errorf("%s gets %s with %d, want %d", who, path, got.StatusCode, want)
			}
			if path == "/region" && status == 502 {
				break // a stream would go on
			}
		}
	}
	if got := g.browser().get("/region/events"); got.StatusCode != http.StatusSeeOther {
		t.Errorf("a stream for nobody: %d", got.StatusCode)
	}
}

func short(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// stream opens the stream of a browser and returns its events, by name.
func (b *browser) stream() (next func() (name, data string), status int, end func()) {
	b.t.Helper()
	ctx, cancel := context.WithCancel(b.t.Context())
	resp, err := b.client.Do(b.request("GET", "/region/events", nil).WithContext(ctx)) //nolint:bodyclose // the caller's end closes it
	if err != nil {
		b.t.Fatal(err)
	}
	lines := bufio.NewScanner(resp.Body)
	return func() (name, data string) {
		for lines.Scan() {
			switch text := lines.Text(); {
			case strings.HasPrefix(text, "event: "):
				name = text[7:]
			case strings.HasPrefix(text, "data: "):
				data += text[6:] + "\n"
			case text == "" && name != "":
				return name, data
			}
		}
		return "", ""
	}, resp.StatusCode, func() { cancel(); _ = resp.Body.Close() }
}

func TestTheStreamFollowsAndEndsWithTheSession(t *testing.T) {
	g := newRig(t)
	g.region.set(healthOf(g.clock.now(), true))
	g.portal.lately.mu.Lock()
	g.portal.lately.tick = 40 * time.Millisecond
	g.portal.lately.mu.Unlock()
	b := g.browser()
	b.signOn("t.hughes")
	next, _, end := b.stream()
	defer end()
	if name, data := next(); name != "region" || !strings.Contains(data, "200 entries behind") {
		t.Fatalf("begins with %s %.200s", name, data)
	}
	g.region.set(healthOf(g.clock.now(), false))
	for {
		name, data := next()
		if name == "region" && strings.Contains(data, "No answer from Imperial") {
			break
		}
		if name != "same" && name != "region" {
			t.Fatalf("then comes %q", name)
		}
	}
	// Nobody touches the page: it locks as any other, though it is kept up to date.
	g.clock.move(defaultIdle / 2)
	for range 3 { // after the first of these, the stream has looked at the session once more
		next()
	}
	g.clock.move(defaultIdle / 2)
	for name, data := next(); ; name, data = next() {
		if name == "gone" {
			if strings.TrimSpace(data) != "/locked" {
				t.Errorf("the browser is sent to %q", data)
			}
			break
		}
		if name == "" {
			t.Fatal("the stream broke off")
		}
	}
	b.get("/region").wants(t, 303)
}

// TestThePageHearsThatTheNodeAnswersAgain: until then it says that nothing is known, also when all is as it was before.
func TestThePageHearsThatTheNodeAnswersAgain(t *testing.T) {
	g := newRig(t)
	h := healthOf(g.clock.now(), true)
	g.region.set(h)
	g.portal.lately.mu.Lock()
	g.portal.lately.tick = 40 * time.Millisecond
	g.portal.lately.mu.Unlock()
	b := g.browser()
	b.signOn("t.hughes")
	next, _, end := b.stream()
	defer end()
	follow := func(want string, passed ...string) {
		t.Helper()
		name, _ := next()
		for slices.Contains(passed, name) {
			name, _ = next()
		}
		if name != want {
			t.Fatalf("then comes %q, not %q", name, want)
		}
	}
	follow("region")
	g.region.set(nil)
	follow("silent", "same")
	g.region.set(h)
	follow("region", "silent")
	follow("same")
}

func TestStreamsAreBounded(t *testing.T) {
	g := newRig(t)
	g.region.set(healthOf(g.clock.now(), true))
	b := g.browser()
	b.signOn("t.hughes")
	for i := range maxOfSession + 1 {
		_, status, end := b.stream()
		defer end()
		if want := map[bool]int{true: 200, false: 503}[i < maxOfSession]; status != want {
			t.Errorf("stream %d: %d, want %d", i, status, want)
		}
	}
	x := slots{most: maxStreams, each: 1}
	var leaves []func()
	for i := range maxStreams {
		leaves = append(leaves, x.enter(strconv.Itoa(i)))
	}
	if x.enter("one more") != nil {
		t.Error("more streams than there may be")
	}
	leaves[0]()
	if x.enter("one more") == nil {
		t.Error("a place that was left is not given again")
	}
}
