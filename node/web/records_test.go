package web

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

// fakeFiling keeps a trust's own documents.
type fakeFiling struct {
	filing  sync.Mutex
	own     map[string][]OwnDocument // by NHS number
	took    []Upload
	bytes   []int64
	acts    []string
	filers  []*admin.Asker
	full    bool
	history History // how whole it is
	labels  []*admin.RelabelRequest
	began   chan struct{} // told of each file that comes; nil: nobody waits
}

func (f *fakeFiling) OwnDocuments(_ context.Context, patient string, by *admin.Asker) (*OwnList, error) {
	f.filing.Lock()
	defer f.filing.Unlock()
	f.filers = append(f.filers, by)
	return &OwnList{Documents: f.own[patient]}, nil
}

func (f *fakeFiling) Changes(context.Context, string, *admin.Asker) (*History, error) {
	h := f.history
	h.Changes = []Change{{At: time.Now(), User: "s.lindqvist", Role: "records-staff", Text: "taken in <b>here</b>"}, {Text: `labels R HIV MH, were N: asked, were R HIV`}, {Text: `corrected (type was "373942005"; specialty was "300"), was RAS-1 until then: a letter`}}
	return &h, nil
}

func (f *fakeFiling) TakeUpload(_ context.Context, q *Upload, content io.Reader) (*Taken, error) {
	if f.began != nil {
		f.began <- struct{}{}
	}
	sum := sha256.New()
	n, err := io.Copy(sum, content)
	f.filing.Lock()
	defer f.filing.Unlock()
	f.filers = append(f.filers, q.By)
	switch {
	case err != nil:
		return nil, admin.Errorf(admin.CodeInterrupted, "the file broke off: %v", err)
	case f.full:
		return nil, admin.Errorf(admin.CodeDiskFull, "full")
	case strings.HasSuffix(q.Name, ".exe"):
		return nil, admin.Errorf(admin.CodeBadInput, "the file is <no> document")
	}
	f.took, f.bytes = append(f.took, *q), append(f.bytes, n)
	return &Taken{Document: fmt.Sprintf("RAS:%x", sum.Sum(nil)[:4]), Warnings: []string{"it was withdrawn before"}}, nil
}

func (f *fakeFiling) note(format string, args ...any) {
	f.filing.Lock()
	defer f.filing.Unlock()
	f.acts = append(f.acts, fmt.Sprintf(format, args...))
}

func (f *fakeFiling) Correct(_ context.Context, q *Correction) (*Filed, error) {
	f.note("correct %s %s %s by %s", q.Document, q.Form.Title, q.Form.Date, q.By.GetUser())
	return &Filed{Document: "RAS:new", Committed: true}, nil
}

func (f *fakeFiling) Move(_ context.Context, q *Moving) (*Filed, error) {
	f.note("move %s to %s", q.Document, q.Patient)
	return &Filed{Document: "RAS:moved"}, nil
}

func (f *fakeFiling) Relabel(_ context.Context, q *admin.RelabelRequest) (*admin.RelabelReply, error) {
	f.note("relabel %s %v confirm=%v", q.GetConfidentiality(), q.GetAdd(), q.GetConfirm())
	f.filing.Lock()
	defer f.filing.Unlock()
	f.labels = append(f.labels, q)
	reply := &admin.RelabelReply{Changed: 1, Sealed: 1, Plan: "plan-1", Notes: []*admin.LabelProblem{{Document: "RAS-1", Message: "a later one is stricter"}}, Done: q.GetConfirm(), Committed: true, Impact: &admin.Impact{Lost: 3}}
	if len(q.GetChoice().GetDocuments()) != 1 { // many
		if q.GetPlan() != "" && q.GetPlan() != "plan-1" {
			return nil, admin.Errorf(admin.CodeBadInput, "something else would be done: nothing was changed. Look at the preview again")
		}
		reply.Changed, reply.Unchanged, reply.Chosen = 1234, 5, 1240
		reply.Problems = []*admin.LabelProblem{{Document: "RYJ-x", Code: string(admin.CodeDenied), Message: "RYJ-x <b> is held by RYJ, and only they label it: ask there"}}
		reply.Impact.Counts = []*admin.ImpactCount{{By: "role", Value: "nurse", Lost: 3}, {By: "trust", Value: "RYJ", Lost: 3}}
		reply.Impact.Examples = []*admin.ImpactExample{{Request: "a nurse of RYJ <i>opens</i> a letter", Count: 3, Action: "open", Role: "nurse", Trust: "RYJ", Type: "373942005", Confidentiality: "R", Purpose: "TREAT", Before: []string{"permitted"}, After: []string{"sealed"}}}
	}
	return reply, nil
}

