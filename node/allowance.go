package node

import (
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/federation/wire"
)

// limitOf returns how often one node may call a method: so many a second, and so many at once. A Status walks the roster;
// each Rejoin changes the consensus group twice, as the steward gives the vote back. A method that is not known may never
// be called.
func limitOf(method string) (every rate.Limit, burst int) {
	switch method {
	case wire.Region_Status_FullMethodName:
		return 2, 10
	case wire.Region_Applied_FullMethodName: // a receipt that is waited for asks twice a second
		return 10, 50
	case wire.Region_Rejoin_FullMethodName:
		return 0.2, 2
	case wire.Region_Witnessed_FullMethodName:
		return 2, 10
	case wire.Region_Accesses_FullMethodName: // each reads up to 50,000 entries of the audit log
		return 2, 20
	default:
		return 0, 0
	}
}

// mostCallers bounds how many callers are remembered: the region's nodes, and those introduced.
const mostCallers = 4096

// allowance keeps one member from keeping this node busy.
type allowance struct {
	mu      sync.Mutex
	callers map[call]*rate.Limiter
}

type call struct {
	method string
	by     federation.NodeID
}

func newAllowance() *allowance { return &allowance{callers: make(map[call]*rate.Limiter)} }

// take reports whether a node may call a method now.
func (a *allowance) take(method string, by federation.NodeID, now time.Time) bool {
	every, burst := limitOf(method)
	if burst == 0 {
		return false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	c := call{method, by}
	l := a.callers[c]
	if l == nil {
		if len(a.callers) >= mostCallers {
			clear(a.callers)
		}
		l = rate.NewLimiter(every, burst)
		a.callers[c] = l
	}
	return l.AllowN(now, 1)
}
