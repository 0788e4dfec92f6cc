package node

import (
	"encoding/binary"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ridgeway-exchange/ridgeway/consensus"
	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/federation/index"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/node/ingest"
	"github.com/ridgeway-exchange/ridgeway/storage"
	"github.com/ridgeway-exchange/ridgeway/storage/audit"
	"github.com/ridgeway-exchange/ridgeway/storage/record"
)

// witnessed waits until the region has agreed on an audit log of at least size entries, and returns how many.
func witnessed(t *testing.T, n *Node, size uint64) uint64 {
	t.Helper()
	var at uint64
	eventually(t, "a checkpoint", func() bool {
		err := n.Agreed(t.Context(), consensus.Local(), func(r consensus.Reader) error {
			c, _, err := index.CheckpointOf(r, n.ID())
			at = c.Size
			return err
		})
		return err == nil && at >= size
	})
	return at
}

func noteSome(t *testing.T, n *Node, count int) {
	t.Helper()
	for range count {
		if err := n.note(t.Context(), audit.Entry{Time: time.Now().UTC(), Kind: audit.Admin, Trust: n.Trust(), Node: n.ID(), Detail: "a test"}); err != nil {
			t.Fatal(err)
		}
	}
}

func copyFolder(t *testing.T, from, to string) {
	t.Helper()
	if err := os.RemoveAll(to); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}

func stopped(t *testing.T, n *Node) (warning string, yes bool) {
	t.Helper()
	s, err := n.Status(t.Context(), &admin.StatusRequest{})
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range s.GetWarnings() {
		if strings.Contains(w, "RELEASES TO OTHER TRUSTS ARE STOPPED") {
			return w, s.GetReleasesStopped()
		}
	}
	return "", s.GetReleasesStopped()
}

// The audit log of a node is put back to what it was before the region witnessed more of it.
//
//	first    entries ... copy . more entries, witnessed . the copy restored: no release . accepted: releases
//	second                                                fetches: UNAVAILABLE            fetches
func TestRestoredAuditLogStopsReleasesUntilItIsAccepted(t *testing.T) {
	t.Parallel()
	for name, more := range map[string]int{"shorter": 0, "of other entries": 12} {
		t.Run(name, func(t *testing.T) {
			first := settledNode(t, nil)
			second := joinNode(t, first, "RAS")
			id := string(takeLetters(t, first, 0, 1)[0])
			hidden := string(mustTake(t, first, "Hidden", "hidden", func(i *ingest.Item) { i.Confidentiality = "V" }).Document)
			eventually(t, "the document at the second", func() bool {
				_, _, err := collect(t, second, &admin.FetchRequest{Document: id})
				return err == nil
			})
			stop(t, first)
			log := filepath.Join(first.options.Data, "audit")
			copyFolder(t, log, log+"-copy")

			again := reopen(t, first.options)
			noteSome(t, again, 5)
			witnessed(t, again, again.audit.Size()-2)
			if _, yes := stopped(t, again); yes {
				t.Fatal("releases are stopped without a reason")
			}
			stop(t, again)
			copyFolder(t, log+"-copy", log)
			if err := os.RemoveAll(log + "-copy"); err != nil {
				t.Fatal(err)
			}

			restored := reopen(t, first.options)
			noteSome(t, restored, more)
			eventually(t, "the second to be refused", func() bool {
				_, _, err := collect(t, second, &admin.FetchRequest{Document: id})
				return admin.CodeOf(err) == admin.CodeUnavailable && strings.Contains(err.Error(), "releases nothing to other trusts until its operator has acted") && restored.doubtNow() != nil
			})
			if _, _, err := collect(t, second, &admin.FetchRequest{Document: hidden}); admin.CodeOf(err) != admin.CodeNotFound {
				t.Errorf("that a document cannot be delivered now tells the second of one that it may not know of: %v", err)
			}
			if _, _, err := collect(t, restored, &admin.FetchRequest{Document: id}); err != nil {
				t.Errorf("own staff cannot read: %v", err)
			}
			warning, yes := stopped(t, restored)
			for _, want := range []string{"audit log", "restored from an older copy", "ridgeway audit accept"} {
				if !yes || !strings.Contains(warning, want) {
					t.Errorf("the warning lacks %q: %v %s", want, yes, warning)
				}
			}
			stop(t, restored)

			// It outlasts the process.
			kept := reopen(t, first.options)
			if _, yes := stopped(t, kept); !yes {
				t.Error("releases go on after a restart")
			}
			if why := slices.Sorted(slices.Values(kept.doubtNow().Why)); len(slices.Compact(slices.Clone(why))) != len(why) {
				t.Errorf("it is said more than once: %q", why)
			}
			if _, err := kept.AcceptAudit(t.Context(), &admin.AcceptAuditRequest{}); admin.CodeOf(err) != admin.CodeBadInput {
				t.Errorf("accepted without a reason: %v", err)
			}
			if _, err := kept.AcceptAudit(t.Context(), &admin.AcceptAuditRequest{Reason: "restored the backup of yesterday"}); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the second to read again", func() bool {
				_, _, err := collect(t, second, &admin.FetchRequest{Document: id})
				return err == nil
			})
			if warning, yes := stopped(t, kept); yes {
				t.Errorf("still stopped: %s", warning)
			}
			if _, err := kept.AcceptAudit(t.Context(), &admin.AcceptAuditRequest{Reason: "again"}); admin.CodeOf(err) != admin.CodeBadInput {
				t.Errorf("there is nothing to accept: %v", err)
			}
		})
	}
}

