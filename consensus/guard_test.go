package consensus

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"
)

// attacker speaks raft to a replica over a connection of its own.
type attacker struct {
	t  testing.TB
	id ID
	to ID
	n  *memNode
}

// send opens a stream, sends one request, and the bytes that follow it, and returns the answer.
func (a *attacker) send(kind frameKind, body []byte, after []byte) (answer, error) {
	a.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	conn, err := a.n.Dial(ctx, a.to)
	if err != nil {
		a.t.Fatal(err)
	}
	defer conn.Close()
	s := newStream(conn)
	if err := s.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		a.t.Fatal(err)
	}
	if err := s.w.WriteByte(serviceRaft); err != nil {
		return answer{}, err
	}
	if err := writeFrame(s.w, kind, body); err != nil {
		return answer{}, err
	}
	if len(after) > 0 {
		if _, err := s.Write(after); err != nil {
			return answer{}, err
		}
	}
	got, reply, err := readFrame(s.r)
	if err != nil {
		return answer{}, err
	}
	if got != frameAnswer {
		return answer{}, errors.New(string(reply))
	}
	return decodeAnswer(reply)
}

func header(id ID) raft.RPCHeader {
	return raft.RPCHeader{ProtocolVersion: raft.ProtocolVersionMax, ID: []byte(id), Addr: []byte(id)}
}

// exploits are requests that raft on its own obeys, whoever sends them.
func exploits(g *region, as ID, victim *Replica) map[string]func(*attacker) error {
	s := victim.Status()
	appendWith := func(term, prev, prevTerm, commit uint64, entries ...*raft.Log) []byte {
		return encodeAppend(&raft.AppendEntriesRequest{
			RPCHeader: header(as), Term: term, PrevLogEntry: prev, PrevLogTerm: prevTerm, LeaderCommitIndex: commit, Entries: entries,
		})
	}
	last := s.LastLog
	command := append([]byte{entryCommand}, "set k forged"...)
	var lastEntry raft.Log
	if err := victim.store.GetLog(last, &lastEntry); err != nil {
		g.t.Fatal(err)
	}
	one := func(kind frameKind, body, after []byte) func(*attacker) error {
		return func(a *attacker) error {
			got, err := a.send(kind, body, after)
			if err == nil && got.granted {
				return errors.New("it was granted")
			}
			return nil
		}
	}
	body := bytes.Repeat([]byte("x"), 100)
	config := raft.EncodeConfiguration(raft.Configuration{Servers: []raft.Server{
		{Suffrage: raft.Voter, ID: raft.ServerID(as), Address: raft.ServerAddress(as)},
	}})
	return map[string]func(*attacker) error{
		"a forged command": one(frameAppend, appendWith(s.Term, last, lastEntry.Term, last+1,
			&raft.Log{Index: last + 1, Term: s.Term, Type: raft.LogCommand, Data: command}), nil),
		"committed entries cut": one(frameAppend, appendWith(s.Term+1, 1, 1, 0,
			&raft.Log{Index: 2, Term: s.Term + 1, Type: raft.LogCommand, Data: command}), nil),
		"the state replaced": one(frameSnapshot, encodeInstall(&raft.InstallSnapshotRequest{
			RPCHeader: header(as), SnapshotVersion: 1, Term: s.Term + 1, LastLogIndex: last + 100, LastLogTerm: s.Term + 1,
			Configuration: config, ConfigurationIndex: 1, Size: int64(len(body)),
		}), body),
		"the last term": one(frameAppend, appendWith(1<<64-1, 0, 0, 0), nil),
		"the last term, as a candidate": one(frameVote, encodeVote(&raft.RequestVoteRequest{
			RPCHeader: header(as), Term: 1<<64 - 1, LastLogIndex: 1 << 60, LastLogTerm: 1 << 60, LeadershipTransfer: true,
		}), nil),
		"a configuration that does not decode": one(frameAppend, appendWith(s.Term, last, lastEntry.Term, last+1,
			&raft.Log{Index: last + 1, Term: s.Term, Type: raft.LogConfiguration, Data: []byte{1, 2, 3}}), nil),
		"a configuration that takes minutes": one(frameAppend, appendWith(s.Term, last, lastEntry.Term, last+1,
			&raft.Log{Index: last + 1, Term: s.Term, Type: raft.LogConfiguration, Data: []byte{0xdf, 0, 0, 0, 1, 0xa1, 0x78, 0xc9, 0xdd, 0xb2, 0x59, 0xff, 0xff}}), nil),
		"an election forced": one(frameTimeout, encodeTimeout(&raft.TimeoutNowRequest{RPCHeader: header(as)}), nil),
	}
}

