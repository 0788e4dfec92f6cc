package consensus

import (
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

// inFlight is how many AppendEntries a pipeline has under way. More of them work against batching: they make commits
// later and no more frequent.
const inFlight = 2

// answered is how many answers wait for raft. It takes them one by one, but for those after a rejection: then it takes no more, and
// notices only between two requests that the pipeline is to end. The answers in between must not stop the requests, or each
// would wait for the other for ever.
const answered = 64

// pipeline sends AppendEntries without waiting for the answers to those before.
type pipeline struct {
	t    *transport
	to   ID
	s    *stream
	sent chan *appendFuture
	done chan raft.AppendFuture

	closed chan struct{}
	once   sync.Once
}

// AppendEntriesPipeline opens a stream of its own for a pipeline.
func (t *transport) AppendEntriesPipeline(id raft.ServerID, _ raft.ServerAddress) (raft.AppendPipeline, error) {
	if t.muted() {
		return nil, errMuted
	}
	s, err := t.dial(ID(id), serviceRaft)
	if err != nil {
		return nil, err
	}
	p := newPipeline(t, ID(id), s)
	go p.read()
	return p, nil
}

func newPipeline(t *transport, to ID, s *stream) *pipeline {
	return &pipeline{
		t: t, to: to, s: s, sent: make(chan *appendFuture, inFlight-1), done: make(chan raft.AppendFuture, answered), closed: make(chan struct{}),
	}
}

// AppendEntries sends as many of the entries as one frame carries; raft goes on after the last one in args.
func (p *pipeline) AppendEntries(args *raft.AppendEntriesRequest, resp *raft.AppendEntriesResponse) (raft.AppendFuture, error) {
	if p.t.muted() {
		return nil, errMuted
	}
	args.Entries = args.Entries[:fit(args.Entries)]
	f := &appendFuture{start: time.Now(), args: args, resp: resp, ended: make(chan struct{})}
	if err := p.s.SetWriteDeadline(time.Now().Add(rpcTimeout)); err != nil {
		return nil, err
	}
	if err := writeFrame(p.s.w, frameAppend, encodeAppend(args)); err != nil {
		return nil, err
	}
	late := time.NewTimer(rpcTimeout)
	defer late.Stop()
	select {
	case p.sent <- f:
		return f, nil
	case <-p.closed:
		return nil, raft.ErrPipelineShutdown
	case <-late.C:
		return nil, raft.ErrPipelineShutdown
	}
}

// read takes in the answers, in order. After a failure all further futures fail as well; raft closes the pipeline.
func (p *pipeline) read() {
	var failed error
	for {
		var f *appendFuture
		select {
		case f = <-p.sent:
		case <-p.closed:
			return
		}
		if failed == nil {
			var a answer
			if failed = p.s.SetReadDeadline(time.Now().Add(rpcTimeout)); failed == nil {
				a, failed = p.t.readAnswer(p.s)
			}
			if failed == nil {
				*f.resp = appendResponse(a, p.to)
			}
		}
		f.err = failed
		close(f.ended)
		select {
		case p.done <- f:
		case <-p.closed:
			return
		}
	}
}

// Consumer returns the futures whose answers came.
func (p *pipeline) Consumer() <-chan raft.AppendFuture { return p.done }

// Close ends the pipeline and its stream.
func (p *pipeline) Close() error {
	p.once.Do(func() {
		close(p.closed)
		p.t.drop(p.s.Conn)
	})
	return nil
}

// appendFuture is one request of a pipeline.
type appendFuture struct {
	start time.Time
	args  *raft.AppendEntriesRequest
	resp  *raft.AppendEntriesResponse
	ended chan struct{}
	err   error
}

func (f *appendFuture) Error() error {
	<-f.ended
	return f.err
}

func (f *appendFuture) Start() time.Time                      { return f.start }
func (f *appendFuture) Request() *raft.AppendEntriesRequest   { return f.args }
func (f *appendFuture) Response() *raft.AppendEntriesResponse { return f.resp }