func TestStatementsThatThisFolderDoesNotKnowOfStopReleases(t *testing.T) {
	t.Parallel()
	n := settledNode(t, nil)
	stop(t, n)
	var said uint64
	offline(t, n, func(s *record.Store) {
		b, found, err := s.Setting(t.Context(), settingSpoken)
		if err != nil || !found || len(b) != 8 {
			t.Fatalf("%v, %v, %v", b, found, err)
		}
		said = binary.BigEndian.Uint64(b)
		// As in a copy from before the last statements.
		if err := s.SetSetting(t.Context(), settingSpoken, binary.BigEndian.AppendUint64(nil, 1)); err != nil {
			t.Fatal(err)
		}
	})
	again := reopen(t, n.options)
	eventually(t, "it to be noticed", func() bool { _, yes := stopped(t, again); return yes })
	if warning, _ := stopped(t, again); !strings.Contains(warning, "statements of this trust") {
		t.Errorf("got %s", warning)
	}
	if _, err := again.AcceptAudit(t.Context(), &admin.AcceptAuditRequest{Reason: "restored"}); err != nil {
		t.Fatal(err)
	}
	if got := again.speaker.spoken.Load(); got < said-1 {
		t.Errorf("it has spoken up to %d, want %d", got, said)
	}
	takeLetters(t, again, 0, 2)
	eventually(t, "an empty outbox", func() bool { return outbox(t, again).Outbox == 0 })
	stop(t, again)
	last := reopen(t, n.options)
	eventually(t, "a leader", func() bool { return last.unready() == "" })
	takeLetters(t, last, 2, 1)
	eventually(t, "an empty outbox", func() bool { return outbox(t, last).Outbox == 0 })
	if warning, yes := stopped(t, last); yes {
		t.Errorf("stopped again without a reason: %s", warning)
	}
}

// The log is not what the region has agreed on, and many releases ask at the same moment, the first of which finds it. None gets through.
func TestNoReleaseOvertakesTheOneThatFindsADoubt(t *testing.T) {
	t.Parallel()
	first := settledNode(t, nil)
	stop(t, first)
	log := filepath.Join(first.options.Data, "audit")
	copyFolder(t, log, log+"-copy")
	second := reopen(t, first.options)
	noteSome(t, second, 1)
	end := witnessed(t, second, second.audit.Size())
	stop(t, second)
	copyFolder(t, log+"-copy", log)
	n := reopen(t, first.options)
	for n.audit.Size() < end {
		noteSome(t, n, 1)
	}
	const asking = 8
	for range 1500 {
		n.doubtMu.Lock()
		n.doubted, n.checked = nil, witness{}
		n.doubtMu.Unlock()
		var all sync.WaitGroup
		var released atomic.Int32
		done := make(chan struct{})
		contended := make(chan struct{})
		go func() { // whoever leaves the lock between two steps has to wait for it
			defer close(contended)
			for {
				select {
				case <-done:
					return
				default:
					n.doubtMu.Lock()
					runtime.Gosched()
					n.doubtMu.Unlock()
				}
			}
		}()
		for range asking {
			all.Go(func() {
				err := n.Agreed(t.Context(), consensus.Local(), func(r consensus.Reader) error { return n.mayRelease(t.Context(), r) })
				if err == nil {
					released.Add(1)
				}
			})
		}
		all.Wait()
		close(done)
		<-contended
		if got := released.Load(); got != 0 {
			t.Fatalf("%d of %d were released", got, asking)
		}
	}
}

