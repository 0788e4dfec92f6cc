package index

import (
	"encoding/binary"
	"fmt"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

// EmergenciesAt returns the emergency accesses that name a trust as custodian and that the region has agreed on after an
// index; in no order. It reads all that the region knows of, which are few: nobody may declare many.
func EmergenciesAt(r Reader, custodian federation.TrustID, after uint64) ([]BreakGlass, error) {
	var out []BreakGlass
	err := r.Scan([]byte{rowBreakGlass}, nil, func(key, value []byte) (bool, error) {
		var subject federation.Subject
		if len(key) != 1+len(subject)+8 {
			return false, corrupt(key, federation.ErrMalformed)
		}
		copy(subject[:], key[1:])
		at := binary.BigEndian.Uint64(key[1+len(subject):])
		if at <= after {
			return true, nil
		}
		row, err := decodeRow(key, value, decodeBreakGlass)
		if err != nil {
			return false, err
		}
		if row.custodian == custodian {
			out = append(out, *row.public(subject, at))
		}
		return true, nil
	})
	if err != nil {
		return nil, fmt.Errorf("read emergency accesses of %s: %w", custodian, err)
	}
	return out, nil
}
