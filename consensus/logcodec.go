package consensus

import (
	"encoding/binary"
	"fmt"
	"io"

	"github.com/hashicorp/raft"
	wal "github.com/hashicorp/raft-wal"
)

// logCodec is how an entry lies in the log:
//
//	uvarint index | uvarint term | type 1 | sealed data
//
// The seal's associated data is the label logLabel and the three fields before it, so that an entry cannot be moved to another
// place in the log. Extensions and AppendedAt are not kept: nothing here uses them.
type logCodec struct{ sealer Sealer }

const (
	logCodecID = wal.FirstExternalCodecID + 0x5257
	logLabel   = "ridgeway/log"
)

// ID names the format in the headers of raft-wal's files.
func (logCodec) ID() uint64 { return logCodecID }

// Encode writes one entry.
func (c logCodec) Encode(l *raft.Log, w io.Writer) error {
	aad := make([]byte, 0, len(logLabel)+24)
	aad = append(aad, logLabel...)
	aad = binary.AppendUvarint(aad, l.Index)
	aad = binary.AppendUvarint(aad, l.Term)
	aad = append(aad, byte(l.Type))
	head := aad[len(logLabel):]
	buf := make([]byte, 0, len(head)+len(l.Data)+64)
	buf = c.sealer.Seal(append(buf, head...), aad, l.Data)
	_, err := w.Write(buf)
	return err
}

// Decode reads one entry and refuses one that fails its seal.
func (c logCodec) Decode(b []byte, l *raft.Log) error {
	index, n := binary.Uvarint(b)
	if n <= 0 {
		return fmt.Errorf("log entry: index: %w", ErrDamaged)
	}
	term, m := binary.Uvarint(b[n:])
	if m <= 0 || len(b) < n+m+1 {
		return fmt.Errorf("log entry %d: term: %w", index, ErrDamaged)
	}
	head := b[:n+m+1]
	data, err := c.sealer.Open(nil, append([]byte(logLabel), head...), b[len(head):])
	if err != nil {
		return fmt.Errorf("log entry %d: %w: %w", index, ErrDamaged, err)
	}
	*l = raft.Log{Index: index, Term: term, Type: raft.LogType(head[len(head)-1]), Data: data}
	return nil
}
