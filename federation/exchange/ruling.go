package exchange

import (
	"crypto/ed25519"
	"fmt"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/policy"
)

// MaxProof is the most bytes that a signed receipt or ruling may have.
const MaxProof = 2048

const (
	rulingContext = "ridgeway ruling v1\x00"
	rulingVersion = 1

	maxRuling     = MaxProof
	maxRulingRule = 64 // bytes of a rule's name
	maxRulings    = 20 // rules: the last decide
)

// Ruling is what a custodian tells a requesting trust, under its signature, of what it has decided on a request: the requester's
// audit log keeps it, so that the custodian cannot deny later what it decided, on which rules, and that its own log has it. The
// rules are named with their versions and without their words: these can tell what the document is about. It is not sent where
// the user may not know of the document.
//
//	size  field                                      size  field
//	1     version, 1                                 v     age of the proof that the state is recent, microseconds
//	1     flags: 1 the glass is broken               v     bytes that are to leave
//	1     outcome                                    8     time, microseconds since 1970 UTC
//	32    digest of the signed assertion             v     rules; for each
//	32    manifest                                   v+n     name
//	8     index of the custodian's audit entry       v+n     trust whose rule it is
//	8     index of the agreed state                  v       version
//
// The signature is by the custodian's statement key over "ridgeway ruling v1", a zero byte, and these bytes.
type Ruling struct {
	Assertion federation.Digest
	Manifest  federation.Digest
	Entry     uint64 // of the intent, or the refusal, in the custodian's audit log
	Outcome   policy.Outcome
	Glass     bool
	State     uint64
	Age       time.Duration
	Bytes     uint64
	At        time.Time
	Chain     []policy.Reason // without their texts
}

func (r Ruling) encode() []byte {
	var e federation.Encoder
	e.U8(rulingVersion)
	flags := uint8(0)
	if r.Glass {
		flags = 1
	}
	e.U8(flags)
	e.U8(uint8(r.Outcome))
	e.Fixed(r.Assertion[:])
	e.Fixed(r.Manifest[:])
	e.U64(r.Entry)
	e.U64(r.State)
	e.Uvarint(uint64(min(max(r.Age.Microseconds(), 0), maxSequence)))
	e.Uvarint(r.Bytes)
	e.Time(r.At)
	chain := r.Chain[max(0, len(r.Chain)-maxRulings):]
	e.Uvarint(uint64(len(chain)))
	for _, reason := range chain {
		rule := reason.Rule
		if len(rule) > maxRulingRule || !plain(rule) {
			rule = "rule"
		}
		e.Text(rule)
		e.Text(string(reason.Source))
		e.Uvarint(min(reason.Version, maxSequence))
	}
	return e.Bytes()
}

// VerifyRuling reads a signed ruling and checks the signature. It fails with federation.ErrSignature, federation.ErrMalformed or
// federation.ErrVersion.
func VerifyRuling(signed []byte, key federation.PublicKey) (Ruling, error) {
	raw, err := open(rulingContext, signed, key)
	if err != nil {
		return Ruling{}, fmt.Errorf("ruling: %w", err)
	}
	return decodeRuling(raw)
}

func decodeRuling(raw []byte) (Ruling, error) {
	var r Ruling
	d := federation.NewDecoder("ruling", raw)
	if v := d.U8(); d.Err() == nil && v != rulingVersion {
		return r, fmt.Errorf("ruling version %d: %w", v, federation.ErrVersion)
	}
	flags := d.U8()
	r.Glass, r.Outcome = flags == 1, policy.Outcome(d.U8())
	d.Into(r.Assertion[:])
	d.Into(r.Manifest[:])
	r.Entry, r.State = d.U64(), d.U64()
	r.Age = time.Duration(d.Uvarint(maxSequence)) * time.Microsecond
	r.Bytes, r.At = d.Uvarint(1<<50), d.Time()
	for range d.Count(maxRulings, 3) {
		r.Chain = append(r.Chain, policy.Reason{Rule: d.Text(maxRulingRule), Source: federation.TrustID(d.Text(12)), Version: d.Uvarint(maxSequence)})
	}
	if d.Err() == nil && (flags > 1 || r.Outcome == 0 || r.Outcome > policy.TooMany || r.At.IsZero()) {
		d.Fail("flags %d, outcome %d and time must be set and known", flags, r.Outcome)
	}
	return r, d.Finish()
}

// ruling returns the frame that tells a peer of the decision; nothing for own staff.
func (r *release) ruling(o policy.Outcome, bytes int64) []byte {
	if r.local {
		return nil
	}
	signed := SignRuling(Ruling{
		Assertion: federation.Sum(r.signed), Manifest: r.assertion.Manifest, Entry: r.intent, Outcome: o, Glass: r.event.Glass, State: r.event.State,
		Age: r.event.Age, Bytes: uint64(max(bytes, 0)), At: r.custodian.now(), Chain: r.event.Chain,
	}, r.custodian.cfg.Key)
	return append(appendFrame(nil, frameRuling, len(signed)), signed...)
}

// SignRuling returns the signature by the custodian's statement key and the canonical bytes, as they travel.
func SignRuling(r Ruling, key ed25519.PrivateKey) []byte { return sign(rulingContext, r.encode(), key) }

// rulingOn returns the frame that tells a peer which rules have refused it; nothing where the user may not know of the document,
// and where it was not rules that refused.
func (r *release) rulingOn(refusal *Refusal) []byte {
	if r.guard == nil || !r.noted {
		return nil
	}
	d := r.guard.decision
	if !d.Visible || d.Permitted() || refusal.Outcome != d.Outward() {
		return nil
	}
	return r.ruling(refusal.Outcome, 0)
}

// ruled checks what the custodian says of its decision, and keeps the first: it is of the request that the audit log has.
func (s *source) ruled(signed []byte) error {
	f := s.fetch
	_, trust, ok := f.client.cfg.Directory.Roster().Node(s.node)
	if !ok {
		return fmt.Errorf("%s is not in the roster: %w", s.node.Short(), ErrProtocol)
	}
	r, err := VerifyRuling(signed, trust.StatementKey)
	if err != nil {
		return err
	}
	if r.Assertion != federation.Sum(s.signed) || r.Manifest != f.pointer.Manifest {
		return fmt.Errorf("ruling on another request: %w", ErrProtocol)
	}
	s.ruling = &r
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ruling == nil || f.ruling.Outcome != policy.Permit && r.Outcome == policy.Permit {
		f.ruling, f.ruledBy, f.signed = &r, signed, s.signed
	}
	return nil
}

// sent keeps the first request that was sent, until one was ruled on.
func (f *fetch) sent(signed []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.signed == nil {
		f.signed = signed
	}
}

// describeRuling puts the request, and what the custodian has said of its decision on it, into the requester's own entry.
func (f *fetch) describeRuling(e *Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	e.Assertion = f.signed
	if r := f.ruling; r != nil {
		e.Chain, e.State, e.Age, e.Glass, e.Intent, e.Receipt = r.Chain, r.State, r.Age, r.Glass, r.Entry, f.ruledBy
	}
}
