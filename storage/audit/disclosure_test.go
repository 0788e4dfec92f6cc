package audit

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/storage"
)

// checkDisclosed is the whole of what an outsider needs to check a disclosed entry: RFC 6962 and AES-256-GCM, nothing of this project.
func checkDisclosed(root, key [32]byte, index, size uint64, path [][32]byte, sealed []byte) ([]byte, error) {
	node := sha256.Sum256(append([]byte{0}, sealed...)) // leaf
	inner := bits.Len64(index ^ (size - 1))
	if index >= size || len(path) != inner+bits.OnesCount64(index>>inner) {
		return nil, errors.New("no such place in the tree")
	}
	for i, sibling := range path {
		if i < inner && index>>i&1 == 0 {
			node = sha256.Sum256(append(append([]byte{1}, node[:]...), sibling[:]...))
		} else {
			node = sha256.Sum256(append(append([]byte{1}, sibling[:]...), node[:]...))
		}
	}
	if node != root {
		return nil, errors.New("another root")
	}
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	return aead.Open(nil, sealed[12:24], sealed[24:], binary.BigEndian.AppendUint64([]byte{'e'}, index))
}

func TestDisclosedEntryIsProvenByASmallProgram(t *testing.T) {
	for _, n := range []int{1, 2, 3, 7, 8, 33} {
		l := open(t, testOptions(t.TempDir()))
		for i := range n {
			if _, err := l.Append(t.Context(), entry(i)); err != nil {
				t.Fatal(err)
			}
		}
		h, err := l.Head()
		if err != nil {
			t.Fatal(err)
		}
		for i := range uint64(n) {
			d, err := l.Disclose(i, h.Size)
			if err != nil {
				t.Fatal(err)
			}
			want, err := entry(int(i)).encode()
			if err != nil {
				t.Fatal(err)
			}
			var path [][32]byte
			for _, p := range d.Proof {
				path = append(path, p)
			}
			got, err := checkDisclosed(h.Root, d.Key, i, h.Size, path, d.Sealed)
			if err != nil || string(got) != string(want) {
				t.Fatalf("entry %d of %d: %v", i, n, err)
			}
			if e, err := d.Open(h.Root); err != nil || !cmp.Equal(e, entry(int(i))) {
				t.Fatalf("entry %d of %d: %+v, %v", i, n, e, err)
			}
		}
	}
}

func TestDisclosureThatWasChangedDoesNotOpen(t *testing.T) {
	l := open(t, testOptions(t.TempDir()))
	fill(t, l, 20)
	h, err := l.Head()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(*Disclosure)
		want   error
	}{
		"sealed":        {func(d *Disclosure) { d.Sealed[30] ^= 1 }, ErrProof},
		"cut":           {func(d *Disclosure) { d.Sealed = d.Sealed[:10] }, ErrProof},
		"other place":   {func(d *Disclosure) { d.Index++ }, ErrProof},
		"other leaf":    {func(d *Disclosure) { d.Leaf[0] ^= 1 }, ErrProof},
		"path":          {func(d *Disclosure) { d.Proof[0][0] ^= 1 }, ErrProof},
		"no path":       {func(d *Disclosure) { d.Proof = nil }, ErrProof},
		"size":          {func(d *Disclosure) { d.Size = 4 }, ErrProof},
		"key":           {func(d *Disclosure) { d.Key[0] ^= 1 }, storage.ErrIntegrity},
		"another's key": {func(d *Disclosure) { o, _ := l.Disclose(4, h.Size); d.Key = o.Key }, storage.ErrIntegrity},
	} {
		d, err := l.Disclose(3, h.Size)
		if err != nil {
			t.Fatal(err)
		}
		c.change(&d)
		if _, err := d.Open(h.Root); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	d, err := l.Disclose(3, h.Size)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Open(federation.Digest{1}); !errors.Is(err, ErrProof) {
		t.Errorf("another root: %v", err)
	}
	if _, err := l.Disclose(20, 20); !errors.Is(err, ErrRange) {
		t.Errorf("past the end: %v", err)
	}
	if _, err := (Disclosure{Inclusion: Inclusion{Size: 1 << 63}}).Open(h.Root); err == nil {
		t.Error(fmt.Errorf("a size that cannot be is taken"))
	}
}
