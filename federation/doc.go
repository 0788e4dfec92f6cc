// Package federation is the vocabulary of a region: who is in it, what its trusts say to each other, and how that is signed.
//
// It stands below every other package and imports only the standard library, so that an identifier, a statement or a
// manifest means the same thing to storage, to consensus state, to the wire and to a test. It holds no state and does
// no input or output.
//
// # Invariants
//
//   - A value that crosses a trust boundary is encoded once, in one canonical binary form, and signed over exactly those
//     bytes. Decoding then encoding gives the same bytes; anything else is refused, so a signature has one meaning.
//   - A decoder never allocates more than the input is long times a small constant, never recurses and never panics.
//   - Enumerations start at one: a zero value is never valid, so a forgotten field cannot pass for a decision.
//   - Subjects are pseudonyms. Nothing in this package can be turned back into an NHS number.
//
// # Limits
//
// A signed statement is at most 256 KiB; a publish statement carries at most 1,000 pointers; a manifest is at most 64 MiB
// (about two million chunks, half a terabyte).
//
// # Compatibility
//
// Binary forms carry a version byte. Golden files in testdata pin every byte; a change of form is a new version beside
// the old, never an edit of it. Kinds and dictionary entries are appended, never reordered.
package federation
