package storage

import (
	"fmt"
	"strings"
)

// A Damage is one place in a store's files that is not what was acknowledged as written.
type Damage struct {
	File   string   // name within the store's folder
	Offset int64    // where it begins; 0 when the file as a whole is meant
	Length int64    // bytes touched; 0 when not known
	Reason string   // for the operator
	Keys   [][]byte // keys whose entries are touched, as far as they can be told from the file itself
}

// String names the place. The start of a file is not worth saying.
func (d Damage) String() string {
	if d.Offset == 0 {
		return d.File + ": " + d.Reason
	}
	return fmt.Sprintf("%s at byte %d: %s", d.File, d.Offset, d.Reason)
}

// A DamageError says what is damaged in a store. It wraps ErrDamaged.
type DamageError struct {
	Dir    string
	Damage []Damage
}

// Error names the first few places.
func (e *DamageError) Error() string {
	const shown = 4
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %v", e.Dir, ErrDamaged)
	for i, d := range e.Damage {
		if i == shown {
			fmt.Fprintf(&b, "; and %d more", len(e.Damage)-shown)
			break
		}
		b.WriteString("; " + d.String())
	}
	return b.String()
}

// Unwrap returns ErrDamaged.
func (e *DamageError) Unwrap() error { return ErrDamaged }

// badgerError gives Badger's errors at open the meaning that they have here.
func badgerError(err error) error {
	text := err.Error()
	switch {
	case strings.Contains(text, "checksum"), strings.Contains(text, "file does not exist for table"):
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	default:
		return err
	}
}
