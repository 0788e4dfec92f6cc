package consensus

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"
)

const (
	// rpcTimeout bounds each step of a request: writing it, reading its answer, the next part of a snapshot.
	rpcTimeout = 10 * time.Second
	// idleStreams are kept open for each peer between requests.
	idleStreams = 3
	streamBuf   = 64 << 10
)

var (
	errTransportClosed = errors.New("transport is closed")
	errMuted           = errors.New("the log is stuck: not acting as leader")
	errForgotten       = errors.New("this replica gave up its vote")
)

// transport is raft.Transport over the Network, guarded on both sides.
type transport struct {
	id      ID
	network Network
	guard   *guard
	muted   func() bool // a write to the log is stuck: say nothing that keeps others from electing a leader
	short   time.Duration

	consume   chan raft.RPC
	closed    chan struct{}
	closeOnce sync.Once
	closeErr  error
	serving   sync.WaitGroup

	calls func(peer ID, s *stream)  // serves a stream of calls
	raft  atomic.Pointer[raft.Raft] // nil until it has begun
	reach reach

	mu        sync.Mutex
	heartbeat func(raft.RPC)
	idle      map[ID][]*stream
	open      map[net.Conn]struct{} // every stream, to be cut by close
	incoming  map[ID]int
	isClosed  bool
}

var (
	_ raft.Transport   = (*transport)(nil)
	_ raft.WithPreVote = (*transport)(nil)
)

// stream is one connection with its buffers.
type stream struct {
	net.Conn
	r      *bufio.Reader
	w      *bufio.Writer
	reused bool
}

func newStream(c net.Conn) *stream {
	return &stream{Conn: c, r: bufio.NewReaderSize(c, streamBuf), w: bufio.NewWriterSize(c, streamBuf)}
}

func newTransport(c Config, g *guard) *transport {
	return &transport{
		id: c.ID, network: c.Network, guard: g, short: max(2*c.Heartbeat, 500*time.Millisecond),
		consume: make(chan raft.RPC), closed: make(chan struct{}),
		idle: make(map[ID][]*stream), open: make(map[net.Conn]struct{}), incoming: make(map[ID]int),
	}
}

// track remembers a stream so that close cuts it; false when it is too late.
func (t *transport) track(c net.Conn) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.isClosed {
		return false
	}
	t.open[c] = struct{}{}
	return true
}

// drop closes a stream for good. The peer sees it end; there is nothing to be done about an error.
func (t *transport) drop(c net.Conn) {
	t.mu.Lock()
	delete(t.open, c)
	t.mu.Unlock()
	_ = c.Close()
}

// dial opens a stream to a service of a peer.
func (t *transport) dial(to ID, service byte) (*stream, error) {
	ctx, cancel := context.WithTimeout(lifetime(t.closed), t.short)
	defer cancel()
	conn, err := t.network.Dial(ctx, to)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errUnreached, err)
	}
	if proven, err := t.network.Peer(conn); err != nil || proven != to {
		return nil, errors.Join(fmt.Errorf("dialed %s, reached %s", to, proven), err, conn.Close())
	}
	if !t.track(conn) {
		return nil, errors.Join(errTransportClosed, conn.Close())
	}
	s := newStream(conn)
	return s, s.w.WriteByte(service)
}

// get returns a stream for raft's requests, a kept one if there is one.
func (t *transport) get(to ID) (*stream, error) {
	t.mu.Lock()
	if kept := t.idle[to]; len(kept) > 0 {
		s := kept[len(kept)-1]
		t.idle[to] = kept[:len(kept)-1]
		t.mu.Unlock()
		s.reused = true
		return s, nil
	}
	t.mu.Unlock()
	return t.dial(to, serviceRaft)
}

func (t *transport) put(to ID, s *stream) {
	t.mu.Lock()
	if !t.isClosed && len(t.idle[to]) < idleStreams {
		t.idle[to] = append(t.idle[to], s)
		t.mu.Unlock()
		return
	}
	t.mu.Unlock()
	t.drop(s.Conn)
}

