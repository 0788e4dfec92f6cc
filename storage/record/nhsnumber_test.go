package record

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestValidNHSNumbersAreTaken(t *testing.T) {
	for _, digits := range []string{
		"9000000009", "9000000017", "9000000025", "9000000033", // sandbox of the demographics service, outside every range
		"6700028191", "9434765919", "4010232137", "9449305552", "5900046192", "9990000018", "8456081973",
	} {
		n, err := ParseNHSNumber(digits)
		if err != nil {
			t.Errorf("ParseNHSNumber(%s): %v", digits, err)
			continue
		}
		if n.Digits() != digits {
			t.Errorf("Digits() = %s, want %s", n.Digits(), digits)
		}
	}
}

func TestNHSNumberIsReadAsPeopleWriteIt(t *testing.T) {
	for _, text := range []string{"943 476 5919", "943-476-5919", " 9434765919 ", "94 34 76 59 19", "943\u00a0476\u00a05919", "943\u2011476\u20115919", "9-4-3-4-7-6-5-9-1-9", "943–476–5919"} {
		n, err := ParseNHSNumber(text)
		if err != nil {
			t.Errorf("ParseNHSNumber(%q): %v", text, err)
			continue
		}
		if got := n.String(); got != "943 476 5919" {
			t.Errorf("String() of %q = %q", text, got)
		}
	}
}

func TestInvalidNHSNumbersAreRefusedWithTheirFault(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       NHSFault
	}{
		{"nothing", "", NHSEmpty},
		{"only separators", " - - ", NHSEmpty},
		{"nine digits", "943476591", NHSLength},
		{"eleven digits", "94347659190", NHSLength},
		{"endless", strings.Repeat("9", 1000), NHSLength},
		{"wrong check digit", "9000000001", NHSCheckDigit},
		{"wrong check digit 2", "9495456001", NHSCheckDigit},
		{"wrong check digit 3", "4857773456", NHSCheckDigit},
		{"stub of the demographics service", "9000000015", NHSCheckDigit},
		{"swapped digits", "9434756919", NHSCheckDigit},
		{"check digit would be ten", "4000000070", NHSCheckDigit},
		{"placeholder for garbage", "0000000000", NHSRepeated},
		{"placeholder with spaces", "000 000 0000", NHSRepeated},
		{"all nines", "9999999999", NHSRepeated},
		{"all ones", "1111111111", NHSRepeated},
		{"letter O", "943476591O", NHSCharacter},
		{"full-width digits", "９４３４７６５９１９", NHSCharacter},
		{"newline inside", "943476\n5919", NHSCharacter},
		{"plus", "+9434765919", NHSCharacter},
		{"invalid UTF-8", "94347\xff65919", NHSCharacter},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := ParseNHSNumber(c.text)
			var fault *NHSNumberError
			if !errors.As(err, &fault) || !errors.Is(err, ErrNHSNumber) {
				t.Fatalf("got %v, want an NHSNumberError", err)
			}
			if fault.Fault != c.want {
				t.Errorf("fault %d (%v), want %d", fault.Fault, err, c.want)
			}
		})
	}
}

// Nine digits whose check digit would be 10 have no tenth digit that completes them.
func TestCheckDigitTenHasNoNumber(t *testing.T) {
	found := 0
	for nine := 400000000; nine < 400000100; nine++ {
		valid := 0
		for last := range 10 {
			if _, err := ParseNHSNumber(fmt.Sprintf("%09d%d", nine, last)); err == nil {
				valid++
			}
		}
		if valid > 1 {
			t.Fatalf("%d has %d check digits", nine, valid)
		}
		if valid == 0 {
			found++
		}
	}
	if found == 0 {
		t.Error("no nine digits with check digit 10 among a hundred")
	}
}

