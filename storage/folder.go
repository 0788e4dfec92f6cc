package storage

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	formatFile    = "FORMAT"
	lockFile      = "LOCK"
	secretsFolder = "secrets"
	formatMagic   = "ridgeway data folder"

	// FolderVersion is the format version of the data folders that this program writes and reads.
	FolderVersion = 1

	// DevKeyFile is the only file that CreateFolder tolerates in an otherwise empty folder: the name for a
	// master key that lies inside the data folder for trying things out.
	DevKeyFile = "master.key"

	maxFormatFile = 4096
)

// A Folder is an open data folder of one node. It holds the folder's lock until Close.
//
//	FORMAT        version, node id, check value of the master key (text, written last)
//	LOCK          flock, process id of the holder
//	secrets/      small sealed secrets, one file each
//	(the rest)    folders of the stores, by their owners
//
// FORMAT is four lines; sum is over the lines before it and tells a damaged file from a wrong key:
//
//	ridgeway data folder 1
//	node <id>
//	check <HMAC-SHA256 of the two lines above, under a key derived from the master key, hexadecimal>
//	sum <SHA-256 of the three lines above, hexadecimal>
type Folder struct {
	dir    string
	node   string
	key    MasterKey
	secret *Sealer
	lock   *os.File
}

// CreateFolder makes dir the data folder of node, an opaque id without white space, stores secrets in it, and
// opens it. The folder is created with mode 0700 where it does not exist.
//
//  1. ErrExists: there is something in the folder already.
//  2. ErrInUse: another process is creating it at this moment.
//
// FORMAT is written last, so that a creation cut short never looks complete; it can be repeated.
func CreateFolder(dir, node string, key MasterKey, secrets map[string][]byte) (*Folder, error) {
	if node == "" || strings.ContainsAny(node, " \t\r\n") {
		return nil, fmt.Errorf("create data folder %s: node id %q is empty or has white space", dir, node)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("create data folder: %w", err)
	}
	if err := checkEmpty(dir); err != nil {
		return nil, err
	}
	f := newFolder(dir, node, key)
	if err := f.acquire(); err != nil {
		return nil, err
	}
	if err := f.fill(secrets); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// OpenFolder opens the data folder dir with the master key it was made with. node is the id it must belong to;
// an empty node accepts any.
//
//  1. ErrNotFolder: there is no format file. 2. ErrIntegrity: the format file is damaged.
//  3. ErrVersion, ErrOtherNode, ErrWrongKey, ErrInUse: as they say, in this order.
func OpenFolder(dir, node string, key MasterKey) (*Folder, error) {
	id, check, err := readFormat(dir)
	if err != nil {
		return nil, err
	}
	if node != "" && node != id {
		return nil, fmt.Errorf("data folder %s is of node %s, not of %s: %w", dir, id, node, ErrOtherNode)
	}
	if !hmac.Equal(check, keyCheck(key, id)) {
		return nil, fmt.Errorf("data folder %s: %w", dir, ErrWrongKey)
	}
	f := newFolder(dir, id, key)
	if err := f.acquire(); err != nil {
		return nil, err
	}
	return f, nil
}

// Held reports whether the process that has opened the data folder dir last is still there. It takes no lock, which could keep
// a node from starting, so that it is good for what is told and not for what is decided.
func Held(dir string) bool {
	text, err := os.ReadFile(filepath.Join(dir, lockFile))
	if err != nil {
		return false
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	return err == nil && pid > 0 && !errors.Is(unix.Kill(pid, 0), unix.ESRCH)
}

// Dir returns the path of the folder.
func (f *Folder) Dir() string { return f.dir }

// Path returns the path of name inside the folder.
func (f *Folder) Path(name ...string) string {
	return filepath.Join(append([]string{f.dir}, name...)...)
}

// Node returns the id of the node that the folder belongs to.
func (f *Folder) Node() string { return f.node }

// Sealer returns the Sealer for the purpose that label names; different labels have independent keys.
func (f *Folder) Sealer(label string) *Sealer { return f.key.Sealer(label) }

// Close releases the folder's lock. It is idempotent.
func (f *Folder) Close() error {
	if f.lock == nil {
		return nil
	}
	err := unlock(f.lock)
	f.lock = nil
	if err != nil {
		return fmt.Errorf("close data folder: %w", err)
	}
	return nil
}

func newFolder(dir, node string, key MasterKey) *Folder {
	return &Folder{dir: dir, node: node, key: key, secret: key.Sealer("secrets")}
}

// fill writes everything that a new folder holds, FORMAT last.
func (f *Folder) fill(secrets map[string][]byte) error {
	if err := os.MkdirAll(f.Path(secretsFolder), 0o700); err != nil {
		return fmt.Errorf("create data folder: %w", err)
	}
	for name, value := range secrets {
		if err := f.SaveSecret(name, value); err != nil {
			return err
		}
	}
	if err := syncDir(f.dir); err != nil {
		return err
	}
	if err := WriteFileAtomic(f.Path(formatFile), encodeFormat(f.node, keyCheck(f.key, f.node))); err != nil {
		return err
	}
	return syncDir(filepath.Dir(filepath.Clean(f.dir)))
}

// acquire takes the folder's lock and notes the process id for the message of whoever comes second.
func (f *Folder) acquire() error {
	held, err := lock(f.Path(lockFile), os.O_RDWR|os.O_CREATE)
	if errors.Is(err, ErrInUse) {
		text, _ := os.ReadFile(f.Path(lockFile)) // the id is a courtesy; without it the message is shorter
		if pid, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil {
			return fmt.Errorf("data folder %s is held by process %d: %w", f.dir, pid, ErrInUse)
		}
	}
	if err != nil {
		return fmt.Errorf("data folder %s: %w", f.dir, err)
	}
	// The id is only for messages, so that a full disk must not keep a node from starting.
	_ = held.Truncate(0)
	_, _ = held.WriteAt(fmt.Appendf(nil, "%d\n", os.Getpid()), 0)
	f.lock = held
	return nil
}

// checkEmpty accepts a folder that is empty, holds a development key, or what a creation cut short left behind.
func checkEmpty(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("create data folder: %w", err)
	}
	for _, e := range entries {
		switch name := e.Name(); {
		case name == lockFile, name == secretsFolder, name == DevKeyFile:
		case strings.HasPrefix(name, "."+formatFile+".") && strings.HasSuffix(name, ".tmp"):
		case name == "lost+found" && e.IsDir(): // the root of a volume made for the data
		default:
			return fmt.Errorf("create data folder %s: found %s: %w", dir, name, ErrExists)
		}
	}
	return nil
}

// keyCheck returns a value that only the holder of key can make for node.
func keyCheck(key MasterKey, node string) []byte {
	k := DeriveKey(key, "folder-check")
	mac := hmac.New(sha256.New, k[:])
	mac.Write(formatHead(node))
	return mac.Sum(nil)
}

func formatHead(node string) []byte {
	return fmt.Appendf(nil, "%s %d\nnode %s\n", formatMagic, FolderVersion, node)
}

func encodeFormat(node string, check []byte) []byte {
	text := fmt.Appendf(formatHead(node), "check %x\n", check)
	return fmt.Appendf(text, "sum %x\n", sha256.Sum256(text))
}

func readFormat(dir string) (node string, check []byte, err error) {
	text, err := os.ReadFile(filepath.Join(dir, formatFile))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil, fmt.Errorf("%s: %w", dir, ErrNotFolder)
	}
	if err != nil {
		return "", nil, fmt.Errorf("open data folder: %w", err)
	}
	node, check, err = parseFormat(text)
	if err != nil {
		return "", nil, fmt.Errorf("%s: %w", filepath.Join(dir, formatFile), err)
	}
	return node, check, nil
}

