package main

import (
	"context"
	"fmt"
	"io"
)

func benchLossy(_ context.Context, _ *env) ([]row, error) {
	return nil, fmt.Errorf("not yet: %w", errSkipped)
}
func childWire(context.Context, []string, io.Reader, io.Writer) error { return nil }
