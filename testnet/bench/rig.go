package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"sync"
	"time"

	"github.com/ridgeway-exchange/ridgeway/consensus"
	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/federation/endpoint"
	"github.com/ridgeway-exchange/ridgeway/federation/index"
	"github.com/ridgeway-exchange/ridgeway/storage"
	"github.com/ridgeway-exchange/ridgeway/testnet"
)

// rig is a consensus group that keeps the ledger, on real sockets and synced files, without the rest of the nodes.
type rig struct {
	replicas []*replica
	trusts   []*speaker
	charter  []byte

	mu    sync.Mutex
	peers map[endpoint.PeerID]string
}

// replica is one member.
type replica struct {
	*consensus.Replica
	id     consensus.ID
	door   *endpoint.Endpoint
	socket *switched // nil unless the rig is made to be silenced
	ledger *index.Ledger

	mu        sync.Mutex
	directive map[federation.Subject]time.Time // when each was applied here
}

// rigOptions say how the group is.
type rigOptions struct {
	dir      string
	replicas int
	trusts   int
	silence  bool
	tune     func(*consensus.Config)
}

// newRig founds a group in which all trusts are active.
func newRig(ctx context.Context, o rigOptions) (*rig, error) {
	r := &rig{}
	r.init()
	for i := range o.trusts {
		r.trusts = append(r.trusts, newSpeaker(i))
	}
	for i := range o.replicas {
		m, err := r.open(replicaOptions{dir: filepath.Join(o.dir, fmt.Sprint(i)), key: keyOf("replica", i), silence: o.silence, tune: o.tune})
		if err != nil {
			return nil, errors.Join(err, r.close())
		}
		r.replicas = append(r.replicas, m)
	}
	if err := r.found(ctx); err != nil {
		return nil, errors.Join(err, r.close())
	}
	return r, nil
}

func (r *rig) init() { r.peers = make(map[endpoint.PeerID]string) }

func (r *rig) found(ctx context.Context) error {
	first := r.replicas[0]
	if err := first.Bootstrap(ctx); err != nil {
		return err
	}
	if err := testnet.WaitFor(ctx, "the founder to lead", func(context.Context) error {
		if first.Status().State != consensus.Leader {
			return errors.New("it does not")
		}
		return nil
	}); err != nil {
		return err
	}
	founder := r.trusts[0]
	var err error
	r.charter, err = founder.say(federation.Charter{Region: "Bench", Approvals: 1, Voters: 3, Founder: founder.member()})
	if err != nil {
		return err
	}
	if err := accept(ctx, first.Replica, r.charter, consensus.Bulk); err != nil {
		return err
	}
	region := founder.prev
	for _, t := range r.trusts[1:] {
		t.prev = region
		if err := founder.tell(ctx, first.Replica, federation.Enrol{Member: t.member()}, consensus.Bulk); err != nil {
			return err
		}
	}
	for _, m := range r.replicas[1:] {
		if err := first.AddVoter(ctx, m.id); err != nil {
			return err
		}
	}
	return r.settled(ctx)
}

// tell says something and wants it accepted.
func (s *speaker) tell(ctx context.Context, to *consensus.Replica, body federation.Body, p consensus.Priority) error {
	cmd, err := s.say(body)
	if err != nil {
		return err
	}
	return accept(ctx, to, cmd, p)
}

// accept submits a command, again when it is not known what became of it, as a node does: the second time it is a
// repetition, and changes nothing.
func accept(ctx context.Context, to *consensus.Replica, cmd []byte, p consensus.Priority) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		result, err := to.Submit(ctx, cmd, p)
		if err != nil {
			if ctx.Err() == nil && (errors.Is(err, consensus.ErrOutcomeUnknown) || errors.Is(err, consensus.ErrNoQuorum)) {
				continue
			}
			return err
		}
		response, err := index.DecodeResponse(result.Response)
		if err == nil && response.Outcome == index.Refused {
			err = fmt.Errorf("refused: %s %s", response.Code, response.Detail)
		}
		return err
	}
}

// replicaOptions say how one member is.
type replicaOptions struct {
	dir     string
	key     []byte
	sealer  *storage.Sealer // nil: one of its own
	silence bool
	tune    func(*consensus.Config)
}

