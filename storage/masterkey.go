package storage

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// keyCommandTimeout bounds how long a master key command may run.
const keyCommandTimeout = 30 * time.Second

// maxKeyText bounds what is read from a key file or command; 64 hexadecimal digits and white space fit easily.
const maxKeyText = 4096

// A MasterKey is the key from which all keys of a node's data folder are derived. It never lies in the folder.
// It does not print or log its value.
type MasterKey [32]byte

// String returns a placeholder.
func (MasterKey) String() string { return "storage.MasterKey(hidden)" }

// GoString returns a placeholder.
func (k MasterKey) GoString() string { return k.String() }

// LogValue returns a placeholder.
func (k MasterKey) LogValue() slog.Value { return slog.StringValue(k.String()) }

// Sealer returns the Sealer for the purpose that label names.
func (k MasterKey) Sealer(label string) *Sealer { return NewSealer(DeriveKey(k, label)) }

// Hex returns the key as 64 hexadecimal digits, for writing it into a key file. Keep it off logs.
func (k MasterKey) Hex() string { return hex.EncodeToString(k[:]) }

// GenerateMasterKey returns a new random key.
func GenerateMasterKey() MasterKey {
	var k MasterKey
	_, _ = rand.Read(k[:]) // never fails: crypto/rand ends the program instead
	return k
}

// A KeySource says where the master key comes from. Exactly one of File, Value and Command is set.
type KeySource struct {
	File    string   // path of a file that holds 64 hexadecimal digits or 32 raw bytes
	Value   string   // 64 hexadecimal digits, as from an environment variable
	Command []string // program and arguments; its standard output is read as a key file is

	// DataDir, when set, is the data folder that File must not lie in.
	DataDir string
	// AllowInside permits a File inside DataDir. A key beside the data protects nothing: only for trying out.
	AllowInside bool
}

// LoadMasterKey returns the master key that src names. Every error wraps ErrKeySource and says what to change.
func LoadMasterKey(ctx context.Context, src KeySource) (MasterKey, error) {
	set := 0
	for _, given := range []bool{src.File != "", src.Value != "", len(src.Command) > 0} {
		if given {
			set++
		}
	}
	if set != 1 {
		return MasterKey{}, fmt.Errorf("%w: set exactly one of key file, environment value and key command (%d are set)", ErrKeySource, set)
	}
	switch {
	case src.File != "":
		return loadKeyFile(src)
	case src.Value != "":
		k, err := parseKey([]byte(src.Value), false)
		if err != nil {
			return MasterKey{}, fmt.Errorf("%w: environment value: %w", ErrKeySource, err)
		}
		return k, nil
	default:
		return loadKeyCommand(ctx, src.Command)
	}
}

func loadKeyFile(src KeySource) (MasterKey, error) {
	if src.DataDir != "" && !src.AllowInside {
		inside, err := Inside(src.DataDir, src.File)
		if err != nil {
			return MasterKey{}, fmt.Errorf("%w: %w", ErrKeySource, err)
		}
		if inside {
			return MasterKey{}, fmt.Errorf("%w: key file %s lies inside the data folder %s; keep it on another volume", ErrKeySource, src.File, src.DataDir)
		}
	}
	f, err := os.Open(src.File)
	if err != nil {
		return MasterKey{}, fmt.Errorf("%w: %w", ErrKeySource, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return MasterKey{}, fmt.Errorf("%w: %w", ErrKeySource, err)
	}
	if !info.Mode().IsRegular() {
		return MasterKey{}, fmt.Errorf("%w: %s is not a regular file", ErrKeySource, src.File)
	}
	if perm := info.Mode().Perm(); perm&0o077 != 0 {
		return MasterKey{}, fmt.Errorf("%w: %s can be read or changed by other users (mode %04o); run: chmod 600 %s", ErrKeySource, src.File, perm, src.File)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxKeyText))
	if err != nil {
		return MasterKey{}, fmt.Errorf("%w: %w", ErrKeySource, err)
	}
	k, err := parseKey(text, true)
	if err != nil {
		return MasterKey{}, fmt.Errorf("%w: %s: %w", ErrKeySource, src.File, err)
	}
	return k, nil
}

func loadKeyCommand(ctx context.Context, argv []string) (MasterKey, error) {
	ctx, cancel := context.WithTimeout(ctx, keyCommandTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.WaitDelay = time.Second // a child that keeps the pipe open must not hold up the start
	var out, errOut limitedBuffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	if err := cmd.Run(); err != nil {
		return MasterKey{}, fmt.Errorf("%w: command %s: %w: %s", ErrKeySource, argv[0], err, strings.TrimSpace(errOut.String()))
	}
	k, err := parseKey(out.Bytes(), true)
	if err != nil {
		return MasterKey{}, fmt.Errorf("%w: output of command %s: %w", ErrKeySource, argv[0], err)
	}
	return k, nil
}

// limitedBuffer keeps the first maxKeyText bytes written to it.
type limitedBuffer struct{ bytes.Buffer }

func (b *limitedBuffer) Write(p []byte) (int, error) {
	if room := maxKeyText - b.Len(); room > 0 {
		_, _ = b.Buffer.Write(p[:min(room, len(p))]) // a Buffer's Write returns no error
	}
	return len(p), nil
}

// parseKey reads 64 hexadecimal digits with white space around them or, where raw allows it, 32 bytes.
func parseKey(text []byte, raw bool) (MasterKey, error) {
	var k MasterKey
	if raw && len(text) == len(k) {
		copy(k[:], text)
		return k, checkKey(k)
	}
	digits := bytes.TrimSpace(text)
	if len(digits) != hex.EncodedLen(len(k)) {
		return MasterKey{}, fmt.Errorf("want 64 hexadecimal digits or 32 raw bytes, found %d bytes", len(text))
	}
	if _, err := hex.Decode(k[:], digits); err != nil {
		return MasterKey{}, errors.New("want 64 hexadecimal digits, found other characters") // the text stays out of the message
	}
	return k, checkKey(k)
}

// checkKey refuses a key that is one byte repeated: a file of zeros or blanks is a mistake, not a key.
func checkKey(k MasterKey) error {
	if bytes.Count(k[:], k[:1]) == len(k) {
		return errors.New("all bytes of the key are equal")
	}
	return nil
}

// Inside reports whether path is dir or lies below it once symbolic links are followed. Neither needs to exist:
// the part of a path that does not is taken as written.
func Inside(dir, path string) (bool, error) {
	d, err := resolve(dir)
	if err != nil {
		return false, err
	}
	p, err := resolve(path)
	if err != nil {
		return false, err
	}
	rel, err := filepath.Rel(d, p)
	if err != nil {
		return false, fmt.Errorf("compare %s with %s: %w", d, p, err)
	}
	return rel == "." || (rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator))), nil
}

// resolve returns path as an absolute path with the symbolic links of its existing part followed.
func resolve(path string) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("make %s absolute: %w", path, err)
	}
	rest := ""
	for {
		existing, err := filepath.EvalSymlinks(abs)
		if err == nil {
			return filepath.Join(existing, rest), nil
		}
		if !errors.Is(err, fs.ErrNotExist) || abs == filepath.Dir(abs) {
			return "", fmt.Errorf("resolve %s: %w", path, err)
		}
		rest = filepath.Join(filepath.Base(abs), rest)
		abs = filepath.Dir(abs)
	}
}
