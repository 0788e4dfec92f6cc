package consensus

import (
	"encoding/binary"
	"fmt"

	"github.com/hashicorp/raft"
)

// Entries lie in the log as raft-wal encodes them, with their data sealed. The seal's associated data is the label, the index and
// the term as uvarints and the type, so that an entry cannot be moved to another place in the log. (raft-wal has a place for a
// codec of one's own, but v0.4.1 does not open its files again with one.) AppendedAt is not kept: nothing uses it.
const logLabel = "ridgeway/log"

func logAAD(l *raft.Log) []byte {
	aad := append(make([]byte, 0, len(logLabel)+21), logLabel...)
	aad = binary.AppendUvarint(aad, l.Index)
	aad = binary.AppendUvarint(aad, l.Term)
	return append(aad, byte(l.Type))
}

// sealEntries returns copies whose data is sealed.
func sealEntries(s Sealer, logs []*raft.Log) []*raft.Log {
	sealed := make([]raft.Log, len(logs))
	out := make([]*raft.Log, len(logs))
	for i, l := range logs {
		sealed[i] = raft.Log{
			Index: l.Index, Term: l.Term, Type: l.Type,
			Data: s.Seal(make([]byte, 0, len(l.Data)+64), logAAD(l), l.Data),
		}
		out[i] = &sealed[i]
	}
	return out
}

// readEntry reads and opens one entry. What is not there is raft.ErrLogNotFound; what does not hold is ErrDamaged. raft-wal's
// decoder may panic on bytes that it did not write.
func readEntry(file raft.LogStore, s Sealer, index uint64, l *raft.Log) error {
	_, err := guarded(func() (struct{}, error) { return struct{}{}, file.GetLog(index, l) })
	if err != nil {
		return err
	}
	if l.Index != index {
		return fmt.Errorf("log entry %d lies in the place of %d: %w", l.Index, index, ErrDamaged)
	}
	data, err := s.Open(nil, logAAD(l), l.Data)
	if err != nil {
		return fmt.Errorf("log entry %d: %w: %w", index, ErrDamaged, err)
	}
	l.Data = data
	return nil
}
