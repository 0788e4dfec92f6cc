package index

import (
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

// directiveRow is a directive as it was recorded, and whether it was withdrawn since.
type directiveRow struct {
	index     uint64
	trust     federation.TrustID
	at        time.Time
	effect    federation.DirectiveEffect
	target    federation.DirectiveID
	by        string
	evidence  string
	withdrawn federation.DirectiveID // the directive that withdrew this one; else zero
}

func (r directiveRow) encode() []byte {
	var e federation.Encoder
	e.U64(r.index)
	e.Text(string(r.trust))
	e.Time(r.at)
	e.U8(uint8(r.effect))
	e.Fixed(r.target[:])
	e.Text(r.by)
	e.Text(r.evidence)
	e.Fixed(r.withdrawn[:])
	return e.Bytes()
}

func decodeDirective(d *federation.Decoder) directiveRow {
	r := directiveRow{index: d.U64(), trust: federation.TrustID(d.Text(rowText)), at: d.Time(), effect: federation.DirectiveEffect(d.U8())}
	d.Into(r.target[:])
	r.by, r.evidence = d.Text(rowText), d.Text(rowText)
	d.Into(r.withdrawn[:])
	if r.effect < federation.Object || r.effect > federation.Withdrew {
		d.Fail("effect %d", r.effect)
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
