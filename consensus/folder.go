package consensus

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// The folder of a replica:
//
//	LOCK           held while the replica is open
//	MARK           high-water mark, outside of what it vouches for
//	CURRENT        names the state folder in service
//	log/           raft-wal
//	state-000001/  rows: a manifest, tables and journals
//
// CURRENT changes by rename after the folder it names is complete and on disk. A state folder that CURRENT does not
// name is what a crash left of a restore, and is removed.
const (
	lockFile    = "LOCK"
	markFile    = "MARK"
	currentFile = "CURRENT"
	logDir      = "log"
	statePrefix = "state-"
	lostPrefix  = "lost-"
)

// folder is the locked folder of one replica.
type folder struct {
	dir  string
	lock *os.File
	disk syncer
}

func openFolder(dir string) (*folder, error) {
	if err := os.MkdirAll(filepath.Join(dir, logDir), 0o700); err != nil {
		return nil, fmt.Errorf("open %s: %w", dir, err)
	}
	lock, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", dir, err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		err = errors.Join(err, lock.Close())
		return nil, fmt.Errorf("open %s: %w: %w", dir, ErrInUse, err)
	}
	return &folder{dir: dir, lock: lock}, nil
}

// close unlocks before it closes: a program that this process is starting has a copy of the descriptor, and with it the lock, until
// its exec closes that.
func (f *folder) close() error {
	return errors.Join(syscall.Flock(int(f.lock.Fd()), syscall.LOCK_UN), f.lock.Close())
}

func (f *folder) path(name string) string { return filepath.Join(f.dir, name) }

func (f *folder) log() string { return f.path(logDir) }

// current returns the path of the state in service, making the first one if there is none, and removes all others.
func (f *folder) current() (string, error) {
	text, err := os.ReadFile(f.path(currentFile))
	name := strings.TrimSuffix(string(text), "\n")
	switch {
	case errors.Is(err, os.ErrNotExist):
		name = stateName(1)
		if err := os.RemoveAll(f.path(name)); err != nil {
			return "", fmt.Errorf("make first state: %w", err)
		}
		if err := f.swap(name); err != nil {
			return "", err
		}
	case err != nil:
		return "", fmt.Errorf("read %s: %w", currentFile, err)
	case stateNumber(name) == 0:
		return "", fmt.Errorf("%s names no state: %w", currentFile, ErrDamaged)
	default:
		if _, err := os.Stat(f.path(name)); err != nil && stateNumber(name) != 1 {
			return "", fmt.Errorf("state that %s names: %w: %w", currentFile, ErrDamaged, err)
		}
	}
	entries, err := os.ReadDir(f.dir)
	if err != nil {
		return "", fmt.Errorf("read %s: %w", f.dir, err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), statePrefix) && e.Name() != name {
			if err := os.RemoveAll(f.path(e.Name())); err != nil {
				return "", fmt.Errorf("remove abandoned state: %w", err)
			}
		}
	}
	return f.path(name), nil
}

// next returns the path for the state that follows one; the folder does not exist yet.
func (f *folder) next(path string) (string, error) {
	next := f.path(stateName(stateNumber(filepath.Base(path)) + 1))
	if err := os.RemoveAll(next); err != nil {
		return "", fmt.Errorf("clear %s: %w", next, err)
	}
	return next, nil
}

// swap puts the named state into service, durably.
func (f *folder) swap(name string) error {
	return f.disk.replace(f.dir, currentFile, []byte(name+"\n"))
}

func stateName(n int) string { return fmt.Sprintf("%s%06d", statePrefix, n) }

// stateNumber returns a state folder's number, or 0 if the name is not one.
func stateNumber(name string) int {
	digits, ok := strings.CutPrefix(name, statePrefix)
	n, err := strconv.Atoi(digits)
	if !ok || err != nil || n < 1 || stateName(n) != name {
		return 0
	}
	return n
}

// syncer fsyncs a file or folder. Nil asks the operating system; tests also note what is on disk from then on.
type syncer func(*os.File) error

func (s syncer) file(f *os.File) error {
	if s == nil {
		return f.Sync()
	}
	return s(f)
}

// path fsyncs a file or folder by its name.
func (s syncer) path(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(s.file(f), f.Close())
}

// replace replaces a file so that a crash leaves the old or the new content, whole.
func (s syncer) replace(dir, name string, content []byte) error {
	tmp := filepath.Join(dir, name+".tmp")
	f, err := os.OpenFile(tmp, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	_, err = f.Write(content)
	if err == nil {
		err = s.file(f)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	if err := os.Rename(tmp, filepath.Join(dir, name)); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return s.path(dir)
}
