package testnet

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

const chunkSize = 256 << 10

// TestDamagedChunkIsReportedAndNeverDelivered flips one bit in the custodian's value log: while the node runs, while it is down,
// and while it is down in the file that was written last, which is read in full at every start.
func TestDamagedChunkIsReportedAndNeverDelivered(t *testing.T) {
	play(t, seeds(2, 3), RegionOptions{Members: members(3)}, func(s *stage) {
		running, newest := s.seed%3 == 2, s.seed%3 == 0
		custodian := s.r.Trusts()[2]
		var sound []federation.DocumentID
		for i := range 3 {
			sound = append(sound, s.take(custodian, s.patients[i], 1000+200_000*i))
		}
		content := s.content(3*chunkSize + 1000)
		receipt, err := s.r.Take(s.ctx, custodian, s.item(s.patients[4], content))
		s.must(err)
		victim := receipt.Document
		for i := range 3 {
			sound = append(sound, s.take(custodian, s.patients[i], 2000+200_000*i))
		}
		if !running && !newest {
			_, err := s.r.Node(custodian).Take(s.ctx, s.item(s.patients[6], s.content(16<<20))) // ends the file
			s.must(err)
		}
		s.must(s.soon(time.Minute, "publish", func(ctx context.Context) error { return s.r.Published(ctx) }))
		s.must(s.r.Converged(s.ctx))
		if !running {
			s.must(s.r.Stop(custodian))
		}
		path, at := s.chunk(custodian, sha256.Sum256(content[chunkSize:2*chunkSize]))
		at += int64(s.dice.IntN(chunkSize))
		s.flip(path, at)
		switch {
		case newest:
			s.staysDown(custodian, sound[0])
		case running:
			s.damageIsReported(custodian, victim, content, sound)
		default:
			s.must(s.r.Restart(s.ctx, custodian))
			s.must(s.soon(time.Minute, "the region to be complete", s.r.Ready))
			s.damageIsReported(custodian, victim, content, sound)
		}
		if !newest {
			s.must(s.r.Stop(custodian))
		}
		s.flip(path, at) // from the backup
		s.must(s.r.Restart(s.ctx, custodian))
		s.must(s.soon(time.Minute, "the region to be complete", s.r.Ready))
		s.fetch(ryj, victim, "")
		s.statusTellsOfDamage(custodian, !newest)
		_, err = s.r.Node(custodian).Scrub(s.ctx, &admin.ScrubRequest{})
		s.must(err)
		s.statusTellsOfDamage(custodian, false)
	})
}

// statusTellsOfDamage looks for what the latest scrub has found in what a node's status warns of.
func (s *stage) statusTellsOfDamage(t federation.TrustID, want bool) {
	s.Helper()
	reply, err := s.r.Node(t).Status(s.ctx, &admin.StatusRequest{})
	s.must(err)
	if got := strings.Contains(strings.Join(reply.GetWarnings(), "\n"), "has found damage: 1 documents"); got != want {
		s.Errorf("status of %s tells of damage: %v, want %v: %q", t, got, want, reply.GetWarnings())
	}
}

// staysDown wants a node to refuse to start, with the reason, and the others to go on.
func (s *stage) staysDown(custodian federation.TrustID, held federation.DocumentID) {
	s.Helper()
	if err := s.r.Restart(s.ctx, custodian); codeOf(err) != admin.CodeIntegrity {
		s.Errorf("%s starts on a damaged store: %v, want %s", custodian, err, admin.CodeIntegrity)
	}
	s.fetch(ryj, held, admin.CodeUnavailable)
	s.fetch(ryj, s.published(ras, s.patients[7], 1000), "")
}

// damageIsReported fetches a document whose second chunk is damaged, and others of the same custodian, everywhere.
func (s *stage) damageIsReported(custodian federation.TrustID, victim federation.DocumentID, content []byte, sound []federation.DocumentID) {
	s.Helper()
	for _, by := range s.r.Trusts() {
		var got bytes.Buffer
		_, err := s.r.Fetch(s.ctx, by, &admin.FetchRequest{Document: string(victim)}, &got)
		if codeOf(err) != admin.CodeIntegrity {
			s.Errorf("%s fetches a damaged document: %v, want %s", by, err, admin.CodeIntegrity)
		}
		if !bytes.HasPrefix(content, got.Bytes()) || got.Len() > chunkSize {
			s.Errorf("%s was delivered %d bytes, and not those of the first chunk", by, got.Len())
		}
		_, err = s.r.Fetch(s.ctx, by, &admin.FetchRequest{Document: string(victim), Offset: 2 * chunkSize}, nil)
		s.must(err) // what is not damaged can be had
		for _, id := range sound {
			s.fetch(by, id, "")
		}
	}
	s.statusTellsOfDamage(custodian, false)
	s.scrubNames(custodian, victim)
	s.statusTellsOfDamage(custodian, true)
	s.published(custodian, s.patients[5], 1000)
}

// scrubNames wants the scrub of a trust's store to name this document and no other.
func (s *stage) scrubNames(t federation.TrustID, victim federation.DocumentID) {
	s.Helper()
	report, err := s.r.Node(t).Scrub(s.ctx, &admin.ScrubRequest{})
	s.must(err)
	if got := report.GetDamagedDocuments(); len(got) != 1 || got[0] != string(victim) || len(report.GetFindings()) == 0 {
		s.Errorf("the scrub names %v, and finds %v; want %s", got, report.GetFindings(), victim)
	}
}

