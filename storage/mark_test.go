package storage

import (
	"bytes"
	"testing"
)

func FuzzDecodeMark(f *testing.F) {
	m := mark{gen: 3, logs: []markedLog{{logName: logName{'m', 1}, logState: logState{20, 7}}, {logName: logName{'m', 2}, leaving: true}}}
	b, err := m.encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add((&sealedList{gen: 2, files: map[uint32]logState{4: {30, 1}}}).encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		if m, err := decodeMark(b); err == nil {
			again, err := m.encode()
			if err != nil || !bytes.HasPrefix(b, again) {
				t.Fatalf("%v does not encode to what it was", m)
			}
		}
		_, _ = decodeSealed(b)
		_ = wholeManifest(b)
	})
}