func (f *fakeFiling) Withdraw(_ context.Context, q *admin.WithdrawRequest) (*admin.WithdrawReply, error) {
	f.note("withdraw %s undo=%v: %s", q.GetDocument(), q.GetUndo(), q.GetReason())
	return &admin.WithdrawReply{Committed: true}, nil
}

// did returns what was done, and forgets it.
func (f *fakeFiling) did() string {
	f.filing.Lock()
	defer f.filing.Unlock()
	out := strings.Join(f.acts, "; ")
	f.acts = nil
	return out
}

// part is a part of a form with files.
type part struct {
	name, file string
	body       io.Reader
}

func say(name, text string) part { return part{name: name, body: strings.NewReader(text)} }

// upload posts parts in their order, as they are read.
func (b *browser) upload(path string, change func(*http.Request), parts ...part) visit {
	b.t.Helper()
	read, write := io.Pipe()
	form := multipart.NewWriter(write)
	go func() {
		for _, p := range parts {
			h := textproto.MIMEHeader{"Content-Disposition": {fmt.Sprintf(`form-data; name="%s"`, p.name)}}
			if p.file != "" {
				h.Set("Content-Disposition", fmt.Sprintf(`form-data; name="%s"; filename="%s"`, p.name, strings.ReplaceAll(p.file, `"`, "%22")))
			}
			w, err := form.CreatePart(h)
			if err == nil {
				_, err = io.Copy(w, p.body)
			}
			if err != nil {
				_ = write.CloseWithError(err)
				return
			}
		}
		_ = write.CloseWithError(form.Close())
	}()
	r := b.request("POST", path, nil)
	r.Body, r.ContentLength = read, -1
	r.Header.Set("Content-Type", form.FormDataContentType())
	if change != nil {
		change(r)
	}
	resp, err := b.client.Do(r)
	_ = read.CloseWithError(io.ErrClosedPipe) // the portal need not read to the end
	if err != nil {
		return visit{&http.Response{StatusCode: -1, Request: r}, err.Error()}
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body) // a connection that is cut gives what there is
	return visit{resp, string(body)}
}

// filing signs records staff on and opens a patient's own documents.
func (g *rig) filer() (b *browser, path, token string) {
	g.t.Helper()
	b = g.browser()
	b.signOn("s.lindqvist")
	page := b.get("/documents")
	token = field(g.t, tokenField, page.body)
	path = b.post("/documents", map[string][]string{"token": {token}, "number": {numberA}}).Header.Get("Location")
	return b, path, token
}

func TestFilesAreTakenInOneByOne(t *testing.T) {
	g := newRig(t)
	b, path, token := g.filer()
	got := b.upload(path+"/take", nil, say("token", token), say("type", "373942005"), say("title", ""), say("date", "2026-03-01"), say("sensitivity", "HIV"), say("sensitivity", "MH"),
		part{"files", `C:\scans\letter <one>.pdf`, strings.NewReader("one")}, part{"files", "run.exe", strings.NewReader("two")}, part{"files", "", strings.NewReader("")})
	got.wants(t, 200, "1 taken in, 1 refused", "letter &lt;one&gt;.pdf", "The file is &lt;no&gt; document", "Note: it was withdrawn before")
	if len(g.region.took) != 1 {
		t.Fatalf("took %+v", g.region.took)
	}
	if f := g.region.took[0]; f.Form.Patient != numberA || f.Form.Sensitivity != "HIV MH" || !strings.HasSuffix(f.Form.Title, "letter <one>") || f.By.GetUser() != "s.lindqvist" || f.By.GetRole() != "records-staff" {
		t.Errorf("took %+v", f)
	}
	json := func(r *http.Request) { r.Header.Set("Accept", "application/json") }
	if got := b.upload(path+"/take", json, say("token", token), say("type", "373942005"), say("date", "2026-03-01"), part{"files", "a.txt", strings.NewReader("x")}); !strings.Contains(got.body, `"outcome":"taken_in"`) || got.Header.Get("Content-Type") != "application/json" {
		t.Errorf("for a script: %s", got.body)
	}
	b.upload(path+"/take", nil, say("token", token), part{"files", "a.txt", strings.NewReader("x")}).wants(t, 422, "Select what kind of document it is", "Enter the date of the document")
	b.upload(path+"/take", nil, say("token", token), say("type", "1"), say("date", "2026-03-01")).wants(t, 422, "Choose the files to take in")
	g.region.full = true
	b.upload(path+"/take", nil, say("token", token), say("type", "1"), say("date", "2026-03-01"), part{"files", "a.txt", strings.NewReader("x")}, part{"files", "b.txt", strings.NewReader("x")}).wants(t, 400, "too full for more", "0 taken in, 1 refused")
}

