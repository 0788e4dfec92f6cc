package web

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"image"
	"image/color"
	"image/png"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/storage/record"
)

const (
	numberA = "9990000018" // of the range kept for tests
	numberB = "9990000026"
)

// stored is a document of the fake region.
type stored struct {
	located *admin.Located
	patient string
	name    string
	data    []byte
	fail    error
	hidden  bool
	broken  int // so many fetches break off after the head
	corrupt int // so many fetches fail their check
	less    int // so many bytes of what is asked for are not sent
}

// fakeRegion answers as a node would, out of memory. It is safe for concurrent use.
type fakeRegion struct {
	onFetch func() // before a document is sent
	hold    func() // the same, while others go on
	fakeWatching
	fakeFiling
	fakeMine
	fakeKeeping
	fakeGoverning
	fakeAttending
	mu      sync.Mutex
	docs    map[string]*stored
	sites   []*admin.Site
	asOf    time.Time
	now     func() time.Time
	glass   map[string]time.Time
	askers  []*admin.Asker
	fetches int
	asked   []*admin.FetchRequest
	refuse  error // of every question
}

func (f *fakeRegion) Locate(_ context.Context, q *admin.LocateRequest) (*admin.LocateReply, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.askers = append(f.askers, q.GetAsker())
	if f.refuse != nil {
		return nil, f.refuse
	}
	reply := &admin.LocateReply{Sites: f.sites, AsOf: f.asOf.UnixMicro()}
	for _, d := range f.docs {
		if d.patient == q.GetPatient() && (!d.hidden || f.glass[q.GetPatient()+q.GetAsker().GetUser()].After(f.now())) {
			reply.Documents = append(reply.Documents, d.located)
		}
	}
	return reply, nil
}

func (f *fakeRegion) Describe(_ context.Context, patient, document string, who *admin.Asker) (*admin.Located, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.askers = append(f.askers, who)
	d := f.docs[document]
	if d == nil || d.patient != patient {
		return nil, admin.Errorf(admin.CodeNotFound, "there is no such document of this patient")
	}
	if d.hidden {
		return nil, nil
	}
	return d.located, nil
}

func (f *fakeRegion) Fetch(_ context.Context, q *admin.FetchRequest, send func(*admin.FetchReply) error) error {
	f.mu.Lock()
	d := f.docs[q.GetDocument()]
	f.fetches++
	f.asked = append(f.asked, q)
	f.askers = append(f.askers, q.GetAsker())
	if f.onFetch != nil {
		f.onFetch()
	}
	broken, corrupt := false, false
	if d != nil && d.broken > 0 {
		d.broken--
		broken = true
	}
	if d != nil && d.corrupt > 0 {
		d.corrupt--
		corrupt = true
	}
	hold := f.hold
	f.mu.Unlock()
	if hold != nil {
		hold()
	}
	if d == nil {
		return admin.Errorf(admin.CodeNotFound, "no")
	}
	if d.fail != nil {
		return d.fail
	}
	data := d.data
	if size := int64(len(data)); q.GetOffset() > size || q.GetOffset() == size && size > 0 || q.GetLength() > size-q.GetOffset() {
		return admin.Errorf(admin.CodeNotFound, "there is no such range")
	}
	data = data[q.GetOffset():]
	if q.GetLength() > 0 && q.GetLength() < int64(len(data)) {
		data = data[:q.GetLength()]
	}
	data = data[:max(0, len(data)-d.less)]
	sum := sha256.Sum256(d.data)
	head := &admin.Head{Document: q.GetDocument(), ContentType: d.located.GetContentType(), Name: d.name, Size: int64(len(d.data)), Sha256: sum[:], Parts: 1, Pages: d.located.GetPages(), Sending: int64(len(data))}
	if err := send(&admin.FetchReply{Step: &admin.FetchReply_Head{Head: head}}); err != nil {
		return err
	}
	if corrupt {
		_ = send(&admin.FetchReply{Step: &admin.FetchReply_Data{Data: data[:len(data)/2]}})
		return admin.Errorf(admin.CodeIntegrity, "%s: it may be damaged there", q.GetDocument())
	}
	if broken {
		_ = send(&admin.FetchReply{Step: &admin.FetchReply_Data{Data: data[:len(data)/2]}})
		return admin.Errorf(admin.CodeUnavailable, "cut")
	}
	if err := send(&admin.FetchReply{Step: &admin.FetchReply_Data{Data: data}}); err != nil {
		return err
	}
	return send(&admin.FetchReply{Step: &admin.FetchReply_Done{Done: &admin.Done{Bytes: int64(len(data))}}})
}

func (f *fakeRegion) BreakGlass(_ context.Context, q *admin.BreakGlassRequest) (*admin.BreakGlassReply, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(strings.Fields(q.GetReason())) < 3 {
		return nil, admin.Errorf(admin.CodeBadInput, "a few words")
	}
	if q.GetAsker().GetRole() == "records-staff" {
		return nil, admin.Errorf(admin.CodeDenied, "no trust lets you")
	}
	until := f.now().Add(15 * time.Minute)
	f.glass[q.GetPatient()+q.GetAsker().GetUser()] = until
	return &admin.BreakGlassReply{Id: "1", Until: until.UnixMicro()}, nil
}

func (f *fakeRegion) Emergency(_ context.Context, patient, user string) (time.Time, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.glass[patient+user], nil
}

