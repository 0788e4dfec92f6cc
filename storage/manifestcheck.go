package storage

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/dgraph-io/badger/v4"
)

// checkManifest checks Badger's list of tables. It grows by appending, and is replaced whole now and then.
func (p *preflight) checkManifest() error {
	b, err := os.ReadFile(filepath.Join(p.dir, badger.ManifestFilename))
	if errors.Is(err, fs.ErrNotExist) {
		if p.mark.manifest.end > 0 {
			p.add(Damage{File: badger.ManifestFilename, Reason: "the file is gone"})
		}
		return nil
	}
	if err != nil {
		return err
	}
	whole, was := wholeManifest(b), p.mark.manifest
	p.manifest = stateOfManifest(b)
	grown := int64(len(b)) >= was.end && crc32.Checksum(b[:was.end], castagnoli) == was.sum
	anew := whole == len(b) && p.manifest.head != was.head
	if !grown && !anew || whole == 0 {
		p.add(Damage{File: badger.ManifestFilename, Offset: int64(whole), Length: int64(len(b) - whole), Reason: "the list of tables is not what was written"})
	}
	return nil
}

func stateOfManifest(b []byte) manifestState {
	s := manifestState{logState: logState{end: int64(len(b)), sum: crc32.Checksum(b, castagnoli)}}
	if len(b) >= manifestHead+manifestRecord {
		n := min(int64(binary.BigEndian.Uint32(b[manifestHead:])), int64(len(b)-manifestHead-manifestRecord))
		s.head = crc32.Checksum(b[:manifestHead+manifestRecord+n], castagnoli)
	}
	return s
}

const manifestHead, manifestRecord = 8, 8

// wholeManifest returns how many bytes of b are whole: a head of 8 bytes, then records of a length, a CRC-32C of
// the content and the content.
func wholeManifest(b []byte) int {
	if len(b) < manifestHead || string(b[:4]) != "Bdgr" {
		return 0
	}
	at := manifestHead
	for len(b)-at >= manifestRecord {
		n := int64(binary.BigEndian.Uint32(b[at:]))
		if n > int64(len(b)-at-manifestRecord) {
			break
		}
		if crc32.Checksum(b[at+manifestRecord:at+manifestRecord+int(n)], castagnoli) != binary.BigEndian.Uint32(b[at+4:]) {
			break
		}
		at += manifestRecord + int(n)
	}
	return at
}
