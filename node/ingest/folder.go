package ingest

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/text/unicode/norm"
)

// folder opens files below one place and nowhere else.
type folder struct {
	root *os.Root

	mu    sync.Mutex
	names map[string]map[string]string // folder to the NFC form of each name in it to the name on disk; filled when a name is not found as written
}

func openFolder(name string) (*folder, error) {
	root, err := os.OpenRoot(name)
	if err != nil {
		return nil, fmt.Errorf("open the folder of the records: %w", err)
	}
	return &folder{root: root, names: map[string]map[string]string{}}, nil
}

// canonical is the form in which two spellings of the same path are equal: slashes, no dots, composed Unicode.
func canonical(name string) string {
	return norm.NFC.String(path.Clean(strings.ReplaceAll(name, `\`, "/")))
}

// open returns the file and its size. Names on disk may be composed or decomposed, whichever the manifest has: a Mac writes the one
// and a spreadsheet the other.
func (f *folder) open(name string) (*os.File, int64, *RefusalError) {
	clean := path.Clean(strings.ReplaceAll(name, `\`, "/"))
	if !filepath.IsLocal(clean) || hasDrive(clean) {
		return nil, 0, refuse(CodeOutside, "the path leads out of the folder; give it relative to the folder")
	}
	info, err := f.root.Stat(clean)
	if errors.Is(err, fs.ErrNotExist) {
		found, near := f.lookup(clean)
		if found == "" {
			if near != "" {
				return nil, 0, refuse(CodeMissingFile, "there is no such file; did you mean %q? Upper and lower case count", near)
			}
			return nil, 0, refuse(CodeMissingFile, "there is no such file: check the name, or put the file there")
		}
		clean = found
		info, err = f.root.Stat(clean)
	}
	switch {
	case err != nil && f.throughLink(clean):
		return nil, 0, refuse(CodeOutside, "the path goes by a link that leads out of the folder or nowhere: put the file itself there")
	case err != nil:
		return nil, 0, refuse(CodeUnreadable, "the file cannot be opened: %v: see to it that you may read it", reason(err))
	case !info.Mode().IsRegular(): // a pipe would block for ever when opened
		return nil, 0, refuse(CodeUnreadable, "it is not a file but a folder or a device: name a file")
	}
	file, err := f.root.Open(clean)
	if err != nil {
		return nil, 0, refuse(CodeUnreadable, "the file cannot be opened: %v: see to it that you may read it", reason(err))
	}
	return file, info.Size(), nil
}

// hasDrive recognises C:\ on systems that have no drives, so that it is called what it is.
func hasDrive(p string) bool {
	return len(p) >= 3 && p[1] == ':' && p[2] == '/'
}

// reason strips the path off an error of the file system: the report names the file already.
func reason(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

func (f *folder) throughLink(name string) bool {
	at := ""
	for part := range strings.SplitSeq(name, "/") {
		at = path.Join(at, part)
		info, err := f.root.Lstat(at)
		if err != nil {
			return false
		}
		if info.Mode()&fs.ModeSymlink != 0 {
			return true
		}
	}
	return false
}

// lookup finds a path whose parts are spelt with other Unicode forms on disk; near is a path that differs in case only.
func (f *folder) lookup(name string) (found, near string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	at, same := ".", true
	for part := range strings.SplitSeq(name, "/") {
		names := f.list(at)
		disk, ok := names[norm.NFC.String(part)]
		if !ok {
			same = false
			for composed, d := range names {
				if strings.EqualFold(composed, norm.NFC.String(part)) && (disk == "" || d < disk) {
					disk = d
				}
			}
		}
		if disk == "" {
			return "", ""
		}
		at = path.Join(at, disk)
	}
	if same {
		return at, ""
	}
	return "", at
}

// list reads a folder once. A folder that cannot be read has no names. The caller holds the lock: reading is what it is for.
func (f *folder) list(dir string) map[string]string {
	if names, ok := f.names[dir]; ok {
		return names
	}
	names := map[string]string{}
	f.names[dir] = names
	d, err := f.root.Open(dir)
	if err != nil {
		return names
	}
	defer d.Close()
	all, err := d.Readdirnames(-1)
	if err != nil {
		return names
	}
	for _, n := range all {
		names[norm.NFC.String(n)] = n
	}
	return names
}

func (f *folder) close() error { return f.root.Close() }

// watchedFile remembers that reading a file failed, so that a bad sector in one file is not taken for a fault of the node, and stops
// reading when the run is stopped.
type watchedFile struct {
	io.ReaderAt
	stopped func() error

	mu     sync.Mutex
	failed error
}

// ReadAt reads from the file.
func (w *watchedFile) ReadAt(p []byte, off int64) (int, error) {
	if err := w.stopped(); err != nil {
		return 0, err
	}
	n, err := w.ReaderAt.ReadAt(p, off)
	if err != nil && !errors.Is(err, io.EOF) {
		w.mu.Lock()
		w.failed = err
		w.mu.Unlock()
	}
	return n, err
}

func (w *watchedFile) failure() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.failed
}
