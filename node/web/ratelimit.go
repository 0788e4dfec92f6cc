package web

import (
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

const (
	startsASecond = 5   // sign-ons that one address may start; a whole hospital may come from one
	startsAtOnce  = 100 // after a quiet time
	maxAddresses  = 10_000
	addressTime   = time.Minute // without a start, after which an address is forgotten: its allowance is full again by then

	asksEvery  = 5 * time.Second // that one patient may ask what all trusts have to answer or to hear
	asksAtOnce = 10              // after a quiet time
)

// limiter bounds how often each network address may do something, so that nobody displaces the sign-ons of others, or how often
// each patient may. It is safe for concurrent use.
type limiter struct {
	now    func() time.Time
	each   rate.Limit
	atOnce int

	mu   sync.Mutex
	seen map[string]*allowance
}

type allowance struct {
	bucket *rate.Limiter
	last   time.Time
}

func newLimiter(now func() time.Time) *limiter {
	return &limiter{now: now, each: startsASecond, atOnce: startsAtOnce, seen: make(map[string]*allowance)}
}

// newAsks returns a limiter of what each patient asks.
func newAsks(now func() time.Time) *limiter {
	return &limiter{now: now, each: rate.Every(asksEvery), atOnce: asksAtOnce, seen: make(map[string]*allowance)}
}

// allow reports whether the address that a request comes from may go on. What cannot be read counts as one address.
func (l *limiter) allow(r *http.Request) bool {
	return l.allowed(networkOf(r.RemoteAddr).String())
}

// allowed reports whether an address or a patient may go on.
func (l *limiter) allowed(from string) bool {
	now := l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.seen[from]
	if a == nil {
		if len(l.seen) >= maxAddresses {
			l.forget(now)
		}
		a = &allowance{bucket: rate.NewLimiter(l.each, l.atOnce)}
		l.seen[from] = a
	}
	a.last = now
	return a.bucket.AllowN(now, 1)
}

// forget drops the addresses that were quiet, and any other where that is not enough.
func (l *limiter) forget(now time.Time) {
	for k, a := range l.seen {
		if now.Sub(a.last) > addressTime {
			delete(l.seen, k)
		}
	}
	for k := range l.seen {
		if len(l.seen) < maxAddresses {
			return
		}
		delete(l.seen, k)
	}
}

// networkOf is the address that a request comes from; of IPv6 the network of 64 bits, within which a host takes any it likes.
func networkOf(remote string) netip.Prefix {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		return netip.Prefix{}
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Prefix{}
	}
	bits := 32
	if ip = ip.Unmap().WithZone(""); ip.Is6() {
		bits = 64
	}
	p, err := ip.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}
