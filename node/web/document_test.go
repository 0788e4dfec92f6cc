package web

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/hhrutter/tiff"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/node/media"
)

// opened signs a doctor on and opens patient A, with one document.
func opened(t *testing.T, located *admin.Located, data []byte) (b *browser, path, document string, d *stored) {
	t.Helper()
	g := newRig(t)
	id := g.region.add(numberA, "RYJ", 1, located, data)
	b = g.browser()
	b.signOn("a.okafor")
	path = b.open(numberA)
	return b, path, path + "/documents/" + id, g.region.docs[id]
}

func TestPictureIsOneRelease(t *testing.T) {
	b, _, doc, _ := opened(t, &admin.Located{Title: "Chart", ContentType: "image/png", Pages: 1, Date: at("2024-01-01")}, pngOf(t))
	b.get(doc).wants(t, 200, `id="picture"`, "Held by <strong>Imperial College Healthcare</strong>", `width="40" height="60"`)
	got := b.get(doc + "/page?part=1&page=1")
	got.wants(t, 200)
	if got.Header.Get("Content-Type") != "image/png" || got.body != string(pngOf(t)) || got.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("the picture is sent as %v", got.Header)
	}
	if b.region.fetches != 1 {
		t.Errorf("page and picture took %d releases, want 1", b.region.fetches)
	}
	b.get(doc+"/page?part=1&page=1").wants(t, 200)
	if b.region.fetches != 2 {
		t.Error("a picture is kept longer than for one request")
	}
}

func TestScanBecomesAPicture(t *testing.T) {
	img := image.NewGray(image.Rect(0, 0, 64, 80))
	for i := range img.Pix {
		img.Pix[i] = 0xff
	}
	img.Set(5, 7, color.Black)
	var out bytes.Buffer
	if err := tiff.Encode(&out, img, nil); err != nil {
		t.Fatal(err)
	}
	b, _, doc, _ := opened(t, &admin.Located{Title: "Scan", ContentType: "image/tiff", Pages: 3}, out.Bytes())
	b.get(doc+"?page=2").wants(t, 200, "of 3", "page=1", "page=3")
	got := b.get(doc + "/page?page=3")
	got.wants(t, 200)
	back, _, err := image.Decode(strings.NewReader(got.body))
	if err != nil || back.Bounds() != img.Bounds() {
		t.Fatalf("the picture: %v", err)
	}
	if r, _, _, _ := back.At(5, 7).RGBA(); r != 0 {
		t.Error("a black dot is lost")
	}
	if r, _, _, _ := back.At(6, 7).RGBA(); r != 0xffff {
		t.Error("white is not white")
	}
}

func TestHostilePicturesAreRefused(t *testing.T) {
	var photo bytes.Buffer
	if err := jpeg.Encode(&photo, image.NewRGBA(image.Rect(0, 0, 9, 9)), nil); err != nil {
		t.Fatal(err)
	}
	bomb := append([]byte(nil), pngOf(t)...)
	copy(bomb[16:24], []byte{0x00, 0xff, 0xff, 0xff, 0x00, 0xff, 0xff, 0xff}) // claims 16,777,215 x 16,777,215
	for name, c := range map[string]struct {
		contentType string
		data        []byte
	}{
		"bomb": {"image/png", bomb}, "cut TIFF": {"image/tiff", []byte("II*\x00\x08\x00\x00\x00\xff\xff")}, "text as PNG": {"image/png", []byte("<script>alert(1)</script>")},
		"JPEG as TIFF": {"image/tiff", photo.Bytes()}, "empty": {"image/jpeg", nil},
	} {
		b, _, doc, _ := opened(t, &admin.Located{Title: "X", ContentType: c.contentType, Pages: 1}, c.data)
		b.get(doc).wants(t, 200, "cannot be shown here", "Download")
		if got := b.get(doc + "/page"); got.StatusCode != http.StatusUnsupportedMediaType {
			t.Errorf("%s: status %d", name, got.StatusCode)
		}
	}
}

