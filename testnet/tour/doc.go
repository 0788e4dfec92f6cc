// Package tour walks through the main job of a region, step by step, and says what happens in words a visitor understands.
//
// It stands on package testnet: a region of complete nodes in one process, with invented patients and documents. The
// demonstration of the command line is a tour; a test is another.
//
// # Invariants
//
//   - A step holds only when what it says was seen to be so: bytes are compared, refusals are of the right kind, copies of the
//     index have the same root. A figure in a sentence was measured in that run.
//   - Records are taken in by manifest, as an operator's are, and read through the node's own answers to an operator.
//   - Patients and documents are invented, and the same for the same seed.
//   - A step that fails ends the tour; those after it are listed as not reached.
//   - Nothing is printed here: each line goes to Options.Tell, and has at most Width characters.
//
// # Limits
//
// 3 to 50 trusts, all in one process and on one machine. A tour that reopens an earlier one's folder takes its documents in
// again, and finds that they are held already.
package tour