// chunk returns where in a trust's value log the sealed bytes of a chunk are.
func (s *stage) chunk(t federation.TrustID, digest federation.Digest) (path string, at int64) {
	s.Helper()
	logs, err := filepath.Glob(filepath.Join(s.r.Data(t), "chunks", "*.vlog"))
	s.must(err)
	for _, path := range logs {
		b, err := os.ReadFile(path)
		s.must(err)
		if i := bytes.Index(b, digest[:]); i >= 0 {
			return path, int64(i + len(digest) + 8)
		}
	}
	s.Fatalf("the chunk is in none of %v", logs)
	return "", 0
}

// flip changes one bit of a file.
func (s *stage) flip(path string, at int64) {
	s.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	s.must(err)
	defer f.Close()
	var b [1]byte
	_, err = f.ReadAt(b[:], at)
	s.must(err)
	b[0] ^= 0x10
	_, err = f.WriteAt(b[:], at)
	s.must(err)
}

// TestFetchCutAtRandomPointsResumes cuts the way between custodian and requester again and again while documents are fetched, on
// a link that loses packets. A fetch that gives up is taken up where it ended, as the command line does.
func TestFetchCutAtRandomPointsResumes(t *testing.T) {
	play(t, seeds(1, 1), RegionOptions{Members: members(3)}, func(s *stage) {
		content := s.content(3<<20 + s.dice.IntN(1<<20))
		receipt, err := s.r.Take(s.ctx, ryj, s.item(s.patients[0], content))
		s.must(err)
		s.must(s.soon(time.Minute, "publish", func(ctx context.Context) error { return s.r.Published(ctx) }))
		s.must(s.r.Converged(s.ctx))
		rounds, cuts, taken, resumed := 4, 0, 0, uint32(0)
		if testing.Short() {
			rounds = 2
		}
		for round := range rounds {
			s.must(s.r.SetLink(ryj, ras, LinkOptions{
				Latency: s.between(time.Millisecond, 30*time.Millisecond), Loss: s.dice.Float64() * 0.05, Rate: 1_000_000, Buffer: 128 << 10,
			}))
			stop, ended := make(chan struct{}), make(chan struct{})
			pauses := make([]time.Duration, 40)
			for i := range pauses {
				pauses[i] = s.between(50*time.Millisecond, 1500*time.Millisecond)
				if i%2 == 1 && s.dice.IntN(4) == 0 {
					pauses[i] *= 10 // long enough for streams and connections to be given up
				}
			}
			go func() {
				defer close(ended)
				if round == 0 {
					s.pass(pauses[0])
					s.restartAfterPowerCut(ryj)
				}
				cuts += s.interrupt(ryj, ras, pauses, stop)
			}()
			var got bytes.Buffer
			attempts, more := s.fetchWhole(ras, receipt.Document, &got)
			taken += attempts
			resumed += more
			close(stop)
			<-ended
			if !bytes.Equal(got.Bytes(), content) {
				s.Fatalf("%d bytes came, and not the %d that were taken in", got.Len(), len(content))
			}
		}
		s.must(s.r.SetLink(ryj, ras, LinkOptions{Latency: 5 * time.Millisecond}))
		s.Logf("%d cuts, %d calls for %d fetches, %d streams taken up again within the last of them", cuts, taken, rounds, resumed)
		if cuts < rounds/2 {
			s.Errorf("%d cuts in %d fetches: that shows nothing", cuts, rounds)
		}
		if resumed == 0 { // the restart of the custodian is short enough for that
			s.Error("no stream was taken up again within its fetch")
		}
	})
}

// restartAfterPowerCut takes a node away and brings it back at once.
func (s *stage) restartAfterPowerCut(t federation.TrustID) {
	if err := errors.Join(s.r.Kill(t), s.r.Restart(s.ctx, t)); err != nil {
		s.Error(err)
	}
}

// interrupt cuts a link and heals it in turn, and returns how often it was cut.
func (s *stage) interrupt(a, b federation.TrustID, pauses []time.Duration, stop <-chan struct{}) (cuts int) {
	defer s.net.HealLink(string(a), string(b))
	for i, pause := range pauses {
		select {
		case <-stop:
			return cuts
		case <-s.ctx.Done():
			return cuts
		case <-time.After(pause):
		}
		if i%2 == 0 {
			cuts++
			s.net.Cut(string(a), string(b))
		} else {
			s.net.HealLink(string(a), string(b))
		}
	}
	select {
	case <-stop:
	case <-s.ctx.Done():
	}
	return cuts
}

// fetchWhole fetches a document, however often it takes.
func (s *stage) fetchWhole(at federation.TrustID, id federation.DocumentID, to *bytes.Buffer) (attempts int, resumed uint32) {
	s.Helper()
	var manifest []byte
	for {
		attempts++
		done, err := s.r.Fetch(s.ctx, at, &admin.FetchRequest{Document: string(id), Offset: int64(to.Len()), Manifest: manifest}, to)
		if done.Head != nil {
			manifest = done.Head.GetManifest()
		}
		switch codeOf(err) {
		case "":
			return attempts, resumed + done.Done.GetResumed()
		case admin.CodeUnavailable, admin.CodeStale: // out of reach, or itself out of reach of the leader for long
			s.net.Note("gave up", string(at), err.Error())
			s.pass(time.Second)
		default:
			s.Fatalf("fetch %s from byte %d: %v", id, to.Len(), err)
		}
	}
}