// TestPixelsAreWeighedInBytes has pages of the same size in pixels and of different depth.
func TestPixelsAreWeighedInBytes(t *testing.T) {
	for name, c := range map[string]struct {
		img  image.Image
		want int64
	}{
		"gray": {image.NewGray(image.Rect(0, 0, 5, 5)), 2}, "16-bit gray": {image.NewGray16(image.Rect(0, 0, 5, 5)), 2},
		"colour": {image.NewRGBA(image.Rect(0, 0, 5, 5)), 4}, "16-bit colour": {image.NewRGBA64(image.Rect(0, 0, 5, 5)), 8},
		"palette": {image.NewPaletted(image.Rect(0, 0, 5, 5), color.Palette{color.Black, color.White}), 1},
	} {
		var out bytes.Buffer
		if err := tiff.Encode(&out, c.img, nil); err != nil {
			t.Fatal(err)
		}
		config, err := claimedSize(media.FormatTIFF, out.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		if got := bytesOf(config.ColorModel); got != c.want {
			t.Errorf("%s: %d bytes a pixel, want %d", name, got, c.want)
		}
	}
	// A page of 16-bit colour that claims 9,000 x 9,000 pixels would take 648 MB: it is refused before anything is decoded.
	var out bytes.Buffer
	if err := tiff.Encode(&out, image.NewRGBA64(image.Rect(0, 0, 9, 9)), nil); err != nil {
		t.Fatal(err)
	}
	data := out.Bytes()
	claim(t, data, 9000)
	if _, err := newRig(t).portal.paint(t.Context(), "image/tiff", data); err == nil || !strings.Contains(err.Error(), "bytes") {
		t.Errorf("a page of 648 MB: %v", err)
	}
}

// claim writes another width and height into a TIFF of one page.
func claim(t *testing.T, data []byte, size uint16) {
	t.Helper()
	at := binary.LittleEndian.Uint32(data[4:])
	for i := range int(binary.LittleEndian.Uint16(data[at:])) {
		entry := data[int(at)+2+12*i:]
		if tag := binary.LittleEndian.Uint16(entry); tag == 256 || tag == 257 {
			binary.LittleEndian.PutUint16(entry[8:], size)
		}
	}
}

func TestPageThatFailsItsCheckIsNotShown(t *testing.T) {
	b, _, doc, d := opened(t, &admin.Located{Title: "Chart", ContentType: "image/png", Pages: 1}, pngOf(t))
	d.corrupt = 1
	b.get(doc).wants(t, 200, "The first copy failed its check and was thrown away")
	d.corrupt = 2
	b.get(doc).wants(t, 502, "This document failed its check", "none of it is shown")
	b.get(doc+"/page").wants(t, 200)
	d.corrupt = 2
	if got := b.get(doc + "/page"); got.StatusCode != 502 || strings.Contains(got.body, "PNG") {
		t.Errorf("a page that failed its check: %d, %.40q", got.StatusCode, got.body)
	}
	d.broken = 1
	b.get(doc).wants(t, 502, "does not answer")
}

func TestDownloadIsCutRatherThanShort(t *testing.T) {
	b, _, doc, d := opened(t, &admin.Located{Title: "File", ContentType: "application/zip"}, bytes.Repeat([]byte("abc"), 500_000))
	got := b.get(doc + "/file")
	if got.body != string(d.data) || got.ContentLength != int64(len(d.data)) {
		t.Errorf("%d bytes came of %d", len(got.body), len(d.data))
	}
	for name, spoil := range map[string]func(){"cut off": func() { d.broken = 1 }, "failed its check": func() { d.corrupt = 1 }} {
		spoil()
		resp, err := b.client.Do(b.request("GET", doc+"/file", nil))
		if err == nil {
			var read bytes.Buffer
			_, err = read.ReadFrom(resp.Body)
			_ = resp.Body.Close()
		}
		if err == nil {
			t.Errorf("a download that %s looks whole", name)
		}
	}
}

// A small file is looked at as a whole before the browser gets any of it.
func TestSmallDownloadThatFailsIsAPageInWords(t *testing.T) {
	b, _, doc, d := opened(t, &admin.Located{Title: "File", ContentType: "application/zip"}, bytes.Repeat([]byte("abc"), 50_000))
	if got := b.get(doc + "/file"); got.body != string(d.data) || got.ContentLength != int64(len(d.data)) {
		t.Errorf("%d bytes came of %d", len(got.body), len(d.data))
	}
	d.broken = 1
	b.get(doc+"/file").wants(t, 502, "does not answer")
	d.corrupt = 1
	b.get(doc+"/file").wants(t, 502, "failed its check")

	// The viewer of PDF is given what was fetched once more, and is told.
	d.corrupt = 1
	if got := b.get(doc + "/file?show=1"); got.body != string(d.data) || got.Header.Get("Ridgeway-Check") != "retried" {
		t.Errorf("%d bytes of %d, checked: %q", len(got.body), len(d.data), got.Header.Get("Ridgeway-Check"))
	}
	d.corrupt = 2
	b.get(doc+"/file?show=1").wants(t, 502, "failed its check")
}

func TestRangesOfAFile(t *testing.T) {
	b, _, doc, _ := opened(t, &admin.Located{Title: "PDF", ContentType: "application/pdf", Pages: 2}, []byte("0123456789"))
	for header, want := range map[string]struct {
		status int
		body   string
	}{
		"bytes=2-4": {206, "234"}, "bytes=7-": {206, "789"}, "bytes=0-0": {206, "0"}, "bytes=5-99": {206, "56789"},
		"bytes=9-9": {206, "9"}, "bytes=10-": {416, ""}, "bytes=11-": {416, ""}, "bytes=10-12": {416, ""}, "bytes=4000-4100": {416, ""},
		"bytes=-3": {200, "0123456789"}, "bytes=1-2,4-5": {200, "0123456789"}, "lines=1-2": {200, "0123456789"}, "bytes=4-2": {200, "0123456789"},
	} {
		r := b.request("GET", doc+"/file?show=1", nil)
		r.Header.Set("Range", header)
		got := b.do(r)
		if got.StatusCode != want.status || want.body != "" && got.body != want.body {
			t.Errorf("%s: %d %q, want %d %q", header, got.StatusCode, got.body, want.status, want.body)
		}
		if got.StatusCode == 206 && !strings.HasSuffix(got.Header.Get("Content-Range"), "/10") {
			t.Errorf("%s: Content-Range %q", header, got.Header.Get("Content-Range"))
		}
		if got.StatusCode == 416 && got.Header.Get("Content-Range") != "bytes */10" {
			t.Errorf("%s: Content-Range %q does not say how long the file is", header, got.Header.Get("Content-Range"))
		}
	}
	b.get(doc).wants(t, 200, `id="pdf"`, "Without JavaScript")
}

func TestTextIsText(t *testing.T) {
	b, _, doc, _ := opened(t, &admin.Located{Title: "Note", ContentType: "text/plain"}, []byte("Temp 38\xb0C <b>bold</b> &amp;"))
	b.get(doc).wants(t, 200, "Temp 38°C &lt;b&gt;bold&lt;/b&gt; &amp;amp;")
	b, _, doc, _ = opened(t, &admin.Located{Title: "Page", ContentType: "text/html"}, []byte("<script>alert(1)</script>"))
	got := b.get(doc)
	got.wants(t, 200, "cannot be shown here")
	if file := b.get(doc + "/file"); file.Header.Get("Content-Type") != "application/octet-stream" {
		t.Errorf("HTML is sent as %q", file.Header.Get("Content-Type"))
	}
}

// cda is a clinical document with hostile narrative.
const cda = `<?xml version="1.0"?><ClinicalDocument xmlns="urn:hl7-org:v3"><title>T</title><effectiveTime value="20240102030405+0000"/>
<recordTarget><patientRole><id root="2.16.840.1.113883.2.1.4.1" extension="%s"/><patient><name><given>Ann</given><family>Other</family></name><birthTime value="19630907"/></patient></patientRole></recordTarget>
<component><structuredBody><component><section><title>Plan &lt;script&gt;</title><text>
<paragraph>See <linkHtml href="javascript:alert(1)">this link</linkHtml><content styleCode="Bold">bold</content></paragraph>
<script>alert(2)</script><iframe src="https://evil.example"/><img src="https://evil.example/x.png" onerror="alert(3)"/>
<list listType="ordered"><item>one</item></list><table><tr><th>H</th><td>C</td></tr></table><renderMultiMedia referencedObject="x"/>
</text></section></component></structuredBody></component></ClinicalDocument>`

func TestStructuredDocumentIsRenderedSafely(t *testing.T) {
	b, _, doc, _ := opened(t, &admin.Located{Title: "Summary", ContentType: "text/xml"}, fmt.Appendf(nil, cda, numberA))
	got := b.get(doc)
	got.wants(t, 200, "Ann Other", "7 September 1963", "Plan &lt;script&gt;", "this link", "<strong>bold</strong>", "<li>one</li>", "a picture that is not shown here")
	for _, bad := range []string{"javascript:", "evil.example", "<iframe", "<img src=\"https", "onerror", "<script>alert"} {
		if strings.Contains(got.body, bad) {
			t.Errorf("%q comes through", bad)
		}
	}
}

// A record of a group names several patients. It is not shown to who reads about one of them, nor filed under one.
func TestDocumentOfSeveralPatientsIsBlocked(t *testing.T) {
	group := strings.Replace(fmt.Sprintf(cda, numberA), "<component>", `<recordTarget><patientRole><id root="2.16.840.1.113883.2.1.4.1" extension="`+numberB+`"/></patientRole></recordTarget><author/><component>`, 1)
	b, _, doc, _ := opened(t, &admin.Located{Title: "Summary", ContentType: "text/xml"}, []byte(group))
	got := b.get(doc)
	got.wants(t, 200, "This document may be about another patient", "999 000 0018", "999 000 0026", "It is not shown")
	if strings.Contains(got.body, "this link") {
		t.Error("the content of a document about several patients is shown")
	}
	first, whole := strings.Index(group, "</recordTarget>"), strings.Index(group, "<author/>")
	for name, c := range map[string]struct {
		until int
		want  bool
	}{"whole": {len(group), true}, "up to the second": {whole, true}, "in the middle of the second": {whole - 20, true}, "up to the first": {first + len("</recordTarget>"), false}, "in the first": {first - 5, false}} {
		head := Beginning{Head: []byte(group[:c.until]), Size: int64(len(group))}
		if got := Contradiction(media.FormatCDA, head, numberA, Person{}); strings.Contains(got, "999 000 0026") != c.want {
			t.Errorf("%s: %q", name, got)
		}
		if got := Contradiction(media.FormatCDA, head, numberB, Person{}); strings.Contains(got, "999 000 0018") != (name != "in the first") {
			t.Errorf("%s, of the second: %q", name, got)
		}
	}
}

func TestDocumentOfAnotherPatientIsBlocked(t *testing.T) {
	b, _, doc, _ := opened(t, &admin.Located{Title: "Summary", ContentType: "text/xml"}, fmt.Appendf(nil, cda, numberB))
	got := b.get(doc)
	got.wants(t, 200, "This document may be about another patient", "999 000 0018", "999 000 0026", "It is not shown")
	if strings.Contains(got.body, "Ann Other") || strings.Contains(got.body, "this link") {
		t.Error("the content of another patient's document is shown")
	}
	if strings.Contains(got.body, "cannot be checked") {
		t.Error("it is said that whose it is cannot be checked, though it was")
	}
}

func TestStructuredDocumentsThatCannotBeRead(t *testing.T) {
	bomb := `<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><ClinicalDocument xmlns="urn:hl7-org:v3"><title>&b;</title></ClinicalDocument>`
	deep := `<ClinicalDocument xmlns="urn:hl7-org:v3">` + strings.Repeat("<a>", 5000) + strings.Repeat("</a>", 5000) + `</ClinicalDocument>`
	for name, text := range map[string]string{"entities": bomb, "depth": deep, "cut off": "<ClinicalDocument xmlns=\"urn:hl7-org:v3\">", "other root": "<html/>", "empty": "", "no body": `<ClinicalDocument xmlns="urn:hl7-org:v3"/>`} {
		if _, err := readStructured([]byte(text)); err == nil {
			t.Errorf("%s: it was read", name)
		}
	}
}

func FuzzStructured(f *testing.F) {
	f.Add([]byte(fmt.Sprintf(cda, numberA)))
	f.Add([]byte("<a>&b;</a>"))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := readStructured(data)
		if err == nil && s == nil {
			t.Error("neither a document nor an error")
		}
	})
}

