package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"
)

// A desk is one session at a portal. Several windows of it are open at once, each with a connection of its own.
type desk struct {
	origin string
	jar    http.CookieJar
	token  string
}

var (
	tokenField   = regexp.MustCompile(`name="token" value="([^"]+)"`)
	requestField = regexp.MustCompile(`name="request" value="([^"]+)"`)
	patientPath  = regexp.MustCompile(`/patients/[A-Za-z0-9_-]+`)
	picturePath  = regexp.MustCompile(`src="(/patients/[^"]+/page\?[^"]+)"`)
)

// signOn begins a session of a persona.
func signOn(ctx context.Context, origin, persona string) (*desk, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	d := &desk{origin: origin, jar: jar}
	w := d.window()
	defer w.close()
	picker, err := w.get(ctx, "/sign-on/start")
	if err != nil {
		return nil, err
	}
	request, err := found(requestField, picker)
	if err != nil {
		return nil, err
	}
	find, err := w.post(ctx, "/personas", url.Values{"request": {request}, "persona": {persona}})
	if err != nil {
		return nil, err
	}
	d.token, err = found(tokenField, find)
	return d, err
}

// open finds a patient, says why, and returns the address of the list.
func (d *desk) open(ctx context.Context, number string) (string, error) {
	w := d.window()
	defer w.close()
	asked, err := w.post(ctx, "/find", url.Values{"token": {d.token}, "number": {number}})
	if err != nil {
		return "", err
	}
	path := patientPath.FindString(asked)
	if path == "" {
		return "", errors.New("the patient was not found")
	}
	_, err = w.post(ctx, path+"/purpose", url.Values{"token": {d.token}, "purpose": {"TREAT"}, "relationship": {"appointment"}})
	return path, err
}

func found(what *regexp.Regexp, text string) (string, error) {
	m := what.FindStringSubmatch(text)
	if m == nil {
		return "", fmt.Errorf("no %s in %.200q", what, text)
	}
	return m[1], nil
}

// A window is a clinician's browser: a connection, and the cookies of the session.
type window struct {
	desk   *desk
	client *http.Client
	held   *http.Transport
	path   string // what it is to load
}

func (d *desk) window() *window {
	t := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true} // #nosec G402 -- the portal's certificate is its own
	return &window{desk: d, client: &http.Client{Jar: d.jar, Transport: t}, held: t}
}

func (w *window) close() { w.held.CloseIdleConnections() }

func (w *window) do(ctx context.Context, method, path string, body io.Reader) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, method, w.desk.origin+path, body)
	if err != nil {
		return nil, err
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", w.desk.origin)
	}
	resp, err := w.client.Do(r)
	if err == nil && resp.StatusCode >= http.StatusBadRequest {
		_ = resp.Body.Close()
		err = fmt.Errorf("%s %s: %s", method, path, resp.Status)
	}
	return resp, err
}

func (w *window) text(ctx context.Context, method, path string, body io.Reader) (string, error) {
	resp, err := w.do(ctx, method, path, body)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return string(b), err
}

func (w *window) get(ctx context.Context, path string) (string, error) {
	return w.text(ctx, http.MethodGet, path, nil)
}

func (w *window) post(ctx context.Context, path string, form url.Values) (string, error) {
	return w.text(ctx, http.MethodPost, path, strings.NewReader(form.Encode()))
}

// list loads a page of a patient's list.
func (w *window) list(ctx context.Context, path string) error {
	text, err := w.get(ctx, path)
	if err == nil && !strings.Contains(text, "rw-table") {
		err = fmt.Errorf("a page came without a list: %.200s", text)
	}
	return err
}

// firstPage opens a scan: the page around it and the picture of its first page, as a browser loads them that has the rest.
func (w *window) firstPage(ctx context.Context, path string) error {
	text, err := w.get(ctx, path)
	if err != nil {
		return err
	}
	picture, err := found(picturePath, text)
	if err != nil {
		return err
	}
	got, err := w.get(ctx, strings.ReplaceAll(picture, "&amp;", "&"))
	if err == nil && len(got) < 1000 {
		err = fmt.Errorf("a picture of %d bytes", len(got))
	}
	return err
}

// A ward is how many people work at a portal, and how.
type ward struct {
	patients []ailing
	pace     time.Duration // from one page to the next of the same clinician
	rounds   int
	scans    bool // every other page is the first of a scan
}

// ailing is a patient of a ward as one desk knows them.
type ailing struct {
	number string
	scan   string // id of a scanned document at another trust
}

// work has clinicians load pages, each at their pace and none waiting for another's, and returns how long each load took, in
// milliseconds.
func (w ward) work(ctx context.Context, desks []*desk, clinicians int) (lists, scans series, err error) {
	paths := make([][]string, len(desks))
	for i, d := range desks {
		for _, p := range w.patients {
			path, err := d.open(ctx, p.number)
			if err != nil {
				return nil, nil, err
			}
			paths[i] = append(paths[i], path)
		}
	}
	var mu sync.Mutex
	queries := []string{"", "?trust=RYJ", "?q=letter+12", "?page=3", "?specialty=320"}
	begin := time.Now()
	err = each(clinicians, func(i int) error {
		browser := desks[i%len(desks)].window()
		defer browser.close()
		at := begin.Add(w.pace * time.Duration(i) / time.Duration(clinicians)) // they do not click together
		for n := range w.rounds {
			pause(ctx, time.Until(at))
			k := (i + n/2) % len(w.patients)
			path := paths[i%len(desks)][k]
			began := time.Now()
			scan := w.scans && n%2 == 1
			var err error
			if scan {
				err = browser.firstPage(ctx, path+"/documents/"+w.patients[k].scan)
			} else {
				err = browser.list(ctx, path+queries[(n+i)%len(queries)])
			}
			if err != nil {
				return err
			}
			took := float64(time.Since(began).Microseconds()) / 1000
			mu.Lock()
			if scan {
				scans = append(scans, took)
			} else {
				lists = append(lists, took)
			}
			mu.Unlock()
			// Who had to wait clicks on as long after as they would have, but not before what they waited for has come.
			if at = at.Add(w.pace); at.Before(time.Now()) {
				at = time.Now()
			}
		}
		return nil
	})
	return lists, scans, err
}
