package record

import (
	"bytes"
	"errors"
	"testing"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/storage"
)

// Rows are authenticated before they are decoded, so that no stranger's bytes get here; a row of another version does.

func FuzzDecodeDocument(f *testing.F) {
	d := letter(1)
	d.Supersedes = federation.NewDocumentID("RYJ", federation.DocumentKey{1})
	f.Add(d.encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := decodeDocument(federation.NewDocumentID("RYJ", federation.DocumentKey{2}), b)
		if err == nil && !bytes.Equal(d.encode(), b) {
			t.Fatalf("%x is not what it decodes to", b)
		}
	})
}

func FuzzDecodeState(f *testing.F) {
	f.Add(State{Phase: Queued, Status: federation.Current, At: testTime, entry: 3}.encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		st, err := decodeState(b)
		if err == nil && !bytes.Equal(st.encode(), b) {
			t.Fatalf("%x is not what it decodes to", b)
		}
	})
}

func FuzzDecodeInvitation(f *testing.F) {
	f.Add(Invitation{Trust: "RAS", Name: "x", Expires: testTime}.encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		i, err := decodeInvitation(federation.Digest{}, b)
		if err == nil && !bytes.Equal(i.encode(), b) {
			t.Fatalf("%x is not what it decodes to", b)
		}
	})
}

func FuzzDecodeOutboxAndRefusal(f *testing.F) {
	s := &Store{trust: "RYJ"}
	f.Add(outboxRow{kind: federation.KindPublish, document: federation.DocumentKey{1}, reason: "r", body: []byte("b")}.encode(testTime))
	f.Fuzz(func(t *testing.T, b []byte) {
		_, err1 := s.decodeEntry(1, b)
		_, err2 := s.decodeRejection(1, b)
		_, err3 := s.decodeRefusal(b)
		for _, err := range []error{err1, err2, err3} {
			if err != nil && !errors.Is(err, storage.ErrIntegrity) && !errors.Is(err, federation.ErrVersion) {
				t.Fatalf("%x: %v", b, err)
			}
		}
	})
}
