package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/ridgeway-exchange/ridgeway/node"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

// writeBackEvery is how many bytes of a file are on their way to the disk at once while more come.
const writeBackEvery = 8 << 20

// target is where a fetch writes: a .part file that becomes --out once it is whole and verified, or standard output. Only
// verified bytes reach it, so what a cut leaves behind is good as far as it goes.
//
//	letter.pdf.part        bytes that have come
//	letter.pdf.part.json   which document, selection and manifest they are of
type target struct {
	options *fetchOptions
	path    string
	file    *os.File
	out     *bufio.Writer
	sum     hash.Hash
	n       int64 // bytes in the file
	had     int64 // of these, what an earlier run had brought
}

// partNote is what lies beside a .part file.
type partNote struct {
	Of       string `json:"of"`
	Manifest string `json:"manifest"`
	Sending  int64  `json:"sending"`
}

func openTarget(o *fetchOptions, standard io.Writer) (*target, error) {
	t := &target{options: o, path: o.out, sum: sha256.New()}
	if o.out == "-" {
		t.out = bufio.NewWriterSize(standard, 1<<20)
		return t, nil
	}
	if o.out != "" {
		if st, err := os.Stat(o.out); err == nil && st.IsDir() {
			return nil, admin.Errorf(admin.CodeBadInput, "--out %s is a folder: name a file", o.out)
		}
		if st, err := os.Stat(filepath.Dir(o.out)); err != nil || !st.IsDir() {
			return nil, admin.Errorf(admin.CodeBadInput, "--out %s: there is no folder %s: make it, or name a file elsewhere", o.out, filepath.Dir(o.out))
		}
	}
	return t, nil
}

func (t *target) partPath() string { return t.path + ".part" }
func (t *target) notePath() string { return t.path + ".part.json" }

// resume looks for what an earlier run left of the same selection, and makes req ask for the rest only. Pages are assembled
// by the node, so a fetch by page starts anew. It returns how many bytes there are.
func (t *target) resume(req *admin.FetchRequest) int64 {
	if t.path == "" || t.path == "-" || req.GetPages() != "" {
		return 0
	}
	b, err := os.ReadFile(t.notePath())
	if err != nil {
		return 0
	}
	var note partNote
	if json.Unmarshal(b, &note) != nil || note.Of != t.options.describe() {
		return 0
	}
	manifest, err := hex.DecodeString(note.Manifest)
	if err != nil {
		return 0
	}
	f, err := os.OpenFile(t.partPath(), os.O_RDWR, 0)
	if err != nil {
		return 0
	}
	if !locked(f) {
		_ = f.Close() // begin says so
		return 0
	}
	n, err := io.Copy(t.sum, f)
	if err != nil || n == 0 || n >= note.Sending {
		t.sum.Reset()
		_ = f.Close()
		return 0
	}
	t.file, t.n, t.had = f, n, n
	req.Offset += n
	if req.GetLength() > 0 {
		req.Length -= n
	}
	req.Manifest = manifest
	return n
}

// locked keeps others from writing a .part file for as long as it is open, and reports whether nobody else does.
func locked(f *os.File) bool {
	return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil
}

// restart forgets what an earlier run left.
func (t *target) restart() error {
	t.sum.Reset()
	t.n, t.had = 0, 0
	if t.file == nil {
		return nil
	}
	err := t.file.Close()
	t.file = nil
	return err
}

