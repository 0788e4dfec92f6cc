package record

import (
	"bytes"
	"testing"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

// Descriptions without a legal class are encoded as they always were: older folders are read, and written, the same.
func TestLegalClassesStandInASecondVersion(t *testing.T) {
	d := Document{ID: federation.NewDocumentID("RYJ", federation.DocumentKey{1}), Type: "a", Confidentiality: federation.Normal}
	plain := d.encode()
	if plain[0] != documentVersion {
		t.Errorf("version %d", plain[0])
	}
	d.Legal = "HFEA"
	b := d.encode()
	if b[0] != legalVersion || !bytes.Equal(b[1:len(plain)], plain[1:]) {
		t.Errorf("version %d changes more than its end", b[0])
	}
	if got, err := decodeDocument(d.ID, b); err != nil || got.Legal != "HFEA" {
		t.Errorf("got %q, %v", got.Legal, err)
	}
	plain[0] = legalVersion
	if _, err := decodeDocument(d.ID, append(plain, 0)); err == nil {
		t.Error("a second version without a legal class is read")
	}
}
