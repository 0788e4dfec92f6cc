package testnet

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"path/filepath"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/federation/endpoint"
	"github.com/ridgeway-exchange/ridgeway/federation/wire"
	"github.com/ridgeway-exchange/ridgeway/storage"
)

// rogue is a program that is none of ours and has a node's keys, or keys of its own: it says what it likes to whoever listens.
type rogue struct {
	s         *stage
	trust     federation.TrustID
	id        federation.NodeID
	key       ed25519.PrivateKey // of the node
	statement ed25519.PrivateKey // of the trust; nil for a stranger
	door      *endpoint.Endpoint
	nodes     map[federation.TrustID]federation.NodeID
}

// impostor stops a trust's node and puts a rogue with its keys at its address.
func (s *stage) impostor(t federation.TrustID) *rogue {
	s.Helper()
	g := &rogue{s: s, trust: t, nodes: s.nodes()}
	if s.r.Node(t) != nil {
		s.must(s.r.Stop(t))
	}
	data := s.r.Data(t)
	master, err := storage.LoadMasterKey(s.ctx, storage.KeySource{File: filepath.Join(data, storage.DevKeyFile), DataDir: data, AllowInside: true})
	s.must(err)
	folder, err := storage.OpenFolder(data, "", master)
	s.must(err)
	defer folder.Close()
	load := func(name string) ed25519.PrivateKey {
		seed, err := folder.LoadSecret(name)
		s.must(err)
		return ed25519.NewKeyFromSeed(seed)
	}
	g.statement = load("statement-key")
	g.open(string(t), load("node-key"))
	return g
}

// stranger is a rogue with keys that nobody knows.
func (s *stage) stranger(host string) *rogue {
	s.Helper()
	g := &rogue{s: s, nodes: s.nodes()}
	seed := s.content(ed25519.SeedSize)
	g.open(host, ed25519.NewKeyFromSeed(seed))
	return g
}

func (s *stage) nodes() map[federation.TrustID]federation.NodeID {
	out := make(map[federation.TrustID]federation.NodeID)
	for _, t := range s.r.Up() {
		out[t] = s.r.Node(t).ID()
	}
	return out
}

func (g *rogue) open(host string, key ed25519.PrivateKey) {
	g.key, g.id = key, federation.NodeOf(federation.PublicOf(key))
	socket, err := g.s.net.Listen(host)
	g.s.must(err)
	g.door, err = endpoint.New(endpoint.Config{
		Conn: socket, Key: key, Logger: slog.New(slog.DiscardHandler), Admit: func(endpoint.PeerID) error { return nil },
		Resolve: func(p endpoint.PeerID) (string, error) {
			for t, id := range g.nodes {
				if id == federation.NodeID(p) {
					return g.s.net.Addr(string(t)).String(), nil
				}
			}
			return "", net.ErrClosed
		},
	})
	g.s.must(err)
	g.s.doors = append(g.s.doors, g.door)
}

func (g *rogue) close() { g.s.must(g.door.Close()) }

// Services of the lanes, as nodes number them.
const (
	raftService    endpoint.Service = 1
	regionService  endpoint.Service = 1
	gossipService  endpoint.Service = 2
	releaseService endpoint.Service = 1
)

// way is one way in.
type way struct {
	name    string
	lane    endpoint.Lane
	service endpoint.Service
}

func ways() []way {
	return []way{
		{"raft", endpoint.LaneRaft, raftService},
		{"control, calls", endpoint.LaneControl, regionService},
		{"control, gossip", endpoint.LaneControl, gossipService},
		{"document", endpoint.LaneDocument, releaseService},
	}
}

// dial opens a stream to a trust's node.
func (g *rogue) dial(to federation.TrustID, w way) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(g.s.ctx, 5*time.Second)
	defer cancel()
	return g.door.Dial(ctx, w.lane, w.service, endpoint.PeerID(g.nodes[to]))
}

// refusedOn wants a way in to be closed, as soon as it is tried or at its first use.
func (g *rogue) refusedOn(to federation.TrustID, w way) {
	g.s.Helper()
	c, err := g.dial(to, w)
	if err == nil {
		defer c.Close()
		err = g.ends(c, 10*time.Second)
	}
	if err == nil {
		g.s.Errorf("%s is let in on the lane %s of %s", g.name(), w.name, to)
	} else if !errors.Is(err, endpoint.ErrNotAdmitted) && !errors.Is(err, endpoint.ErrEvicted) {
		g.s.Errorf("%s on the lane %s of %s: %v, want to be told that it is not admitted", g.name(), w.name, to, err)
	}
}

func (g *rogue) name() string {
	if g.trust == "" {
		return "a stranger"
	}
	return string(g.trust)
}

