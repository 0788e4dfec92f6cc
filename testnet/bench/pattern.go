package main

import (
	"encoding/binary"
	"io"
	"os"
	"syscall"
)

// block is how much of a pattern repeats: a chunk of the store.
const block = 256 << 10

// pattern is content that is made as it is read. There are as many different blocks as it says; none compresses.
type pattern struct {
	size   int64
	blocks int
	seed   uint64
}

// ReadAt makes the bytes at an offset.
func (p pattern) ReadAt(b []byte, off int64) (int, error) {
	n := 0
	for n < len(b) && off < p.size {
		at := off % block
		k := min(int64(len(b)-n), block-at, p.size-off)
		p.make(b[n:n+int(k)], uint64(off/block)%uint64(p.blocks), at)
		n, off = n+int(k), off+k
	}
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

// make writes block number k from at on: words of a generator that can begin anywhere (SplitMix64).
func (p pattern) make(b []byte, k uint64, at int64) {
	state := p.seed*0x9e3779b97f4a7c15 + k<<20
	var word [8]byte
	for i := 0; i < len(b); {
		pos := at + int64(i)
		z := (state + uint64(pos/8)) * 0x9e3779b97f4a7c15
		z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
		z = (z ^ z>>27) * 0x94d049bb133111eb
		binary.LittleEndian.PutUint64(word[:], z^z>>31)
		i += copy(b[i:], word[pos%8:])
	}
}

// onDisk returns how many bytes a file takes of the disk, which is less than its size where it has holes.
func onDisk(info os.FileInfo) int64 {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return s.Blocks * 512
	}
	return info.Size()
}