// forget closes the kept streams to a peer: one of them just proved dead.
func (t *transport) forget(to ID) {
	t.mu.Lock()
	kept := t.idle[to]
	delete(t.idle, to)
	t.mu.Unlock()
	for _, s := range kept {
		t.drop(s.Conn)
	}
}

// roundTrip sends one request and reads its answer. All of raft's requests may be sent twice, so a kept stream that turns
// out to be dead is replaced once.
func (t *transport) roundTrip(to ID, kind frameKind, body []byte, timeout time.Duration) (answer, error) {
	for {
		s, err := t.get(to)
		if err != nil {
			return answer{}, err
		}
		err = s.SetDeadline(time.Now().Add(timeout))
		if err == nil {
			err = writeFrame(s.w, kind, body)
		}
		var a answer
		if err == nil {
			a, err = t.readAnswer(s)
		}
		var remote *remoteError
		if err == nil || errors.As(err, &remote) {
			t.put(to, s)
			return a, err
		}
		t.drop(s.Conn)
		if !s.reused || errors.Is(err, errFrame) {
			return answer{}, err
		}
		t.forget(to)
	}
}

// remoteError is what the peer said instead of an answer.
type remoteError struct{ text string }

func (e *remoteError) Error() string { return fmt.Sprintf("peer: %q", e.text) }

// readAnswer reads one answer. raft takes an error with a certain text for a vote, so texts from outside are quoted whole and
// what could be one is left out.
func (t *transport) readAnswer(s *stream) (answer, error) {
	for {
		kind, body, err := readFrame(s.r)
		if err != nil {
			return answer{}, err
		}
		switch kind {
		case frameAnswer:
			a, err := decodeAnswer(body)
			if err == nil {
				err = t.guard.answered(a)
			}
			return a, err
		case frameFailed:
			return answer{}, &remoteError{text: safeText(body)}
		case frameWorking:
			if err := s.SetDeadline(time.Now().Add(rpcTimeout)); err != nil {
				return answer{}, err
			}
		default:
			return answer{}, fmt.Errorf("%w: kind %d for an answer", errFrame, kind)
		}
	}
}

// Consumer returns the requests that passed the guard.
func (t *transport) Consumer() <-chan raft.RPC { return t.consume }

// LocalAddr returns this replica's id, which is its address.
func (t *transport) LocalAddr() raft.ServerAddress { return raft.ServerAddress(t.id) }

// EncodePeer returns the id; addresses are ids.
func (t *transport) EncodePeer(id raft.ServerID, _ raft.ServerAddress) []byte { return []byte(id) }

// DecodePeer returns the id as an address.
func (t *transport) DecodePeer(b []byte) raft.ServerAddress { return raft.ServerAddress(b) }

// SetHeartbeatHandler takes the way past raft's main loop for heartbeats.
func (t *transport) SetHeartbeatHandler(fn func(raft.RPC)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.heartbeat = fn
}

func isHeartbeat(a *raft.AppendEntriesRequest) bool {
	return len(a.Entries) == 0 && a.PrevLogEntry == 0 && a.PrevLogTerm == 0 && a.LeaderCommitIndex == 0
}

// AppendEntries sends entries, as many as one frame carries: raft sends the rest next.
func (t *transport) AppendEntries(id raft.ServerID, _ raft.ServerAddress, args *raft.AppendEntriesRequest,
	resp *raft.AppendEntriesResponse,
) error {
	if t.muted() {
		return errMuted
	}
	send := func(timeout time.Duration) error {
		a, err := t.roundTrip(ID(id), frameAppend, encodeAppend(args), timeout)
		if err == nil {
			*resp = appendResponse(a, ID(id))
		}
		return err
	}
	if isHeartbeat(args) {
		err := send(t.short)
		if err == nil {
			t.reach.reached(ID(id))
		}
		return err
	}
	args.Entries = args.Entries[:fit(args.Entries)]
	return t.patiently(ID(id), args.Term, 0, func() error { return send(rpcTimeout) })
}

func appendResponse(a answer, from ID) raft.AppendEntriesResponse {
	return raft.AppendEntriesResponse{
		RPCHeader: a.header(from), Term: a.term, LastLog: a.lastLog, Success: a.granted, NoRetryBackoff: a.no,
	}
}

