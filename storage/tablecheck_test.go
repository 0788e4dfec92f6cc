package storage

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dgraph-io/badger/v4/options"
)

func TestDamagedTablesAndManifestAreRefused(t *testing.T) {
	damage := map[string]func(t *testing.T, dir string){
		"table, block":           func(t *testing.T, dir string) { flip(t, newest(t, dir, ".sst", 0), 100) },
		"table, foot":            func(t *testing.T, dir string) { p := newest(t, dir, ".sst", 0); flip(t, p, size(t, p)-2) },
		"table, index":           func(t *testing.T, dir string) { p := newest(t, dir, ".sst", 0); flip(t, p, size(t, p)-40) },
		"table, truncated":       func(t *testing.T, dir string) { p := newest(t, dir, ".sst", 0); mustTruncate(t, p, size(t, p)/2) },
		"table, removed":         func(t *testing.T, dir string) { mustRemove(t, newest(t, dir, ".sst", 0)) },
		"manifest, flip":         func(t *testing.T, dir string) { p := filepath.Join(dir, "MANIFEST"); flip(t, p, size(t, p)-3) },
		"manifest, last length":  func(t *testing.T, dir string) { flipLastRecord(t, filepath.Join(dir, "MANIFEST")) },
		"manifest, cut":          func(t *testing.T, dir string) { p := filepath.Join(dir, "MANIFEST"); mustTruncate(t, p, size(t, p)-5) },
		"manifest, last removed": func(t *testing.T, dir string) { mustTruncate(t, filepath.Join(dir, "MANIFEST"), 16) },
		"manifest, removed":      func(t *testing.T, dir string) { mustRemove(t, filepath.Join(dir, "MANIFEST")) },
		"mark, both slots": func(t *testing.T, dir string) {
			flip(t, filepath.Join(dir, markFile), 40)
			flip(t, filepath.Join(dir, markFile), slotSize+40)
		},
		"mark, removed": func(t *testing.T, dir string) { mustRemove(t, filepath.Join(dir, markFile)) },
		"mark emptied, manifest removed": func(t *testing.T, dir string) {
			mustTruncate(t, filepath.Join(dir, markFile), 0)
			mustRemove(t, filepath.Join(dir, sealedFile))
			mustRemove(t, filepath.Join(dir, "MANIFEST"))
		},
		"list of ended, damaged":   func(t *testing.T, dir string) { flip(t, filepath.Join(dir, sealedFile), 20) },
		"list of ended, removed":   func(t *testing.T, dir string) { mustRemove(t, filepath.Join(dir, sealedFile)) },
		"everything but the mark":  removeBadger,
		"an older copy of the lot": nil, // below
	}
	base := t.TempDir()
	db := openTest(t, base, Records)
	fill(t, db, 100, 500)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	older := copyDir(t, base)
	db = openTest(t, base, Records)
	fill(t, db, 100, 500)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	damage["an older copy of the lot"] = func(t *testing.T, dir string) {
		mark, err := os.ReadFile(filepath.Join(dir, markFile))
		if err != nil {
			t.Fatal(err)
		}
		removeBadger(t, dir)
		for _, name := range listNames(t, older) {
			b, err := os.ReadFile(filepath.Join(older, name))
			if err != nil {
				t.Fatal(err)
			}
			if name == markFile {
				b = mark
			}
			if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, hurt := range damage {
		t.Run(name, func(t *testing.T) {
			dir := copyDir(t, base)
			hurt(t, dir)
			wantDamage(t, dir, Records)
		})
	}
	mustHave(t, copyDir(t, base), Records, 100)
}

// A table that is damaged while the store is open must not look like one that never had the key: a missing refusal would read as
// permission. What is read then is wrong, and the seal of the values tells.
func TestDamageBehindAnOpenStoreIsNotAbsence(t *testing.T) {
	dir := t.TempDir()
	db := openTest(t, dir, Records)
	fill(t, db, 100, 500)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db = openTest(t, dir, Records)
	table := newest(t, dir, ".sst", 0)
	b, err := os.ReadFile(table)
	if err != nil {
		t.Fatal(err)
	}
	flip(t, table, int64(bytes.Index(b, []byte("value00050value00050"))+20))
	if got, err := get(db, "key00050"); err != nil || len(got) != 500 {
		t.Errorf("got %d bytes, %v", len(got), err)
	}
}

// Each of these settings has a measured reason, and no other test notices when Badger's default comes back.
func TestBadgerIsSetUpAsTheGuardNeedsIt(t *testing.T) {
	for _, p := range []Profile{Records, Audit, Chunks} {
		o := Options{Dir: t.TempDir(), Profile: p}
		if err := o.setDefaults(); err != nil {
			t.Fatal(err)
		}
		b := o.badgerOptions(badgerLogger{})
		if b.ChecksumVerificationMode != options.OnTableRead || !b.VerifyValueChecksum {
			t.Errorf("%s: damage is looked for as %v, in values %v", p, b.ChecksumVerificationMode, b.VerifyValueChecksum)
		}
		if b.SyncWrites { // the guard does it, and through its own descriptors
			t.Errorf("%s: Badger syncs itself as well", p)
		}
		if inTree := b.ValueThreshold >= mib; inTree != (p != Chunks) {
			t.Errorf("%s: values up to %d bytes are in the tree", p, b.ValueThreshold)
		}
	}
}

func listNames(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func removeBadger(t *testing.T, dir string) {
	t.Helper()
	for _, name := range listNames(t, dir) {
		if name != markFile {
			mustRemove(t, filepath.Join(dir, name))
		}
	}
}

// flipLastRecord makes the length of the manifest's last record too great, which Badger takes for a torn write.
func flipLastRecord(t *testing.T, path string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	at, last := 8, 8
	for at < len(b) {
		last = at
		at += 8 + int(b[at+3]) + int(b[at+2])<<8
	}
	flip(t, path, int64(last)+3)
}

func TestTableThatIsCutOrGoneIsSaidToBe(t *testing.T) {
	base := t.TempDir()
	db := openTest(t, base, Records)
	fill(t, db, 100, 500)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	for want, hurt := range map[string]func(string){
		"it does not end as a table does: it was cut off, or its end was overwritten": func(p string) { mustTruncate(t, p, size(t, p)/2) },
		"the table is gone": func(p string) { mustRemove(t, p) },
	} {
		dir := copyDir(t, base)
		path := newest(t, dir, ".sst", 0)
		hurt(path)
		damage, err := Assess(Options{Dir: dir, Profile: Records, Small: true})
		if err != nil {
			t.Fatal(err)
		}
		text := (&DamageError{Dir: dir, Damage: damage}).Error()
		if !strings.Contains(text, filepath.Base(path)+": "+want) {
			t.Errorf("got %q, want the table's name and %q", text, want)
		}
	}
}
