package consensus

import (
	"fmt"

	"github.com/hashicorp/raft"
)

// The first byte of a command entry's data. Do not reorder: the values lie in logs.
const (
	entryCommand byte = iota + 1 // the rest goes to the Machine
	entryEmpty                   // nothing follows; moves the applied index and proves leadership
)

// maxMembers bounds the servers of a configuration, and with it the size of its entry.
const (
	maxMembers       = 1024
	maxConfiguration = 256 << 10
)

// checkEntry refuses an entry that raft or the state machine could not digest, wherever it came from.
func checkEntry(l *raft.Log) error {
	if len(l.Extensions) > 0 {
		return fmt.Errorf("entry %d has extensions", l.Index)
	}
	switch l.Type {
	case raft.LogCommand:
		switch {
		case len(l.Data) == 0:
			return fmt.Errorf("entry %d is empty", l.Index)
		case l.Data[0] == entryCommand && len(l.Data) <= MaxCommand+1:
			return nil
		case l.Data[0] == entryEmpty && len(l.Data) == 1:
			return nil
		}
		return fmt.Errorf("entry %d of kind %d and %d bytes", l.Index, l.Data[0], len(l.Data))
	case raft.LogConfiguration:
		_, err := decodeConfiguration(l.Data)
		return err
	case raft.LogNoop, raft.LogBarrier:
		if len(l.Data) > 0 {
			return fmt.Errorf("entry %d of type %s has data", l.Index, l.Type)
		}
		return nil
	case raft.LogAddPeerDeprecated, raft.LogRemovePeerDeprecated:
	}
	return fmt.Errorf("entry %d of type %d", l.Index, l.Type)
}

// decodeConfiguration reads a configuration as raft encodes it and checks what raft takes for granted. Raft's own
// decoder panics on bytes it cannot read, which would stop the replica at every start.
func decodeConfiguration(data []byte) (c raft.Configuration, err error) {
	if len(data) > maxConfiguration {
		return raft.Configuration{}, fmt.Errorf("configuration of %d bytes: %w", len(data), ErrTooLarge)
	}
	defer func() {
		if r := recover(); r != nil {
			c, err = raft.Configuration{}, fmt.Errorf("configuration does not decode: %v", r)
		}
	}()
	c = raft.DecodeConfiguration(data)
	if len(c.Servers) > maxMembers {
		return raft.Configuration{}, fmt.Errorf("configuration of %d servers: %w", len(c.Servers), ErrTooLarge)
	}
	seen := make(map[raft.ServerID]bool, len(c.Servers))
	voters := 0
	for _, s := range c.Servers {
		switch {
		case !ID(s.ID).Valid() || string(s.ID) != string(s.Address):
			return raft.Configuration{}, fmt.Errorf("configuration names %.80q at %.80q", s.ID, s.Address)
		case seen[s.ID]:
			return raft.Configuration{}, fmt.Errorf("configuration names %s twice", s.ID)
		case s.Suffrage == raft.Voter:
			voters++
		case s.Suffrage != raft.Nonvoter:
			return raft.Configuration{}, fmt.Errorf("configuration has %s as %d", s.ID, s.Suffrage)
		}
		seen[s.ID] = true
	}
	if voters == 0 {
		return raft.Configuration{}, fmt.Errorf("configuration without a voter")
	}
	return c, nil
}

// suffrage says what a server is in a configuration.
func suffrage(c raft.Configuration, id ID) (s raft.ServerSuffrage, found bool) {
	for _, server := range c.Servers {
		if server.ID == raft.ServerID(id) {
			return server.Suffrage, true
		}
	}
	return 0, false
}

func isVoter(c raft.Configuration, id ID) bool {
	s, found := suffrage(c, id)
	return found && s == raft.Voter
}
