package node

import "time"

// sameAgain is how long nothing more is said of what goes on failing.
const sameAgain = 10 * time.Minute

// rarely tells of what is tried again and again when it begins to fail, and then rarely: a line each second would bury all others.
// It is for one goroutine.
type rarely struct{ last time.Time }

// tell calls say with err when it is time to. What has gone well is told of at once when it fails again.
func (r *rarely) tell(err error, say func(error)) {
	switch {
	case err == nil:
		r.last = time.Time{}
	case r.last.IsZero() || time.Since(r.last) >= sameAgain:
		r.last = time.Now()
		say(err)
	}
}
