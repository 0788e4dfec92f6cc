package web

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net"
	"time"
)

// trialDays is how long the certificate of a demonstration is good.
const trialDays = 7

// certificate returns the portal's certificate: the one that the settings name, or, for personas, one that it makes itself
// and that browsers warn of.
func (s Settings) certificate(now time.Time) (tls.Certificate, error) {
	if s.Certificate != "" {
		c, err := tls.LoadX509KeyPair(s.Certificate, s.Key)
		if err != nil {
			return c, fmt.Errorf("%w: certificate, key: %w", ErrSettings, err)
		}
		return c, nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("make a key for the trial certificate: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("number the trial certificate: %w", err)
	}
	of := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "Ridgeway demonstration"}, NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(0, 0, trialDays),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, BasicConstraintsValid: true,
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	der, err := x509.CreateCertificate(rand.Reader, of, of, &key.PublicKey, key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("make the trial certificate: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}