func TestNobodyHoldsAllPlacesOfUploads(t *testing.T) {
	g := newRig(t)
	g.region.began = make(chan struct{}, maxTakings)
	b, path, token := g.filer()
	slow, let := io.Pipe() // a file that does not end
	var open sync.WaitGroup
	for range maxOwnTakings {
		open.Go(func() {
			b.upload(path+"/take", nil, say("token", token), say("type", "1"), say("date", "2026-03-01"), part{"files", "slow.txt", slow})
		})
		<-g.region.began
	}
	send := func(b *browser, path, token string) visit {
		return b.upload(path+"/take", nil, say("token", token), say("type", "1"), say("date", "2026-03-01"), part{"files", "a.txt", strings.NewReader("x")})
	}
	send(b, path, token).wants(t, http.StatusServiceUnavailable, "by you or by others")
	again, path2, token2 := g.filer() // another session of the same person
	send(again, path2, token2).wants(t, http.StatusServiceUnavailable, "by you or by others")
	leave := make([]func(), maxTakings-maxOwnTakings)
	for i := range leave { // others
		if leave[i] = g.portal.takings.enter(fmt.Sprint("other", i%4)); leave[i] == nil {
			t.Fatalf("place %d is not given to others", i)
		}
	}
	if g.portal.takings.enter("one more") != nil {
		t.Error("more uploads than there may be")
	}
	if err := let.Close(); err != nil {
		t.Error(err)
	}
	open.Wait()
	leave[0]()
	send(b, path, token).wants(t, http.StatusOK, "1 taken in, 0 refused")
}

// endless is more than anybody takes, and counts how much was read.
type endless struct{ n atomic.Int64 }

func (e *endless) Read(b []byte) (int, error) {
	e.n.Add(int64(len(b)))
	return len(b), nil
}

func TestForgedAndHostileUploadsAreNotRead(t *testing.T) {
	g := newRig(t)
	b, path, token := g.filer()
	other := field(t, tokenField, g.browser().signOn("a.okafor").body)
	facts := []part{say("type", "373942005"), say("date", "2026-03-01")}
	for name, c := range map[string]struct {
		parts  []part
		change func(*http.Request)
		path   string
		status []int
	}{
		"no token":               {append(facts[:2:2], part{"files", "a.pdf", nil}), nil, "", []int{403}},
		"a token after the file": {[]part{{"files", "a.pdf", nil}, say("token", token)}, nil, "", []int{403}},
		"somebody else's token":  {[]part{say("token", other), {"files", "a.pdf", nil}}, nil, "", []int{403}},
		"from another site":      {[]part{say("token", token), {"files", "a.pdf", nil}}, func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }, "", []int{403}},
		"without a session":      {[]part{say("token", token), {"files", "a.pdf", nil}}, func(r *http.Request) { r.Header.Set("Cookie", sessionCookie+"=x") }, "", []int{303}},
		"to no patient":          {[]part{say("token", token), {"files", "a.pdf", nil}}, nil, "/documents/patients/none/take", []int{404}},
		"a field without end":    {[]part{say("token", token), {"title", "", nil}}, nil, "", []int{400}},
		"to another page":        {[]part{say("token", token), {"files", "a.pdf", nil}}, nil, "/documents", []int{403}},
		"no form at all":         {[]part{{"files", "a.pdf", nil}}, func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") }, "", []int{415}},
	} {
		body := &endless{}
		for i := range c.parts {
			if c.parts[i].body == nil {
				c.parts[i].body = body
			}
		}
		to := path + "/take"
		if c.path != "" {
			to = c.path
		}
		sender := b
		if name == "without a session" {
			sender = g.browser()
		}
		got := sender.upload(to, c.change, c.parts...)
		if got.StatusCode != c.status[0] && got.StatusCode != -1 {
			t.Errorf("%s: %d, want %d: %.300s", name, got.StatusCode, c.status[0], got.body)
		}
		if len(g.region.took) > 0 {
			t.Fatalf("%s: it was taken in", name)
		}
		if n := body.n.Load(); n > 32<<20 {
			t.Errorf("%s: %d bytes were read", name, n)
		}
	}
	for _, who := range []string{"a.okafor", "t.hughes", "n.ferreira"} {
		o := g.browser()
		o.signOn(who)
		for _, at := range []string{"/documents", path, path + "/RAS:x", path + "/take"} {
			o.get(at).wants(t, 403, "not for your role")
		}
		if got := o.upload(path+"/take", nil, say("token", token), part{"files", "a.pdf", &endless{}}); got.StatusCode != 403 && got.StatusCode != -1 {
			t.Errorf("%s takes in: %d", who, got.StatusCode)
		}
	}
}

