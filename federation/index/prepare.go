package index

import (
	"errors"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

// prepared is a command with the work done that depends on nothing but its bytes, so that it can be done ahead and in
// parallel. A signature depends on the key in force, which is known only when the command's turn comes: a verdict made
// ahead counts only if it was made with that key.
type prepared struct {
	signed    federation.Signed
	statement federation.Statement
	digest    federation.Digest // of the statement; of the command when it is malformed
	err       error             // why it is malformed

	body    any // a federation.Body, or a rawPublish
	bodyErr error
	decoded bool

	key     federation.PublicKey // zero: not verified yet
	verdict error
}

func prepare(cmd []byte) *prepared {
	p := &prepared{}
	p.signed, p.err = federation.DecodeSigned(cmd)
	if p.err == nil {
		p.statement, p.err = p.signed.Statement()
	}
	if p.err != nil {
		p.digest, p.statement = federation.Sum(cmd), federation.Statement{}
		return p
	}
	p.digest = p.signed.ID()
	return p
}

// rawPublish is the body of a publish statement, with its pointers as they were signed: that is how they go into the index.
type rawPublish struct{ pointers []federation.RawPointer }

// decode returns the statement's body.
func (p *prepared) decode() (any, error) {
	if !p.decoded {
		if p.statement.Kind == federation.KindPublish {
			var b rawPublish
			b.pointers, p.bodyErr = federation.DecodeRawPointers(p.statement)
			p.body = b
		} else {
			p.body, p.bodyErr = federation.DecodeBody(p.statement)
		}
		p.decoded = true
	}
	return p.body, p.bodyErr
}

// verify checks the signature with key.
func (p *prepared) verify(key federation.PublicKey) error {
	if p.key != key || key.IsZero() {
		p.key, p.verdict = key, p.signed.Verify(key)
	}
	return p.verdict
}

// ahead decodes the body and verifies the signature with the key that the roster has.
func (p *prepared) ahead(roster *federation.Roster) {
	if p.err != nil {
		return
	}
	if t, ok := roster.Trust(p.statement.Trust); ok {
		// The verdict is kept in p and read by apply.
		_ = p.verify(t.StatementKey)
	}
	// So is the body, or why there is none.
	_, _ = p.decode()
}

// newer reports whether err means that the statement is of a later version of the program.
func newer(err error) bool { return errors.Is(err, federation.ErrVersion) }
