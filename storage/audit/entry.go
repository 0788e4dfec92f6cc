package audit

import (
	"fmt"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

// A Kind says what an entry is evidence of. Zero is invalid. Do not reorder; add at the end.
type Kind uint8

// The kinds of entries.
const (
	Intent     Kind = iota + 1 // custodian: bytes are about to be released; written before the first of them
	Completion                 // custodian: how a release ended, and how many bytes left
	Receipt                    // requester: what arrived, with the custodian's word for it
	Refusal                    // custodian: a release that was refused, and why
	Search                     // a user looked up what exists of a patient
	View                       // a user of this trust opened a document that this trust holds
	Ingest                     // a document was taken in
	Withdrawal                 // a document was withdrawn
	Directive                  // a patient's objection, or its withdrawal, was recorded
	Agreement                  // the trust's sharing rules were changed
	BreakGlass                 // a record was opened in an emergency
	Admin                      // an operator changed something: keys, members, settings
	Security                   // a suspicion of misuse, or that an operator has accepted a log that is not what the region had witnessed
	Review                     // a governance lead read or exported the log, or judged an access
	SignOn                     // somebody signed on at the portal, or was refused
	SignOut                    // somebody signed out, or their sessions were ended
)

var kindNames = [...]string{
	"", "intent", "completion", "receipt", "refusal", "search", "view", "ingest", "withdrawal",
	"directive", "agreement", "break-glass", "admin", "security", "review",
	"sign-on", "sign-out",
}

// Valid reports whether k is a kind that this program knows.
func (k Kind) Valid() bool { return k >= Intent && k <= SignOut }

// String returns the kind's name.
func (k Kind) String() string {
	if k.Valid() {
		return kindNames[k]
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

// A Ref names an entry of the same log: its index plus one. Zero names none.
type Ref uint64

// RefTo returns the reference to the entry at index.
func RefTo(index uint64) Ref { return Ref(index + 1) }

// Index returns the index that r names, and whether it names one.
func (r Ref) Index() (uint64, bool) { return uint64(r) - 1, r != 0 }

// The longest texts that an entry takes, in bytes.
const (
	MaxName   = 128  // User, Role, Relationship, Purpose, Outcome
	MaxRules  = 8192 // Rules
	MaxDetail = 2048 // Detail
	MaxProof  = 4096 // Proof
	MaxRanges = 4096 // number of Ranges
)

// Entry is one thing that happened. Fields that do not apply are zero; Time and Kind are always set. Text is UTF-8
// without control characters other than newline and tab.
type Entry struct {
	Time time.Time // UTC, to the microsecond, by the node's clock
	Kind Kind

	Trust        federation.TrustID // organisation of who acted
	Node         federation.NodeID  // node that asked, where it was another
	User         string             // staff id of who acted
	Role         string             // role code of who acted
	Purpose      string             // HL7 v3-ActReason code
	Relationship string             // the relationship to the patient that was claimed
	BreakGlass   bool               // in an emergency, past the patient's objection

	Subject    federation.Subject
	Document   federation.DocumentID
	Custodian  federation.TrustID
	Request    federation.Digest // digest of the signed request: the same in the logs of both sites
	Outcome    string            // of the decision: PERMIT, DENIED, ...
	Rules      string            // the chain of rules that decided, with their versions
	Of         Ref               // the intent that this completes
	Bytes      int64             // sent, received or taken in
	Ranges     []federation.Extent
	Proof      []byte // what the other site signed, for a receipt
	Detail     string // anything else, for people; no names of patients
	StateIndex uint64 // index of the region's agreed state that was decided on

	// Since version 2; zero in entries that were written before.
	Transfer [16]byte      // joins the entries of one release, at both sites
	LeaseAge time.Duration // how old the proof was that the agreed state is recent, to the microsecond; zero: none was needed, or there was none
}

const (
	entryVersion    = 2
	entryVersion1   = 1   // without what is said of version 2 above
	usualEntry      = 256 // bytes, without what can be long
	maxTrust        = 12
	maxDocumentText = 64
	flagBreakGlass  = 1
	maxCount        = 1 << 62
	maxLeaseAge     = 1 << 50 // microseconds: 35 years
)

// encode returns the canonical form. It fails with ErrEntry when e could not be read back as it is.
//
//	size  field                          size  field
//	1     version, 2                     32    request digest
//	1     kind                           v+n   outcome
//	8     time, microseconds since 1970  v+n   rules
//	1     flags: 1 break-glass           v     reference to an intent
//	v+n   trust                          v     bytes
//	32    node                           v     ranges; for each: v offset, v length
//	v+n   user, role, purpose,           v+n   proof
//	      relationship                   v+n   detail
//	16    subject                        v     index of the agreed state
//	v+n   document, custodian            16    transfer, since version 2
//	                                     v     age of the lease in microseconds, since version 2
//
// v is an unsigned varint (protobuf's), v+n a varint and so many bytes; all other integers are big-endian.
func (e Entry) encode() ([]byte, error) {
	var enc federation.Encoder
	enc.Grow(usualEntry + len(e.Rules) + len(e.Proof) + len(e.Detail))
	enc.U8(entryVersion)
	enc.U8(uint8(e.Kind))
	enc.Time(e.Time)
	if e.BreakGlass {
		enc.U8(flagBreakGlass)
	} else {
		enc.U8(0)
	}
	enc.Text(string(e.Trust))
	enc.Fixed(e.Node[:])
	for _, s := range []string{e.User, e.Role, e.Purpose, e.Relationship} {
		enc.Text(s)
	}
	enc.Fixed(e.Subject[:])
	enc.Text(string(e.Document))
	enc.Text(string(e.Custodian))
	enc.Fixed(e.Request[:])
	enc.Text(e.Outcome)
	enc.Text(e.Rules)
	enc.Uvarint(uint64(e.Of))
	enc.Uvarint(uint64(e.Bytes))
	enc.Uvarint(uint64(len(e.Ranges)))
	for _, x := range e.Ranges {
		enc.Uvarint(uint64(x.Offset))
		enc.Uvarint(uint64(x.Length))
	}
	enc.Blob(e.Proof)
	enc.Text(e.Detail)
	enc.Uvarint(e.StateIndex)
	enc.Fixed(e.Transfer[:])
	enc.Uvarint(uint64(min(max(e.LeaseAge/time.Microsecond, 0), maxLeaseAge)))
	if _, err := decodeEntry(enc.Bytes()); err != nil {
		return nil, fmt.Errorf("%s entry: %w: %w", e.Kind, ErrEntry, err)
	}
	return enc.Bytes(), nil
}

// decodeEntry reads what encode wrote. It fails with federation.ErrMalformed and federation.ErrVersion.
func decodeEntry(b []byte) (Entry, error) {
	var e Entry
	d := federation.NewDecoder("audit entry", b)
	v := d.U8()
	if d.Err() == nil && v != entryVersion && v != entryVersion1 {
		return e, fmt.Errorf("audit entry version %d: %w", v, federation.ErrVersion)
	}
	d.ShareTexts()
	e.Kind, e.Time = Kind(d.U8()), d.Time()
	flags := d.U8()
	e.BreakGlass = flags&flagBreakGlass != 0
	e.Trust = trust(d)
	d.Into(e.Node[:])
	for _, s := range []*string{&e.User, &e.Role, &e.Purpose, &e.Relationship} {
		*s = d.Text(MaxName)
	}
	d.Into(e.Subject[:])
	e.Document = federation.DocumentID(d.Text(maxDocumentText))
	e.Custodian = trust(d)
	d.Into(e.Request[:])
	e.Outcome, e.Rules = d.Text(MaxName), d.Text(MaxRules)
	e.Of = Ref(d.Uvarint(maxCount))
	e.Bytes = int64(d.Uvarint(maxCount))
	for range d.Count(MaxRanges, 2) {
		e.Ranges = append(e.Ranges, federation.Extent{Offset: int64(d.Uvarint(maxCount)), Length: int64(d.Uvarint(maxCount))})
	}
	if proof := d.Blob(MaxProof); len(proof) > 0 {
		e.Proof = proof
	}
	e.Detail, e.StateIndex = d.Text(MaxDetail), d.Uvarint(maxCount)
	if v >= entryVersion {
		d.Into(e.Transfer[:])
		e.LeaseAge = time.Duration(d.Uvarint(maxLeaseAge)) * time.Microsecond
	}
	if d.Err() == nil && (!e.Kind.Valid() || e.Time.IsZero() || flags > flagBreakGlass) {
		d.Fail("kind %d, flags %d and time must be set and known", e.Kind, flags)
	}
	if d.Err() == nil && e.Document != "" && !e.Document.Valid() {
		d.Fail("document id is not one")
	}
	return e, d.Finish()
}

// trust reads an ODS code, or nothing.
func trust(d *federation.Decoder) federation.TrustID {
	t := federation.TrustID(d.Text(maxTrust))
	if d.Err() == nil && t != "" && !t.Valid() {
		d.Fail("%q is not an ODS code", string(t))
	}
	return t
}