func TestAnUploadEndsWhereItIsTooLarge(t *testing.T) {
	body := http.MaxBytesReader(nil, io.NopCloser(&endless{}), 10)
	if _, err := io.Copy(io.Discard, body); err == nil || !strings.Contains(broken(err), "more than 4 GB") {
		t.Errorf("got %v", err)
	}
	if !strings.Contains(broken(errors.New("cut")), "broke off") {
		t.Error("a cut is something else")
	}
	for path, want := range map[string]bool{"/documents/patients/k/take": true, "/documents/patients/k/x/take": false, "/documents/patients/take": false, "/find": false, "/documents/patients//take": true} {
		r, err := http.NewRequestWithContext(t.Context(), "POST", path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := bringsDocuments(r); got != want {
			t.Errorf("%s: %v", path, got)
		}
	}
}

func TestDocumentsArePutRight(t *testing.T) {
	g := newRig(t)
	g.region.own = map[string][]OwnDocument{numberA: {
		{ID: "RAS:a", Type: "373942005", Title: "Letter <script>alert(1)</script>", Date: g.clock.now(), Confidentiality: "R", Specialty: "110", Labels: []string{"HIV"}, Sealed: true, State: OwnShared, Taken: g.clock.now()},
		{ID: "RAS:w", Type: "373942005", Title: "Gone", Date: g.clock.now(), Confidentiality: "N", State: OwnWithdrawn, Reason: "wrong <i>file</i>", Taken: g.clock.now()},
	}, numberB: {{ID: "RAS:b", Title: "Other"}}}
	b, path, token := g.filer()
	b.get(path).wants(t, 200, "Letter &lt;script&gt;", "Withdrawn", "Restricted")
	b.get(path+"/RAS:a").wants(t, 200, "taken in &lt;b&gt;here", "Change labels", "no more.", "Trauma and orthopaedics (110)",
		"labels changed from Normal to Restricted, HIV, Mental health: asked, were R HIV", "corrected (type was Discharge summary; specialty was General internal medicine)")
	if page := b.get(path + "/RAS:a"); strings.Contains(page.body, "may be missing here") || strings.Contains(page.body, "not complete") {
		t.Error("a whole history is said not to be whole")
	}
	g.region.history = History{Damaged: 2, Cut: true}
	b.get(path+"/RAS:a").wants(t, 200, "2 entries of this trust's audit log cannot be read: something that was done with this document may be missing here", "This list is not complete")
	b.get(path+"/RAS:b").wants(t, 404, "no such document") // it is another patient's
	form := func(kv ...string) map[string][]string {
		out := map[string][]string{"token": {token}, "reason": {"a digit was wrong"}}
		for i := 0; i < len(kv); i += 2 {
			out[kv[i]] = append(out[kv[i]], kv[i+1])
		}
		return out
	}
	for name, c := range map[string]struct {
		at   string
		form map[string][]string
		want int
		did  string
		says string
	}{
		"corrected":                 {"/RAS:a/correct", form("type", "373942005", "title", "Right", "date", "2026-02-01"), 303, "correct RAS:a Right 2026-02-01 by s.lindqvist", ""},
		"corrected to nothing":      {"/RAS:a/correct", form("type", "", "title", "", "date", ""), 422, "", "Enter a title"},
		"withdrawn":                 {"/RAS:a/withdraw", form(), 303, "withdraw RAS:a undo=false: a digit was wrong", ""},
		"shared again":              {"/RAS:w/withdraw", form("undo", "1"), 303, "withdraw RAS:w undo=true: a digit was wrong", ""},
		"withdrawn by an old page":  {"/RAS:w/withdraw", form(), 422, "", "changed this document meanwhile"},
		"moved, first asked":        {"/RAS:a/move", form("number", "999 000 0026"), 200, "", "Move it to 999 000 0026"},
		"moved, confirmed":          {"/RAS:a/move", form("number", numberB, "confirm", numberB), 303, "move RAS:a to " + numberB, ""},
		"moved to another than met": {"/RAS:a/move", form("number", numberB, "confirm", numberA), 200, "", "Move it to"},
		"moved to itself":           {"/RAS:a/move", form("number", numberA), 422, "", "is under now"},
		"moved to no number":        {"/RAS:a/move", form("number", "9990000027"), 422, "", "not a valid NHS number"},
		"labels, first asked":       {"/RAS:a/labels", form("confidentiality", "V", "sensitivity", "HIV", "sensitivity", "MH"), 200, "relabel V [MH] confirm=false", "<dd>Restricted, HIV</dd></div><div><dt>Labels then</dt><dd>Very restricted, HIV, Mental health</dd>"},
		"labels, of one of two":     {"/RAS:a/labels", form("confidentiality", "V", "sensitivity", "MH"), 200, "relabel V [MH] confirm=false", "Withdraw the earlier one if nobody should act on it"},
		"labels, confirmed":         {"/RAS:a/labels", form("confidentiality", "V", "sensitivity", "HIV", "sensitivity", "MH", "plan", "plan-1"), 303, "relabel V [MH] confirm=true", ""},
		"of another patient":        {"/RAS:b/withdraw", form(), 404, "", "no such document"},
		"forged":                    {"/RAS:a/withdraw", map[string][]string{"token": {"x"}, "reason": {"because"}}, 403, "", "out of date"},
	} {
		got := b.post(path+c.at, c.form)
		if did := g.region.did(); got.StatusCode != c.want || did != c.did || !strings.Contains(got.body, c.says) {
			t.Errorf("%s: %d, did %q, want %d, %q and %q:\n%.300s", name, got.StatusCode, did, c.want, c.did, c.says, got.body)
		}
	}
	if got := b.post(path+"/RAS:a/withdraw", map[string][]string{"token": {token}}); got.StatusCode != 422 {
		t.Errorf("without a reason: %d", got.StatusCode)
	}
	if moved := b.post(path+"/RAS:a/move", form("number", numberB, "confirm", numberB)).Header.Get("Location"); strings.Contains(moved, numberB) {
		t.Errorf("the number stands in the address %s", moved)
	}
	if bytes.Contains(g.log.Bytes(), []byte(numberA)) {
		t.Error("a patient stands in the log")
	}
}

// A document that was moved to another patient is not offered to be shared again, which the node refuses.
func TestWhatWasMovedIsNotOfferedAgain(t *testing.T) {
	g := newRig(t)
	g.region.own = map[string][]OwnDocument{numberA: {
		{ID: "RAS:m", Type: "373942005", Title: "Elsewhere", Date: g.clock.now(), Confidentiality: "N", State: OwnWithdrawn, Moved: true, Taken: g.clock.now()},
		{ID: "RAS:w", Type: "373942005", Title: "Gone", Date: g.clock.now(), Confidentiality: "N", State: OwnWithdrawn, Taken: g.clock.now()},
	}}
	b, path, token := g.filer()
	moved := b.get(path + "/RAS:m")
	moved.wants(t, 200, "It was moved to another patient, so it cannot be shared again here", "move it back from that patient")
	if strings.Contains(moved.body, "Share it again") || strings.Contains(moved.body, "/RAS:m/withdraw") {
		t.Error("what was moved can be shared again")
	}
	if withdrawn := b.get(path + "/RAS:w"); !strings.Contains(withdrawn.body, "Share it again") || strings.Contains(withdrawn.body, "moved to another patient") {
		t.Error("what was withdrawn only is taken for moved")
	}
	b.follow(b.get(path+"/RAS:m/withdraw")).wants(t, 200, "cannot be shared again here")
	b.follow(b.post(path+"/RAS:m/withdraw", map[string][]string{"token": {token}, "reason": {"a"}, "undo": {"1"}})).wants(t, 200, "cannot be shared again here")
	if did := g.region.did(); did != "" {
		t.Errorf("it was shared again: %s", did)
	}
}
