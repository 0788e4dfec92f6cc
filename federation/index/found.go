package index

import (
	"fmt"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

// maxTrusts is how many trusts a region has room for.
const maxTrusts = 4096

// found carries out the only statement that an empty ledger takes: a charter, signed by its founder.
func (c *call) found(p *prepared) error {
	s := c.statement
	if s.Kind != federation.KindCharter {
		return refuse(NoRegion, "%s statement before there is a charter", s.Kind)
	}
	body, err := p.decode()
	if err != nil {
		// A charter of a later version cannot be told from a forged one: nobody is known yet who could have signed it.
		return refuse(Malformed, "%v", err)
	}
	charter, ok := body.(federation.Charter)
	if !ok {
		return refuse(Malformed, "body is no charter")
	}
	f := charter.Founder
	if f.Trust != s.Trust || !f.Governing {
		return refuse(BadMember, "a charter is signed by its founder, who governs")
	}
	if p.verify(f.StatementKey) != nil {
		return refuse(BadSignature, "not signed with the founder's statement key")
	}
	if s.Seq != 1 || !s.Prev.IsZero() {
		return refuse(BrokenChain, "a charter follows nothing")
	}
	if err := f.Check(); err != nil {
		return refuse(BadMember, "%v", err)
	}
	c.Set(charterKey(), charterRow{region: c.digest, founder: s.Trust, body: s.Body}.encode())
	c.putMember(f)
	return nil
}

// readRoster builds the roster from its rows.
func readRoster(r Reader) (*federation.Roster, error) {
	row, found, err := get(r, charterKey(), decodeCharter)
	if err != nil {
		return nil, err
	}
	if !found {
		return federation.NewRoster(federation.Charter{}, federation.Digest{}, nil), nil
	}
	body, err := federation.DecodeBody(federation.Statement{Trust: row.founder, Kind: federation.KindCharter, Body: row.body})
	if err != nil {
		return nil, corrupt(charterKey(), err)
	}
	charter, ok := body.(federation.Charter)
	if !ok {
		return nil, corrupt(charterKey(), federation.ErrMalformed)
	}
	var trusts []federation.Trust
	err = r.Scan([]byte{rowTrust}, nil, func(key, value []byte) (bool, error) {
		t, err := decodeRow(key, value, decodeTrust)
		if err != nil {
			return false, err
		}
		if t.ID = federation.TrustID(key[1:]); !t.ID.Valid() {
			return false, corrupt(key, federation.ErrTrustID)
		}
		trusts = append(trusts, t)
		return true, nil
	})
	if err != nil {
		return nil, fmt.Errorf("read roster: %w", err)
	}
	return federation.NewRoster(charter, row.region, trusts), nil
}

// putTrust writes a trust's row; the roster is rebuilt when the statement is accepted.
func (c *call) putTrust(t federation.Trust) {
	c.Set(trustKey(t.ID), encodeTrust(t))
	c.regroup = true
}

// putMember writes a trust as it was proposed, active, and takes its keys.
func (c *call) putMember(m federation.Member) {
	c.putTrust(federation.Trust{
		ID: m.Trust, Name: m.Name, Governing: m.Governing, Standing: federation.Active,
		StatementKey: m.StatementKey, AuditKey: m.AuditKey,
		Nodes: []federation.RosterNode{{ID: m.Node(), Key: m.NodeKey, Address: m.Address, Standing: federation.Active}},
	})
	c.takeKey(m.StatementKey, m.Trust, federation.RoleStatement)
	c.takeKey(m.AuditKey, m.Trust, federation.RoleAudit)
	c.takeKey(m.NodeKey, m.Trust, federation.RoleNode)
}

func (c *call) takeKey(key federation.PublicKey, trust federation.TrustID, role federation.KeyRole) {
	c.Set(publicKeyKey(key), keyRow{trust: trust, role: role}.encode())
}

// keyFree refuses a key that serves anywhere in the region, or ever did.
func (c *call) keyFree(key federation.PublicKey) error {
	row, found, err := get(c, publicKeyKey(key), decodeKey)
	if err != nil {
		return err
	}
	if found {
		return refuse(KeyInUse, "%s has, or had, this key", row.trust)
	}
	return nil
}
