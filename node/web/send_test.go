package web

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

// slowLine is a browser's connection that notes how long it may take for what.
type slowLine struct {
	*httptest.ResponseRecorder
	deadline time.Time
	before   time.Time // the end of the last write, or the beginning of all
	cleared  int
	problems []string
}

// gives reports whether the deadline was set since the last write, and gives writeTime from then.
func (s *slowLine) gives() bool {
	return !s.deadline.Before(s.before.Add(writeTime)) && !s.deadline.After(time.Now().Add(writeTime))
}

func (s *slowLine) SetWriteDeadline(t time.Time) error {
	if s.deadline = t; t.IsZero() {
		s.cleared++
	}
	return nil
}

func (s *slowLine) Write(b []byte) (int, error) {
	if !s.gives() {
		s.problems = append(s.problems, fmt.Sprintf("%d bytes have %s", len(b), time.Until(s.deadline)))
	}
	if len(b) > slice {
		s.problems = append(s.problems, fmt.Sprintf("%d bytes at once", len(b)))
	}
	s.before = time.Now()
	return s.ResponseRecorder.Write(b)
}

func TestDownloadHasADeadlineOnProgressAlone(t *testing.T) {
	b, _, doc, d := opened(t, &admin.Located{Title: "File", ContentType: "application/zip"}, bytes.Repeat([]byte("abcd"), 1<<20))
	w := &slowLine{ResponseRecorder: httptest.NewRecorder(), deadline: time.Now().Add(answerTime), before: time.Now()}
	waits := false
	b.region.onFetch = func() { waits = w.deadline.IsZero() } // for its turn, which may take longer than a page
	r := b.request("GET", doc+"/file", nil)
	for _, c := range b.client.Jar.Cookies(r.URL) {
		r.AddCookie(c)
	}
	b.portal.Handler().ServeHTTP(w, r)
	if !waits || w.cleared < 2 {
		t.Error("a download that waits for its turn has the deadline of a page")
	}
	if !w.gives() {
		t.Errorf("what the server still holds of the answer, which it sends after the handler, has %s", time.Until(w.deadline))
	}
	if len(w.problems) > 0 || w.Body.String() != string(d.data) {
		t.Errorf("%d bytes of %d, %q", w.Body.Len(), len(d.data), w.problems)
	}
}

func TestDownloadsBeyondThoseThatCanBeServedAreTold(t *testing.T) {
	b, _, doc, _ := opened(t, &admin.Located{Title: "File", ContentType: "application/zip", Pages: 1}, bytes.Repeat([]byte("abcd"), 1<<20))
	var leaves []func()
	for i := range maxDownloads {
		leaves = append(leaves, b.portal.downloads.enter(fmt.Sprint("other", i%40)))
	}
	got := b.get(doc + "/file")
	got.wants(t, http.StatusServiceUnavailable, "Too many documents are being opened", "Try again in a moment")
	if got.Header.Get("Retry-After") != busyRetry {
		t.Errorf("Retry-After is %q", got.Header.Get("Retry-After"))
	}
	r := b.request("GET", doc+"/file?show=1", nil) // pages of a PDF are read all the same
	r.Header.Set("Range", "bytes=0-99")
	b.do(r).wants(t, http.StatusPartialContent)
	leaves[0]()
	// Without a connection: a browser can have all of a file before the request is over.
	w := httptest.NewRecorder()
	whole := b.request("GET", doc+"/file", nil)
	for _, c := range b.client.Jar.Cookies(whole.URL) {
		whole.AddCookie(c)
	}
	b.portal.Handler().ServeHTTP(w, whole)
	if w.Code != http.StatusOK {
		t.Errorf("a download for which there is a place: %d", w.Code)
	}
	if b.portal.downloads.all != maxDownloads-1 {
		t.Error("a download that is over keeps its place")
	}
}

// One session cannot hold all the places, and another finds one.
func TestDownloadsOfOneSessionAreBounded(t *testing.T) {
	b, _, doc, _ := opened(t, &admin.Located{Title: "File", ContentType: "application/zip", Pages: 1}, bytes.Repeat([]byte("abcd"), 1<<20))
	ready, held, ended := make(chan bool, maxOwnDownloads), make(chan bool), make(chan bool, maxOwnDownloads)
	var gate sync.Mutex
	gated := 0
	b.region.mu.Lock()
	b.region.hold = func() { // each of the first waits in the middle of its request
		gate.Lock()
		gated++
		first := gated <= maxOwnDownloads
		gate.Unlock()
		if first {
			ready <- true
			<-held
		}
	}
	b.region.mu.Unlock()
	for range maxOwnDownloads {
		go func() {
			defer func() { ended <- true }()
			resp, err := b.client.Do(b.request("GET", doc+"/file", nil))
			if err != nil {
				t.Error(err)
				return
			}
			defer resp.Body.Close()
			if n, err := io.Copy(io.Discard, resp.Body); resp.StatusCode != http.StatusOK || err != nil {
				t.Errorf("a download that was let in: %d, %d bytes, %v", resp.StatusCode, n, err)
			}
		}()
	}
	for range maxOwnDownloads {
		<-ready
	}
	b.get(doc+"/file").wants(t, http.StatusServiceUnavailable, "Too many documents are being opened")
	other := b.browser()
	other.signOn("j.price")
	if got := other.get(other.open(numberA) + doc[strings.Index(doc, "/documents/"):] + "/file"); got.StatusCode != http.StatusOK {
		t.Errorf("another session is told %d", got.StatusCode)
	}
	close(held)
	for range maxOwnDownloads {
		<-ended
	}
	b.get(doc+"/file").wants(t, http.StatusOK)
}