func TestRefusalIsInPlainWords(t *testing.T) {
	b, path, doc, d := opened(t, &admin.Located{Title: "Chart", ContentType: "image/png", Pages: 1, Date: at("2024-02-03")}, pngOf(t))
	id := doc[strings.LastIndex(doc, "/")+1:]
	for _, c := range []struct {
		err    *admin.Error
		status int
		wants  []string
	}{
		{admin.Errorf(admin.CodeDenied, "RYJ refuses to release %s: It is not shared for this role.", id), 403, []string{"You cannot open this document", "It is not shared for this role.", "health records team of Imperial College Healthcare", "/emergency"}},
		{admin.Errorf(admin.CodeDenied, `%s cannot be fetched: RYJ is suspended from the region, for the reason "lost laptop". Nothing of it is released`, id), 403, []string{"Imperial College Healthcare is suspended by the region", "telephone the health records team of Imperial College Healthcare"}},
		{admin.Errorf(admin.CodeDenied, "THIS TRUST IS SUSPENDED: RAS is suspended from the region. Another trust lifts it with 'ridgeway suspend RAS --lift'"), 403, []string{"This trust is suspended by the region", "Tell your IT service desk"}},
		{admin.Errorf(admin.CodeDenied, "the emergency that was declared for this patient ended at 15:04:05: declare another with 'ridgeway break-glass' if it goes on"), 403, []string{"The emergency access has ended", "ran out", "Try again", "/emergency"}},
		{admin.Errorf(admin.CodeDenied, "RYJ refuses to release %s: The emergency that was declared is over.", id), 403, []string{"The emergency access has ended", "ran out", "Try again", "/emergency"}},
		{admin.Errorf(admin.CodeDenied, "RYJ refuses to release %s: The trust that holds this document has judged that this emergency was not justified: nothing more is opened by it.", id), 403, []string{"You cannot open this document", "was not justified", "telephone the health records team of Imperial College Healthcare", "tell your privacy officer"}},
		{admin.Errorf(admin.CodeTooMany, "RYJ does not release %s now: Too many patients.", id), 429, []string{"No more records for now", "Too many patients."}},
		{admin.Errorf(admin.CodeStale, "RYJ cannot release it"), 503, []string{"Sharing cannot be confirmed", "Try again", "/emergency"}},
		{admin.Errorf(admin.CodeStale, "RAS cannot say yet: its copy of what the region has agreed on is still on its way. 'ridgeway status' says"), 503, []string{"This trust cannot say yet what you may see", "Nothing is shown or refused", "Try again"}},
		{admin.Errorf(admin.CodeUnavailable, "RYJ is away"), 502, []string{"Imperial College Healthcare does not answer", "held only there", "Try again"}},
		{admin.Errorf(admin.CodeUnavailable, "RYJ, which holds %s, releases nothing to other trusts until its operator has acted", id), 503, []string{"Imperial College Healthcare sends nothing at present", "trying again does not help", "telephone the health records team of Imperial College Healthcare"}},
		{admin.Errorf(admin.CodeNotFound, "none"), 404, []string{"There is no such document"}},
		{admin.Errorf(admin.CodeInternal, "panic: secret detail"), 500, []string{"Sorry, there is a problem with the service"}},
	} {
		d.fail = c.err
		got := b.get(doc)
		got.wants(t, c.status, c.wants...)
		for _, jargon := range []string{"ridgeway locate", "'ridgeway", "NOT_FOUND", "DENIED", "secret detail"} {
			if strings.Contains(got.body, jargon) {
				t.Errorf("%s: the page says %q", c.err.Code, jargon)
			}
		}
		if strings.Contains(got.body, "cannot say yet") && strings.Contains(got.body, "/emergency") {
			t.Errorf("%v: the page offers an emergency that cannot be declared", c.err)
		}
		if strings.Contains(got.body, "not justified") && strings.Contains(got.body, "/emergency") {
			t.Errorf("%v: the page offers the same emergency again", c.err)
		}
		if strings.Contains(got.body, "suspended") && (strings.Contains(got.body, "/emergency") || strings.Contains(got.body, "ask them")) {
			t.Errorf("%v: the page offers what a suspension does not let through", c.err)
		}
		r := b.request("GET", doc+"/page", nil)
		r.Header.Set("Sec-Fetch-Mode", "cors")
		if short := b.do(r); short.StatusCode != c.status || strings.Contains(short.body, "<html") {
			t.Errorf("%s: a script is told %d %.80q", c.err.Code, short.StatusCode, short.body)
		}
	}
	if got := plainWarning("THIS TRUST IS SUSPENDED: RAS is suspended from the region. Another trust lifts it with 'ridgeway suspend RAS --lift'"); got != suspendedHere {
		t.Errorf("a list at the suspended trust says %q", got)
	}
	b.region.refuse = admin.Errorf(admin.CodeStale, "its copy of what the region has agreed on is still on its way")
	b.get(path).wants(t, 503, "This trust cannot say yet what you may see", "Try again")
	b.region.refuse = admin.Errorf(admin.CodeIntegrity, "the index is damaged")
	b.get(path).wants(t, 500, "The list of documents cannot be made")
}

