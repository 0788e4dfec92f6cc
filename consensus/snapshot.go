package consensus

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"path/filepath"
	"time"

	"github.com/hashicorp/raft"
)

// A snapshot on the wire, all numbers little endian:
//
//	0   4   "RWSS"
//	4   1   version, 1
//	5   3   zero
//	8   8   applied index
//	16  8   term of that entry
//	24  8   n, the length of the body
//	32  n   body, as Machine.Snapshot wrote it
//	    32  SHA-256 of all before
const (
	snapshotMagic    = "RWSS"
	snapshotVersion  = 1
	snapshotHeader   = 32
	snapshotOverhead = snapshotHeader + sha256.Size
	liveID           = "live"
	receivedID       = "received"
)

func snapshotHead(at position, body int64) []byte {
	b := make([]byte, snapshotHeader)
	copy(b, snapshotMagic)
	b[4] = snapshotVersion
	binary.LittleEndian.PutUint64(b[8:], at.index)
	binary.LittleEndian.PutUint64(b[16:], at.term)
	binary.LittleEndian.PutUint64(b[24:], uint64(body))
	return b
}

// snapshots is raft's view of the state as a snapshot. There is always exactly one: the state in service.
type snapshots struct {
	machine *stateMachine
	sends   *sends
}

// Create makes the sink for a snapshot: one that raft takes of this replica is never written to, one that a leader sends is.
func (s *snapshots) Create(_ raft.SnapshotVersion, index, term uint64, c raft.Configuration,
	configIndex uint64, _ raft.Transport,
) (raft.SnapshotSink, error) {
	return &snapshotSink{
		machine: s.machine, at: position{index: index, term: term},
		members: membership{index: configIndex, data: raft.EncodeConfiguration(c)},
	}, nil
}

// List returns the state in service, if anything was ever applied.
func (s *snapshots) List() ([]*raft.SnapshotMeta, error) {
	state, err := s.machine.current()
	if err != nil {
		return nil, err
	}
	defer state.release()
	r := state.read()
	defer r.discard()
	meta, err := snapshotMeta(r)
	if err != nil || meta == nil {
		return nil, err
	}
	return []*raft.SnapshotMeta{meta}, nil
}

func snapshotMeta(r *stateReader) (*raft.SnapshotMeta, error) {
	at, members := r.applied(), r.members()
	if at.index == 0 {
		return nil, nil
	}
	c, err := decodeConfiguration(members.data)
	if err != nil {
		return nil, fmt.Errorf("state: %w: %w", ErrDamaged, err)
	}
	return &raft.SnapshotMeta{
		Version: raft.SnapshotVersionMax, ID: liveID, Index: at.index, Term: at.term,
		Configuration: c, ConfigurationIndex: members.index,
	}, nil
}

// Open streams one version of the state, at whatever index it is by then.
func (s *snapshots) Open(id string) (*raft.SnapshotMeta, io.ReadCloser, error) {
	if id == receivedID {
		return &raft.SnapshotMeta{ID: receivedID}, io.NopCloser(bytes.NewReader(nil)), nil
	}
	state, err := s.machine.current()
	if err != nil {
		return nil, nil, err
	}
	r := state.read()
	one := s.sends.begin(r.applied().index, time.Now())
	done := func() {
		r.discard()
		state.release()
		s.sends.end(one, time.Now())
	}
	meta, err := snapshotMeta(r)
	if err == nil && meta == nil {
		err = raft.ErrNothingNewToSnapshot
	}
	if err != nil {
		done()
		return nil, nil, err
	}
	body, err := guarded(func() (int64, error) { return s.machine.config.Machine.SnapshotSize(r) })
	if err != nil || body < 0 {
		done()
		return nil, nil, fmt.Errorf("size of snapshot %d: %w", body, err)
	}
	meta.Size = body + snapshotOverhead
	return meta, newSnapshotStream(s.machine.config.Machine, r, position{meta.Index, meta.Term}, body, done), nil
}

// snapshotStream turns Machine.Snapshot, which writes, into something raft can read.
type snapshotStream struct {
	*io.PipeReader
	ended chan struct{}
}

func newSnapshotStream(m Machine, r Reader, at position, body int64, done func()) *snapshotStream {
	pr, pw := io.Pipe()
	s := &snapshotStream{PipeReader: pr, ended: make(chan struct{})}
	go func() {
		defer close(s.ended)
		defer done()
		pw.CloseWithError(writeSnapshot(m, r, at, body, pw))
	}()
	return s
}

func writeSnapshot(m Machine, r Reader, at position, body int64, w io.Writer) error {
	sum := sha256.New()
	out := &counted{w: io.MultiWriter(w, sum)}
	if _, err := out.Write(snapshotHead(at, body)); err != nil {
		return err
	}
	_, err := guarded(func() (struct{}, error) { return struct{}{}, m.Snapshot(r, out) })
	if err != nil {
		return fmt.Errorf("write snapshot: %w", err)
	}
	if out.n != snapshotHeader+body {
		return fmt.Errorf("snapshot is %d bytes, its size was said to be %d", out.n-snapshotHeader, body)
	}
	_, err = w.Write(sum.Sum(nil))
	return err
}

