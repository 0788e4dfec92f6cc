package federation

import "fmt"

// Each body starts with its version, 1, and is canonical: EncodeBody of what DecodeBody gave is the same bytes. A directive or
// an agreement that version 1 cannot say is of version 2.

// Body is what a statement says: one of Charter, Enrol, Approve, Suspend, Rotate, Publish, Withdraw, Directive, Agreement,
// Link, Checkpoint and BreakGlass.
type Body interface {
	Kind() Kind
	encode(e *Encoder)
}

// Kind returns KindCharter.
func (Charter) Kind() Kind { return KindCharter }

// Kind returns KindEnrol.
func (Enrol) Kind() Kind { return KindEnrol }

// Kind returns KindApprove.
func (Approve) Kind() Kind { return KindApprove }

// Kind returns KindSuspend.
func (Suspend) Kind() Kind { return KindSuspend }

// Kind returns KindRotate.
func (Rotate) Kind() Kind { return KindRotate }

// Kind returns KindPublish.
func (Publish) Kind() Kind { return KindPublish }

// Kind returns KindWithdraw.
func (Withdraw) Kind() Kind { return KindWithdraw }

// Kind returns KindDirective.
func (Directive) Kind() Kind { return KindDirective }

// Kind returns KindAgreement.
func (Agreement) Kind() Kind { return KindAgreement }

// Kind returns KindLink.
func (Link) Kind() Kind { return KindLink }

// Kind returns KindCheckpoint.
func (Checkpoint) Kind() Kind { return KindCheckpoint }

// Kind returns KindBreakGlass.
func (BreakGlass) Kind() Kind { return KindBreakGlass }

// EncodeBody returns the canonical bytes of b.
func EncodeBody(b Body) []byte {
	var e Encoder
	if p, ok := b.(Publish); ok {
		e.buf = make([]byte, 0, len(p.Pointers)*pointerRoom)
	}
	version := uint8(bodyVersion)
	switch b := b.(type) {
	case Directive:
		version = b.version()
	case Agreement:
		version = b.version()
	}
	e.U8(version)
	b.encode(&e)
	return e.Bytes()
}

func (b Charter) encode(e *Encoder) {
	e.Text(b.Region)
	e.Fixed(b.Nonce[:])
	e.small(b.Approvals)
	e.small(b.Voters)
	e.member(b.Founder)
}

func (b Enrol) encode(e *Encoder)   { e.member(b.Member) }
func (b Approve) encode(e *Encoder) { e.Fixed(b.Proposal[:]) }

func (b Suspend) encode(e *Encoder) {
	e.trust(b.Trust)
	e.Fixed(b.Node[:])
	e.Bool(b.Lift)
	e.Text(b.Reason)
}

func (b Rotate) encode(e *Encoder) {
	e.rotateFields(b)
	e.Fixed(b.Proof[:])
}

func (b Publish) encode(e *Encoder) {
	e.Uvarint(uint64(len(b.Pointers)))
	for _, p := range b.Pointers {
		e.pointer(p)
	}
}

func (b Withdraw) encode(e *Encoder) {
	e.Uvarint(uint64(len(b.Documents)))
	for _, doc := range b.Documents {
		key := doc.Key()
		e.Fixed(key[:])
	}
	e.Text(b.Reason)
}

// version returns the first that can say b. A consent is never of version 1: there, an older program would refuse it where
// this one accepts it, and the two would part.
func (b Directive) version() uint8 {
	if b.Effect > Withdrew || !b.Scope.IsZero() || len(b.Except) > 0 || !b.Until.IsZero() || b.Supersedes != (DirectiveID{}) {
		return scopedVersion
	}
	return bodyVersion
}

func (b Directive) encode(e *Encoder) {
	e.Fixed(b.ID[:])
	e.Fixed(b.Subject[:])
	e.U8(uint8(b.Effect))
	e.Fixed(b.Target[:])
	e.Text(b.By)
	e.Text(b.Evidence)
	if b.version() < scopedVersion {
		return
	}
	e.Scope(b.Scope)
	e.Scopes(b.Except)
	e.Time(b.Until)
	e.Fixed(b.Supersedes[:])
}

