package node

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestWhatGoesOnFailingIsToldRarely(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		told := 0
		var r rarely
		try := func(err error, times int) {
			for range times {
				r.tell(err, func(error) { told++ })
				time.Sleep(time.Second)
			}
		}
		full := errors.New("disk full")
		for _, step := range []struct {
			name  string
			err   error
			times int
			want  int
		}{
			{"at once", full, 1, 1},
			{"not each second", full, 500, 1},
			{"again after a while", full, 200, 2},
			{"nothing while it goes well", nil, 5, 2},
			{"at once when it begins anew", full, 100, 3},
		} {
			if try(step.err, step.times); told != step.want {
				t.Errorf("%s: told %d times, want %d", step.name, told, step.want)
			}
		}
	})
}
