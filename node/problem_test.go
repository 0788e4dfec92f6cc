package node

import (
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/federation/exchange"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/policy"
	"github.com/ridgeway-exchange/ridgeway/storage"
)

func TestAnswersOfTheOperatingSystemSayWhatToDo(t *testing.T) {
	for _, c := range []struct {
		cause error
		code  admin.Code
		words string
	}{
		{syscall.EACCES, admin.CodeDataFolder, "chown"},
		{syscall.EPERM, admin.CodeDataFolder, "run it as the user"},
		{syscall.EROFS, admin.CodeDataFolder, "mount it for writing"},
		{syscall.ENOSPC, admin.CodeDiskFull, "free some space"},
		{syscall.EDQUOT, admin.CodeDiskFull, "free some space"},
		{syscall.ENOTDIR, admin.CodeDataFolder, "name another"},
		{syscall.EIO, admin.CodeInternal, "data folder"},
	} {
		wrapped := fmt.Errorf("write: %w", &fs.PathError{Op: "open", Path: "/d/x", Err: c.cause})
		for _, err := range []error{folderProblem("/d", wrapped), (&Node{options: Options{Data: "/d"}}).storeOpenProblem("data folder", wrapped)} {
			if admin.CodeOf(err) != c.code || !strings.Contains(err.Error(), c.words) {
				t.Errorf("%v: got %s: %v, want %s with %q", c.cause, admin.CodeOf(err), err, c.code, c.words)
			}
		}
	}
}

func TestFullVolumeIsNamedWhereverItShows(t *testing.T) {
	n := &Node{options: Options{Data: "/d"}, logger: slog.New(slog.DiscardHandler)}
	var err error
	n.space, err = storage.NewSpace(storage.SpaceConfig{Dir: t.TempDir(), Reserve: -1, Statfs: func(string) (uint64, uint64, error) { return 300 << 20, 2 << 20, nil }})
	if err != nil {
		t.Fatal(err)
	}
	full := fmt.Errorf("write: %w", &fs.PathError{Op: "write", Path: "/d/x", Err: syscall.ENOSPC})
	audit := fmt.Errorf("intent: %w: %w", exchange.ErrAudit, storage.ErrDiskFull)
	id := federation.NewDocumentID("RYJ", federation.DocumentKey{1})
	for _, c := range []struct {
		name  string
		err   error
		code  admin.Code
		words []string
	}{
		{"state", n.stateProblem(full), admin.CodeDiskFull, []string{"the node stops", "/d", "no space left", "is kept", "make room"}},
		{"state, else", n.stateProblem(storage.ErrIntegrity), admin.CodeIntegrity, []string{"cannot go on"}},
		{"own release", n.releaseProblem(id, exchange.Selection{}, &exchange.Refusal{Outcome: policy.Unavailable, Cause: audit}), admin.CodeDiskFull, []string{"without evidence", "2 MiB of 300 MiB", "make room"}},
		{"other's release", n.releaseProblem(id, exchange.Selection{}, audit), admin.CodeDiskFull, []string{"without evidence", "make room"}},
		{"no evidence, else", n.releaseProblem(id, exchange.Selection{}, exchange.ErrAudit), admin.CodeUnavailable, []string{"the audit log cannot be written"}},
		{"given up", n.releaseProblem(id, exchange.Selection{}, fmt.Errorf("%w: %w", exchange.ErrAudit, context.Canceled)), "", []string{"canceled"}},
		{"there", n.releaseProblem(id, exchange.Selection{}, &exchange.Refusal{Outcome: policy.Unavailable}), admin.CodeUnavailable, []string{"RYJ, which holds"}},
	} {
		if c.code != "" && admin.CodeOf(c.err) != c.code {
			t.Errorf("%s: got %s: %v", c.name, admin.CodeOf(c.err), c.err)
		}
		for _, w := range c.words {
			if !strings.Contains(c.err.Error(), w) {
				t.Errorf("%s: %v lacks %q", c.name, c.err, w)
			}
		}
	}
}

func TestClockBeforeTheRegionIsRefused(t *testing.T) {
	k, err := generateKeys()
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	charter := federation.Charter{Region: "R", Approvals: 1, Voters: 5, Founder: proposal(k, "RYJ", "Imperial", "127.0.0.1:1"), Nonce: [16]byte{1}}
	signed, err := federation.Compose(federation.Place{Trust: "RYJ", Seq: 1, At: at}, charter, k.statement)
	if err != nil {
		t.Fatal(err)
	}
	for now, ok := range map[time.Time]bool{at: true, at.Add(time.Hour): true, at.Add(-time.Minute): true, at.Add(-time.Hour): false, time.Unix(0, 0): false} {
		err := clockAfter(signed.Encode(), now)
		if ok != (err == nil) || !ok && (admin.CodeOf(err) != admin.CodeConfig || !strings.Contains(err.Error(), "clock")) {
			t.Errorf("at %v: got %v", now, err)
		}
	}
}

func TestInvitationFromTheFutureBlamesTheClock(t *testing.T) {
	inv := invitation{Trust: "RAS", Address: "127.0.0.1:1", Region: "R", Name: "N", Expires: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)}
	if _, err := ReadInvitation(inv.String(), time.Unix(0, 0)); admin.CodeOf(err) != admin.CodeInvitation || !strings.Contains(err.Error(), "clock") {
		t.Errorf("got %v", err)
	}
	if _, err := ReadInvitation(inv.String(), inv.Expires.Add(-365*24*time.Hour)); err != nil {
		t.Errorf("an invitation for a year: %v", err)
	}
}
