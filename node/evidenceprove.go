package node

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/storage/audit"
)

// ErrProof is returned for a line of an export that its proof does not bear out.
var ErrProof = errors.New("the proof does not hold")

// ParseExportHead reads the first line of an export with proofs.
func ParseExportHead(line []byte) (ExportHead, error) {
	var h ExportHead
	if err := json.Unmarshal(line, &h); err != nil || h.Format != ExportFormat {
		return h, fmt.Errorf("the first line is not that of an export with proofs: %w", ErrProof)
	}
	if _, err := h.source(); err != nil {
		return h, err
	}
	_, err := hexDigest(h.Root)
	return h, err
}

func (h ExportHead) source() (EventSource, error) {
	id, err := federation.ParseNodeID(h.Node)
	if err != nil || !federation.TrustID(h.Trust).Valid() {
		return EventSource{}, fmt.Errorf("trust %q and node %q: %w", h.Trust, h.Node, ErrProof)
	}
	return EventSource{federation.TrustID(h.Trust), id}, nil
}

// ProveLine checks one AuditEvent of an export: that the entry is in the log with the head's root, at its place, and that the
// event says what the entry says. It needs nothing but the line and the head. proven is false, without an error, for an event
// that bears no proof because it is newer than the checkpoint.
func ProveLine(h ExportHead, line []byte) (index uint64, proven bool, err error) {
	event := fhir{}
	if err := json.Unmarshal(line, &event); err != nil {
		return 0, false, fmt.Errorf("not JSON (%w): %w", err, ErrProof)
	}
	if event["resourceType"] != "AuditEvent" {
		return 0, false, fmt.Errorf("no AuditEvent: %w", ErrProof)
	}
	if event["extension"] == nil {
		return 0, false, nil
	}
	var proof struct {
		Extension []struct {
			URL       string
			Extension []struct {
				URL               string
				ValueString       string
				ValueBase64Binary string
			}
		}
	}
	if err := json.Unmarshal(line, &proof); err != nil || len(proof.Extension) != 1 || proof.Extension[0].URL != ProofExtension {
		return 0, false, fmt.Errorf("its extension is no proof: %w", ErrProof)
	}
	var d audit.Disclosure
	for _, x := range proof.Extension[0].Extension {
		if err := readProof(&d, x.URL, x.ValueString, x.ValueBase64Binary); err != nil {
			return 0, false, fmt.Errorf("%s of the proof (%w): %w", x.URL, err, ErrProof)
		}
	}
	root, err := hexDigest(h.Root)
	if err != nil {
		return 0, false, err
	}
	if d.Size != h.Size {
		return d.Index, false, fmt.Errorf("the proof is for %d entries, the checkpoint for %d: %w", d.Size, h.Size, ErrProof)
	}
	entry, err := d.Open(root)
	if err != nil {
		return d.Index, false, fmt.Errorf("%w: %w", ErrProof, err)
	}
	source, err := h.source()
	if err != nil {
		return d.Index, false, err
	}
	want, err := AuditEvent(source, d.Index, entry)
	if err != nil {
		return d.Index, false, err
	}
	delete(event, "extension")
	if got, err := json.Marshal(event); err != nil || !bytes.Equal(got, want) {
		return d.Index, false, fmt.Errorf("the event does not say what entry %d of the log says: %w", d.Index, ErrProof)
	}
	return d.Index, true, nil
}

func readProof(d *audit.Disclosure, name, text, binary string) (err error) {
	switch name {
	case "index":
		d.Index, err = strconv.ParseUint(text, 10, 62)
	case "size":
		d.Size, err = strconv.ParseUint(text, 10, 62)
	case "leaf":
		d.Leaf, err = hexDigest(text)
	case "key":
		var key federation.Digest
		key, err = hexDigest(text)
		d.Key = key
	case "path":
		var p federation.Digest
		p, err = hexDigest(text)
		d.Proof = append(d.Proof, p)
	case "sealed":
		d.Sealed, err = base64.StdEncoding.Strict().DecodeString(binary)
	default:
		err = errors.New("not known")
	}
	return err
}

func hexDigest(text string) (federation.Digest, error) {
	b, err := hex.DecodeString(text)
	if err != nil || len(b) != len(federation.Digest{}) {
		return federation.Digest{}, fmt.Errorf("%q is no digest: %w", text, ErrProof)
	}
	return federation.Digest(b), nil
}
