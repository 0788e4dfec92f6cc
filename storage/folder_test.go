package storage

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

var testKey = MasterKey{1, 2, 3}

func createTest(t *testing.T, dir string) *Folder {
	t.Helper()
	f, err := CreateFolder(dir, "node-a", testKey, map[string][]byte{"node-key": []byte("private")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func TestFolderKeepsSecrets(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	f := createTest(t, dir)
	if err := f.SaveSecret("statement-key", []byte("first")); err != nil {
		t.Fatal(err)
	}
	if err := f.SaveSecret("statement-key", []byte("second")); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	f, err := OpenFolder(dir, "node-a", testKey)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for name, want := range map[string]string{"node-key": "private", "statement-key": "second"} {
		if got, err := f.LoadSecret(name); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		if b, err := os.ReadFile(f.secretPath(name)); err != nil || bytes.Contains(b, []byte(want)) {
			t.Errorf("%s lies in the clear, or not at all: %v", name, err)
		}
	}
	if err := f.DeleteSecret("statement-key"); err != nil {
		t.Fatal(err)
	}
	if _, err := f.LoadSecret("statement-key"); !errors.Is(err, ErrNotFound) {
		t.Errorf("deleted: %v", err)
	}
	for _, name := range []string{"", "../x", "A", "a/b", "a.b", strings.Repeat("a", 65)} {
		if err := f.SaveSecret(name, nil); err == nil {
			t.Errorf("name %q is accepted", name)
		}
	}
	// A secret moved to another name must not open.
	if err := os.Rename(f.secretPath("node-key"), f.secretPath("audit-key")); err != nil {
		t.Fatal(err)
	}
	if _, err := f.LoadSecret("audit-key"); !errors.Is(err, ErrIntegrity) {
		t.Errorf("moved: %v", err)
	}
}

func TestFolderIsOpenedOnlyByItsOwner(t *testing.T) {
	dir := t.TempDir()
	f := createTest(t, dir)
	if _, err := OpenFolder(dir, "", testKey); !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), fmt.Sprint(os.Getpid())) {
		t.Errorf("held: %v", err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	good, err := os.ReadFile(filepath.Join(dir, formatFile))
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		format string
		node   string
		key    MasterKey
		want   error
	}{
		"wrong key":         {string(good), "node-a", MasterKey{9}, ErrWrongKey},
		"other node":        {string(good), "node-b", testKey, ErrOtherNode},
		"later version":     {strings.Replace(string(good), "folder 1", "folder 2", 1), "node-a", testKey, ErrVersion},
		"renamed node":      {strings.Replace(string(good), "node-a", "node-b", 1), "node-b", testKey, ErrIntegrity},
		"cut":               {string(good[:len(good)-9]), "node-a", testKey, ErrIntegrity},
		"empty":             {"", "node-a", testKey, ErrIntegrity},
		"something else":    {"hello\n", "node-a", testKey, ErrIntegrity},
		"forged for node-b": {string(encodeFormat("node-b", keyCheck(MasterKey{9}, "node-b"))), "node-b", testKey, ErrWrongKey},
	}
	for name, c := range tests {
		if err := os.WriteFile(filepath.Join(dir, formatFile), []byte(c.format), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenFolder(dir, c.node, c.key); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
	}
	for i := range good {
		b := bytes.Clone(good)
		b[i] ^= 4
		if err := os.WriteFile(filepath.Join(dir, formatFile), b, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenFolder(dir, "node-a", testKey); err == nil {
			t.Errorf("a flip at %d is accepted", i)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, formatFile), good, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err = OpenFolder(dir, "", testKey)
	if err != nil || f.Node() != "node-a" {
		t.Fatalf("%v", err)
	}
	f.Close()
}

// TestClosedFolderIsFreeWhileProgramsAreStarted: between fork and exec a child has the locks of its parent.
func TestClosedFolderIsFreeWhileProgramsAreStarted(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	if err := createTest(t, dir).Close(); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	var starting sync.WaitGroup
	defer starting.Wait()
	defer close(done)
	for range 4 {
		starting.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if err := exec.Command(self, "-test.list=^$").Run(); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for range 60 {
		f, err := OpenFolder(dir, "node-a", testKey)
		if err != nil {
			t.Fatal(err)
		}
		db, err := Open(Options{Dir: f.Path("records"), Profile: Records, Small: true})
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(db.Close(), f.Close()); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFolderIsMadeOnlyWhereThereIsNone(t *testing.T) {
	dir := t.TempDir()
	if _, err := OpenFolder(dir, "", testKey); !errors.Is(err, ErrNotFolder) {
		t.Errorf("open: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, DevKeyFile), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, secretsFolder), 0o700); err != nil { // a creation cut short
		t.Fatal(err)
	}
	createTest(t, dir).Close()
	if _, err := CreateFolder(dir, "node-a", testKey, nil); !errors.Is(err, ErrExists) {
		t.Errorf("second: %v", err)
	}
	other := t.TempDir()
	if err := os.WriteFile(filepath.Join(other, "thesis.txt"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := CreateFolder(other, "node-a", testKey, nil); !errors.Is(err, ErrExists) {
		t.Errorf("somebody's folder: %v", err)
	}
	for _, node := range []string{"", "a b", "a\nb"} {
		if _, err := CreateFolder(t.TempDir(), node, testKey, nil); err == nil {
			t.Errorf("node %q is accepted", node)
		}
	}
}

func TestMasterKeySources(t *testing.T) {
	dir := t.TempDir()
	k := GenerateMasterKey()
	write := func(name string, b []byte, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	data := filepath.Join(dir, "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	hexKey := write("hex", []byte(k.Hex()+"\n"), 0o600)
	inside := write("data/key", []byte(k.Hex()), 0o600)
	if err := os.Symlink(inside, filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		src  KeySource
		fail string // part of the message
	}{
		"hexadecimal file":        {src: KeySource{File: hexKey, DataDir: data}},
		"raw file":                {src: KeySource{File: write("raw", k[:], 0o400)}},
		"value":                   {src: KeySource{Value: " " + k.Hex() + "\n"}},
		"command":                 {src: KeySource{Command: []string{"cat", hexKey}}},
		"inside, allowed":         {src: KeySource{File: inside, DataDir: data, AllowInside: true}},
		"inside":                  {KeySource{File: inside, DataDir: data}, "inside the data folder"},
		"inside, by link":         {KeySource{File: filepath.Join(dir, "link"), DataDir: data}, "inside the data folder"},
		"readable by others":      {KeySource{File: write("open", []byte(k.Hex()), 0o644)}, "chmod 600"},
		"too short":               {KeySource{File: write("short", []byte("abcd"), 0o600)}, "64 hexadecimal"},
		"not hexadecimal":         {KeySource{Value: strings.Repeat("z", 64)}, "64 hexadecimal"},
		"all zero":                {KeySource{Value: strings.Repeat("0", 64)}, "equal"},
		"folder":                  {KeySource{File: dir}, "not a regular file"},
		"missing":                 {KeySource{File: filepath.Join(dir, "none")}, "no such file"},
		"failing command":         {KeySource{Command: []string{"sh", "-c", "echo vault is sealed >&2; exit 3"}}, "vault is sealed"},
		"command without output":  {KeySource{Command: []string{"true"}}, "64 hexadecimal"},
		"nothing":                 {KeySource{}, "exactly one"},
		"two":                     {KeySource{File: hexKey, Value: k.Hex()}, "exactly one"},
		"command that is missing": {KeySource{Command: []string{filepath.Join(dir, "none")}}, "no such file"},
	}
	for name, c := range tests {
		got, err := LoadMasterKey(t.Context(), c.src)
		switch {
		case c.fail == "" && (err != nil || got != k):
			t.Errorf("%s: %v", name, err)
		case c.fail != "" && (!errors.Is(err, ErrKeySource) || !strings.Contains(err.Error(), c.fail)):
			t.Errorf("%s: got %v, want %q", name, err, c.fail)
		case c.fail != "" && strings.Contains(err.Error(), "zzzz"):
			t.Errorf("%s: the message shows the key", name)
		}
	}
	if s := fmt.Sprintf("%v %s %#v %+v", k, k, k, struct{ K MasterKey }{k}); strings.Contains(s, k.Hex()[:8]) || strings.Contains(s, fmt.Sprint(k[0], " ", k[1])) {
		t.Errorf("the key prints as %s", s)
	}
}

func TestInside(t *testing.T) {
	dir := t.TempDir()
	if err := os.Symlink(dir, filepath.Join(t.TempDir(), "alias")); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		path string
		want bool
	}{
		{dir, true},
		{filepath.Join(dir, "a/b/none"), true},
		{filepath.Join(dir, "..", filepath.Base(dir), "x"), true},
		{filepath.Join(dir, "../x"), false},
		{dir + "-other/x", false},
		{filepath.Join(dir, "..x"), true},
		{"/", false},
	}
	for _, c := range tests {
		if got, err := Inside(dir, c.path); err != nil || got != c.want {
			t.Errorf("%s: %v, %v", c.path, got, err)
		}
	}
}

func FuzzParseFormat(f *testing.F) {
	f.Add(encodeFormat("node-a", []byte{1}))
	f.Fuzz(func(t *testing.T, b []byte) {
		node, check, err := parseFormat(b)
		if err == nil && !bytes.Equal(encodeFormat(node, check), b) {
			t.Fatalf("%q is not what it parses to", b)
		}
	})
}