// TestExploitsHaveNoEffect plays what is known to work on raft without a guard: as one that is no member, as a member
// outside of the configuration, and as an observer.
func TestExploitsHaveNoEffect(t *testing.T) {
	for _, c := range []struct {
		name    string
		admit   func(g *region, leader *Replica)
		refused string
	}{
		{"stranger", func(*region, *Replica) {}, "stranger"},
		{"member", func(g *region, _ *Replica) { g.members.Store(testID(9), true) }, "not_configured"},
		{"observer", func(g *region, leader *Replica) {
			g.members.Store(testID(9), true)
			if err := leader.AddObserver(g.context(5*time.Second), testID(9)); err != nil {
				g.t.Fatal(err)
			}
		}, "not_voter"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newRegion(t)
				all := g.start(3)
				victim, leader := g.follower(all)
				g.set(leader, "k", "1")
				c.admit(g, leader)
				node := g.net.node(testID(9))
				g.until("the victim to be up to date", func() bool { return victim.Status().Commit == leader.Status().LastLog })
				before, state := victim.Status(), dump(t, victim)
				attacks := exploits(g, testID(9), victim)
				for name, attack := range attacks {
					if err := attack(&attacker{t: t, id: testID(9), to: victim.config.ID, n: node}); err != nil {
						t.Errorf("%s: %v", name, err)
					}
				}
				synctest.Wait()
				after := victim.Status()
				if after.Term != before.Term || after.LastLog != before.LastLog || after.Leader != before.Leader || after.State != before.State {
					t.Errorf("before %+v\nafter %+v", before, after)
				}
				if got := dump(t, victim); got != state {
					t.Errorf("state changed to %q", got)
				}
				if n := after.Refused[c.refused]; n == 0 {
					t.Errorf("nothing was counted as %s: %v", c.refused, after.Refused)
				}
				total := uint64(0)
				for _, n := range after.Refused {
					total += n
				}
				if total < uint64(len(attacks)) {
					t.Errorf("%d attacks, %d counted: %v", len(attacks), total, after.Refused)
				}
				g.set(leader, "k", "2")
			})
		})
	}
}

// fakeRaft is what the guard sees of raft.
type fakeRaft struct {
	term    uint64
	leader  ID
	state   raft.RaftState
	contact time.Time
}

func (f *fakeRaft) CurrentTerm() uint64 { return f.term }
func (f *fakeRaft) LeaderWithID() (raft.ServerAddress, raft.ServerID) {
	return raft.ServerAddress(f.leader), raft.ServerID(f.leader)
}
func (f *fakeRaft) State() raft.RaftState  { return f.state }
func (f *fakeRaft) LastContact() time.Time { return f.contact }

func servers(voters, observers []ID) raft.Configuration {
	var c raft.Configuration
	for _, id := range voters {
		c.Servers = append(c.Servers, raft.Server{Suffrage: raft.Voter, ID: raft.ServerID(id), Address: raft.ServerAddress(id)})
	}
	for _, id := range observers {
		c.Servers = append(c.Servers, raft.Server{Suffrage: raft.Nonvoter, ID: raft.ServerID(id), Address: raft.ServerAddress(id)})
	}
	return c
}

