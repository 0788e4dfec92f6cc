package storage

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

const (
	secretSuffix  = ".sealed"
	maxSecretName = 64
)

// SaveSecret seals value under the folder's key and stores it as name, durably, in place of what the name held.
// A name has 1 to 64 characters of a-z, 0-9 and hyphen. The value is bound to the name and to the node.
func (f *Folder) SaveSecret(name string, value []byte) error {
	if err := checkSecretName(name); err != nil {
		return err
	}
	if err := WriteFileAtomic(f.secretPath(name), f.secret.Seal(nil, f.secretAAD(name), value)); err != nil {
		return fmt.Errorf("save secret %s: %w", name, err)
	}
	return nil
}

// LoadSecret returns what SaveSecret stored as name: ErrNotFound when there is nothing, ErrIntegrity when the
// file is damaged, or was made for another name or node.
func (f *Folder) LoadSecret(name string) ([]byte, error) {
	if err := checkSecretName(name); err != nil {
		return nil, err
	}
	sealed, err := os.ReadFile(f.secretPath(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("secret %s: %w", name, ErrNotFound)
	}
	if err != nil {
		return nil, fmt.Errorf("load secret: %w", err)
	}
	value, err := f.secret.Open(nil, f.secretAAD(name), sealed)
	if err != nil {
		return nil, fmt.Errorf("secret %s: %w", name, err)
	}
	return value, nil
}

// HasSecret reports whether the data folder dir holds a secret of that name. It needs no key, and does not look into it.
func HasSecret(dir, name string) (bool, error) {
	_, err := os.Stat(filepath.Join(dir, secretsFolder, name+secretSuffix))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// DeleteSecret removes name, durably. It is no error when there is none.
func (f *Folder) DeleteSecret(name string) error {
	if err := checkSecretName(name); err != nil {
		return err
	}
	if err := os.Remove(f.secretPath(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("delete secret: %w", err)
	}
	return syncDir(f.Path(secretsFolder))
}

func (f *Folder) secretPath(name string) string { return f.Path(secretsFolder, name+secretSuffix) }

func (f *Folder) secretAAD(name string) []byte { return []byte("secret\x00" + f.node + "\x00" + name) }

func checkSecretName(name string) error {
	if name == "" || len(name) > maxSecretName || strings.ContainsFunc(name, notInSecretName) {
		return fmt.Errorf("secret name %q: want 1 to %d characters of a-z, 0-9 and hyphen", name, maxSecretName)
	}
	return nil
}

func notInSecretName(r rune) bool {
	return !('a' <= r && r <= 'z' || '0' <= r && r <= '9' || r == '-')
}
