package endpoint

import (
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"time"

	"github.com/quic-go/quic-go"
)

// issue makes the certificate that carries key. Peers look at nothing in it but the key, so it says
// nothing else: no names, and no expiry (RFC 5280 §4.1.2.5 gives the date that stands for none).
func issue(key ed25519.PrivateKey) (tls.Certificate, error) {
	public, ok := key.Public().(ed25519.PublicKey)
	if !ok {
		return tls.Certificate{}, errors.New("issue certificate: not an Ed25519 key")
	}
	id := KeyID(public)
	template := &x509.Certificate{
		SerialNumber: new(big.Int).SetBytes(id[:16]),
		Subject:      pkix.Name{CommonName: id.String()},
		NotBefore:    time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC),
		NotAfter:     time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("issue certificate: %w", err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("issue certificate: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, nil
}

// resetKey derives the stateless reset key (RFC 9000 §10.3) from the node's key. It has to survive
// a restart: with it a peer learns at its next packet that the connection is gone, without it the
// peer waits for the idle timeout.
func resetKey(key ed25519.PrivateKey) (quic.StatelessResetKey, error) {
	const purpose = "ridgeway endpoint stateless reset key v1"
	b, err := hkdf.Key(sha256.New, key.Seed(), nil, purpose, len(quic.StatelessResetKey{}))
	if err != nil {
		return quic.StatelessResetKey{}, fmt.Errorf("derive stateless reset key: %w", err)
	}
	return quic.StatelessResetKey(b), nil
}

// errNoCertificate is returned by provenPeer when the other end showed no certificate.
var errNoCertificate = errors.New("no certificate")

// provenPeer returns the id of the key that the other end proved to hold.
func provenPeer(cs tls.ConnectionState) (PeerID, error) {
	if len(cs.PeerCertificates) == 0 {
		return PeerID{}, errNoCertificate
	}
	leaf := cs.PeerCertificates[0]
	if _, ok := leaf.PublicKey.(ed25519.PublicKey); !ok {
		return PeerID{}, fmt.Errorf("%w: certificate with a key that is not Ed25519", ErrProtocol)
	}
	return sha256.Sum256(leaf.RawSubjectPublicKeyInfo), nil
}
