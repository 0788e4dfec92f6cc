// Package media says what a document's bytes are and cuts single pages out of them.
//
// It stands between the outside world and the record store: whatever takes a file in asks Inspect what it is, how many
// pages it has and, for a multi-page TIFF, which bytes each page needs; whatever hands pages on asks Assemble for a file
// of only those pages. It knows no patient, no identifier and no store.
//
// # Invariants
//
//   - Detection is by content. The name only confirms or contradicts it; it never makes a file something its bytes are not,
//     except that markup under the name of plain text stays plain text.
//   - The extents of a page hold that page's bytes and the 8-byte header, never the data of another page, and
//     Assemble reads nothing of a TIFF outside the extents of the pages asked for.
//   - No input makes Inspect panic, loop or allocate by a number that the file merely claims.
//
// # Limits
//
// A TIFF has at most 65,536 pages, 4,096 tags a page and 4,194,304 strips or tiles in all. A PDF over 256 MiB is
// accepted with an unknown number of pages (0) and its pages are not cut; up to there pdfcpu holds the objects of the file in
// memory, so the caller bounds how many inspections run at once. XML is checked to its end up to 16 MiB, at the root beyond that.
// BigTIFF and password-protected PDF are refused as unsupported.
//
// # Compatibility
//
// The page map (federation.Page) is part of a document's manifest: its meaning must not change for a file that is already held.
package media
