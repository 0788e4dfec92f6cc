package record

import (
	"context"
	"fmt"
	"time"

	"github.com/dgraph-io/badger/v4"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/storage"
)

// An Invitation lets one node of one trust ask to join the region, once. The token itself is never kept, only its digest.
type Invitation struct {
	Token   federation.Digest // SHA-256 of the token's secret
	Trust   federation.TrustID
	Name    string // of the trust, at most 128 bytes
	By      string // staff id of who invited, at most 128 bytes
	Created time.Time
	Expires time.Time
	Used    time.Time         // zero: not used
	UsedBy  federation.NodeID // zero: not used
}

const invitationVersion = 1

func (i Invitation) encode() []byte {
	var e federation.Encoder
	e.U8(invitationVersion)
	e.Text(string(i.Trust))
	e.Text(i.Name)
	e.Text(i.By)
	e.Time(i.Created)
	e.Time(i.Expires)
	e.Time(i.Used)
	e.Fixed(i.UsedBy[:])
	return e.Bytes()
}

func decodeInvitation(token federation.Digest, b []byte) (Invitation, error) {
	i := Invitation{Token: token}
	d := federation.NewDecoder("invitation", b)
	if v := d.U8(); d.Err() == nil && v != invitationVersion {
		return i, fmt.Errorf("invitation version %d: %w", v, federation.ErrVersion)
	}
	i.Trust = federation.TrustID(d.Text(maxCode))
	i.Name, i.By = d.Text(maxPerson), d.Text(maxPerson)
	i.Created, i.Expires, i.Used = d.Time(), d.Time(), d.Time()
	d.Into(i.UsedBy[:])
	if d.Err() == nil && (!i.Trust.Valid() || i.Expires.IsZero()) {
		d.Fail("trust and expiry must be set")
	}
	return i, d.Finish()
}

// AddInvitation keeps an invitation, durably. It fails with ErrInvitation when it is not complete or its token is known.
func (s *Store) AddInvitation(ctx context.Context, i Invitation) error {
	i.Used, i.UsedBy = time.Time{}, federation.NodeID{}
	encoded := i.encode()
	if _, err := decodeInvitation(i.Token, encoded); err != nil || i.Token.IsZero() {
		return fmt.Errorf("incomplete: %w", ErrInvitation)
	}
	k := key(rowInvitation, i.Token[:])
	return s.update(ctx, int64(len(encoded)), func(txn *badger.Txn, _ *totals) error {
		if known, err := exists(txn, k); err != nil || known {
			if err == nil {
				err = fmt.Errorf("its token is known: %w", ErrInvitation)
			}
			return err
		}
		return s.put(txn, k, encoded)
	})
}

// UseInvitation redeems an invitation for node, at most once: the same node may repeat itself, because an answer can get
// lost. It fails with storage.ErrNotFound, and with ErrInvitation when it has expired or another node has used it.
func (s *Store) UseInvitation(ctx context.Context, token federation.Digest, node federation.NodeID) (Invitation, error) {
	var i Invitation
	k := key(rowInvitation, token[:])
	err := s.update(ctx, 1<<10, func(txn *badger.Txn, _ *totals) error {
		plain, found, err := s.get(txn, k)
		if err != nil {
			return err
		}
		if !found {
			return fmt.Errorf("invitation: %w", storage.ErrNotFound)
		}
		if i, err = decodeInvitation(token, plain); err != nil {
			return damaged(err)
		}
		now := s.now().UTC()
		switch {
		case node.IsZero():
			return fmt.Errorf("no node: %w", ErrInvitation)
		case !i.UsedBy.IsZero() && i.UsedBy != node:
			return fmt.Errorf("it has been used: %w", ErrInvitation)
		case !now.Before(i.Expires):
			return fmt.Errorf("it expired at %s: %w", i.Expires.Format(time.RFC3339), ErrInvitation)
		case !i.UsedBy.IsZero():
			return nil
		}
		i.Used, i.UsedBy = now.Truncate(time.Microsecond), node
		return s.put(txn, k, i.encode())
	})
	if err != nil {
		return Invitation{}, err
	}
	return i, nil
}

// Invitations returns all invitations, used and expired ones included.
func (s *Store) Invitations(ctx context.Context) ([]Invitation, error) {
	var out []Invitation
	err := s.view(ctx, func(txn *badger.Txn) error {
		return s.scan(txn, []byte{rowInvitation}, func(k, plain []byte) (bool, error) {
			i, err := decodeInvitation(federation.Digest(k[1:]), plain)
			out = append(out, i)
			return true, damaged(err)
		})
	})
	return out, err
}

// DeleteInvitation removes an invitation. It is no error when there is none.
func (s *Store) DeleteInvitation(ctx context.Context, token federation.Digest) error {
	return s.update(ctx, 64, func(txn *badger.Txn, _ *totals) error { return txn.Delete(key(rowInvitation, token[:])) })
}
