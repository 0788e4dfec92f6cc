package federation

import (
	"crypto/ed25519"
	"fmt"
	"time"
)

const (
	bodyVersion   = 1
	scopedVersion = 2 // of a directive
	namedVersion  = 2 // of an agreement
	maxName       = 128
	maxAddress    = 256
	maxReason     = 1024
	maxCedar      = 192 << 10
	maxProof      = 128
)

// Member is a trust with its keys and its node, as a charter or an enrolment proposes it.
type Member struct {
	Trust        TrustID
	Name         string    // at most 128 bytes
	Governing    bool      // may approve proposals
	StatementKey PublicKey // signs the trust's statements
	AuditKey     PublicKey // signs the checkpoints of its audit log
	NodeKey      PublicKey // TLS key of its node
	Address      string    // host:port of the node's UDP socket
	Proof        Signature // by StatementKey over ProofBytes: whoever proposes a trust cannot invent its key
}

// Node returns the id of the proposed node.
func (m Member) Node() NodeID { return NodeOf(m.NodeKey) }

// ProofBytes returns what Proof signs: everything in m but the proof, under a context of its own.
func (m Member) ProofBytes() []byte {
	e := Encoder{buf: []byte("ridgeway member v1\x00")}
	e.memberFields(m)
	return e.Bytes()
}

// Prove sets Proof.
func (m *Member) Prove(key ed25519.PrivateKey) { copy(m.Proof[:], ed25519.Sign(key, m.ProofBytes())) }

// Check reports what is wrong with m, its proof included. It fails with ErrMalformed or ErrSignature.
func (m Member) Check() error {
	if !m.Trust.Valid() || m.Name == "" || m.Address == "" || m.StatementKey.IsZero() || m.AuditKey.IsZero() || m.NodeKey.IsZero() {
		return fmt.Errorf("member %q: trust, name, address and three keys must be set: %w", string(m.Trust), ErrMalformed)
	}
	if m.StatementKey == m.AuditKey || m.StatementKey == m.NodeKey || m.AuditKey == m.NodeKey {
		return fmt.Errorf("member %s: one key serves two purposes: %w", m.Trust, ErrMalformed)
	}
	if !m.StatementKey.Verify(m.ProofBytes(), m.Proof) {
		return fmt.Errorf("member %s, proof: %w", m.Trust, ErrSignature)
	}
	return nil
}

func (e *Encoder) memberFields(m Member) {
	e.trust(m.Trust)
	e.Text(m.Name)
	e.Bool(m.Governing)
	e.Fixed(m.StatementKey[:])
	e.Fixed(m.AuditKey[:])
	e.Fixed(m.NodeKey[:])
	e.Text(m.Address)
}

func (e *Encoder) member(m Member) {
	e.memberFields(m)
	e.Fixed(m.Proof[:])
}

func (d *Decoder) member() Member {
	m := Member{Trust: d.trust(), Name: d.Text(maxName), Governing: d.Bool()}
	d.Into(m.StatementKey[:])
	d.Into(m.AuditKey[:])
	d.Into(m.NodeKey[:])
	m.Address = d.Text(maxAddress)
	d.Into(m.Proof[:])
	return m
}

// Charter founds a region. Its statement's digest is the region's id.
type Charter struct {
	Region    string   // name, at most 128 bytes
	Nonce     [16]byte // random: two regions of one name and founder differ
	Approvals int      // approvals that a proposal needs, the proposer's own counted; 1 to 16
	Voters    int      // most voters that the consensus group has; 3, 5 or 7
	Founder   Member
}

// Enrol proposes a trust. It takes effect when Charter.Approvals governing trusts, the proposer counted, have approved it.
type Enrol struct{ Member Member }

// Approve approves the proposal made by the statement with this digest.
type Approve struct{ Proposal Digest }

// Suspend proposes to suspend a trust, or one node of it; or to lift that. A trust may always suspend itself.
type Suspend struct {
	Trust  TrustID
	Node   NodeID // zero: the whole trust
	Lift   bool
	Reason string // at most 1,024 bytes
}

// KeyRole says which key a Rotate replaces. Zero is invalid. Do not reorder.
type KeyRole uint8

// The roles of a trust's keys.
const (
	RoleStatement KeyRole = iota + 1
	RoleAudit
	RoleNode
)