// parseFormat reads a format file. The version is judged before the sum: a later version may be laid out otherwise.
func parseFormat(text []byte) (node string, check []byte, err error) {
	head, rest, _ := bytes.Cut(text, []byte("\n"))
	version, found := strings.CutPrefix(string(head), formatMagic+" ")
	if !found || len(text) > maxFormatFile {
		return "", nil, fmt.Errorf("first line is not %q: %w", formatMagic, ErrIntegrity)
	}
	v, err := strconv.Atoi(version)
	if err != nil {
		return "", nil, fmt.Errorf("version %q: %w", version, ErrIntegrity)
	}
	if v != FolderVersion {
		return "", nil, fmt.Errorf("format version %d, this program knows %d: %w", v, FolderVersion, ErrVersion)
	}
	lines := strings.Split(string(rest), "\n")
	if len(lines) != 4 || lines[3] != "" {
		return "", nil, fmt.Errorf("wrong number of lines: %w", ErrIntegrity)
	}
	node, ok1 := strings.CutPrefix(lines[0], "node ")
	checkHex, ok2 := strings.CutPrefix(lines[1], "check ")
	check, err = hex.DecodeString(checkHex)
	if !ok1 || !ok2 || err != nil || node == "" || !bytes.Equal(text, encodeFormat(node, check)) {
		return "", nil, fmt.Errorf("content does not match its sum: %w", ErrIntegrity)
	}
	return node, check, nil
}