// Something more is found while the operator accepts what was found before.
func TestDoubtThatComesWhileAnotherIsAcceptedStays(t *testing.T) {
	t.Parallel()
	n := settledNode(t, nil)
	if err := n.addDoubt(t.Context(), "the first"); err != nil {
		t.Fatal(err)
	}
	shown := n.doubtNow()
	entries := n.audit.Size()
	n.keepDoubt.Lock() // the operator's command waits where it would let releases go on, and so does what keeps a doubt
	accepted, added := make(chan error, 1), make(chan error, 1)
	go func() {
		_, err := n.AcceptAudit(t.Context(), &admin.AcceptAuditRequest{Reason: "known"})
		accepted <- err
	}()
	eventually(t, "the reason to be noted", func() bool { return n.audit.Size() > entries })
	go func() { added <- n.addDoubt(t.Context(), "the second") }()
	eventually(t, "the second", func() bool { return n.doubtNow() != shown })
	n.keepDoubt.Unlock()
	if err := <-accepted; admin.CodeOf(err) != admin.CodeUnavailable || !strings.Contains(err.Error(), "more was found meanwhile") {
		t.Errorf("got %v", err)
	}
	if err := <-added; err != nil {
		t.Error(err)
	}
	stop(t, n)
	again := reopen(t, n.options)
	if warning, yes := stopped(t, again); !yes || !strings.Contains(warning, "the first; the second") {
		t.Errorf("releases are stopped: %v, %q", yes, warning)
	}
}

// A run was cut off after it had queued the first agreement and before it noted that. The outbox is held up by a statement
// that the region does not hear, so that the agreement is still there when the next run settles.
func TestFirstAgreementIsQueuedOnce(t *testing.T) {
	t.Parallel()
	o := Options{
		Data: t.TempDir() + "/d", Settings: Settings{Listen: freeAddr(t), InsecureDevKeys: true}, Small: true, Version: "test",
		Statfs: func(string) (uint64, uint64, error) { return 1 << 40, 1 << 39, nil },
	}
	if _, err := Init(t.Context(), InitOptions{Data: o.Data, Settings: o.Settings, Region: "Test", Trust: "RYJ", Name: "Imperial", Now: time.Now()}); err != nil {
		t.Fatal(err)
	}
	cut := &Node{options: o, logger: slog.New(slog.DiscardHandler)}
	folder, err := storage.OpenFolder(o.Data, "", masterOf(t, o))
	if err != nil {
		t.Fatal(err)
	}
	if cut.keys, err = loadKeys(folder); err != nil {
		t.Fatal(err)
	}
	if cut.membership, err = loadMembership(folder); err != nil {
		t.Fatal(err)
	}
	if err := folder.Close(); err != nil {
		t.Fatal(err)
	}
	stranger, err := generateKeys()
	if err != nil {
		t.Fatal(err)
	}
	agreement := federation.Agreement{Version: 1, Effective: time.Now().UTC().Truncate(time.Microsecond), Cedar: "// nothing is shared"}
	signed, err := federation.Compose(federation.Place{Trust: "RZZ", Seq: 2, At: time.Now().UTC(), Prev: federation.Digest{1}}, agreement, stranger.statement)
	if err != nil {
		t.Fatal(err)
	}
	offline(t, cut, func(s *record.Store) {
		if _, err := s.Enqueue(t.Context(), agreement); err != nil {
			t.Fatal(err)
		}
		if err := s.SetInFlight(t.Context(), record.InFlight{Envelope: signed.Encode()}); err != nil {
			t.Fatal(err)
		}
	})
	again := reopen(t, o)
	eventually(t, "it to be settled", func() bool {
		_, found, err := again.records.Setting(t.Context(), "first agreement queued")
		return err == nil && found
	})
	if pending, err := again.records.Pending(t.Context(), 10); err != nil || len(pending) != 1 {
		t.Errorf("got %d entries, %v, want the one agreement", len(pending), err)
	}
}

func masterOf(t *testing.T, o Options) storage.MasterKey {
	t.Helper()
	master, err := o.Settings.masterKey(t.Context(), o.Data, false)
	if err != nil {
		t.Fatal(err)
	}
	return master
}

func TestShorterLogIsSaidOnceByTheNewestCheckpoint(t *testing.T) {
	t.Parallel()
	n := settledNode(t, nil)
	for _, size := range []uint64{n.audit.Size() + 1000, n.audit.Size() + 2000} {
		why, err := n.compareAudit(witness{Size: size})
		if err != nil || why == "" {
			t.Fatalf("%q, %v", why, err)
		}
		if err := errors.Join(n.addDoubt(t.Context(), why), n.addDoubt(t.Context(), "another reason")); err != nil {
			t.Fatal(err)
		}
		if got := n.doubtNow(); strings.Count(got.text(), "fewer entries") != 1 || !slices.Contains(got.Why, why) || !slices.Contains(got.Why, "another reason") {
			t.Errorf("got %q, want %q and the other reason", got.Why, why)
		}
	}
}
