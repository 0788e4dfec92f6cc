package endpoint

import (
	"bytes"
	"crypto/ed25519"
	"testing"
	"testing/synctest"
)

// TestResetKeyIsTheNodesOwn: who knows the key can end the node's connections, and after a restart it must be the same.
func TestResetKeyIsTheNodesOwn(t *testing.T) {
	t.Parallel()
	of := func(seed byte) [32]byte {
		t.Helper()
		key, err := resetKey(ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize)))
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	if first, again := of(1), of(1); first != again {
		t.Error("another key after a restart")
	}
	if of(1) == of(2) {
		t.Error("two nodes have the same key")
	}
}

// TestStripeBeyondTheLimitIsRefused: a peer has no more connections than the limits say, whatever it numbers them.
func TestStripeBeyondTheLimitIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegion(t)
		e := r.node(1)
		r.enrol(testID(9), e.Addr())
		conn, err := r.raw(9, e, nil)
		if err != nil {
			t.Fatal(err)
		}
		sendHello(t, conn, hello{lane: LaneDocument, stripe: uint8(e.limits.Stripes), versions: versions{1, 1}})
		wantErr(t, fate(conn), ErrBusy)
		if n := len(e.Connections()); n != 0 {
			t.Errorf("%d connections are left", n)
		}
	})
}
