package index

import (
	"fmt"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

// publish puts the signer's pointers into the index, in their order. The form of a publish statement leaves no room for
// another custodian.
func (c *call) publish(b rawPublish) error {
	for _, p := range b.pointers {
		if p.Replaces && p.Supersedes == p.Key {
			return refuse(BadPointer, "%s supersedes itself", federation.NewDocumentID(c.signer.ID, p.Key))
		}
	}
	for i := range b.pointers {
		if err := c.putPointer(&b.pointers[i]); err != nil {
			return err
		}
	}
	return nil
}

// putPointer writes one pointer. A document that is in the index moves: the pointer under another subject or date goes in
// the same step, so that a misfiled document is never under two patients, and leaves the wrong one at once.
func (c *call) putPointer(p *federation.RawPointer) error {
	trust, key := c.signer.ID, p.Key
	c.row = appendDocument(c.row[:0], trust, key)
	row := c.row
	old, found, err := get(c, row, decodeDocument)
	if err != nil {
		return err
	}
	at := placeAt(p.Date)
	switch {
	case !found:
		c.meta.pointers++
	case old.withdrawn:
		c.meta.withdrawn--
		c.meta.pointers++
	case old.subject != p.Subject || old.at != at:
		c.Delete(pointerKey(old.subject, old.at, trust, key))
	}
	c.key = appendPlace(append(append(c.key[:0], rowPointer), p.Subject[:]...), at, trust, key)
	c.Set(c.key, p.Raw[pointerSkip:])
	c.value = documentRow{subject: p.Subject, at: at, index: c.index}.append(c.value[:0])
	c.Set(row, c.value)
	if !p.Replaces {
		return nil
	}
	return c.supersede(p.Supersedes)
}

// supersede marks the pointer of an earlier document of the signer, if the index has it and knows its status.
func (c *call) supersede(key federation.DocumentKey) error {
	old, found, err := get(c, documentKey(c.signer.ID, key), decodeDocument)
	if err != nil || !found || old.withdrawn {
		return err
	}
	at := pointerKey(old.subject, old.at, c.signer.ID, key)
	value, found, err := c.Get(at)
	if err != nil {
		return fmt.Errorf("read superseded pointer: %w", err)
	}
	if !found {
		return corrupt(at, errMissing)
	}
	p, err := decodePointerRow(at, value)
	if err != nil {
		return err
	}
	if p.Sealed() || p.Status == federation.Superseded {
		return nil
	}
	p.Status = federation.Superseded
	c.Set(at, pointerRow(p))
	return nil
}

// withdraw takes the signer's documents out of the index and remembers that they were there. Documents that are not in the
// index are passed over: to take out is to protect, and one stale id must not hold up the others.
func (c *call) withdraw(b federation.Withdraw) error {
	missing := 0
	for _, d := range b.Documents {
		key := d.Key()
		row := documentKey(c.signer.ID, key)
		old, found, err := get(c, row, decodeDocument)
		if err != nil {
			return err
		}
		if !found || old.withdrawn {
			missing++
			continue
		}
		c.Delete(pointerKey(old.subject, old.at, c.signer.ID, key))
		old.withdrawn, old.index = true, c.index
		c.Set(row, old.encode())
		c.meta.pointers--
		c.meta.withdrawn++
	}
	if missing > 0 {
		c.detail = fmt.Sprintf("%d of %d documents were not in the index", missing, len(b.Documents))
	}
	return nil
}
