package exchange

import (
	"errors"

	"github.com/ridgeway-exchange/ridgeway/federation/endpoint"
	"github.com/ridgeway-exchange/ridgeway/policy"
)

// Every outcome and its codes on the wire, in one table for both directions. A code, once given, keeps its meaning; a
// code that this program does not know is a refusal.
var codes = []struct {
	outcome policy.Outcome
	wire    uint8              // in a refusal frame
	reset   endpoint.ResetCode // of a stream that is cut off in the middle
	err     error
}{
	{policy.Denied, 1, 32, ErrDenied},
	{policy.StalePolicy, 2, 33, ErrStalePolicy},
	{policy.Unavailable, 3, 34, ErrUnavailable},
	{policy.Integrity, 4, 35, ErrIntegrity},
	{policy.NotFound, 5, 36, ErrNotFound},
	{policy.TooMany, 6, 37, ErrTooMany},
}

// resetCancelled is how a requester says that it wants no more.
const resetCancelled = endpoint.ResetCaller

func wireCode(o policy.Outcome) uint8 {
	for _, c := range codes {
		if c.outcome == o {
			return c.wire
		}
	}
	return wireCode(policy.Denied) // an outcome without a code of its own refuses
}

func outcomeOfWire(code uint8) policy.Outcome {
	for _, c := range codes {
		if c.wire == code {
			return c.outcome
		}
	}
	return policy.Denied
}

func resetCode(o policy.Outcome) endpoint.ResetCode {
	for _, c := range codes {
		if c.outcome == o {
			return c.reset
		}
	}
	return resetCode(policy.Denied)
}

// refusalOfReset returns the refusal that a reset by the other end stands for, if it stands for one.
func refusalOfReset(err error) (*Refusal, bool) {
	var reset *endpoint.ResetError
	if !errors.As(err, &reset) || !reset.Remote {
		return nil, false
	}
	for _, c := range codes {
		if c.reset == reset.Code {
			r := refuse(c.outcome, nil)
			if r.Outcome == policy.Denied {
				r.Text = cutOff
			}
			return r, true
		}
	}
	return nil, false
}

func sentinel(o policy.Outcome) error {
	for _, c := range codes {
		if c.outcome == o {
			return c.err
		}
	}
	return ErrDenied
}
