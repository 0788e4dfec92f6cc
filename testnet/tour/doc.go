// Package tour walks through the main job of a region, step by step, and says what happens in words a visitor understands.
//
// It stands on package testnet: a region of complete nodes in one process, with invented patients and documents. The
// demonstration of the command line is a tour; a test is another.
//
// # Invariants
//
//   - A step holds only when what it says was seen to be so: bytes are compared, refusals are of the right kind, copies of the
//     index have the same root.
//   - Patients and documents are invented, and the same for the same seed.
//   - A step that fails ends the tour; those after it are listed as not reached.
package tour