// open opens a member that knows all others of the rig.
func (r *rig) open(o replicaOptions) (*replica, error) {
	m := &replica{directive: make(map[federation.Subject]time.Time)}
	log := slog.New(slog.DiscardHandler)
	udp, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, err
	}
	var socket net.PacketConn = udp
	if o.silence {
		m.socket = &switched{PacketConn: udp}
		socket = m.socket
	}
	m.door, err = endpoint.New(endpoint.Config{Conn: socket, Key: o.key, Logger: log, Resolve: r.resolve, Admit: func(p endpoint.PeerID) error {
		_, err := r.resolve(p)
		return err
	}})
	if err != nil {
		return nil, errors.Join(err, udp.Close())
	}
	r.mu.Lock()
	r.peers[m.door.ID()] = m.door.Addr().String()
	r.mu.Unlock()
	m.id = consensus.ID(federation.NodeID(m.door.ID()).String())
	m.ledger, err = index.New(index.Config{Logger: log, OnDirective: func(s federation.Subject) {
		m.mu.Lock()
		m.directive[s] = time.Now()
		m.mu.Unlock()
	}})
	if err == nil {
		err = m.start(o, log)
	}
	if err != nil {
		return nil, errors.Join(err, m.door.Close())
	}
	return m, nil
}

func (m *replica) start(o replicaOptions, log *slog.Logger) error {
	listener, err := m.door.Listen(endpoint.LaneRaft, 1)
	if err != nil {
		return err
	}
	if o.sealer == nil {
		o.sealer = storage.NewSealer([32]byte(keyOf("sealer").Seed()))
	}
	c := consensus.Config{
		ID: m.id, Dir: o.dir, Network: raftLane{listener, m.door}, Machine: m.ledger, Sealer: o.sealer, Logger: log,
		Member: func(consensus.ID) bool { return true }, CommandTimeout: 30 * time.Second,
	}
	if o.tune != nil {
		o.tune(&c)
	}
	m.Replica, err = consensus.Open(c)
	if err != nil {
		return err
	}
	return m.View(context.Background(), consensus.Local(), func(r consensus.Reader) error { return m.ledger.Load(r) })
}

func (r *rig) resolve(p endpoint.PeerID) (string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if addr := r.peers[p]; addr != "" {
		return addr, nil
	}
	return "", errors.New("no such replica")
}

// raftLane is the raft lane as consensus wants it.
type raftLane struct {
	net.Listener
	door *endpoint.Endpoint
}

// Dial opens a stream to a replica.
func (l raftLane) Dial(ctx context.Context, to consensus.ID) (net.Conn, error) {
	id, err := federation.ParseNodeID(string(to))
	if err != nil {
		return nil, err
	}
	return l.door.Dial(ctx, endpoint.LaneRaft, 1, endpoint.PeerID(id))
}

// Peer returns the proven identity of the other end.
func (l raftLane) Peer(c net.Conn) (consensus.ID, error) {
	id, ok := endpoint.Peer(c)
	if !ok {
		return "", errors.New("no identity")
	}
	return consensus.ID(federation.NodeID(id).String()), nil
}

// settled waits until every replica has applied what the leader has.
func (r *rig) settled(ctx context.Context) error {
	leader, err := r.leader(ctx)
	if err != nil {
		return err
	}
	at := leader.Status().Commit
	for _, m := range r.replicas {
		if err := m.WaitApplied(ctx, at); err != nil {
			return err
		}
	}
	return nil
}

// leader waits until there is one that all replicas follow.
func (r *rig) leader(ctx context.Context) (*replica, error) {
	var leader *replica
	err := testnet.WaitFor(ctx, "a leader", func(context.Context) error {
		agreed := r.replicas[0].Status().Leader
		for _, m := range r.replicas {
			s := m.Status()
			if s.Leader == "" || s.Leader != agreed {
				return errors.New("not all follow one")
			}
			if s.State == consensus.Leader && s.ID == agreed {
				leader = m
			}
		}
		if leader == nil {
			return errors.New("nobody leads")
		}
		return nil
	})
	return leader, err
}

func (r *rig) close() error {
	var errs []error
	for _, m := range r.replicas {
		errs = append(errs, m.close())
	}
	return errors.Join(errs...)
}

func (m *replica) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	err := m.Close(ctx)
	return errors.Join(err, m.door.Close())
}