// version returns the first that can say b.
func (b Agreement) version() uint8 {
	if b.Proposer != "" || b.Approver != "" || b.Note != "" {
		return namedVersion
	}
	return bodyVersion
}

func (b Agreement) encode(e *Encoder) {
	e.Uvarint(b.Version)
	e.Time(b.Effective)
	e.Time(b.Expires)
	e.Text(b.Cedar)
	if b.version() < namedVersion {
		return
	}
	e.Text(b.Proposer)
	e.Text(b.Approver)
	e.Text(b.Note)
}

func (b Link) encode(e *Encoder) {
	e.Fixed(b.Prior[:])
	e.Fixed(b.Survivor[:])
}

func (b Checkpoint) encode(e *Encoder) {
	e.Fixed(b.Node[:])
	e.U64(b.Size)
	e.Fixed(b.Root[:])
	e.Uvarint(uint64(len(b.Proof)))
	for _, h := range b.Proof {
		e.Fixed(h[:])
	}
	e.Fixed(b.Sig[:])
}

func (b BreakGlass) encode(e *Encoder) {
	e.Fixed(b.Subject[:])
	e.trust(b.Custodian)
	e.Text(b.User)
	e.Text(b.Reason)
	e.Time(b.Until)
}

// DecodeBody reads the body of s. The pointers of a publish statement and the documents of a withdrawal get the signing
// trust as their custodian: the form has no room for another. It fails with ErrMalformed, and with ErrVersion when the
// kind or the body's version is unknown.
func DecodeBody(s Statement) (Body, error) {
	d := NewDecoder(s.Kind.String()+" statement of "+string(s.Trust), s.Body)
	v := d.U8()
	if d.Err() == nil && v != bodyVersion && (v != scopedVersion || s.Kind != KindDirective) && (v != namedVersion || s.Kind != KindAgreement) {
		return nil, fmt.Errorf("%s statement, body version %d: %w", s.Kind, v, ErrVersion)
	}
	b := d.body(s, v)
	if b == nil {
		return nil, fmt.Errorf("%s statement: %w", s.Kind, ErrVersion)
	}
	if err := d.Finish(); err != nil {
		return nil, err
	}
	return b, nil
}

func (d *Decoder) body(s Statement, version uint8) Body {
	switch s.Kind {
	case KindCharter:
		return d.charter()
	case KindEnrol:
		return Enrol{Member: d.member()}
	case KindApprove:
		var b Approve
		d.Into(b.Proposal[:])
		return b
	case KindSuspend:
		b := Suspend{Trust: d.trust()}
		d.Into(b.Node[:])
		b.Lift, b.Reason = d.Bool(), d.Text(maxReason)
		return b
	case KindRotate:
		return d.rotate()
	case KindPublish:
		return d.publish(s.Trust)
	case KindWithdraw:
		return d.withdraw(s.Trust)
	case KindDirective:
		return d.directive(version)
	case KindAgreement:
		return d.agreement(version)
	case KindLink:
		var b Link
		d.Into(b.Prior[:])
		d.Into(b.Survivor[:])
		if d.Err() == nil && (b.Prior == b.Survivor || b.Prior.IsZero() || b.Survivor.IsZero()) {
			d.Fail("a link needs two different subjects")
		}
		return b
	case KindCheckpoint:
		return d.checkpoint()
	case KindBreakGlass:
		var b BreakGlass
		d.Into(b.Subject[:])
		b.Custodian, b.User, b.Reason, b.Until = d.trust(), d.Text(MaxAuthor), d.Text(maxReason), d.Time()
		return b
	default:
		return nil
	}
}

