package node

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

const (
	invitationPrefix  = "rw1."
	invitationVersion = 1
	invitationLife    = 7 * 24 * time.Hour
	joinContext       = "ridgeway join v1\x00"
)

// invitation lets one trust join, once, until it expires. It is a bearer token: send it over a channel you trust, and
// compare the check words over another.
//
//	size  field
//	1     version, 1
//	1+n   trust it is for: length, ODS code
//	16    secret
//	32    the sponsor's node id: the only key that the newcomer will talk to
//	8     expiry, microseconds since 1970 UTC
//	v+n   the sponsor's address
//	v+n   the region's name
//	v+n   the name of the trust it is for
//	4     first bytes of the SHA-256 of all before, so that a line cut short is noticed
//
// It travels as "rw1." and base64url without padding.
type invitation struct {
	Trust   federation.TrustID
	Secret  [16]byte
	Sponsor federation.NodeID
	Expires time.Time
	Address string
	Region  string
	Name    string
}

// draw sets the secret.
func (inv *invitation) draw() error {
	if _, err := rand.Read(inv.Secret[:]); err != nil {
		return fmt.Errorf("make the invitation's secret: %w", err)
	}
	return nil
}

// String returns the line that is sent to the newcomer.
func (inv invitation) String() string {
	var e federation.Encoder
	e.U8(invitationVersion)
	e.U8(uint8(len(inv.Trust)))
	e.Fixed([]byte(inv.Trust))
	e.Fixed(inv.Secret[:])
	e.Fixed(inv.Sponsor[:])
	e.Time(inv.Expires)
	e.Text(inv.Address)
	e.Text(inv.Region)
	e.Text(inv.Name)
	sum := sha256.Sum256(e.Bytes())
	e.Fixed(sum[:4])
	return invitationPrefix + base64.RawURLEncoding.EncodeToString(e.Bytes())
}

// parseInvitation reads a line as it was sent; white space around and line breaks within are ignored. It fails with
// CodeInvitation and says what is wrong.
func parseInvitation(line string) (invitation, error) {
	var inv invitation
	line = strings.Join(strings.Fields(line), "")
	encoded, ok := strings.CutPrefix(line, invitationPrefix)
	if !ok {
		return inv, admin.Errorf(admin.CodeInvitation, "this is not an invitation: one starts with %q; copy the whole line that 'ridgeway invite' printed", invitationPrefix)
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(encoded)
	if err != nil || len(b) < 5 {
		return inv, damagedInvitation()
	}
	body, sum := b[:len(b)-4], sha256.Sum256(b[:len(b)-4])
	if !hmac.Equal(sum[:4], b[len(b)-4:]) {
		return inv, damagedInvitation()
	}
	d := federation.NewDecoder("invitation", body)
	if v := d.U8(); v != invitationVersion {
		return inv, admin.Errorf(admin.CodeInvitation, "the invitation is of version %d, which this program does not know: use a newer ridgeway", v)
	}
	inv.Trust = federation.TrustID(d.Fixed(int(d.U8())))
	d.Into(inv.Secret[:])
	d.Into(inv.Sponsor[:])
	inv.Expires = d.Time()
	inv.Address = d.Text(256)
	inv.Region = d.Text(128)
	inv.Name = d.Text(128)
	if err := d.Finish(); err != nil || !inv.Trust.Valid() {
		return inv, damagedInvitation()
	}
	return inv, nil
}

func damagedInvitation() error {
	return admin.Errorf(admin.CodeInvitation, "the invitation is cut short or was changed: copy the whole line that 'ridgeway invite' printed")
}

// token is what the sponsor keeps of the secret, and the key of the proof.
func (inv invitation) token() federation.Digest {
	return federation.Sum(append([]byte("ridgeway invitation v1\x00"), inv.Secret[:]...))
}

// invitationID names an invitation on the wire without giving the token away.
func invitationID(token federation.Digest) [8]byte {
	sum := federation.Sum(append([]byte("ridgeway invitation id v1\x00"), token[:]...))
	return [8]byte(sum[:8])
}

// joinProof shows knowledge of the token for this connection and this member only, so that it is worth nothing elsewhere.
func joinProof(token federation.Digest, binding, member []byte) []byte {
	mac := hmac.New(sha256.New, token[:])
	mac.Write([]byte(joinContext))
	mac.Write(binding)
	mac.Write(member)
	return mac.Sum(nil)
}

// checkWords returns what both ends read to each other over the telephone: 32 bits of the invitation's digest as two
// proquints (arXiv:0901.4016).
func (inv invitation) checkWords() string {
	sum := sha256.Sum256([]byte(inv.String()))
	return proquint(binary.BigEndian.Uint16(sum[:])) + "-" + proquint(binary.BigEndian.Uint16(sum[2:]))
}

func proquint(v uint16) string {
	const con, vow = "bdfghjklmnprstvz", "aiou"
	return string([]byte{con[v>>12], vow[v>>10&3], con[v>>6&15], vow[v>>4&3], con[v&15]})
}
