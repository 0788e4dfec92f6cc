// Package index is the ledger that a region agrees on: who is in it, which documents exist and where, what patients have
// objected to, what each trust shares, and how far each audit log has grown.
//
// It stands above consensus, which orders opaque commands, and gives those commands their meaning: a command is a signed
// statement, and Ledger.Apply either accepts it or records why not. Beside that it is the read model over the state:
// Locate, Directives, Agreement and the rest take any Reader and hold nothing in memory. It does not decide who may see
// what; that is policy's.
//
// # Invariants
//
//   - Every effect follows from a statement that is signed by the trust it speaks for, is next in that trust's chain, and
//     is allowed by the rules of its kind. Whoever orders commands, the leader included, can withhold but not forge.
//   - Apply depends on state and command only: no clock, no randomness, no map order, no library error text.
//   - A refused command changes nothing but the record of its refusal. A statement applied before changes nothing.
//   - Two replicas that applied the same commands have the same Root.
//   - A snapshot carries the envelopes, and restoring it applies each of them with all checks: nothing derived is believed.
//   - A directive of a patient holds for every subject that is linked to the one it was recorded for.
//   - A directive that was withdrawn or superseded is never in force again.
//
// # Limits
//
// A statement is at most federation.MaxStatement bytes; its effects stay below consensus.MaxEffectBytes. The last MaxRefusals
// refusals are kept, MaxProposals open proposals of a trust, MaxLinked subjects linked to one patient, MaxPage pointers a page.
// Nothing is evicted otherwise: state grows with what trusts say.
//
// # Compatibility
//
// Row formats, outcomes and codes are part of what replicas agree on. A new kind of statement, or a new version of a body,
// stops a program that does not know it, so that it cannot drift from those that do.
package index
