package storage

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"io"
)

const (
	sealNonceSize = 24
	sealTagSize   = 16

	// SealOverhead is how many bytes longer a sealed value is than its plaintext.
	SealOverhead = sealNonceSize + sealTagSize
)

// A Sealer encrypts and authenticates values at rest with XAES-256-GCM (C2SP, "XAES-256-GCM").
//
//	sealed value
//	+-----------------+------------------------+-------------+
//	| nonce, 24 bytes | ciphertext, len(plain) | tag, 16     |
//	+-----------------+------------------------+-------------+
//
// The first 12 bytes of the nonce select a derived key, the other 12 are the nonce of AES-256-GCM under it,
// so random nonces stay safe for 2^80 values under one key. The associated data says what the value is and
// where it belongs, so that a sealed value moved to another place does not open. A Sealer may be used by
// many goroutines at once.
type Sealer struct {
	block cipher.Block
	k1    [aes.BlockSize]byte
	key   [32]byte
	rand  io.Reader
}

// NewSealer returns a Sealer under key with nonces from the operating system.
func NewSealer(key [32]byte) *Sealer { return NewSealerRand(key, rand.Reader) }

// NewSealerRand returns a Sealer that takes its nonces from random, which must be safe for use by several
// goroutines. Anything but a cryptographic source makes sealing worthless; it is for tests.
func NewSealerRand(key [32]byte, random io.Reader) *Sealer {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic(fmt.Sprintf("storage: AES refused a 32-byte key: %v", err)) // cannot happen: the length is fixed
	}
	s := &Sealer{block: block, key: key, rand: random}
	// K1 is the CMAC subkey (NIST SP 800-38B section 6.1): the encrypted zero block, doubled in GF(2^128).
	block.Encrypt(s.k1[:], s.k1[:])
	var msb byte
	for i := len(s.k1) - 1; i >= 0; i-- {
		msb, s.k1[i] = s.k1[i]>>7, s.k1[i]<<1|msb
	}
	s.k1[len(s.k1)-1] ^= byte(subtle.ConstantTimeSelect(int(msb), 0x87, 0))
	return s
}

// Derive returns a Sealer under a key derived from the receiver's for the purpose that label names.
func (s *Sealer) Derive(label string) *Sealer {
	return NewSealerRand(DeriveKey(s.key, label), s.rand)
}

// Seal appends the sealed form of plaintext, SealOverhead bytes longer than it, to dst and returns the result.
// dst must not overlap plaintext or aad. It panics when the random source fails: there is no safe way on.
func (s *Sealer) Seal(dst, aad, plaintext []byte) []byte {
	start := len(dst)
	dst = grow(dst, len(plaintext)+SealOverhead)
	dst = dst[:start+sealNonceSize]
	nonce := dst[start:]
	if _, err := io.ReadFull(s.rand, nonce); err != nil {
		panic(fmt.Sprintf("storage: no randomness for a nonce: %v", err))
	}
	return s.derived(nonce).Seal(dst, nonce[12:], plaintext, aad)
}

// Open appends the plaintext of sealed to dst and returns the result. It returns ErrIntegrity, and dst without
// change, when sealed is not what Seal returned for the same key and aad. dst must not overlap sealed or aad.
func (s *Sealer) Open(dst, aad, sealed []byte) ([]byte, error) {
	if len(sealed) < SealOverhead {
		return dst, fmt.Errorf("sealed value of %d bytes: %w", len(sealed), ErrIntegrity)
	}
	nonce := sealed[:sealNonceSize]
	out, err := s.derived(nonce).Open(dst, nonce[12:], sealed[sealNonceSize:], aad)
	if err != nil {
		return dst, fmt.Errorf("open sealed value: %w", ErrIntegrity)
	}
	return out, nil
}

// String names the type and nothing of the key.
func (s *Sealer) String() string { return "storage.Sealer" }

// Disclose returns the key of AES-256-GCM that opens this sealed value, with bytes 12 to 23 of it as the nonce and the rest as
// ciphertext and tag. It opens no other: the key comes from the value's own random nonce, and tells nothing of the Sealer's
// key. It fails with ErrIntegrity for what is too short to be a sealed value.
func (s *Sealer) Disclose(sealed []byte) ([32]byte, error) {
	if len(sealed) < SealOverhead {
		return [32]byte{}, fmt.Errorf("sealed value of %d bytes: %w", len(sealed), ErrIntegrity)
	}
	return s.derivedKey(sealed[:sealNonceSize]), nil
}

// derived returns AES-256-GCM under the key that the first 12 bytes of nonce select.
func (s *Sealer) derived(nonce []byte) cipher.AEAD {
	key := s.derivedKey(nonce)
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic(fmt.Sprintf("storage: AES refused a 32-byte key: %v", err)) // cannot happen: the length is fixed
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(fmt.Sprintf("storage: GCM refused AES: %v", err)) // cannot happen: AES has 16-byte blocks
	}
	return aead
}

func (s *Sealer) derivedKey(nonce []byte) (key [32]byte) {
	for i := range 2 {
		half := key[i*aes.BlockSize : (i+1)*aes.BlockSize]
		half[1], half[2] = byte(i+1), 'X'
		copy(half[4:], nonce[:12])
		subtle.XORBytes(half, half, s.k1[:])
		s.block.Encrypt(half, half)
	}
	return key
}

// DeriveKey derives a key from master for the purpose that label names (HKDF-SHA256, RFC 5869, with an empty
// salt and label as info). Different labels give independent keys.
func DeriveKey(master [32]byte, label string) [32]byte {
	out, err := hkdf.Key(sha256.New, master[:], nil, "ridgeway/"+label, 32)
	if err != nil {
		panic(fmt.Sprintf("storage: HKDF: %v", err)) // cannot happen: 32 bytes is within HKDF's limit
	}
	return [32]byte(out)
}

// grow returns b with room for n more bytes.
func grow(b []byte, n int) []byte {
	if cap(b)-len(b) >= n {
		return b
	}
	return append(make([]byte, 0, len(b)+n), b...)
}
