package endpoint

import (
	"errors"
	"testing"
)

func TestHelloSurvivesItsEncoding(t *testing.T) {
	for _, h := range []hello{
		{LaneRaft, versions{1, 1}, 0, life{}},
		{LaneControl, versions{1, 255}, 0, life{1, 2, 3}},
		{LaneDocument, versions{2, 3}, 15, life{0, 0, 255}},
		{LaneJoin, versions{1, 2}, 0, life{9}},
	} {
		b := h.encode()
		got, err := parseHello(b[:])
		if err != nil || got != h {
			t.Errorf("got %+v, %v, want %+v", got, err, h)
		}
	}
}

func TestMalformedHelloIsRefused(t *testing.T) {
	good := hello{lane: LaneRaft, versions: versions{1, 2}}.encode()
	for _, tc := range []struct {
		name string
		at   int
		to   byte
	}{
		{"magic", 0, 'X'},
		{"no lane", 4, 0},
		{"lane beyond the last", 4, 5},
		{"version zero", 5, 0},
		{"versions the wrong way round", 5, 3},
		{"stripe of a lane without stripes", 7, 1},
	} {
		b := good
		b[tc.at] = tc.to
		if _, err := parseHello(b[:]); !errors.Is(err, ErrProtocol) {
			t.Errorf("%s: error %v, want ErrProtocol", tc.name, err)
		}
	}
	if _, err := parseHello(good[:15]); !errors.Is(err, ErrProtocol) {
		t.Errorf("short: error %v", err)
	}
}

func TestReservedBytesOfAHelloAreIgnored(t *testing.T) {
	b := hello{lane: LaneRaft, versions: versions{1, 1}}.encode()
	b[15] = 0xff
	if _, err := parseHello(b[:]); err != nil {
		t.Error(err)
	}
}

func TestHighestCommonVersionIsChosen(t *testing.T) {
	for _, tc := range []struct {
		a, b versions
		want uint8 // 0 for none
	}{
		{versions{1, 1}, versions{1, 1}, 1},
		{versions{1, 3}, versions{2, 5}, 3},
		{versions{2, 5}, versions{1, 3}, 3},
		{versions{1, 1}, versions{2, 2}, 0},
		{versions{3, 4}, versions{1, 2}, 0},
	} {
		got, err := tc.a.common(tc.b)
		if got != tc.want || (tc.want == 0) != errors.Is(err, ErrVersion) {
			t.Errorf("%v with %v: %d, %v, want %d", tc.a, tc.b, got, err, tc.want)
		}
	}
}

func TestAcknowledgementOfAnotherVersionIsRefused(t *testing.T) {
	for _, v := range []uint8{0, 1, 4} {
		b := encodeAck(v, life{})
		if _, _, err := parseAck(b[:], versions{2, 3}); !errors.Is(err, ErrProtocol) {
			t.Errorf("version %d: error %v", v, err)
		}
	}
	b := encodeAck(3, life{7, 8, 9})
	if got, l, err := parseAck(b[:], versions{2, 3}); err != nil || got != 3 || l != (life{7, 8, 9}) {
		t.Errorf("got %d, %v", got, err)
	}
	if _, _, err := parseAck(b[:7], versions{2, 3}); !errors.Is(err, ErrProtocol) {
		t.Errorf("short: error %v", err)
	}
}

func FuzzHello(f *testing.F) {
	for _, h := range []hello{{LaneRaft, versions{1, 1}, 0, life{}}, {LaneDocument, versions{1, 9}, 200, life{1}}} {
		b := h.encode()
		f.Add(b[:])
	}
	f.Add([]byte("RDGW"))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := parseHello(b)
		if err != nil {
			if !errors.Is(err, ErrProtocol) {
				t.Fatalf("error %v is not ErrProtocol", err)
			}
			return
		}
		if !h.lane.valid() || h.versions.min == 0 || h.versions.min > h.versions.max {
			t.Fatalf("accepted %+v", h)
		}
		again := h.encode()
		if got, err := parseHello(again[:]); err != nil || got != h {
			t.Fatalf("%+v became %+v, %v", h, got, err)
		}
	})
}

func FuzzAck(f *testing.F) {
	b := encodeAck(1, life{})
	f.Add(b[:], uint8(1), uint8(1))
	f.Fuzz(func(t *testing.T, b []byte, low, high uint8) {
		v, _, err := parseAck(b, versions{low, high})
		if err == nil && (v < low || v > high) {
			t.Fatalf("accepted version %d of %d to %d", v, low, high)
		}
	})
}

func FuzzPrintable(f *testing.F) {
	f.Add("a line\n\x1b[31m")
	f.Fuzz(func(t *testing.T, text string) {
		got := printable(text)
		if len(got) > 200 {
			t.Fatalf("%d bytes", len(got))
		}
		for _, r := range got {
			if r < ' ' || r == 0x7f {
				t.Fatalf("control character in %q", got)
			}
		}
	})
}