// TestGuardJudges goes through its rules with a member of the configuration as the sender: 1, 2 and 6 vote, 3 observes, 4 is a
// member only, 5 is unknown. The log has 10 entries of term 2, committed up to 8; 2 leads term 3.
func TestGuardJudges(t *testing.T) {
	config := raft.EncodeConfiguration
	entry := func(index, term uint64) *raft.Log {
		return &raft.Log{Index: index, Term: term, Type: raft.LogCommand, Data: []byte{entryEmpty}}
	}
	with := func(l *raft.Log, change func(*raft.Log)) *raft.Log { change(l); return l }
	ae := func(from ID, term, prev uint64, entries ...*raft.Log) *raft.AppendEntriesRequest {
		return &raft.AppendEntriesRequest{RPCHeader: header(from), Term: term, PrevLogEntry: prev, PrevLogTerm: 2, Entries: entries}
	}
	install := func(change func(*raft.InstallSnapshotRequest)) *raft.InstallSnapshotRequest {
		s := &raft.InstallSnapshotRequest{
			RPCHeader: header(testID(2)), SnapshotVersion: 1, Term: 3, LastLogIndex: 100, LastLogTerm: 3, Size: 1000,
			Configuration: config(servers([]ID{testID(1), testID(2)}, nil)), ConfigurationIndex: 50,
		}
		change(s)
		return s
	}
	vote := func(from ID, term uint64) *raft.RequestVoteRequest {
		return &raft.RequestVoteRequest{RPCHeader: header(from), Term: term}
	}
	two := testID(2)
	const fine = refusal(-1)
	for _, c := range []struct {
		name    string
		peer    ID
		request any
		setup   func(*guard, *fakeRaft)
		want    refusal
		short   bool
	}{
		{"heartbeat of the leader", two, &raft.AppendEntriesRequest{RPCHeader: header(two), Term: 3}, nil, fine, false},
		{"entries of the leader", two, ae(two, 3, 10, entry(11, 3), entry(12, 3)), nil, fine, false},
		{"entries again", two, ae(two, 3, 7, entry(8, 2), entry(9, 2)), nil, fine, false},
		{"uncommitted conflict", two, ae(two, 3, 8, entry(9, 3)), nil, fine, false},
		{"snapshot", two, install(func(*raft.InstallSnapshotRequest) {}), nil, fine, false},
		{"vote for a voter", two, vote(two, 4), nil, fine, false},
		{"pre-vote for a voter", two, &raft.RequestPreVoteRequest{RPCHeader: header(two), Term: 4}, nil, fine, false},
		{"transfer by the leader", two, &raft.TimeoutNowRequest{RPCHeader: header(two)}, nil, fine, false},

		{"unknown sender", testID(5), ae(testID(5), 3, 10), nil, refusedStranger, false},
		{"other identity", two, ae(testID(1), 3, 10), nil, refusedIdentity, false},
		{"old protocol", two, &raft.TimeoutNowRequest{RPCHeader: raft.RPCHeader{ProtocolVersion: 2, ID: []byte(two), Addr: []byte(two)}}, nil, refusedProtocol, false},
		{"no request", two, "hello", nil, refusedMalformed, false},
		{"leader outside of the configuration", testID(4), ae(testID(4), 3, 10), nil, refusedNotConfigured, false},
		{"the same after a long silence", testID(4), ae(testID(4), 3, 10), func(g *guard, r *fakeRaft) {
			g.started, r.contact, r.leader = time.Now().Add(-time.Hour), time.Now().Add(-2*orphaned), ""
		}, fine, false},
		{"the same once it was let in and is followed", testID(4), ae(testID(4), 3, 10), func(g *guard, r *fakeRaft) {
			r.contact, r.leader = time.Now(), testID(4)
			g.adopted.Store(testID(4))
		}, fine, false},
		{"the same once it is followed no more", testID(4), ae(testID(4), 3, 10), func(g *guard, r *fakeRaft) {
			r.contact, r.leader = time.Now(), ""
			g.adopted.Store(testID(4))
		}, refusedNotConfigured, false},
		{"a leader that was removed and goes on", testID(4), ae(testID(4), 3, 10), func(_ *guard, r *fakeRaft) {
			r.contact, r.leader = time.Now(), testID(4)
		}, refusedNotConfigured, false},
		{"the same while leading", testID(4), ae(testID(4), 4, 10), func(g *guard, r *fakeRaft) {
			g.started, r.contact, r.leader, r.state = time.Now().Add(-time.Hour), time.Now().Add(-2*orphaned), testID(1), raft.Leader
		}, refusedNotConfigured, false},
		{"second leader in a term", testID(6), ae(testID(6), 3, 10), nil, refusedSecondLeader, false},
		{"leader of a later term", testID(6), ae(testID(6), 4, 10), nil, fine, false},
		{"observer that leads", testID(3), ae(testID(3), 4, 10), nil, refusedNotVoter, false},
		{"the same after a silence", testID(3), ae(testID(3), 4, 10), func(g *guard, r *fakeRaft) {
			g.started, r.contact, r.leader = time.Now().Add(-time.Hour), time.Now().Add(-2*g.patience), ""
		}, fine, false},
		{"term too far ahead", two, ae(two, 3+1_001, 10), nil, refusedTerm, false},
		{"term as far as may be", two, ae(two, 3+1_000, 10), nil, fine, false},
		{"vote for an observer", testID(3), vote(testID(3), 4), nil, refusedNotVoter, false},
		{"vote for a member", testID(4), vote(testID(4), 4), nil, refusedNotVoter, false},
		{"vote far ahead", two, vote(two, 3+1_001), nil, refusedTerm, false},
		{"vote without a configuration", two, vote(two, 4), func(g *guard, _ *fakeRaft) {
			g.latest = func() raft.Configuration { return raft.Configuration{} }
		}, refusedNotVoter, false},
		{"vote of one that forgot", two, vote(two, 4), func(g *guard, _ *fakeRaft) { g.forgotten = func() bool { return true } }, refusedForgotten, false},
		{"transfer to one that forgot", two, &raft.TimeoutNowRequest{RPCHeader: header(two)}, func(g *guard, _ *fakeRaft) { g.forgotten = func() bool { return true } }, refusedForgotten, false},
		{"transfer by another voter", testID(1), &raft.TimeoutNowRequest{RPCHeader: header(testID(1))}, nil, refusedNotLeader, false},
		{"gap in the entries", two, ae(two, 3, 10, entry(12, 3)), nil, refusedEntry, false},
		{"term goes back", two, ae(two, 3, 10, entry(11, 3), entry(12, 2)), nil, refusedEntry, false},
		{"entry of a later term", two, ae(two, 3, 10, entry(11, 4)), nil, refusedEntry, false},
		{"entry of unknown type", two, ae(two, 3, 10, with(entry(11, 3), func(l *raft.Log) { l.Type = 77 })), nil, refusedEntry, false},
		{"deprecated type", two, ae(two, 3, 10, with(entry(11, 3), func(l *raft.Log) { l.Type = raft.LogAddPeerDeprecated })), nil, refusedEntry, false},
		{"empty command", two, ae(two, 3, 10, with(entry(11, 3), func(l *raft.Log) { l.Data = nil })), nil, refusedEntry, false},
		{"unknown kind", two, ae(two, 3, 10, with(entry(11, 3), func(l *raft.Log) { l.Data = []byte{9} })), nil, refusedEntry, false},
		{"large command", two, ae(two, 3, 10, with(entry(11, 3), func(l *raft.Log) { l.Data = append([]byte{entryCommand}, make([]byte, MaxCommand+1)...) })), nil, refusedEntry, false},
		{"committed conflict", two, ae(two, 3, 7, entry(8, 3)), nil, refusedConflict, false},
		{"configuration of three bytes", two, ae(two, 3, 10, with(entry(11, 3), func(l *raft.Log) { l.Type, l.Data = raft.LogConfiguration, []byte{1, 2, 3} })), nil, refusedConfiguration, false},
		{"configuration without a voter", two, ae(two, 3, 10, with(entry(11, 3), func(l *raft.Log) {
			l.Type, l.Data = raft.LogConfiguration, config(servers(nil, []ID{two}))
		})), nil, refusedConfiguration, false},
		{"configuration with a stranger", two, ae(two, 3, 10, entry(11, 3), with(entry(12, 3), func(l *raft.Log) {
			l.Type, l.Data = raft.LogConfiguration, config(servers([]ID{two, testID(5)}, nil))
		})), nil, fine, true},
		{"configuration with a member", two, ae(two, 3, 10, with(entry(11, 3), func(l *raft.Log) {
			l.Type, l.Data = raft.LogConfiguration, config(servers([]ID{two, testID(4)}, nil))
		})), nil, fine, false},
		{"snapshot of the past", two, install(func(s *raft.InstallSnapshotRequest) { s.LastLogIndex, s.ConfigurationIndex = 8, 1 }), nil, refusedSnapshot, false},
		{"snapshot too large", two, install(func(s *raft.InstallSnapshotRequest) { s.Size = 1 << 40 }), nil, refusedSnapshot, false},
		{"snapshot of negative size", two, install(func(s *raft.InstallSnapshotRequest) { s.Size = -1 }), nil, refusedSnapshot, false},
		{"snapshot of a later term", two, install(func(s *raft.InstallSnapshotRequest) { s.LastLogTerm = 4 }), nil, refusedSnapshot, false},
		{"snapshot of version 0", two, install(func(s *raft.InstallSnapshotRequest) { s.SnapshotVersion = 0 }), nil, refusedSnapshot, false},
		{"snapshot with a bad configuration", two, install(func(s *raft.InstallSnapshotRequest) { s.Configuration = []byte{1, 2, 3} }), nil, refusedConfiguration, false},
		{"joining", testID(4), &raft.AppendEntriesRequest{RPCHeader: header(testID(4)), Term: 100_000}, func(g *guard, r *fakeRaft) {
			g.latest = func() raft.Configuration { return raft.Configuration{} }
			r.term, r.leader = 0, ""
		}, fine, false},
		{"joining at the last term", testID(4), &raft.AppendEntriesRequest{RPCHeader: header(testID(4)), Term: 1<<64 - 1}, func(g *guard, r *fakeRaft) {
			g.latest = func() raft.Configuration { return raft.Configuration{} }
			r.term, r.leader = 0, ""
		}, refusedTerm, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			fake := &fakeRaft{term: 3, leader: two, state: raft.Follower, contact: time.Now()}
			g := &guard{
				id: testID(1), raft: fake, started: time.Now(), snapshot: 1 << 30, patience: 5 * time.Second,
				member:    func(id ID) bool { return id != testID(5) },
				latest:    func() raft.Configuration { return servers([]ID{testID(1), two, testID(6)}, []ID{testID(3)}) },
				floor:     func() position { return position{index: 8, term: 2} },
				forgotten: func() bool { return false },
				entry: func(index uint64, l *raft.Log) error {
					if index > 10 {
						return raft.ErrLogNotFound
					}
					*l = *entry(index, 2)
					return nil
				},
			}
			if c.setup != nil {
				c.setup(g, fake)
			}
			short, err := g.check(c.peer, c.request)
			if short != c.short {
				t.Errorf("short is %t, want %t", short, c.short)
			}
			if c.want == fine {
				if err != nil {
					t.Fatalf("refused: %v", err)
				}
				return
			}
			var bad *refusedError
			if !errors.As(err, &bad) || bad.why != c.want {
				t.Fatalf("got %v, want %s", err, c.want)
			}
			if g.counters()[c.want.String()] != 1 {
				t.Errorf("counted %v", g.counters())
			}
		})
	}
}

