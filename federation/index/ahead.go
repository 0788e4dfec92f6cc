package index

import (
	"fmt"
	"runtime"
	"sync"

	"github.com/ridgeway-exchange/ridgeway/consensus"
	"github.com/ridgeway-exchange/ridgeway/federation"
)

// aheads is work on commands before their turn: decoding them, and verifying their signatures with the key in force by then.
// Commands are told apart by the memory they lie in, which an entry holds: consensus hands the same bytes to Vet or Prepare and
// then to Apply. What is missing here is done when the turn comes.
type aheads struct {
	mu      sync.Mutex
	known   map[*byte]*ahead
	order   []*ahead // oldest first; some are taken already
	bytes   int      // of those known
	todo    []*ahead
	working int
}

// ahead is one command.
type ahead struct {
	cmd  []byte
	once sync.Once
	p    *prepared
}

// Bounds of what is known ahead; the oldest makes room. Some commands never get a turn: another leader's replace them.
const (
	maxAhead      = 1024
	maxAheadBytes = 8 << 20
)

func (a *ahead) prepare(roster *federation.Roster) *prepared {
	a.once.Do(func() {
		a.p = prepare(a.cmd)
		a.p.ahead(roster)
	})
	return a.p
}

// add returns the entry of a command; fresh is true when there was none. It is nil for an empty command.
func (a *aheads) add(cmd []byte) (e *ahead, fresh bool) {
	if len(cmd) == 0 {
		return nil, false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if e := a.known[&cmd[0]]; e != nil {
		return e, false
	}
	e = &ahead{cmd: cmd}
	if a.known == nil {
		a.known = make(map[*byte]*ahead)
	}
	a.known[&cmd[0]] = e
	a.order = append(a.order, e)
	a.bytes += len(cmd)
	for len(a.order) > maxAhead || a.bytes > maxAheadBytes && len(a.order) > 1 {
		a.forget(a.order[0])
		a.order = a.order[1:]
	}
	return e, true
}

// forget drops an entry, if it is known; a.mu is held.
func (a *aheads) forget(e *ahead) {
	if a.known[&e.cmd[0]] == e {
		delete(a.known, &e.cmd[0])
		a.bytes -= len(e.cmd)
	}
}

// take returns a command that is prepared, or at least decoded.
func (a *aheads) take(cmd []byte, roster *federation.Roster) *prepared {
	if len(cmd) == 0 {
		return prepare(cmd)
	}
	a.mu.Lock()
	e := a.known[&cmd[0]]
	if e != nil {
		a.forget(e)
	}
	a.mu.Unlock()
	if e == nil || len(e.cmd) != len(cmd) {
		return prepare(cmd)
	}
	return e.prepare(roster)
}

// start has an entry prepared by another goroutine.
func (a *aheads) start(e *ahead, roster func() *federation.Roster) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.todo = append(a.todo, e)
	if a.working >= runtime.GOMAXPROCS(0) {
		return
	}
	a.working++
	go a.work(roster)
}

func (a *aheads) work(roster func() *federation.Roster) {
	for {
		a.mu.Lock()
		if len(a.todo) == 0 {
			a.todo = nil
			a.working--
			a.mu.Unlock()
			return
		}
		e := a.todo[0]
		a.todo = a.todo[1:]
		wanted := a.known[&e.cmd[0]] == e
		a.mu.Unlock()
		if wanted {
			e.prepare(roster())
		}
	}
}

// Prepare begins to decode and verify a command that was put into the log, ahead of its turn.
func (l *Ledger) Prepare(cmd []byte) {
	if e, fresh := l.ahead.add(cmd); fresh {
		l.ahead.start(e, l.Roster)
	}
}

// Vet refuses, at the leader and before it is in any log, what no replica could take: a command that does not decode, and a
// statement of a kind or version that this program does not know. Once it was committed such a statement, signed by an active
// trust, would stop every replica. It fails with ErrUnfit and ErrUnknownStatement.
func (l *Ledger) Vet(cmd []byte) error {
	e, _ := l.ahead.add(cmd)
	if e == nil {
		return fmt.Errorf("empty command: %w", ErrUnfit)
	}
	err := vet(e.prepare(l.Roster()))
	if err != nil {
		l.ahead.mu.Lock()
		l.ahead.forget(e)
		l.ahead.mu.Unlock()
	}
	return err
}

func vet(p *prepared) error {
	if p.err != nil {
		return fmt.Errorf("%w: %w", ErrUnfit, p.err)
	}
	_, err := p.decode()
	switch {
	case !p.statement.Kind.Valid() || newer(err):
		return fmt.Errorf("%s of %s: %w: %w", p.statement.Kind, p.statement.Trust, ErrUnfit, ErrUnknownStatement)
	case err != nil:
		return fmt.Errorf("%w: %w", ErrUnfit, err)
	}
	return nil
}

var (
	_ consensus.Vetter   = (*Ledger)(nil)
	_ consensus.Preparer = (*Ledger)(nil)
)