// RequestVote asks for a vote.
func (t *transport) RequestVote(id raft.ServerID, _ raft.ServerAddress, args *raft.RequestVoteRequest,
	resp *raft.RequestVoteResponse,
) error {
	if t.guard.forgotten() {
		return errForgotten
	}
	a, err := t.roundTrip(ID(id), frameVote, encodeVote(args), t.short)
	if err == nil {
		*resp = raft.RequestVoteResponse{RPCHeader: a.header(ID(id)), Term: a.term, Granted: a.granted}
	}
	return err
}

// RequestPreVote asks whether a vote would be granted.
func (t *transport) RequestPreVote(id raft.ServerID, _ raft.ServerAddress, args *raft.RequestPreVoteRequest,
	resp *raft.RequestPreVoteResponse,
) error {
	if t.guard.forgotten() {
		return errForgotten
	}
	a, err := t.roundTrip(ID(id), framePreVote, encodePreVote(args), t.short)
	if err == nil {
		*resp = raft.RequestPreVoteResponse{RPCHeader: a.header(ID(id)), Term: a.term, Granted: a.granted}
	}
	return err
}

// TimeoutNow tells a follower to stand for election.
func (t *transport) TimeoutNow(id raft.ServerID, _ raft.ServerAddress, args *raft.TimeoutNowRequest,
	resp *raft.TimeoutNowResponse,
) error {
	a, err := t.roundTrip(ID(id), frameTimeout, encodeTimeout(args), t.short)
	if err == nil {
		*resp = raft.TimeoutNowResponse{RPCHeader: a.header(ID(id))}
	}
	return err
}

// InstallSnapshot streams a snapshot. It may take as long as it keeps moving.
func (t *transport) InstallSnapshot(id raft.ServerID, _ raft.ServerAddress, args *raft.InstallSnapshotRequest,
	resp *raft.InstallSnapshotResponse, data io.Reader,
) error {
	if t.muted() {
		return errMuted
	}
	var s *stream
	// Not for long: a snapshot that is open keeps what it is of from being thrown away.
	err := t.patiently(ID(id), args.Term, rpcTimeout, func() (err error) {
		s, err = t.dial(ID(id), serviceRaft)
		return err
	})
	if err != nil {
		return err
	}
	defer t.drop(s.Conn)
	if err := s.SetDeadline(time.Now().Add(rpcTimeout)); err != nil {
		return err
	}
	if err := writeFrame(s.w, frameSnapshot, encodeInstall(args)); err != nil {
		return err
	}
	if _, err := io.Copy(&movingWriter{s}, io.LimitReader(data, args.Size)); err != nil {
		return err
	}
	if err := s.SetDeadline(time.Now().Add(rpcTimeout)); err != nil {
		return err
	}
	a, err := t.readAnswer(s)
	if err == nil {
		*resp = raft.InstallSnapshotResponse{RPCHeader: a.header(ID(id)), Term: a.term, Success: a.granted}
	}
	return err
}

// movingWriter gives each write its own deadline.
type movingWriter struct{ s *stream }

func (m *movingWriter) Write(b []byte) (int, error) {
	if err := m.s.SetDeadline(time.Now().Add(rpcTimeout)); err != nil {
		return 0, err
	}
	return m.s.Conn.Write(b)
}

// movingReader gives each read its own deadline.
type movingReader struct{ s *stream }

func (m *movingReader) Read(b []byte) (int, error) {
	if err := m.s.SetReadDeadline(time.Now().Add(rpcTimeout)); err != nil {
		return 0, err
	}
	return m.s.r.Read(b)
}

// close cuts all streams and returns once nothing is served any more.
func (t *transport) close() error {
	t.cut()
	t.serving.Wait()
	return t.closeErr
}

// cut closes the Network and all streams.
func (t *transport) cut() {
	t.closeOnce.Do(func() {
		close(t.closed)
		t.mu.Lock()
		t.isClosed = true
		open := t.open
		t.open = make(map[net.Conn]struct{})
		t.mu.Unlock()
		t.closeErr = t.network.Close()
		for c := range open {
			_ = c.Close()
		}
	})
}
