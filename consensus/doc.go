// Package consensus makes replicas agree on an ordered sequence of opaque commands and applies them to a durable state.
//
// It stands between the network and a state machine: the caller brings a Network whose peers are authenticated, a Machine
// that gives commands their meaning and a Sealer for what lies on disk; the package brings a guarded Raft, an fsynced log, a
// store of sealed tables for the state, snapshots streamed from the live state, and reads whose freshness is stated. It imports nothing of
// the rest of the project and knows nothing of what the bytes mean.
//
// # Invariants
//
//   - A command whose Submit returned without error is in the log of a majority of voters, on disk, and is applied
//     by every replica in the same order, once.
//   - The state holds the effects of exactly the commands up to its applied index: both change together.
//   - A peer that is not a Member, or speaks for another, has no effect on term, vote, log or state.
//   - A replica that lost part of its log does not vote.
//   - A Machine that returns an error or panics stops its replica; nothing is skipped.
//
// # Files
//
//   - consensus.go, config.go, errors.go, status.go, metrics.go, hclog.go: what callers see; what an operator does.
//   - replica.go, folder.go, disk.go, watch.go: a replica opens, checks its parts against each other, is looked after, closes.
//   - submit.go, read.go, members.go, future.go, clock.go: commands, reads, membership; waiting for raft and for the state.
//   - transport.go, pipeline.go, reach.go, serve.go, frame.go, wire.go, calls.go: between replicas, for raft and besides it.
//   - guard.go: what reaches raft.
//   - log.go, logseal.go, logscale.go, logtrim.go, entry.go: the log, sealed, and where it may be cut.
//   - mark.go: what this replica has promised, outside of the log.
//   - fsm.go, tx.go, snapshot.go: commands take effect; a state is sent and received.
//   - state.go, stateopen.go, keeper.go, compact.go, manifest.go, journal.go: the state as versions, on disk.
//   - memrun.go, row.go, table.go, tablewrite.go, page.go, pagepack.go, pagecache.go, filter.go, merge.go, scan.go: rows in memory
//     and in tables, and how they are found.
//   - memory.go: a state in memory, for tests of Machines.
//
// # Limits
//
// A command is at most MaxCommand bytes and its effects at most MaxEffectBytes and MaxEffectKeys. A majority of voters that
// is compromised can withhold or reorder commands: what a command may do must be proven by the command itself.
//
// # Compatibility
//
// Mark and manifest carry a version each; one that this program does not know is refused with ErrDamaged, never guessed at. The
// manifest of the version before is read as well. Messages between replicas carry raft's protocol version.
package consensus
