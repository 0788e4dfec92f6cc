package consensus

import (
	"encoding/binary"
	"math/bits"
	"runtime"
)

// filter is a Bloom filter of hashes in blocks of 64 bytes, so that asking it touches one line of the processor's cache. It
// says no for certain, and yes wrongly about once in 150 times.
type filter []uint64

const (
	filterBits  = 12 // for each hash
	filterBlock = 8  // words of 64 bits
	filterProbe = 6
)

// newFilter returns a filter for n hashes.
func newFilter(n int) filter {
	blocks := (n*filterBits + filterBlock*64 - 1) / (filterBlock * 64)
	return make(filter, max(blocks, 1)*filterBlock)
}

// block returns the place of a hash's block, and the bits that choose within it.
func (f filter) block(hash uint64) (at int, probes uint64) {
	place, _ := bits.Mul64(hash, uint64(len(f)/filterBlock))
	return int(place) * filterBlock, mix(hash, hashA)
}

func (f filter) add(hash uint64) {
	at, probes := f.block(hash)
	block := f[at : at+filterBlock]
	for range filterProbe {
		block[probes>>6&7] |= 1 << (probes & 63)
		probes >>= 9
	}
}

// filterLot is how many hashes addAll looks up before it changes anything.
const filterLot = 64

// addAll adds many. A large filter lies outside of the processor's cache: the blocks of a lot are fetched at the same time, where one
// after the other would wait for each.
func (f filter) addAll(hashes []uint64) {
	var touched uint64
	for len(hashes) > 0 {
		lot := hashes[:min(filterLot, len(hashes))]
		for _, hash := range lot {
			at, _ := f.block(hash)
			touched |= f[at]
		}
		for _, hash := range lot {
			f.add(hash)
		}
		hashes = hashes[len(lot):]
	}
	runtime.KeepAlive(touched)
}

// has reports whether the hash may have been added.
func (f filter) has(hash uint64) bool {
	at, probes := f.block(hash)
	block := f[at : at+filterBlock]
	for range filterProbe {
		if block[probes>>6&7]&(1<<(probes&63)) == 0 {
			return false
		}
		probes >>= 9
	}
	return true
}

func (f filter) encode() []byte {
	b := make([]byte, 0, 8*len(f))
	for _, w := range f {
		b = binary.LittleEndian.AppendUint64(b, w)
	}
	return b
}

// decodeFilter reads what encode wrote; ok is false for anything else.
func decodeFilter(b []byte) (f filter, ok bool) {
	if len(b) == 0 || len(b)%(8*filterBlock) != 0 {
		return nil, false
	}
	f = make(filter, len(b)/8)
	for i := range f {
		f[i] = binary.LittleEndian.Uint64(b[8*i:])
	}
	return f, true
}
