package node

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/storage"
)

// settingSpoken keeps the highest number that this node may have signed a statement with. It is written before the
// statement is: should the region ever know of a later one, this folder is not the newest of its node.
const settingSpoken = "spoken"

// loadSpoken reads how far this node has spoken. It is not known of a folder that has never spoken.
func (s *speaker) loadSpoken(ctx context.Context) error {
	b, found, err := s.records.Setting(ctx, settingSpoken)
	if err != nil {
		return fmt.Errorf("read how far this trust has spoken: %w", err)
	}
	if found {
		if len(b) != 8 {
			return fmt.Errorf("how far this trust has spoken has %d bytes: %w", len(b), storage.ErrIntegrity)
		}
		s.spoken.Store(binary.BigEndian.Uint64(b))
	}
	flight, found, err := s.records.InFlight(ctx)
	if err != nil || !found || s.spoken.Load() == 0 {
		return err
	}
	signed, err := federation.DecodeSigned(flight.Envelope)
	if err != nil {
		return fmt.Errorf("statement in flight: %w", err)
	}
	statement, err := signed.Statement()
	if err != nil {
		return fmt.Errorf("statement in flight: %w", err)
	}
	s.spoken.Store(max(s.spoken.Load(), statement.Seq))
	return nil
}

// reserve notes, durably, that a statement may be signed with this number. One that is never signed does no harm: the next
// takes its number.
func (s *speaker) reserve(ctx context.Context, seq uint64) error {
	if s.spoken.Load() == 0 {
		return nil // a folder that has not spoken yet learns its number from the region
	}
	return s.reserveAt(ctx, seq)
}

func (s *speaker) reserveAt(ctx context.Context, seq uint64) error {
	if err := s.records.SetSetting(ctx, settingSpoken, binary.BigEndian.AppendUint64(nil, seq)); err != nil {
		return fmt.Errorf("note how far this trust speaks: %w", err)
	}
	return nil
}

// reach is told how much the region has heard of this trust before another statement is signed, which has the next number.
func (s *speaker) reach(ctx context.Context, heard uint64) error {
	said := s.spoken.Load()
	if said != 0 && heard > said {
		if err := s.behind(ctx, said, heard); err != nil {
			return err
		}
	}
	next := heard + 1
	if said == 0 || next > said+1 {
		if err := s.reserveAt(ctx, next); err != nil {
			return err
		}
	}
	s.raise(next)
	return nil
}

// raise notes that the numbers up to seq are taken.
func (s *speaker) raise(seq uint64) {
	for {
		said := s.spoken.Load()
		if said >= seq || s.spoken.CompareAndSwap(said, seq) {
			return
		}
	}
}
