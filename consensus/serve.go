package consensus

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/hashicorp/raft"
)

const (
	// peerStreams is how many streams one peer may have open here at a time.
	peerStreams = 16
	// firstByte is how long a new stream may stay silent, and idleStream how long between requests.
	firstByte  = 5 * time.Second
	idleStream = time.Minute
	// workingEvery is how often the sender of a snapshot is told that it is still being worked on.
	workingEvery = 2 * time.Second
)

// serve accepts streams until the transport is closed. It is called once raft is there to consume.
func (t *transport) serve() {
	defer t.serving.Done()
	for {
		conn, err := t.network.Accept()
		if err != nil {
			select {
			case <-t.closed:
				return
			case <-time.After(100 * time.Millisecond): // so that a Network that fails at once does not take a core
			}
			if errors.Is(err, net.ErrClosed) {
				return
			}
			continue
		}
		peer, ok := t.admit(conn)
		if !ok {
			_ = conn.Close()
			continue
		}
		go func() {
			defer t.serving.Done()
			defer t.leave(peer)
			defer t.drop(conn)
			t.stream(peer, newStream(conn))
		}()
	}
}

// admit takes a stream in if it is a Member's and not one too many.
func (t *transport) admit(conn net.Conn) (ID, bool) {
	peer, err := t.network.Peer(conn)
	if err != nil || !t.guard.member(peer) {
		t.guard.count(refusedStranger)
		return "", false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.isClosed {
		return "", false
	}
	if t.incoming[peer] >= peerStreams {
		t.guard.count(refusedStreams)
		return "", false
	}
	t.incoming[peer]++
	t.open[conn] = struct{}{}
	t.serving.Add(1)
	return peer, true
}

func (t *transport) leave(peer ID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.incoming[peer]--; t.incoming[peer] == 0 {
		delete(t.incoming, peer)
	}
}

func (t *transport) stream(peer ID, s *stream) {
	if err := s.SetReadDeadline(time.Now().Add(firstByte)); err != nil {
		return
	}
	service, err := s.r.ReadByte()
	if err != nil {
		return
	}
	switch service {
	case serviceRaft:
		for t.request(peer, s) {
		}
	case serviceCalls:
		t.calls(peer, s)
	default:
		t.guard.count(refusedMalformed)
	}
}

// next reads a frame, waiting long for its first byte and not long for the rest.
func (s *stream) next() (frameKind, []byte, error) {
	if err := s.SetReadDeadline(time.Now().Add(idleStream)); err != nil {
		return 0, nil, err
	}
	if _, err := s.r.Peek(1); err != nil {
		return 0, nil, err
	}
	if err := s.SetReadDeadline(time.Now().Add(rpcTimeout)); err != nil {
		return 0, nil, err
	}
	return readFrame(s.r)
}

// request serves one of raft's requests; false ends the stream.
func (t *transport) request(peer ID, s *stream) bool {
	kind, body, err := s.next()
	var command any
	if err == nil {
		command, err = decodeRequest(kind, body)
	}
	if err != nil {
		if errors.Is(err, errFrame) {
			t.guard.count(refusedMalformed)
		}
		return false
	}
	short, err := t.guard.check(peer, command)
	if err != nil {
		// A snapshot's bytes would follow; whoever is refused for anything else may try again on the same stream.
		return t.fail(s, err) == nil && kind != frameSnapshot
	}
	var data io.Reader
	if install, ok := command.(*raft.InstallSnapshotRequest); ok {
		data = io.LimitReader(&movingReader{s}, install.Size)
	}
	response, err := t.dispatch(s, command, data)
	if errors.Is(err, errTransportClosed) {
		return false
	}
	if err != nil {
		return t.fail(s, err) == nil && kind != frameSnapshot
	}
	a, err := answerOf(response)
	if err != nil {
		return false
	}
	if short {
		a.granted = false
	}
	if err := s.SetWriteDeadline(time.Now().Add(rpcTimeout)); err != nil {
		return false
	}
	return writeFrame(s.w, frameAnswer, a.encode()) == nil
}

func decodeRequest(kind frameKind, body []byte) (any, error) {
	switch kind {
	case frameAppend:
		return decodeAppend(body)
	case frameVote:
		return decodeVote(body)
	case framePreVote:
		return decodePreVote(body)
	case frameSnapshot:
		return decodeInstall(body)
	case frameTimeout:
		return decodeTimeout(body)
	case frameAnswer, frameFailed, frameWorking, frameSubmit, frameReadIndex, frameWaitApplied, frameMember, frameReply:
	}
	return nil, fmt.Errorf("%w: kind %d for a request", errFrame, kind)
}

// dispatch hands a request to raft and waits for its response.
func (t *transport) dispatch(s *stream, command any, data io.Reader) (any, error) {
	answers := make(chan raft.RPCResponse, 1)
	rpc := raft.RPC{Command: command, Reader: data, RespChan: answers}
	t.mu.Lock()
	heartbeat := t.heartbeat
	t.mu.Unlock()
	if a, ok := command.(*raft.AppendEntriesRequest); ok && isHeartbeat(a) && heartbeat != nil {
		heartbeat(rpc)
	} else {
		select {
		case t.consume <- rpc:
		case <-t.closed:
			return nil, errTransportClosed
		}
	}
	working := time.NewTicker(workingEvery)
	defer working.Stop()
	for {
		select {
		case r := <-answers:
			return r.Response, r.Error
		case <-t.closed:
			return nil, errTransportClosed
		case <-working.C:
			if data == nil {
				continue
			}
			if err := s.SetWriteDeadline(time.Now().Add(rpcTimeout)); err != nil {
				return nil, errTransportClosed
			}
			if err := writeFrame(s.w, frameWorking, nil); err != nil {
				return nil, errTransportClosed
			}
		}
	}
}

// fail tells the peer that its request came to nothing.
func (t *transport) fail(s *stream, cause error) error {
	if err := s.SetWriteDeadline(time.Now().Add(rpcTimeout)); err != nil {
		return err
	}
	return writeFrame(s.w, frameFailed, []byte(safeText([]byte(cause.Error()))))
}

// safeText makes a text that came from a peer, or goes to one, short and harmless: raft counts an error that contains
// "unexpected command" as a granted pre-vote.
func safeText(b []byte) string {
	text := strings.ToValidUTF8(string(b[:min(len(b), 256)]), "?")
	return strings.ReplaceAll(text, "command", "request")
}
