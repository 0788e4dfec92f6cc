package record

import (
	"bytes"
	"context"
	"fmt"

	"github.com/dgraph-io/badger/v4"
)

// The limits of a setting, in bytes.
const (
	maxSettingName  = 128
	maxSettingValue = 512 << 10
)

// Setting returns a value that the node keeps for itself; found is false when there is none of this name.
func (s *Store) Setting(ctx context.Context, name string) (value []byte, found bool, err error) {
	err = s.view(ctx, func(txn *badger.Txn) error {
		value, found, err = s.get(txn, key(rowSetting, []byte(name)))
		return err
	})
	return value, found, err
}

// SetSetting keeps a value under a name, durably, in place of the one before. A name has 1 to 128 bytes and is not sealed:
// it must not name a patient. A value has at most 512 KiB. It fails with ErrTooLarge.
func (s *Store) SetSetting(ctx context.Context, name string, value []byte) error {
	if name == "" || len(name) > maxSettingName || len(value) > maxSettingValue {
		return fmt.Errorf("setting %q of %d bytes: %w", name, len(value), ErrTooLarge)
	}
	value = bytes.Clone(value)
	return s.update(ctx, int64(len(value)), func(txn *badger.Txn, _ *totals) error {
		return s.put(txn, key(rowSetting, []byte(name)), value)
	})
}

// DeleteSetting removes a value. It is no error when there is none.
func (s *Store) DeleteSetting(ctx context.Context, name string) error {
	return s.update(ctx, 64, func(txn *badger.Txn, _ *totals) error { return txn.Delete(key(rowSetting, []byte(name))) })
}

// Settings returns the names that begin with prefix, in order.
func (s *Store) Settings(ctx context.Context, prefix string) ([]string, error) {
	var names []string
	err := s.view(ctx, func(txn *badger.Txn) error {
		return s.scan(txn, key(rowSetting, []byte(prefix)), func(k, _ []byte) (bool, error) {
			names = append(names, string(k[1:]))
			return true, ctx.Err()
		})
	})
	return names, err
}
