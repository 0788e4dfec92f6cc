package web_test

import (
	"bytes"
	"fmt"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/node/ingest"
	"github.com/ridgeway-exchange/ridgeway/node/media"
	"github.com/ridgeway-exchange/ridgeway/node/web"
)

const dicomFrames = 6

// takenDICOM has the holder take an invented image in, stored as a transfer syntax. It is so old that it stands last in the list:
// stories that share the region open the first of each kind.
func (s *story) takenDICOM(title, syntax string) federation.DocumentID {
	s.t.Helper()
	data := web.Angiogram(s.t, s.patient.NHSNumber, s.patient.Family+"^"+s.patient.Given, syntax, dicomFrames)
	info, err := media.Inspect(bytes.NewReader(data), int64(len(data)), "image.dcm")
	if err != nil || info.Pages != dicomFrames {
		s.t.Fatalf("%+v, %v", info, err)
	}
	receipt, err := s.region.Take(s.t.Context(), holder, ingest.Item{
		Patient: s.patient.NHSNumber, Type: "373942005", Category: "823651000000106", Title: title, Date: time.Date(1995, 1, 3, 0, 0, 0, 0, time.UTC), Confidentiality: "N", Language: "en-GB",
		Parts: []ingest.Part{{Name: "image.dcm", Info: info, Size: int64(len(data)), Content: bytes.NewReader(data)}},
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return receipt.Document
}

// framesShown looks at an image of several frames: each is a page, and of one that takes long it is said how much has come.
func (s *story) framesShown(list string) {
	s.t.Helper()
	film, foreign := s.takenDICOM("Angiogram", "1.2.840.10008.1.2.1"), s.takenDICOM("Echo", "1.2.840.10008.1.2.4.90")
	s.settled()
	s.goTo(list + "/documents/" + string(film))
	frame := func(n int) string {
		return fmt.Sprintf("document.getElementById('picture')?.alt.startsWith('Page %d of %d ') && document.getElementById('picture').naturalWidth === 1200", n, dicomFrames)
	}
	s.until(frame(1))
	s.says("It has 6 images")
	s.says("2.4 MB")
	brightest := func() int { // the column in the middle of the bar
		return js[int](s, `(() => { const p = document.getElementById('picture'); const c = document.createElement('canvas'); c.width = 120; c.height = 10
			const d = c.getContext('2d'); d.drawImage(p, 0, 0, 120, 10); const row = d.getImageData(0, 5, 120, 1).data
			const bright = [...Array(120).keys()].filter(x => row[4 * x] > 200); return Math.round(bright.reduce((a, b) => a + b, 0) / bright.length) })()`)
	}
	for _, n := range []int{1, 6} {
		js[bool](s, fmt.Sprintf("(document.getElementById('page').value = '%d', document.getElementById('jump').requestSubmit(), true)", n))
		s.until(frame(n))
		if got, want := brightest(), 120*(n-1)/dicomFrames+6; got < want-2 || got > want+2 {
			s.t.Errorf("the bar of frame %d is at %d, want %d", n, got, want)
		}
	}
	// A line that is slow: what has come of the frame is told, until it is there.
	js[bool](s, `(() => { const real = window.fetch; window.fetch = async (url, o) => {
		if (String(url).includes('/coming?')) return new Response('800000 2400000')
		if (String(url).endsWith('&page=4')) await new Promise((done) => { window.letCome = done })
		return real(url, o) }; return true })()`)
	js[bool](s, "(document.getElementById('page').value = '4', document.getElementById('jump').requestSubmit(), true)")
	s.until("!document.getElementById('coming').hidden && document.getElementById('coming').innerText.includes('0.8 of 2.4 MB') && document.querySelector('#coming progress').value === 800000")
	s.axe("an image that is on its way")
	s.shot("38-dicom-coming", 1920, 390)
	js[bool](s, "(letCome(), true)")
	s.until(frame(4) + " && document.getElementById('coming').hidden && document.getElementById('status').textContent === ''")
	s.check("38-dicom-frames")

	s.goTo(list + "/documents/" + string(foreign))
	s.says("The picture is stored as JPEG 2000, which cannot be shown here.")
	s.until("[...document.querySelectorAll('main a')].some(a => a.textContent === 'Download')")
	s.shot("39-dicom-foreign", 1920)
}
