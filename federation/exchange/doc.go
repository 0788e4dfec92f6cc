// Package exchange releases documents from their custodians to those who may have them, over streams of document
// connections.
//
// It stands between the endpoint, which proves who is at the other end, and the node, which lends it what is agreed on
// (Ledger), what is held (Records, Chunks) and where to write down who got what (Auditor). A Custodian answers requests
// of peers and of own staff; a Client fetches; a Lease proves that the custodian's copy of the agreed state is recent.
//
// # Invariants
//
//   - No byte of a document, nor its manifest, leaves before the decision permits it and the audit entry of its intent is
//     durable.
//   - A byte leaves only on a decision whose facts were read under a proof of freshness at most one lease old by each of
//     three clocks. The proof is looked at before every 32 KiB, after the chunk was read from disk.
//   - An assertion counts once, on one connection, from the node it names, within 30 s, under the key that the roster has.
//   - No byte reaches a sink that is not verified against the digest in the pointer that the requester's own copy of the
//     index has; what is delivered is in order, each byte once.
//   - A document that the user may not know of is answered like one that does not exist.
//   - Memory is bounded by chunks under way, not by documents.
//
// # Limits
//
// A request is at most 16 KiB and arrives within 5 s. A chunk is at most 256 KiB. A custodian has 512 releases under way,
// 64 to one node; a requester takes at least 32 KiB in 10 s. See CustodianLimits and ClientLimits. When a process is
// stopped while 32 KiB are handed to the transport, what the transport has taken by then can leave when it goes on.
// How long an answer takes is not hidden.
//
// # Compatibility
//
// Assertions and receipts carry a version byte. Frame types, outcome codes and reset codes are appended, never reordered;
// a code that is not known is a refusal.
package exchange
