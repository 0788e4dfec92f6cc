package web

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

// fakeKeeping keeps what the portal's users are shown and save, and who patients are, in memory.
type fakeKeeping struct {
	keepMu  sync.Mutex
	visits  map[string]Visit
	views   map[string][]View
	places  map[string][]Place
	people  map[string]Person
	keepErr error
	visited int
	finders []*admin.Asker // who searched by name
}

func (f *fakeKeeping) Visit(_ context.Context, patient, user string, shown Visit) (Visit, error) {
	f.keepMu.Lock()
	defer f.keepMu.Unlock()
	if f.keepErr != nil {
		return Visit{}, f.keepErr
	}
	if f.visits == nil {
		f.visits = make(map[string]Visit)
	}
	before := f.visits[patient+user]
	f.visits[patient+user] = shown
	f.visited++
	return before, nil
}

func (f *fakeKeeping) Views(_ context.Context, user string) ([]View, error) {
	f.keepMu.Lock()
	defer f.keepMu.Unlock()
	return slices.Clone(f.views[user]), f.keepErr
}

func (f *fakeKeeping) KeepViews(_ context.Context, user string, views []View) error {
	f.keepMu.Lock()
	defer f.keepMu.Unlock()
	if f.views == nil {
		f.views = make(map[string][]View)
	}
	f.views[user] = views
	return f.keepErr
}

func (f *fakeKeeping) Places(_ context.Context, user string) ([]Place, error) {
	f.keepMu.Lock()
	defer f.keepMu.Unlock()
	return slices.Clone(f.places[user]), f.keepErr
}

func (f *fakeKeeping) KeepPlaces(_ context.Context, user string, places []Place) error {
	f.keepMu.Lock()
	defer f.keepMu.Unlock()
	if f.places == nil {
		f.places = make(map[string][]Place)
	}
	f.places[user] = slices.Clone(places)
	return f.keepErr
}

func (f *fakeKeeping) Person(_ context.Context, patient string, _ *admin.Asker) (Person, error) {
	f.keepMu.Lock()
	defer f.keepMu.Unlock()
	return f.people[patient], f.keepErr
}

func (f *fakeKeeping) FindPersons(_ context.Context, q Person, by *admin.Asker) ([]Person, error) {
	f.keepMu.Lock()
	defer f.keepMu.Unlock()
	f.finders = append(f.finders, by)
	if q.Family == "" || q.Born == "" {
		return nil, admin.Errorf(admin.CodeBadInput, "no")
	}
	var out []Person
	for _, p := range f.people {
		if strings.EqualFold(p.Family, q.Family) && p.Born == q.Born && strings.HasPrefix(strings.ToLower(p.Given), strings.ToLower(q.Given)) {
			out = append(out, p)
		}
	}
	return out, f.keepErr
}

func (f *fakeKeeping) Terms(context.Context, string) (Terms, error) {
	return Terms{Version: 3, Since: time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC)}, nil
}
