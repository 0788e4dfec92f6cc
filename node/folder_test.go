package node

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/storage"
)

func initOptions(data string) InitOptions {
	return InitOptions{Data: data, Settings: Settings{Listen: "127.0.0.1:7401", InsecureDevKeys: true}, Region: "Test", Trust: "RYJ", Name: "Imperial", Now: time.Now()}
}

func TestInitLeavesAForeignFolderAsItWas(t *testing.T) {
	data := t.TempDir()
	if err := os.WriteFile(filepath.Join(data, "thesis.txt"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Init(t.Context(), initOptions(data)); admin.CodeOf(err) != admin.CodeDataFolder {
		t.Errorf("got %v, want DATA_FOLDER", err)
	}
	if _, err := os.Stat(filepath.Join(data, storage.DevKeyFile)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a key was left in it: %v", err)
	}
}

func TestInitAgainKeepsTheKeyOfTheFolder(t *testing.T) {
	data := filepath.Join(t.TempDir(), "d")
	for i, want := range []admin.Code{"", admin.CodeDataFolder} {
		if _, err := Init(t.Context(), initOptions(data)); want == "" && err != nil || want != "" && admin.CodeOf(err) != want {
			t.Errorf("time %d: got %v, want %q", i+1, err, want)
		}
	}
	if _, err := os.Stat(filepath.Join(data, storage.DevKeyFile)); err != nil {
		t.Errorf("the key is gone: %v", err)
	}
}

func TestDataFolderIsClosedToOthers(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	open := func() {
		t.Helper()
		if err := os.Chmod(data, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	closed := func(when string) {
		t.Helper()
		if info, err := os.Stat(data); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%s: %v, %v, want 0700", when, info.Mode(), err)
		}
	}
	open()
	o := initOptions(data)
	o.Settings.Listen = freeAddr(t)
	if _, err := Init(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	closed("after init")
	open()
	reopen(t, Options{Data: data, Settings: o.Settings, Small: true, Statfs: func(string) (uint64, uint64, error) { return 1 << 40, 1 << 39, nil }})
	closed("once served")
}

func TestMissingFolderIsSaidBeforeSettings(t *testing.T) {
	if _, err := Open(t.Context(), Options{Data: filepath.Join(t.TempDir(), "d")}); admin.CodeOf(err) != admin.CodeDataFolder {
		t.Errorf("got %v, want DATA_FOLDER", err)
	}
}

func TestRangesBeyondTheEndAreCut(t *testing.T) {
	t.Parallel()
	n := settledNode(t, nil)
	receipt, err := n.Take(t.Context(), textItem("Discharge summary", "a letter"))
	if err != nil {
		t.Fatal(err)
	}
	got, done, err := collect(t, n, &admin.FetchRequest{Document: string(receipt.Document), Offset: 2, Length: math.MaxInt64})
	switch {
	case err == nil && (string(got) != "letter" || done == nil):
		t.Errorf("got %q without an error", got)
	case err != nil && admin.CodeOf(err) != admin.CodeBadInput && admin.CodeOf(err) != admin.CodeNotFound:
		t.Errorf("got %v", err)
	}
}