// Rotate replaces one of the trust's own keys, or the address of its node. It is signed with the statement key in force.
type Rotate struct {
	Role    KeyRole
	Old     PublicKey
	New     PublicKey // equal to Old when only the address changes
	Address string    // RoleNode: the node's address from now on; else empty
	Proof   Signature // by New, over ProofBytes
}

// ProofBytes returns what Proof signs.
func (r Rotate) ProofBytes() []byte {
	e := Encoder{buf: []byte("ridgeway rotate v1\x00")}
	e.rotateFields(r)
	return e.Bytes()
}

func (e *Encoder) rotateFields(r Rotate) {
	e.U8(uint8(r.Role))
	e.Fixed(r.Old[:])
	e.Fixed(r.New[:])
	e.Text(r.Address)
}

// Publish puts pointers into the index, or replaces those of the same documents. At most MaxPointers.
type Publish struct{ Pointers []Pointer }

// Withdraw takes the trust's own documents out of the index.
type Withdraw struct {
	Documents []DocumentID // of the signing trust, at most MaxPointers
	Reason    string
}

// DirectiveID names a directive: the digest of what was recorded, cut to 128 bits.
type DirectiveID [16]byte

// DirectiveEffect says what a directive does. Zero is invalid. Do not reorder.
type DirectiveEffect uint8

// The effects.
const (
	Object   DirectiveEffect = iota + 1 // the patient objects: nothing in Scope is shared
	Withdrew                            // the patient withdraws the directive named by Target
	Consent                             // the patient agrees that what is in Scope is shared
)

// Directive is what one patient has said about sharing, recorded by a trust. What stands in the right column is there in
// version 2 only, which is used for a Consent and whenever one of these fields is set.
//
//	size  field                     size  field
//	16    id                        2+n   scope
//	16    subject                   v+n   exceptions: count, scopes
//	1     effect                    8     until
//	16    target                    16    superseded directive
//	v+n   by
//	v+n   evidence
type Directive struct {
	ID         DirectiveID
	Subject    Subject
	Effect     DirectiveEffect
	Target     DirectiveID // Withdrew: the directive withdrawn; else zero
	By         string      // staff id of who recorded it, at most 128 bytes
	Evidence   string      // on what evidence, at most 1,024 bytes
	Scope      Scope       // what it is about; a withdrawal has none
	Except     []Scope     // at most MaxExceptions: there an objection says nothing, and a consent refuses
	Until      time.Time   // it is in force until then; zero: until it is withdrawn
	Supersedes DirectiveID // the directive of the same patient whose place it takes; zero: none
}

// Agreement sets the signing trust's own sharing rules.
type Agreement struct {
	Version   uint64    // larger than that of the agreement before
	Effective time.Time // from when it is in force
	Expires   time.Time // until when; zero: until replaced
	Cedar     string    // policy text, at most 192 KiB

	// Since version 2 of the body; all empty in one that no person has decided on, such as a trust's first.
	Proposer string // staff id of who proposed it, at most 128 bytes
	Approver string // staff id of who approved it, another person; at most 128 bytes
	Note     string // why, at most 1,024 bytes
}

// Link says that Prior is the same patient as Survivor.
type Link struct{ Prior, Survivor Subject }

// Checkpoint is the size and root of a node's audit log (RFC 6962 §2.1), with the proof that it extends the one before.
type Checkpoint struct {
	Node  NodeID
	Size  uint64
	Root  Digest
	Proof []Digest  // RFC 6962 §2.1.2 from the checkpoint before to this; empty for the first
	Sig   Signature // by the trust's audit key, over SignedBytes
}

// SignedBytes returns what Sig signs.
func (c Checkpoint) SignedBytes() []byte {
	e := Encoder{buf: []byte("ridgeway checkpoint v1\x00")}
	e.Fixed(c.Node[:])
	e.U64(c.Size)
	e.Fixed(c.Root[:])
	return e.Bytes()
}

// BreakGlass tells the region that a member of staff opened a patient's record in an emergency.
type BreakGlass struct {
	Subject   Subject
	Custodian TrustID
	User      string // staff id, at most 128 bytes
	Reason    string // at most 1,024 bytes
	Until     time.Time
}