func TestMessagesAndLogsDoNotNameTheNumber(t *testing.T) {
	for _, text := range []string{"9000000001", "943476591", "94347659191", "943476591O"} {
		_, err := ParseNHSNumber(text)
		if err == nil || strings.Contains(strings.Map(onlyDigits, err.Error()), text[:6]) {
			t.Errorf("message %v names the number", err)
		}
	}
	n := mustNHS(t, "9434765919")
	var buf bytes.Buffer
	slog.New(slog.NewJSONHandler(&buf, nil)).Info("x", slog.Any("n", n), slog.Any("p", &n))
	fmt.Fprintf(&buf, "%#v", n)
	if s := strings.Map(onlyDigits, buf.String()); strings.Contains(s, "943476") {
		t.Errorf("log names the number: %s", buf.String())
	}
	if _, err := Live.Check(mustNHS(t, "9990000018")); err == nil || strings.Contains(err.Error(), "9990000") {
		t.Errorf("live mode: %v", err)
	}
}

func onlyDigits(r rune) rune {
	if r >= '0' && r <= '9' {
		return r
	}
	return -1
}

func TestRangeIsAWarningExceptForTestNumbersInALiveRegion(t *testing.T) {
	for _, c := range []struct {
		digits  string
		want    Range
		warns   bool
		refused bool
	}{
		{"4010232137", RangeIssued, false, false},
		{"6700028191", RangeIssued, false, false},
		{"9990000018", RangeTest, false, true},
		{"5900046192", RangeUnassigned, true, false},
		{"9434765919", RangeUnassigned, true, false},
		{"9000000009", RangeUnassigned, true, false},
		{"8456081973", RangeUnassigned, true, false}, // a patient of a widely used generator
		{complete(t, "320000001"), RangeNorthernIreland, true, false},
		{complete(t, "399999991"), RangeNorthernIreland, true, false},
		{complete(t, "010100001"), RangeScotland, true, false},
		{complete(t, "311299999"), RangeScotland, true, false},
		{complete(t, "311300002"), RangeUnassigned, true, false},
		{complete(t, "998999999"), RangeUnassigned, true, false},
		{complete(t, "400000000"), RangeIssued, false, false},
		{complete(t, "799999999"), RangeIssued, false, false},
	} {
		n := mustNHS(t, c.digits)
		if got := n.Range(); got != c.want {
			t.Errorf("%s: range %v, want %v", c.digits, got, c.want)
		}
		warning, err := Live.Check(n)
		if (warning != "") != c.warns || (err != nil) != c.refused {
			t.Errorf("%s live: warning %q, error %v", c.digits, warning, err)
		}
		if warning, err := Test.Check(n); warning != "" || err != nil {
			t.Errorf("%s test: warning %q, error %v", c.digits, warning, err)
		}
	}
	if _, err := Mode(0).Check(mustNHS(t, "4010232137")); err == nil {
		t.Error("no mode: accepted")
	}
	if _, err := Live.Check(NHSNumber{}); !errors.Is(err, ErrNHSNumber) {
		t.Errorf("no number: %v", err)
	}
}

func complete(t *testing.T, nine string) string {
	t.Helper()
	check, ok := checkDigit([]byte(nine + "0"))
	if !ok {
		t.Fatalf("%s has no check digit", nine)
	}
	return nine + string(check)
}

func mustNHS(t testing.TB, s string) NHSNumber {
	t.Helper()
	n, err := ParseNHSNumber(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func FuzzParseNHSNumber(f *testing.F) {
	for _, s := range []string{"", "9434765919", "943 476 5919", "0000000000", "9000000015", "94347\xff65919"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := ParseNHSNumber(s)
		if err != nil {
			if !errors.Is(err, ErrNHSNumber) || !n.IsZero() {
				t.Fatalf("%q: %v, %v", s, n, err)
			}
			return
		}
		again, err := ParseNHSNumber(n.String())
		if err != nil || again != n || len(n.Digits()) != 10 || n.Range() == 0 {
			t.Fatalf("%q read as %q, then %q, %v", s, n.Digits(), again.Digits(), err)
		}
	})
}