func TestAnswersFromTheFutureAreRefused(t *testing.T) {
	g := &guard{raft: &fakeRaft{term: 3}}
	if err := g.answered(answer{term: 3 + maxTermJump}); err != nil {
		t.Errorf("a term within the limit: %v", err)
	}
	if err := g.answered(answer{term: 1<<64 - 1}); err == nil {
		t.Error("the last term was believed")
	}
}

// TestErrorTextsCannotBeVotes: raft counts a pre-vote answered with this text as granted.
func TestErrorTextsCannotBeVotes(t *testing.T) {
	if text := safeText([]byte("unexpected command")); strings.Contains(text, "unexpected command") {
		t.Errorf("got %q", text)
	}
	if text := safeText(bytes.Repeat([]byte{0xff}, 1000)); len(text) > 1024 {
		t.Errorf("%d bytes of text", len(text))
	}
}

func TestStreamsOfOnePeerAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRegion(t)
		victim := g.start(1)[0]
		g.members.Store(testID(9), true)
		node := g.net.node(testID(9))
		for range peerStreams + 5 {
			conn, err := node.Dial(context.Background(), testID(1))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
		}
		synctest.Wait()
		if n := victim.Status().Refused["streams"]; n != 5 {
			t.Errorf("%d streams refused, want 5", n)
		}
		// The silent ones are closed, and make room.
		synctestSleep(firstByte + time.Second)
		if _, err := (&attacker{t: t, id: testID(9), to: testID(1), n: node}).send(frameVote, encodeVote(&raft.RequestVoteRequest{RPCHeader: header(testID(9))}), nil); err == nil {
			t.Error("a member's vote was granted")
		}
		if n := victim.Status().Refused["not_voter"]; n != 1 {
			t.Errorf("%d requests judged after the silent streams were closed, want 1", n)
		}
	})
}

// synctestSleep lets virtual time pass.
func synctestSleep(d time.Duration) { <-time.After(d) }