func TestEmergency(t *testing.T) {
	g := newRig(t)
	id := g.region.add(numberA, "RYJ", 1, &admin.Located{Title: "Kept letter", ContentType: "text/plain"}, []byte("x"))
	g.region.docs[id].hidden = true
	b := g.browser()
	token := field(t, tokenField, b.signOn("j.price").body)
	path := b.open(numberA)
	form := func(reason string, understood ...string) url.Values {
		return url.Values{"token": {token}, "reason": {reason}, "understood": understood}
	}
	b.post(path+"/emergency", form("unconscious in resus, no history")).wants(t, 422, "Confirm that you understand")
	b.post(path+"/emergency", form("", "1")).wants(t, 422, "Say in a few words")
	b.post(path+"/emergency", form("urgent", "1")).wants(t, 422, "Say in a few words")
	b.get(path).wants(t, 200, "no documents that you can see")
	if to := b.post(path+"/emergency", form("unconscious in resus, no history", "1")).Header.Get("Location"); to != path {
		t.Errorf("the emergency leads to %q", to)
	}
	b.get(path).wants(t, 200, "Emergency access</strong> until", "Kept letter")
	other := b.open(numberB)
	if got := b.get(other); strings.Contains(got.body, "Emergency access</strong> until") {
		t.Error("an emergency about one patient is shown with another")
	}
	g.clock.move(9 * time.Minute)
	b.get(path).wants(t, 200, "Emergency access</strong> until")
	g.clock.move(7 * time.Minute)
	if got := b.get(path); strings.Contains(got.body, "Emergency access</strong> until") || strings.Contains(got.body, "Kept letter") {
		t.Error("the emergency outlives its time")
	}
	staff := g.browser()
	token = field(t, tokenField, staff.signOn("s.lindqvist").body)
	path = staff.open(numberA)
	staff.post(path+"/emergency", form("I would like to see", "1")).wants(t, 403, "Emergency access was not given")
}