func (d *Decoder) charter() Charter {
	b := Charter{Region: d.Text(maxName)}
	d.Into(b.Nonce[:])
	b.Approvals, b.Voters = int(d.U8()), int(d.U8())
	b.Founder = d.member()
	if d.Err() == nil && (b.Region == "" || b.Approvals < 1 || b.Approvals > 16 || (b.Voters != 3 && b.Voters != 5 && b.Voters != 7)) {
		d.Fail("a region has a name, 1 to 16 approvals and 3, 5 or 7 voters")
	}
	return b
}

func (d *Decoder) rotate() Rotate {
	b := Rotate{Role: KeyRole(d.U8())}
	d.Into(b.Old[:])
	d.Into(b.New[:])
	b.Address = d.Text(maxAddress)
	d.Into(b.Proof[:])
	if d.Err() == nil && (b.Role < RoleStatement || b.Role > RoleNode || (b.Role == RoleNode) != (b.Address != "")) {
		d.Fail("role %d with address %q", b.Role, b.Address)
	}
	return b
}

func (d *Decoder) publish(custodian TrustID) Publish {
	n := d.Count(MaxPointers, minPointer)
	b := Publish{Pointers: make([]Pointer, 0, n)}
	for range n {
		b.Pointers = append(b.Pointers, d.pointer(custodian))
		if d.Err() != nil {
			return b
		}
	}
	if n == 0 {
		d.Fail("no pointers")
	}
	return b
}

func (d *Decoder) withdraw(custodian TrustID) Withdraw {
	n := d.Count(MaxPointers, len(DocumentKey{}))
	b := Withdraw{Documents: make([]DocumentID, 0, n)}
	for range n {
		var key DocumentKey
		d.Into(key[:])
		b.Documents = append(b.Documents, NewDocumentID(custodian, key))
	}
	if n == 0 {
		d.Fail("no documents")
	}
	b.Reason = d.Text(maxReason)
	return b
}

func (d *Decoder) directive(version uint8) Directive {
	var b Directive
	d.Into(b.ID[:])
	d.Into(b.Subject[:])
	b.Effect = DirectiveEffect(d.U8())
	d.Into(b.Target[:])
	b.By, b.Evidence = d.Text(MaxAuthor), d.Text(maxReason)
	if version >= scopedVersion {
		b.Scope, b.Except, b.Until = d.Scope(), d.Scopes(), d.Time()
		d.Into(b.Supersedes[:])
	}
	if d.Err() != nil {
		return b
	}
	switch {
	case b.Effect < Object || b.Effect > Consent || (b.Effect == Withdrew) != (b.Target != DirectiveID{}) || b.ID == DirectiveID{} || b.Subject.IsZero():
		d.Fail("effect %d, id and target do not go together", b.Effect)
	case b.version() != version:
		d.Fail("version %d of what version %d says", version, b.version())
	case b.Effect == Withdrew && version >= scopedVersion:
		d.Fail("a withdrawal is of the whole directive that it names")
	case b.Supersedes == b.ID:
		d.Fail("takes its own place")
	}
	return b
}

func (d *Decoder) agreement(version uint8) Agreement {
	b := Agreement{Version: d.Uvarint(1 << 62), Effective: d.Time(), Expires: d.Time(), Cedar: d.Text(maxCedar)}
	if version >= namedVersion {
		b.Proposer, b.Approver, b.Note = d.Text(MaxAuthor), d.Text(MaxAuthor), d.Text(maxReason)
		if d.Err() == nil && (b.Proposer == "" || b.Approver == "" || b.Proposer == b.Approver) {
			d.Fail("an agreement names two people, or nobody")
		}
	}
	return b
}

func (d *Decoder) checkpoint() Checkpoint {
	var b Checkpoint
	d.Into(b.Node[:])
	b.Size = d.U64()
	d.Into(b.Root[:])
	b.Proof = make([]Digest, d.Count(maxProof, len(Digest{})))
	for i := range b.Proof {
		d.Into(b.Proof[i][:])
	}
	d.Into(b.Sig[:])
	return b
}
