package index

import (
	"bytes"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

func TestTheLeaderKeepsOutWhatWouldStopEveryReplica(t *testing.T) {
	r := founded(t, Config{}, 1)
	h := r.head("RYJ")
	statement := func(kind federation.Kind, body ...byte) []byte {
		s := federation.Statement{Trust: "RYJ", Seq: h.seq + 1, Prev: h.digest, Kind: kind, At: r.now, Body: body}
		signed, err := federation.Sign(s, r.trust("RYJ").statement)
		if err != nil {
			t.Fatal(err)
		}
		return signed.Encode()
	}
	good := r.sign("RYJ", publication(pointerOf("RYJ", alice, 1))).Encode()
	later := bytes.Clone(good)
	later[64] = 2
	for _, c := range []struct {
		name    string
		cmd     []byte
		unknown bool
	}{
		{"nothing", nil, false},
		{"noise", []byte("noise"), false},
		{"too large", make([]byte, federation.MaxStatement+1), false},
		{"another version of statements", later, false},
		{"an unknown kind", statement(federation.KindBreakGlass+1, 1), true},
		{"an unknown version of a body", statement(federation.KindApprove, 99), true},
		{"an unknown version of a publication", statement(federation.KindPublish, 99), true},
		{"a body that does not decode", statement(federation.KindApprove, 1, 1), false},
		{"a publication of nothing", statement(federation.KindPublish, 1, 0), false},
	} {
		err := r.ledger.Vet(c.cmd)
		if !errors.Is(err, ErrUnfit) || errors.Is(err, ErrUnknownStatement) != c.unknown {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	// What merely is refused is a matter for Apply, which records it.
	forged := bytes.Clone(good)
	forged[0] ^= 1
	for _, cmd := range [][]byte{good, forged, good} {
		if err := r.ledger.Vet(cmd); err != nil {
			t.Error(err)
		}
	}
}

// Work ahead changes nothing of what Apply decides, whoever signed and whatever becomes of the roster in between.
func TestWorkAheadDecidesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := founded(t, Config{}, 1)
		good := r.sign("RYJ", publication(pointerOf("RYJ", alice, 1))).Encode()
		forged := bytes.Clone(good)
		forged[3] ^= 1
		for range 3 {
			r.ledger.Prepare(forged)
			r.ledger.Prepare(good)
		}
		r.ledger.Prepare(nil)
		r.ledger.Prepare([]byte("noise"))
		synctest.Wait()
		if got, err := r.apply(forged); err != nil || got.Code != BadSignature {
			t.Errorf("forged: %v, %v", got, err)
		}
		if got, err := r.apply(good); err != nil || got.Outcome != Accepted {
			t.Errorf("good: %v, %v", got, err)
		}
		if got, err := r.apply(good); err != nil || got.Outcome != Duplicate {
			t.Errorf("again: %v, %v", got, err)
		}
	})
}

func TestWorkAheadIsBounded(t *testing.T) {
	var a aheads
	for range 3 * maxAhead {
		a.add(make([]byte, 100))
	}
	if len(a.known) != maxAhead || a.bytes != 100*maxAhead {
		t.Errorf("%d commands of %d bytes", len(a.known), a.bytes)
	}
	for range 100 {
		a.add(make([]byte, federation.MaxStatement))
	}
	if a.bytes > maxAheadBytes {
		t.Errorf("%d bytes", a.bytes)
	}
	cmd := []byte("noise")
	a.add(cmd)
	before := a.bytes
	if p := a.take(cmd, federation.NewRoster(federation.Charter{}, federation.Digest{}, nil)); p.err == nil || a.bytes != before-len(cmd) {
		t.Errorf("%v, %d bytes", p.err, a.bytes)
	}
}
