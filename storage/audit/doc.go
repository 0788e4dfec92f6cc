// Package audit keeps a node's evidence: an append-only Merkle log of sealed entries that the region witnesses.
//
// Whoever releases a byte appends an Intent first and sends nothing when that fails; a Completion follows, and at the
// other site a Receipt. The node states the log's size and root to the region every few seconds (federation.Checkpoint),
// with the proof that it extends the one before, so that history which was rewritten afterwards cannot be stated. This
// package stands on package storage and knows nothing of the network, of policy or of who may read the log.
//
// # Invariants
//
//   - An entry is durable when Append returns its index. Indexes are without gaps, in the order of Append's returns.
//   - After a write whose outcome is not known no entry is taken until the log is opened again (ErrFailed).
//   - Leaves are hashes of sealed entries: neither the tree, nor a proof, nor a checkpoint says anything of a patient.
//   - Open refuses a log that is shorter than, or differs from, its mark. Verify finds every entry and every hash that is not
//     what was appended, and does not stop at the first.
//
// # Limits
//
// An entry has at most 4,096 ranges, 8 KiB of rules and 4 KiB of proof. The mark lags by at most 100 ms; what is lost
// within that time is found by the write-ahead file, or by the region's checkpoints. Somebody who controls the
// machine can leave entries out before they are appended: then the other site's log has what this one has not.
//
// # Compatibility
//
// The hashes are those of RFC 6962 §2.1. Entries carry a version; kinds are appended, never reordered.
package audit