// add puts a document of a patient into the region and returns its id.
func (f *fakeRegion) add(patient string, of federation.TrustID, n byte, located *admin.Located, data []byte) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	id := string(federation.NewDocumentID(of, federation.DocumentKey{n}))
	located.Document, located.Custodian, located.Bytes = id, string(of), uint64(len(data))
	if located.Confidentiality == "" {
		located.Confidentiality = "N"
	}
	f.docs[id] = &stored{located: located, patient: patient, data: data, name: "file"}
	return id
}

// clock is a clock that a test moves.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// rig is a portal under test.
type rig struct {
	t      *testing.T
	portal *Portal
	region *fakeRegion
	clock  *clock
	log    *bytes.Buffer
	stop   func()
}

func newRig(t *testing.T) *rig {
	t.Helper()
	c := &clock{at: time.Now()}
	region := &fakeRegion{docs: make(map[string]*stored), glass: make(map[string]time.Time), asOf: c.now(), now: c.now, sites: []*admin.Site{
		{Trust: "RAS", Name: "The Hillingdon Hospitals", Reachable: true, Standing: "active"},
		{Trust: "RYJ", Name: "Imperial College Healthcare", Reachable: true, Standing: "active"},
	}}
	names := map[federation.TrustID]string{"RAS": "The Hillingdon Hospitals", "RYJ": "Imperial College Healthcare"}
	log := &bytes.Buffer{}
	p, err := New(Config{
		Settings: Settings{Listen: "127.0.0.1:0", Personas: DemoPersonas(), PatientPersonas: []PatientPersona{{numberA, "Pat Moss"}, {numberB, "Lee Hart"}}}, Trial: true, Trust: "RAS", Names: func(t federation.TrustID) string { return names[t] },
		Numbers: record.Test, Region: region, Logger: slog.New(slog.NewTextHandler(log, nil)), Now: c.now,
	})
	if err != nil {
		t.Fatal(err)
	}
	l, err := p.Listen()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- p.Serve(ctx, l) }()
	stop := sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	t.Cleanup(stop)
	return &rig{t: t, portal: p, region: region, clock: c, log: log, stop: stop}
}

// browser is a visitor with cookies who follows redirects only when told to.
type browser struct {
	*rig
	client *http.Client
}

// visit is an answer that was read.
type visit struct {
	*http.Response
	body string
}

func (g *rig) browser() *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		g.t.Fatal(err)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	g.t.Cleanup(transport.CloseIdleConnections)
	return &browser{g, &http.Client{Jar: jar, Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

func (b *browser) do(r *http.Request) visit {
	b.t.Helper()
	resp, err := b.client.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return visit{resp, string(body)}
}

func (b *browser) request(method, path string, form url.Values) *http.Request {
	b.t.Helper()
	if !strings.HasPrefix(path, "https://") {
		path = b.portal.Origin() + path
	}
	r, err := http.NewRequestWithContext(b.t.Context(), method, path, strings.NewReader(form.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		r.Header.Set("Origin", b.portal.Origin())
	}
	return r
}

func (b *browser) get(path string) visit { b.t.Helper(); return b.do(b.request("GET", path, nil)) }

func (b *browser) post(path string, form url.Values) visit {
	b.t.Helper()
	return b.do(b.request("POST", path, form))
}

// follow gets the page that an answer leads to, over as many redirects as it takes.
func (b *browser) follow(v visit) visit {
	b.t.Helper()
	for range 10 {
		to := v.Header.Get("Location")
		if to == "" {
			return v
		}
		v = b.get(to)
	}
	b.t.Fatal("too many redirects")
	return v
}

var (
	tokenField   = regexp.MustCompile(`name="token" value="([^"]+)"`)
	requestField = regexp.MustCompile(`name="request" value="([^"]+)"`)
)

func field(t *testing.T, re *regexp.Regexp, body string) string {
	t.Helper()
	m := re.FindStringSubmatch(body)
	if m == nil {
		t.Fatalf("no %v in %.2000s", re, body)
	}
	return m[1]
}

// signOn signs a persona on and returns the page that follows.
func (b *browser) signOn(who string) visit {
	b.t.Helper()
	picker := b.follow(b.get("/sign-on/start"))
	chosen := b.post("/personas", url.Values{"request": {field(b.t, requestField, picker.body)}, "persona": {who}})
	return b.follow(chosen)
}

// open finds a patient, says why, and returns the address of the timeline.
func (b *browser) open(number string) string {
	b.t.Helper()
	token := field(b.t, tokenField, b.get("/find").body)
	path := b.post("/find", url.Values{"token": {token}, "number": {number}}).Header.Get("Location")
	if path == "" {
		b.t.Fatal("the patient was not found")
	}
	b.post(path+"/purpose", url.Values{"token": {token}, "purpose": {"TREAT"}, "relationship": {"appointment"}, "evidence": {"A-17"}})
	return path
}

func (v visit) wants(t *testing.T, status int, texts ...string) {
	t.Helper()
	if v.StatusCode != status {
		t.Errorf("%s: status %d, want %d: %.600s", v.Request.URL.Path, v.StatusCode, status, v.body)
	}
	for _, text := range texts {
		if !strings.Contains(v.body, text) {
			t.Errorf("%s does not say %q:\n%.6000s", v.Request.URL.Path, text, v.body)
		}
	}
}

// pngOf is a small picture.
func pngOf(t *testing.T) []byte {
	t.Helper()
	img := image.NewGray(image.Rect(0, 0, 40, 60))
	img.Set(3, 3, color.White)
	var out bytes.Buffer
	if err := png.Encode(&out, img); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
