package consensus

import (
	"fmt"

	"github.com/hashicorp/raft"
)

// Requests start with the sender's protocol version and id. raft's deprecated fields for addresses are not used: an
// address is an id.

func encodeHeader(e *encoder, h raft.RPCHeader) {
	e.uint(uint64(h.ProtocolVersion))
	e.bytes(h.ID)
}

func decodeHeader(d *decoder) raft.RPCHeader {
	version := d.uint()
	id := d.bytes()
	if version > 100 || len(id) > 64 {
		d.err = errFrame
		return raft.RPCHeader{}
	}
	return raft.RPCHeader{ProtocolVersion: raft.ProtocolVersion(version), ID: id, Addr: id}
}

// entrySize is the most that one entry takes in a frame besides its data.
const entrySize = 3*10 + 1

// fit returns how many of the entries one frame can carry; at least one.
func fit(entries []*raft.Log) int {
	size := maxSmallFrame
	for i, l := range entries {
		size += len(l.Data) + entrySize
		if size > maxFrame {
			return max(i, 1)
		}
	}
	return len(entries)
}

func encodeAppend(a *raft.AppendEntriesRequest) []byte {
	size := maxSmallFrame
	for _, l := range a.Entries {
		size += len(l.Data) + entrySize
	}
	e := &encoder{b: make([]byte, 0, min(size, maxFrame))}
	encodeHeader(e, a.RPCHeader)
	e.uint(a.Term)
	e.uint(a.PrevLogEntry)
	e.uint(a.PrevLogTerm)
	e.uint(a.LeaderCommitIndex)
	e.uint(uint64(len(a.Entries)))
	for _, l := range a.Entries {
		e.uint(l.Index)
		e.uint(l.Term)
		e.b = append(e.b, byte(l.Type))
		e.bytes(l.Data)
	}
	return e.b
}

func decodeAppend(body []byte) (*raft.AppendEntriesRequest, error) {
	d := &decoder{b: body}
	a := &raft.AppendEntriesRequest{RPCHeader: decodeHeader(d), Term: d.uint()}
	a.PrevLogEntry, a.PrevLogTerm, a.LeaderCommitIndex = d.uint(), d.uint(), d.uint()
	count := d.uint()
	if count > maxEntries {
		return nil, fmt.Errorf("%w: %d entries", errFrame, count)
	}
	for i := uint64(0); i < count && d.err == nil; i++ {
		a.Entries = append(a.Entries, &raft.Log{
			Index: d.uint(), Term: d.uint(), Type: raft.LogType(d.byte()), Data: d.bytes(),
		})
	}
	return a, d.end()
}

// maxEntries bounds the entries of one AppendEntries; a leader sends appendEntries of them.
const (
	maxEntries    = 1024
	appendEntries = 256
)

func encodeVote(v *raft.RequestVoteRequest) []byte {
	e := &encoder{}
	encodeHeader(e, v.RPCHeader)
	e.uint(v.Term)
	e.uint(v.LastLogIndex)
	e.uint(v.LastLogTerm)
	e.bool(v.LeadershipTransfer)
	return e.b
}

func decodeVote(body []byte) (*raft.RequestVoteRequest, error) {
	d := &decoder{b: body}
	v := &raft.RequestVoteRequest{
		RPCHeader: decodeHeader(d), Term: d.uint(), LastLogIndex: d.uint(), LastLogTerm: d.uint(), LeadershipTransfer: d.bool(),
	}
	return v, d.end()
}

func encodePreVote(v *raft.RequestPreVoteRequest) []byte {
	e := &encoder{}
	encodeHeader(e, v.RPCHeader)
	e.uint(v.Term)
	e.uint(v.LastLogIndex)
	e.uint(v.LastLogTerm)
	return e.b
}

func decodePreVote(body []byte) (*raft.RequestPreVoteRequest, error) {
	d := &decoder{b: body}
	v := &raft.RequestPreVoteRequest{RPCHeader: decodeHeader(d), Term: d.uint(), LastLogIndex: d.uint(), LastLogTerm: d.uint()}
	return v, d.end()
}

func encodeInstall(s *raft.InstallSnapshotRequest) []byte {
	e := &encoder{}
	encodeHeader(e, s.RPCHeader)
	e.uint(uint64(s.SnapshotVersion))
	e.uint(s.Term)
	e.uint(s.LastLogIndex)
	e.uint(s.LastLogTerm)
	e.bytes(s.Configuration)
	e.uint(s.ConfigurationIndex)
	e.uint(uint64(s.Size))
	return e.b
}

func decodeInstall(body []byte) (*raft.InstallSnapshotRequest, error) {
	d := &decoder{b: body}
	s := &raft.InstallSnapshotRequest{RPCHeader: decodeHeader(d), SnapshotVersion: raft.SnapshotVersion(d.uint() & 0xff)}
	s.Term, s.LastLogIndex, s.LastLogTerm = d.uint(), d.uint(), d.uint()
	s.Configuration, s.ConfigurationIndex = d.bytes(), d.uint()
	s.Size = int64(d.uint())
	return s, d.end()
}

func encodeTimeout(t *raft.TimeoutNowRequest) []byte {
	e := &encoder{}
	encodeHeader(e, t.RPCHeader)
	return e.b
}

func decodeTimeout(body []byte) (*raft.TimeoutNowRequest, error) {
	d := &decoder{b: body}
	t := &raft.TimeoutNowRequest{RPCHeader: decodeHeader(d)}
	return t, d.end()
}

// answer is the response to any of raft's requests: each uses the fields it has.
type answer struct {
	term     uint64
	lastLog  uint64
	granted  bool // or success
	no       bool // no backoff before the next try
	protocol raft.ProtocolVersion
}

func (a answer) encode() []byte {
	e := &encoder{}
	e.uint(uint64(a.protocol))
	e.uint(a.term)
	e.uint(a.lastLog)
	e.bool(a.granted)
	e.bool(a.no)
	return e.b
}

func decodeAnswer(body []byte) (answer, error) {
	d := &decoder{b: body}
	a := answer{
		protocol: raft.ProtocolVersion(d.uint() & 0xff), term: d.uint(), lastLog: d.uint(), granted: d.bool(), no: d.bool(),
	}
	return a, d.end()
}

// answerOf turns raft's response into an answer.
func answerOf(response any) (answer, error) {
	a := answer{protocol: raft.ProtocolVersionMax}
	switch r := response.(type) {
	case *raft.AppendEntriesResponse:
		a.term, a.lastLog, a.granted, a.no = r.Term, r.LastLog, r.Success, r.NoRetryBackoff
	case *raft.RequestVoteResponse:
		a.term, a.granted = r.Term, r.Granted
	case *raft.RequestPreVoteResponse:
		a.term, a.granted = r.Term, r.Granted
	case *raft.InstallSnapshotResponse:
		a.term, a.granted = r.Term, r.Success
	case *raft.TimeoutNowResponse:
	default:
		return a, fmt.Errorf("raft answered with %T", response)
	}
	return a, nil
}

// header returns the header that raft would have found in a response.
func (a answer) header(from ID) raft.RPCHeader {
	return raft.RPCHeader{ProtocolVersion: a.protocol, ID: []byte(from), Addr: []byte(from)}
}
