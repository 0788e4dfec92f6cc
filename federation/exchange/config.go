package exchange

import (
	"errors"
	"fmt"
)

// setting is a field of a configuration that has no default.
type setting struct {
	name string
	set  bool
}

// required names all that is not set in one error.
func required(what string, settings ...setting) error {
	var missing []error
	for _, s := range settings {
		if !s.set {
			missing = append(missing, errors.New("no "+s.name))
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return fmt.Errorf("%s config: %w", what, errors.Join(missing...))
}

// defaultTo sets a field that is zero.
func defaultTo[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
