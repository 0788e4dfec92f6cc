// Package ingest takes records in from a folder and the manifest that lists them.
//
// It stands between a health-records team's drop of files and the node: it reads the manifest, groups the files of one document, finds
// and inspects them, and hands each document to a Taker, which stores it. It knows nothing of storage; how an NHS number is checked
// and what a document type is come in as functions.
//
// The manifest is CSV in UTF-8 with a header. The columns may stand in any order:
//
//	file             required  path within the folder, with / or \
//	patient          required  NHS number, spaces and hyphens allowed
//	type             required  SNOMED CT code of the document type
//	title            required  up to 256 bytes, one line
//	date             required  of the document: 2024-03-31 or 2024-03-31T14:05:00Z
//	category         optional  SNOMED CT code
//	specialty        optional  treatment function code
//	author           optional  up to 128 bytes, one line
//	confidentiality  optional  N (when empty), U, L, M, R or V (HL7 v3 Confidentiality)
//	sensitivity      optional  labels of HL7 v3-ActCode such as HIV, separated by spaces
//	legal            optional  HFEA, GRA or ADOPTION: kept here and never shared
//	language         optional  BCP 47, en-GB when empty
//	supersedes       optional  id of the document that this one replaces
//	reference        optional  its id in the system that it comes from, such as that of a referral: up to 256 bytes
//	document         optional  any name: rows with the same one are the parts of one document
//	part, parts      optional  this file is number part of parts
//
// The metadata.csv of a scanning bureau, with the header FILEPATH,PAGE COUNT,GP-PRACTICE-CODE,NHS-NO,SECTION,SUB-SECTION,SCAN-DATE,
// SCAN-ID,USER-ID,UPLOAD, is taken too: dates are dd/mm/yyyy, and files named "1of2_Lloyd_George_Record_[...]" are grouped.
//
// # Invariants
//
//   - Every row has exactly one result. Good documents go in, bad rows are listed with their line; a document goes in whole or not at all.
//   - Running the same manifest again changes nothing: the Taker knows a document by its content, and says that it is held.
//   - Nothing outside the folder is opened, whatever a path or a symbolic link says.
//   - Contents are never held in memory; what is held grows with the manifest only.
//
// # Limits
//
// A manifest has at most 256 MiB, 1,000,000 rows and 64 KiB in a row; a document 512 parts; a file 64 GiB unless configured.
//
// # Compatibility
//
// Column names, outcomes and codes appear in reports that people keep and programs read: they are only ever added to.
package ingest
