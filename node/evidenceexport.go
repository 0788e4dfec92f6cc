package node

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/storage"
	"github.com/ridgeway-exchange/ridgeway/storage/audit"
)

// ProofExtension is the url of the extension that bears an AuditEvent's proof.
const ProofExtension = urnRidgeway + "audit:proof"

// ExportHead is the first line of an export with proofs: the checkpoint that all proofs lead to.
type ExportHead struct {
	Format string `json:"format"` // ExportFormat
	Region string `json:"region"` // id, hexadecimal
	Trust  string `json:"trust"`
	Node   string `json:"node"`
	Size   uint64 `json:"size"` // entries under the root
	Root   string `json:"root"`
	Index  uint64 `json:"committed"` // where the region's log has the checkpoint
}

// ExportFormat names the form of an export with proofs.
const ExportFormat = "ridgeway audit export 1"

// ExportAudit sends entries as FHIR AuditEvents after IHE BALP, oldest first, one a line. With proofs the first line is the
// ExportHead, and each entry that the region has witnessed bears its proof. That the log was exported is an entry itself.
func (n *Node) ExportAudit(ctx context.Context, q *admin.ExportAuditRequest, send func(line []byte) error) error {
	who := evidenceReader(q.GetAsker())
	f, err := n.auditFilter(q.GetFilter())
	if err != nil {
		return err
	}
	var one *audit.Record
	if q.GetFilter().GetSingle() {
		r, err := n.oneEntry(ctx, who, q.GetFilter().GetEntry())
		if err != nil {
			return err
		}
		one = &r
	} else if err := n.admitReader(ctx, who, f.Subject, f.Document, "exported the audit log"+filterText(f)); err != nil {
		return err
	}
	var head ExportHead
	if q.GetProofs() {
		size := n.audit.Size()
		if one != nil {
			size = one.Index + 1
		}
		if head, err = n.exportHead(ctx, size); err != nil {
			return err
		}
		line, err := json.Marshal(head)
		if err != nil {
			return err
		}
		if err := send(line); err != nil {
			return err
		}
	}
	if one != nil {
		line, err := n.exportLine(*one, head.Size)
		if err != nil {
			return err
		}
		return send(line)
	}
	return n.exportAll(ctx, f, int(q.GetFilter().GetLimit()), head, send)
}

// exportAll sends every entry that a filter lets through, at most so many when left is not zero.
func (n *Node) exportAll(ctx context.Context, f audit.Filter, left int, head ExportHead, send func(line []byte) error) error {
	for from := audit.Ref(0); ; {
		page, err := n.audit.Search(ctx, f, from, searchLimit)
		if err != nil {
			return fmt.Errorf("read the audit log: %w", err)
		}
		if len(page.Damaged) > 0 {
			return admin.Errorf(admin.CodeIntegrity, "entry %d of the audit log cannot be read, so that an export would not be complete: 'ridgeway audit verify --data %s' says more", page.Damaged[0], admin.Arg(n.options.Data))
		}
		for _, r := range page.Records {
			line, err := n.exportLine(r, head.Size)
			if err != nil {
				return err
			}
			if err := send(line); err != nil {
				return err
			}
			if left--; left == 0 {
				return nil
			}
		}
		if from = page.Next; from == 0 {
			return nil
		}
	}
}

// exportHead returns the last checkpoint of this log that the region has committed, of so many entries where that can be had.
func (n *Node) exportHead(ctx context.Context, size uint64) (ExportHead, error) {
	c, err := n.witnessedTo(ctx, size)
	switch {
	case err != nil:
		return ExportHead{}, err
	case c.Size == 0:
		return ExportHead{}, admin.Errorf(admin.CodeUnavailable, "the region has not witnessed this log yet: try again once it can be reached, or export without --proofs")
	}
	return ExportHead{
		Format: ExportFormat, Region: federation.Digest(n.membership.RegionID).String(), Trust: string(n.Trust()), Node: n.ID().String(), Size: c.Size, Root: c.Root.String(), Index: c.Index,
	}, nil
}

func (n *Node) exportLine(r audit.Record, size uint64) ([]byte, error) {
	event := auditEvent(EventSource{n.Trust(), n.ID()}, r.Index, &r.Entry)
	if r.Index < size {
		d, err := n.audit.Disclose(r.Index, size)
		if errors.Is(err, storage.ErrIntegrity) || errors.Is(err, audit.ErrRange) {
			return nil, admin.Errorf(admin.CodeIntegrity, "entry %d cannot be proven (%v): 'ridgeway audit verify --data %s' says more", r.Index, err, admin.Arg(n.options.Data))
		}
		if err != nil {
			return nil, err
		}
		event["extension"] = []fhir{proofExtension(d)}
	}
	return json.Marshal(event)
}

func proofExtension(d audit.Disclosure) fhir {
	text := func(name, value string) fhir { return fhir{"url": name, "valueString": value} }
	parts := []fhir{
		text("index", strconv.FormatUint(d.Index, 10)), text("size", strconv.FormatUint(d.Size, 10)), text("leaf", d.Leaf.String()), text("key", hex.EncodeToString(d.Key[:])),
		{"url": "sealed", "valueBase64Binary": base64.StdEncoding.EncodeToString(d.Sealed)},
	}
	for _, p := range d.Proof {
		parts = append(parts, text("path", p.String()))
	}
	return fhir{"url": ProofExtension, "extension": parts}
}