// begin opens the file once it is known what comes.
func (t *target) begin(head *admin.Head, req *admin.FetchRequest) error {
	if t.path == "" {
		t.path = head.GetDocument() + t.options.suffix() + extension(head.GetContentType())
	}
	if t.path == "-" {
		return nil
	}
	if t.file == nil {
		f, err := os.OpenFile(t.partPath(), os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			return admin.Errorf(admin.CodeBadInput, "--out: %v: name a file elsewhere", err)
		}
		if !locked(f) {
			_ = f.Close() // the other goes on with it
			return admin.Errorf(admin.CodeInUse, "another fetch writes %s now: wait until it ends, or name another file with --out", t.partPath())
		}
		if err := f.Truncate(0); err != nil {
			return errors.Join(t.writeProblem(err), f.Close())
		}
		t.file = f
	}
	note, err := json.Marshal(partNote{Of: t.options.describe(), Manifest: hex.EncodeToString(head.GetManifest()), Sending: t.had + head.GetSending()})
	if err != nil {
		return err
	}
	if req.GetPages() == "" {
		if err := os.WriteFile(t.notePath(), note, 0o600); err != nil {
			return admin.Errorf(admin.CodeBadInput, "--out: %v", err)
		}
	}
	t.out = bufio.NewWriterSize(t.file, 1<<20)
	return nil
}

func (t *target) write(b []byte) error {
	if _, err := t.out.Write(b); err != nil {
		return t.writeProblem(err)
	}
	_, _ = t.sum.Write(b) // a hash never fails
	before := t.n
	t.n += int64(len(b))
	if t.file == nil || before/writeBackEvery == t.n/writeBackEvery {
		return nil
	}
	if err := t.out.Flush(); err != nil {
		return t.writeProblem(err)
	}
	from := max(before/writeBackEvery*writeBackEvery, 0)
	node.WriteBack(t.file, from, t.n-from) // begins with what the sync at the end would have to wait for
	return nil
}

func (t *target) writeProblem(err error) error {
	return admin.Errorf(admin.CodeDiskFull, "write %s: %v: make room or choose another --out, then run the same command again", t.path, err)
}

// keep closes the file so that a later run can go on, and returns how many bytes it has.
func (t *target) keep() int64 {
	if t.file == nil {
		return 0
	}
	if t.out != nil && t.out.Flush() != nil {
		return 0
	}
	_ = t.file.Close()
	if t.n == 0 || t.options.pages != "" {
		_ = os.Remove(t.partPath())
		_ = os.Remove(t.notePath())
		return 0
	}
	return t.n
}

// unfinished closes the file of a fetch that failed, and adds to the reason how to go on.
func (t *target) unfinished(err error) error {
	kept := t.keep()
	if kept == 0 {
		return err
	}
	reason, _, _ := strings.Cut(err.Error(), ": run the same command again")
	if errors.Is(err, context.Canceled) {
		reason = "stopped before it was done"
	}
	return admin.Errorf(admin.CodeOf(err), "%s. %s of the document are kept in %s: run the same command again to go on", strings.TrimSuffix(reason, "."), size(kept), t.partPath())
}

// finish checks the whole against its digest, syncs it, and gives it its name.
func (t *target) finish(head *admin.Head, whole bool) (sum string, n int64, err error) {
	if err := t.out.Flush(); err != nil {
		return "", 0, t.writeProblem(err)
	}
	got := t.sum.Sum(nil)
	sum = hex.EncodeToString(got)
	if whole && sum != hex.EncodeToString(head.GetSha256()) {
		if t.file != nil {
			_ = t.file.Close()
			t.file = nil
			_ = os.Remove(t.partPath())
			_ = os.Remove(t.notePath())
			t.n = 0
		}
		if t.had > 0 {
			return "", 0, admin.Errorf(admin.CodeIntegrity, "%s was changed meanwhile", t.partPath())
		}
		return "", 0, admin.Errorf(admin.CodeIntegrity, "%s is not what the custodian published: what came was removed; run the command again", t.path)
	}
	if t.file == nil {
		return sum, t.n, nil
	}
	if err := errors.Join(t.file.Sync(), t.file.Close()); err != nil {
		return "", 0, t.writeProblem(err)
	}
	if err := os.Rename(t.partPath(), t.path); err != nil {
		return "", 0, fmt.Errorf("name %s: %w", t.path, err)
	}
	if err := os.Remove(t.notePath()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", 0, err
	}
	return sum, t.n, nil
}