// Close ends the stream and returns once the state is let go.
func (s *snapshotStream) Close() error {
	err := s.PipeReader.Close()
	<-s.ended
	return err
}

type counted struct {
	w io.Writer
	n int64
}

func (c *counted) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += int64(n)
	return n, err
}

// receivedState is a state that is complete and on disk, but not yet in service.
type receivedState struct {
	state   *stateDB
	at      position
	members membership
}

func (r *receivedState) name() string { return filepath.Base(r.state.dir) }

func (r *receivedState) discard() {
	r.state.retire()
	r.state.release()
}

func (r *receivedState) close() error {
	r.state.release()
	return r.state.wait()
}

// snapshotSink builds a new state beside the one in service while the snapshot arrives.
type snapshotSink struct {
	machine *stateMachine
	at      position
	members membership

	pipe     *io.PipeWriter
	result   chan error
	received *receivedState
}

func (s *snapshotSink) ID() string {
	if s.pipe == nil {
		return liveID
	}
	return receivedID
}

func (s *snapshotSink) Write(b []byte) (int, error) {
	if s.pipe == nil {
		pr, pw := io.Pipe()
		s.pipe, s.result = pw, make(chan error, 1)
		go func() {
			err := s.receive(pr)
			if err != nil {
				err = fmt.Errorf("%w: %w", ErrSnapshotRefused, err)
			}
			pr.CloseWithError(err)
			s.result <- err
		}()
	}
	return s.pipe.Write(b)
}

// Close completes the state. After an error nothing of it is left.
func (s *snapshotSink) Close() error {
	if s.pipe == nil {
		return nil
	}
	if err := s.pipe.Close(); err != nil {
		return err
	}
	if err := <-s.result; err != nil {
		return err
	}
	s.machine.mu.Lock()
	old := s.machine.pending
	s.machine.pending = s.received
	s.machine.mu.Unlock()
	if old != nil {
		old.discard()
	}
	return nil
}

// Cancel removes what was built.
func (s *snapshotSink) Cancel() error {
	if s.pipe == nil {
		return nil
	}
	s.pipe.CloseWithError(errors.New("transfer was cut off"))
	if err := <-s.result; err == nil {
		s.received.discard()
	}
	return nil
}

func (s *snapshotSink) receive(src io.Reader) (err error) {
	sum := sha256.New()
	body, err := s.readHead(src, sum)
	if err != nil {
		return err
	}
	inService, err := s.machine.current()
	if err != nil {
		return err
	}
	dir, err := s.machine.folder.next(inService.dir)
	inService.release()
	if err != nil {
		return err
	}
	c := s.machine.config
	state, err := openState(dir, c)
	if err != nil {
		return err
	}
	state.fill()
	received := &receivedState{state: state, at: s.at, members: s.members}
	defer func() {
		if err != nil {
			received.discard()
		}
	}()
	limited := &io.LimitedReader{R: io.TeeReader(src, sum), N: body}
	if _, err := guarded(func() (struct{}, error) {
		return struct{}{}, c.Machine.Restore(limited, &restoreStore{state: state})
	}); err != nil {
		return err
	}
	if limited.N != 0 {
		return fmt.Errorf("machine left %d bytes unread", limited.N)
	}
	if err := checkTail(src, sum); err != nil {
		return err
	}
	if err := state.commit(state.tx(nil), s.at, &s.members); err != nil {
		return err
	}
	if err := state.sync(); err != nil {
		return err
	}
	s.received = received
	return nil
}

func (s *snapshotSink) readHead(src io.Reader, sum hash.Hash) (int64, error) {
	head := make([]byte, snapshotHeader)
	if _, err := io.ReadFull(src, head); err != nil {
		return 0, fmt.Errorf("header: %w", err)
	}
	body := int64(binary.LittleEndian.Uint64(head[24:]))
	if body < 0 || !bytes.Equal(head, snapshotHead(s.at, body)) {
		return 0, errors.New("header is not that of the snapshot that was announced")
	}
	if _, err := sum.Write(head); err != nil {
		return 0, err
	}
	return body, nil
}

func checkTail(src io.Reader, sum hash.Hash) error {
	want := make([]byte, sha256.Size)
	if _, err := io.ReadFull(src, want); err != nil {
		return fmt.Errorf("digest: %w", err)
	}
	if !bytes.Equal(sum.Sum(nil), want) {
		return errors.New("digest does not match")
	}
	if n, err := io.ReadFull(src, make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
		return errors.New("bytes after the digest")
	}
	return nil
}

// restoreStore is the empty store that Machine.Restore fills.
type restoreStore struct{ state *stateDB }

func (s *restoreStore) Get(key []byte) ([]byte, bool, error) {
	r := s.state.read()
	defer r.discard()
	return r.Get(key)
}

func (s *restoreStore) Scan(prefix, from []byte, fn func(key, value []byte) (bool, error)) error {
	r := s.state.read()
	defer r.discard()
	return r.Scan(prefix, from, fn)
}

func (s *restoreStore) Update(fn func(*Tx) error) error {
	r := s.state.read()
	defer r.discard()
	tx := s.state.tx(r)
	if err := fn(tx); err != nil {
		return err
	}
	if err := tx.check(); err != nil {
		return err
	}
	return s.state.commit(tx, position{}, nil)
}