// ends reads until the stream ends, and returns why; nil when it is still open after that time.
func (g *rogue) ends(c net.Conn, within time.Duration) error {
	g.s.must(c.SetReadDeadline(time.Now().Add(within)))
	_, err := io.Copy(io.Discard, c)
	var late net.Error
	if errors.As(err, &late) && late.Timeout() {
		return nil
	}
	if err == nil {
		err = io.EOF
	}
	return err
}

// calls returns a gRPC connection over a stream.
func calls(c net.Conn) (*grpc.ClientConn, error) {
	return grpc.NewClient("passthrough:///lane", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(context.Context, string) (net.Conn, error) { return c, nil }))
}

// status calls Region.Status over a stream.
func status(ctx context.Context, c net.Conn) (*wire.StatusReply, error) {
	conn, err := calls(c)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return wire.NewRegionClient(conn).Status(ctx, &wire.StatusRequest{})
}

// What consensus puts on the raft lane, spelled out here a second time: the attacker has its own encoder.
const (
	raftRequests, raftCalls = 'R', 'C'

	frameAppend, frameVote, framePreVote, frameSnapshot, frameTimeout = 1, 2, 3, 4, 5
	frameAnswer, frameFailed, frameSubmit, frameReply                 = 6, 7, 9, 13

	entryCommand, entryConfiguration = 0, 5 // types of raft's entries
	raftVersion                      = 3
)

// words builds a body.
type words []byte

func (w words) u(v uint64) words   { return binary.AppendUvarint(w, v) }
func (w words) b(v []byte) words   { return append(w.u(uint64(len(v))), v...) }
func (w words) octet(v byte) words { return append(w, v) }
func (w words) flag() words        { return append(w, 0) }
func (g *rogue) header() words     { return words(nil).u(raftVersion).b([]byte(g.id.String())) }
func command(statement []byte) entry {
	return entry{kind: entryCommand, data: append([]byte{1}, statement...)}
}

type entry struct {
	index, term uint64
	kind        byte
	data        []byte
}

// appendEntries is the body of an AppendEntries.
func (g *rogue) appendEntries(term, prev, prevTerm, commit uint64, entries ...entry) words {
	w := g.header().u(term).u(prev).u(prevTerm).u(commit).u(uint64(len(entries)))
	for _, e := range entries {
		w = w.u(e.index).u(e.term).octet(e.kind).b(e.data)
	}
	return w
}

// vote is the body of a RequestVote.
func (g *rogue) vote(term, last, lastTerm uint64) words {
	return g.header().u(term).u(last).u(lastTerm).flag()
}

// install is the body of an InstallSnapshot.
func (g *rogue) install(term, last, lastTerm uint64, configuration []byte, size uint64) words {
	return g.header().u(1).u(term).u(last).u(lastTerm).b(configuration).u(last).u(size)
}

// exchange sends one frame on a fresh raft stream and returns the kind and body of the answer.
func (g *rogue) exchange(to federation.TrustID, service, kind byte, body, more []byte) (byte, []byte, error) {
	c, err := g.dial(to, ways()[0])
	if err != nil {
		return 0, nil, err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		return 0, nil, err
	}
	frame := binary.BigEndian.AppendUint32([]byte{service}, uint32(len(body)+1))
	frame = append(append(append(frame, kind), body...), more...)
	if _, err := c.Write(frame); err != nil {
		return 0, nil, err
	}
	r := bufio.NewReader(c)
	var head [5]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, fmt.Errorf("no answer: %w", err)
	}
	answer := make([]byte, binary.BigEndian.Uint32(head[:])-1)
	_, err = io.ReadFull(r, answer)
	return head[4], answer, err
}

// replyRefused is the code of an answer that says that the leader did not let a command into the log.
const replyRefused = 9

// errUnfit is returned when the leader does not let a command into the log.
var errUnfit = errors.New("refused before it reached the log")

// submit hands a command to the leader as a member's node does, and returns its place and the response. It fails with errUnfit.
func (g *rogue) submit(leader federation.TrustID, command []byte) (index uint64, response []byte, err error) {
	body := words(nil).u(1).u(5000).octet(2).b(command)
	kind, answer, err := g.exchange(leader, raftCalls, frameSubmit, body, nil)
	if err != nil {
		return 0, nil, err
	}
	if kind == frameReply && len(answer) > 1 && answer[1] == replyRefused {
		return 0, nil, errUnfit
	}
	if kind != frameReply || len(answer) < 3 || answer[1] != 1 {
		return 0, nil, fmt.Errorf("submit: answer of kind %d: % x", kind, answer)
	}
	index, n := binary.Uvarint(answer[2:])
	size, m := binary.Uvarint(answer[2+n:])
	response = answer[2+n+m:]
	if uint64(len(response)) != size {
		return 0, nil, fmt.Errorf("submit: response of %d bytes, %d announced", len(response), size)
	}
	return index, response, nil
}

// garbage returns random bytes.
func garbage(dice *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(dice.Uint32())
	}
	return b
}
