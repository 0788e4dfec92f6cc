// Package node makes a running node of a trust out of the parts.
//
// It is the only place where the parts meet: it reads the configuration, opens the stores, the endpoint, the replica and the
// exchange in that order, and stops them in the other. What it adds of its own is what needs several parts at once: joining,
// the outbox's speaker, the steward of the consensus group, locate with its filter, and the answers to the operator.
//
// # Invariants
//
//   - Nothing is acknowledged before it is durable. A document is taken in when its content and its description are synced; a
//     statement is kept before it is submitted, and submitted again as the same bytes after a crash.
//   - Bytes leave through exchange only, so every release was decided on and written down first, own staff included.
//   - What a user is shown was filtered by the same decision, before it was counted, sorted or paged.
//   - A goroutine that is started here is waited for in Close.
//   - No log line names a patient.
//
// # Limits
//
// One node a trust. All fetches by page together hold at most 512 MiB of parts in memory, whole chunks counted; what cuts
// pages out of a PDF needs about as much again. One that finds no room waits three seconds and is then UNAVAILABLE. A request
// names at most 2,000 pages.
//
// # Compatibility
//
// A data folder is of one version; another version is refused rather than guessed at.
package node
