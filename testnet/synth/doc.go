// Package synth invents patients and the documents of their records, for the demonstration, for tests and for measuring.
//
// It stands beside the simulated region: it makes bytes that look like what a hospital holds (letters, scanned case notes,
// photographs, charts, structured documents, images) and imports nothing of the product. What it makes is for showing and for
// load, never for clinical use, and says SYNTHETIC on every page and in every file's metadata.
//
// # Invariants
//
//   - The same seed gives the same patients and documents, and the same bytes, on every machine: no clock, no global
//     randomness, no map order, whole-number arithmetic. PNG and JPEG files depend on the encoders of the Go release that built the program.
//   - Patients(n) is the beginning of Patients(n+1). A document's bytes do not depend on which others were made, or when.
//   - Every NHS number is valid and of the range 999 000 0000 to 999 999 9999, which is never issued. Streets and towns do not exist.
//
// # Limits
//
// A source has at most 900,000 patients. A case note has at most 5,000 pages.
//
// # Concurrency
//
// A Source and its documents may be used by several goroutines at once.
package synth
