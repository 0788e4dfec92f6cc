package main

import (
	"bytes"
	"errors"
	"io"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/suyashkumar/dicom"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/node/media"
	"github.com/ridgeway-exchange/ridgeway/storage/record"
)

func TestQuantilesAreOfWhatWasMeasured(t *testing.T) {
	s := series{5, 1, 4, 2, 3}
	for _, c := range []struct{ q, want float64 }{{0.5, 3}, {0.99, 5}, {1, 5}, {0.2, 1}} {
		if got := s.quantile(c.q); got != c.want {
			t.Errorf("quantile %g is %g, want %g", c.q, got, c.want)
		}
	}
	if got := (series{1, 2, 3, 10}).median(); got != 2.5 {
		t.Errorf("median of four is %g", got)
	}
	if got := (series{}).median(); !math.IsNaN(got) {
		t.Errorf("median of nothing is %g", got)
	}
}

func TestRatioIsAboveOneWhenOursIsBetter(t *testing.T) {
	rate := row{}.compared(series{200}, series{100}, "peer", false)
	span := row{}.compared(series{1}, series{2}, "peer", true)
	if rate.Ratio != 2 || span.Ratio != 2 {
		t.Errorf("ratios %g and %g, want 2", rate.Ratio, span.Ratio)
	}
}

func TestGoalIsJudgedByRatioAndFloor(t *testing.T) {
	for name, c := range map[string]struct {
		mine, their series
		floor       float64
		want        string
	}{
		"both":            {series{90}, series{30}, 60, "yes"},
		"below the floor": {series{50}, series{10}, 60, "no"},
		"below the ratio": {series{90}, series{40}, 60, "no"},
		"no peer":         {series{90}, nil, 60, ""},
	} {
		if got := (row{}).compared(c.mine, c.their, "peer", false).atLeast(3, c.floor, "").Reached; got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestTableHasALineForEachRow(t *testing.T) {
	r := &report{Rows: []row{{Operation: "a | b", Ours: 1234.5, Unit: "/s"}, {Operation: "c", Note: "skipped\nhere"}}}
	var out strings.Builder
	if err := r.print(&out, false); err != nil {
		t.Fatal(err)
	}
	if got := out.String(); !strings.Contains(got, "| a / b | 1,23") || !strings.Contains(got, "| skipped here |") {
		t.Errorf("table:\n%s", got)
	}
}

func TestPatientsHaveDifferentValidNumbersOfTheTestRange(t *testing.T) {
	seen := map[string]bool{}
	for i := range 30_000 {
		text := number(i)
		n, err := record.ParseNHSNumber(text)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := record.Test.Check(n); err != nil || seen[text] {
			t.Fatalf("%s: seen before %v, %v", text, seen[text], err)
		}
		seen[text] = true
	}
}

func TestStatementOfManyPointersIsWithinItsLimit(t *testing.T) {
	s := newSpeaker(1)
	if _, err := s.say(federation.Publish{Pointers: pointersOf(s.id, 0, batchSize, 10)}); err != nil {
		t.Error(err)
	}
}

func TestPatternReadsTheSameInAnyPieces(t *testing.T) {
	p := pattern{size: 3*block + 777, blocks: 2, seed: 3}
	whole, err := io.ReadAll(io.NewSectionReader(p, 0, p.size))
	if err != nil || int64(len(whole)) != p.size {
		t.Fatalf("%d bytes, %v", len(whole), err)
	}
	if !bytes.Equal(whole[:block], whole[2*block:3*block]) || bytes.Equal(whole[:block], whole[block:2*block]) {
		t.Error("blocks do not repeat as they should")
	}
	piece := make([]byte, 1001)
	for _, at := range []int64{0, 5, block - 500, 3*block - 3} {
		n, err := p.ReadAt(piece, at)
		if !bytes.Equal(piece[:n], whole[at:at+int64(n)]) || n < len(piece) && !errors.Is(err, io.EOF) {
			t.Errorf("at %d: %d bytes, %v", at, n, err)
		}
	}
}

func TestScanIsATIFFOfOnePage(t *testing.T) {
	b := scan(64<<10, 1)
	info, err := media.Inspect(bytes.NewReader(b), int64(len(b)), "scan.tif")
	if err != nil || info.Pages != 1 || len(b) > 64<<10 || len(b) < 63<<10 {
		t.Errorf("%d bytes: %+v, %v", len(b), info, err)
	}
}

func TestImageIsDICOM(t *testing.T) {
	b := dicomFile(1, 2, 64<<10)
	set, err := dicom.Parse(bytes.NewReader(b), int64(len(b)), nil, dicom.SkipPixelData())
	if err != nil || len(set.Elements) < 20 {
		t.Errorf("%d elements, %v", len(set.Elements), err)
	}
}

func TestUnknownBenchmarkIsRefused(t *testing.T) {
	if _, err := choose("register,nothing"); err == nil {
		t.Error("accepted")
	}
	chosen, err := choose("")
	if err != nil || slices.ContainsFunc(chosen, func(b benchmark) bool { return b.extra }) {
		t.Errorf("%v, %v", chosen, err)
	}
}

func TestRequestThatIsHeldUpCountsFromWhenItWasDue(t *testing.T) {
	const rate, held = 1000, 30 * time.Millisecond
	took, err := arriving(20*time.Millisecond, 1, rate, func(_, call int) error {
		for began := monotonic(); call == 0 && monotonic()-began < held; {
			runtime.Gosched()
		}
		return nil
	})
	if err != nil || len(took) != 20 {
		t.Fatalf("%d calls, %v", len(took), err)
	}
	// the others came meanwhile, the last of them 19 ms after the first
	for i, ms := range took {
		if least := milliseconds(held) - float64(i)*1000/rate; ms < least {
			t.Errorf("call %d counts for %g ms, at least %g", i, ms, least)
		}
	}
}

// TestRequestsArriveEvenly: each client has its own, none is called before it is due, and all that were due are.
func TestRequestsArriveEvenly(t *testing.T) {
	const clients, rate = 4, 2000
	var calls [clients]int
	took, err := arriving(50*time.Millisecond, clients, rate, func(client, call int) error {
		if call != calls[client] {
			t.Errorf("client %d: call %d after %d", client, call, calls[client])
		}
		calls[client]++
		return nil
	})
	if err != nil || len(took) != 100 || slices.Min(took) < 0 {
		t.Errorf("%d calls, the first %g ms after it was due, %v", len(took), slices.Min(took), err)
	}
	for client, n := range calls {
		if n != 25 {
			t.Errorf("client %d: %d calls", client, n)
		}
	}
	broken := errors.New("broken")
	if _, err := arriving(50*time.Millisecond, clients, rate, func(client, _ int) error {
		if client == 2 {
			return broken
		}
		return nil
	}); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}
