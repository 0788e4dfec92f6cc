package consensus

import (
	"bytes"
	"errors"
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

// decodeConfiguration reads a configuration in exactly the form in which raft writes one for ids of 64 digits:
//
//	81 a7 "Servers"  90+n | dc n n
//	n times:  83 a7 "Address" da 00 40 id   a2 "ID" da 00 40 id   a8 "Suffrage" 00 voter | 01 observer
//
// Raft's own decoder takes any MessagePack: it panics on bytes that it cannot read, which stops a replica at every start, and
// thirteen bytes that claim a long array keep it busy for minutes. What passes here it reads at once.
func decodeConfiguration(data []byte) (raft.Configuration, error) {
	var c raft.Configuration
	rest, ok := bytes.CutPrefix(data, []byte("\x81\xa7Servers"))
	n := 0
	switch {
	case !ok || len(data) > maxConfiguration:
		return c, fmt.Errorf("configuration of %d bytes does not decode", len(data))
	case len(rest) > 0 && rest[0]&0xf0 == 0x90:
		n, rest = int(rest[0]&0x0f), rest[1:]
	case len(rest) > 2 && rest[0] == 0xdc:
		n, rest = int(rest[1])<<8|int(rest[2]), rest[3:]
	default:
		return c, fmt.Errorf("configuration does not decode: no list of servers")
	}
	if n > maxMembers || len(rest) != n*serverSize {
		return c, fmt.Errorf("configuration of %d servers in %d bytes does not decode", n, len(rest))
	}
	seen := make(map[raft.ServerID]bool, n)
	voters := 0
	for ; len(rest) > 0; rest = rest[serverSize:] {
		s, err := decodeServer(rest[:serverSize])
		if err != nil {
			return raft.Configuration{}, err
		}
		if seen[s.ID] {
			return raft.Configuration{}, fmt.Errorf("configuration names %s twice", s.ID)
		}
		seen[s.ID] = true
		if s.Suffrage == raft.Voter {
			voters++
		}
		c.Servers = append(c.Servers, s)
	}
	if voters == 0 {
		return raft.Configuration{}, errors.New("configuration without a voter")
	}
	return c, nil
}

const (
	serverAddress  = "\x83\xa7Address\xda\x00\x40"
	serverName     = "\xa2ID\xda\x00\x40"
	serverSuffrage = "\xa8Suffrage"
	serverSize     = len(serverAddress) + 64 + len(serverName) + 64 + len(serverSuffrage) + 1
)

func decodeServer(b []byte) (raft.Server, error) {
	take := func(n int) string {
		part := string(b[:n])
		b = b[n:]
		return part
	}
	a, address := take(len(serverAddress)), take(64)
	n, id := take(len(serverName)), take(64)
	v, vote := take(len(serverSuffrage)), b[0]
	switch {
	case a != serverAddress || n != serverName || v != serverSuffrage:
		return raft.Server{}, errors.New("configuration does not decode: no server")
	case !ID(id).Valid() || id != address:
		return raft.Server{}, fmt.Errorf("configuration names %q at %q", id, address)
	case vote == 0:
		return raft.Server{Suffrage: raft.Voter, ID: raft.ServerID(id), Address: raft.ServerAddress(id)}, nil
	case vote == 1:
		return raft.Server{Suffrage: raft.Nonvoter, ID: raft.ServerID(id), Address: raft.ServerAddress(id)}, nil
	}
	return raft.Server{}, fmt.Errorf("configuration has %s as %d", id, vote)
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
