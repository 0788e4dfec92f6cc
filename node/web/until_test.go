package web

import (
	"testing"
	"time"
)

func TestTimeThatIsLeftIsCountedTruly(t *testing.T) {
	const day = 24 * time.Hour
	for left, want := range map[time.Duration]string{
		3*day - time.Minute:             "2 days and 23 hours",
		3 * day:                         "3 days",
		day + time.Hour:                 "1 day and 1 hour",
		day:                             "1 day",
		day - time.Second:               "23 hours and 59 minutes",
		2 * time.Hour:                   "2 hours",
		time.Hour + time.Minute:         "1 hour and 1 minute",
		59*time.Minute + 59*time.Second: "59 minutes",
		time.Minute:                     "1 minute",
		time.Second:                     "less than a minute",
	} {
		if got := untilThen(left); got != want {
			t.Errorf("%s are %q, want %q", left, got, want)
		}
	}
}
