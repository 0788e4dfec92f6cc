package main

import (
	"runtime/debug"
	"time"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

// builtAt is when the sources of this program were committed; zero when the build does not say.
func builtAt() time.Time {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return time.Time{}
	}
	for _, s := range info.Settings {
		if at, err := time.Parse(time.RFC3339, s.Value); s.Key == "vcs.time" && err == nil {
			return at
		}
	}
	return time.Time{}
}

// checkClock refuses to begin on a machine whose clock is before this program was made: keys, statements and evidence would
// carry times that never were.
func (a *app) checkClock() error {
	now, built := time.Now, builtAt
	if a.now != nil {
		now = a.now
	}
	if a.built != nil {
		built = a.built
	}
	if at := now(); at.Before(built().Add(-24 * time.Hour)) {
		return admin.Errorf(admin.CodeConfig, "this machine's clock says %s, which is before this program was made: set the clock, then run this again", at.UTC().Format("2 January 2006 15:04 MST"))
	}
	return nil
}
