package federation

import (
	"bytes"
	"crypto/ed25519"
	"strings"
	"time"
)

// Keys from fixed seeds, so that golden files hold signatures too: Ed25519 is deterministic (RFC 8032 §5.1.6).
func testKey(seed byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize))
}

var testTime = time.Date(2026, 11, 22, 3, 4, 5, 678901000, time.UTC)

func testMember(trust TrustID, seed byte) Member {
	m := Member{
		Trust: trust, Name: "Imperial College Healthcare", Governing: true, StatementKey: PublicOf(testKey(seed)),
		AuditKey: PublicOf(testKey(seed + 1)), NodeKey: PublicOf(testKey(seed + 2)), Address: "node.example.nhs.uk:7000",
	}
	m.Prove(testKey(seed))
	return m
}

func testDocument(n byte) DocumentID { return NewDocumentID("RYJ", DocumentKey{9: n, 0: 0xA0}) }

func testPointer(n byte) Pointer {
	return Pointer{
		Subject: Subject{1, n}, Document: testDocument(n), Confidentiality: Normal, Manifest: Sum([]byte{n}),
		Type: "823681000000100", Category: "823651000000106", Specialty: "300", ContentType: "application/pdf", Language: "en-GB",
		Title: "Outpatient letter", Author: "Dr A. Example", Status: Current, Date: testTime, Parts: 1, Pages: 3, Bytes: 123456,
	}
}

func sealedPointer(n byte) Pointer {
	p := testPointer(n)
	p.Confidentiality = Restricted
	return p.Seal()
}

func testManifest() Manifest {
	return Manifest{Document: testDocument(1), Subject: Subject{1, 1}, Parts: []Part{
		{
			ContentType: "image/tiff", Name: "scan.tif", Size: ChunkSize + 1, SHA256: Sum([]byte("part")), SHA1: [20]byte{1, 2, 3}, PageCount: 2,
			Pages:  []Page{{Directory: 12, Extents: []Extent{{Offset: 0, Length: 10}, {Offset: 20, Length: 100}}}, {}},
			Chunks: []Digest{Sum([]byte("a")), Sum([]byte("b"))},
		},
		{ContentType: "application/x-local", Name: "Ärztebrief.bin"},
	}}
}

// testBodies has one body of each kind and form.
func testBodies() map[string]Body {
	odd := testPointer(2)
	odd.Type, odd.Title, odd.Supersedes, odd.Date = "local^LETTER", "Brief über Übergabe\n2. Zeile", testDocument(1), time.Date(1948, 7, 5, 0, 0, 0, 0, time.UTC)
	rotate := Rotate{Role: RoleNode, Old: PublicOf(testKey(3)), New: PublicOf(testKey(9)), Address: "[2001:db8::1]:7000"}
	copy(rotate.Proof[:], ed25519.Sign(testKey(9), rotate.ProofBytes()))
	checkpoint := Checkpoint{Node: NodeOf(PublicOf(testKey(3))), Size: 7, Root: Sum([]byte("root")), Proof: []Digest{Sum([]byte("x")), Sum([]byte("y"))}}
	copy(checkpoint.Sig[:], ed25519.Sign(testKey(2), checkpoint.SignedBytes()))
	return map[string]Body{
		"charter":     Charter{Region: "North West London", Nonce: [16]byte{7}, Approvals: 2, Voters: 5, Founder: testMember("RYJ", 1)},
		"enrol":       Enrol{Member: testMember("Y05868", 20)},
		"approve":     Approve{Proposal: Sum([]byte("proposal"))},
		"suspend":     Suspend{Trust: "RAS", Reason: "keys lost"},
		"lift-node":   Suspend{Trust: "RAS", Node: NodeID{1}, Lift: true},
		"rotate":      rotate,
		"publish":     Publish{Pointers: []Pointer{testPointer(1), odd, sealedPointer(3)}},
		"withdraw":    Withdraw{Documents: []DocumentID{testDocument(1), testDocument(2)}, Reason: "filed twice"},
		"object":      Directive{ID: DirectiveID{1}, Subject: Subject{1}, Effect: Object, By: "staff-17", Evidence: "by telephone"},
		"withdrew":    Directive{ID: DirectiveID{2}, Subject: Subject{1}, Effect: Withdrew, Target: DirectiveID{1}, By: "staff-17"},
		"consent":     Directive{ID: DirectiveID{3}, Subject: Subject{1}, Effect: Consent, By: "staff-17"},
		"scoped":      scopedDirective(),
		"agreement":   Agreement{Version: 3, Effective: testTime, Expires: testTime.AddDate(1, 0, 0), Cedar: "permit(principal, action, resource);\n"},
		"approved":    Agreement{Version: 4, Effective: testTime, Expires: testTime.AddDate(1, 0, 0), Cedar: "permit(principal, action, resource);\n", Proposer: "a.mensah", Approver: "j.okafor", Note: "reviewed by the Caldicott guardian"},
		"forever":     Agreement{Version: 1 << 62, Effective: testTime, Cedar: strings.Repeat("/", maxCedar)},
		"link":        Link{Prior: Subject{1}, Survivor: Subject{2}},
		"checkpoint":  checkpoint,
		"first-check": Checkpoint{Node: NodeID{1}, Size: 1, Root: Digest{1}, Proof: []Digest{}},
		"break-glass": BreakGlass{Subject: Subject{1}, Custodian: "RAS", User: "staff-17", Reason: "unconscious", Until: testTime.Add(15 * time.Minute)},
	}
}

// fullScope has every field set.
func fullScope() Scope {
	return Scope{
		Trust: "RAS", Role: "nurse", Person: "staff-18", Custodian: "RYJ", Type: "373942005", Category: "823651000000106", Sensitivity: "HIV",
		Document: testDocument(1), From: time.Date(1948, 7, 5, 0, 0, 0, 0, time.UTC), To: testTime, Purpose: "TREAT",
	}
}

// scopedDirective has every field that version 2 added.
func scopedDirective() Directive {
	return Directive{
		ID: DirectiveID{4}, Subject: Subject{1}, Effect: Object, By: "staff-17", Evidence: "by letter", Scope: fullScope(),
		Except: []Scope{fullScope(), {Role: "pharmacist"}, {To: testTime}}, Until: testTime.AddDate(1, 0, 0), Supersedes: DirectiveID{1},
	}
}

func testStatement(b Body) Statement {
	return Statement{Trust: "RYJ", Seq: 4, Prev: Sum([]byte("before")), Kind: b.Kind(), At: testTime, Body: EncodeBody(b)}
}
