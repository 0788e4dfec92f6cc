//go:build !linux

package exchange

import "time"

func bootTime() (time.Duration, bool) { return 0, false }
