package index

import (
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

// directiveRow is a directive as it was recorded, and what ended it since.
//
//	size  field
//	8     index of its command
//	v+n   trust that recorded it
//	8     at
//	1     effect; 16 target; v+n by; v+n evidence
//	16    directive that withdrew it; zero: none
//	      when one of these is set:
//	1     2
//	16    directive that superseded it; 16 directive that it superseded
//	8     until
//	v+n   scope; v exceptions, scopes
type directiveRow struct {
	index      uint64
	trust      federation.TrustID
	at         time.Time
	said       federation.Directive   // all but ID and Subject, which the key has
	withdrawn  federation.DirectiveID // the directive that withdrew this one; else zero
	superseded federation.DirectiveID // the directive that took its place; else zero
}

// directiveTail marks the fields that not every directive has.
const directiveTail = 2

// closed reports whether the directive has ended. It never begins again.
func (r directiveRow) closed() bool {
	return r.withdrawn != (federation.DirectiveID{}) || r.superseded != (federation.DirectiveID{})
}

func (r directiveRow) tailed() bool {
	none := federation.DirectiveID{}
	return r.superseded != none || r.said.Supersedes != none || !r.said.Until.IsZero() || !r.said.Scope.IsZero() || len(r.said.Except) > 0
}

func (r directiveRow) encode() []byte {
	var e federation.Encoder
	e.U64(r.index)
	e.Text(string(r.trust))
	e.Time(r.at)
	e.U8(uint8(r.said.Effect))
	e.Fixed(r.said.Target[:])
	e.Text(r.said.By)
	e.Text(r.said.Evidence)
	e.Fixed(r.withdrawn[:])
	if r.tailed() {
		e.U8(directiveTail)
		e.Fixed(r.superseded[:])
		e.Fixed(r.said.Supersedes[:])
		e.Time(r.said.Until)
		e.Scope(r.said.Scope)
		e.Scopes(r.said.Except)
	}
	return e.Bytes()
}

func decodeDirective(d *federation.Decoder) directiveRow {
	r := directiveRow{index: d.U64(), trust: federation.TrustID(d.Text(rowText)), at: d.Time(), said: federation.Directive{Effect: federation.DirectiveEffect(d.U8())}}
	d.Into(r.said.Target[:])
	r.said.By, r.said.Evidence = d.Text(rowText), d.Text(rowText)
	d.Into(r.withdrawn[:])
	if d.More() {
		if mark := d.U8(); mark != directiveTail {
			d.Fail("tail %d", mark)
		}
		d.Into(r.superseded[:])
		d.Into(r.said.Supersedes[:])
		r.said.Until = d.Time()
		r.said.Scope, r.said.Except = d.Scope(), d.Scopes()
		if d.Err() == nil && !r.tailed() {
			d.Fail("an empty tail")
		}
	}
	if r.said.Effect < federation.Object || r.said.Effect > federation.Consent {
		d.Fail("effect %d", r.said.Effect)
	}
	return r
}

func decodeSubject(d *federation.Decoder) federation.Subject {
	var s federation.Subject
	d.Into(s[:])
	return s
}

// linkRow stands under both subjects of a link.
type linkRow struct {
	index    uint64
	trust    federation.TrustID
	survivor bool // the other subject is the survivor
}

func (r linkRow) encode() []byte {
	var e federation.Encoder
	e.U64(r.index)
	e.Text(string(r.trust))
	e.Bool(r.survivor)
	return e.Bytes()
}

func decodeLink(d *federation.Decoder) linkRow {
	return linkRow{index: d.U64(), trust: federation.TrustID(d.Text(rowText)), survivor: d.Bool()}
}

// breakGlassRow is an emergency access that a trust has told the region of.
type breakGlassRow struct {
	trust     federation.TrustID
	at        time.Time
	custodian federation.TrustID
	user      string
	reason    string
	until     time.Time
}

func (r breakGlassRow) encode() []byte {
	var e federation.Encoder
	e.Text(string(r.trust))
	e.Time(r.at)
	e.Text(string(r.custodian))
	e.Text(r.user)
	e.Text(r.reason)
	e.Time(r.until)
	return e.Bytes()
}

func decodeBreakGlass(d *federation.Decoder) breakGlassRow {
	return breakGlassRow{
		trust: federation.TrustID(d.Text(rowText)), at: d.Time(), custodian: federation.TrustID(d.Text(rowText)),
		user: d.Text(rowText), reason: d.Text(rowText), until: d.Time(),
	}
}

// agreementRow finds the envelope that has an agreement's text.
type agreementRow struct {
	index     uint64
	effective time.Time
	expires   time.Time
}

func (r agreementRow) encode() []byte {
	var e federation.Encoder
	e.U64(r.index)
	e.Time(r.effective)
	e.Time(r.expires)
	return e.Bytes()
}

func decodeAgreement(d *federation.Decoder) agreementRow {
	return agreementRow{index: d.U64(), effective: d.Time(), expires: d.Time()}
}

// checkpointRow is the newest checkpoint of a node's audit log.
type checkpointRow struct {
	index uint64
	trust federation.TrustID
	at    time.Time
	size  uint64
	root  federation.Digest
}

func (r checkpointRow) encode() []byte {
	var e federation.Encoder
	e.U64(r.index)
	e.Text(string(r.trust))
	e.Time(r.at)
	e.U64(r.size)
	e.Fixed(r.root[:])
	return e.Bytes()
}

func decodeCheckpoint(d *federation.Decoder) checkpointRow {
	r := checkpointRow{index: d.U64(), trust: federation.TrustID(d.Text(rowText)), at: d.Time(), size: d.U64()}
	d.Into(r.root[:])
	return r
}
