// Package record keeps a trust's own patients and documents, and what the region has yet to be told of them.
//
// Content lies in package blob; here is what it is, whose it is, and where it stands: queued, published, withdrawn. A
// document, its references to chunks and its place in the outbox are one durable transaction, written after the chunks
// are durable, so that taking documents in never waits for the region and loses nothing. It is the only package that
// knows how an NHS number becomes a subject, and the only place where a subject can be turned back, for this trust's own
// patients. It knows nothing of policy or of the network: who may see a document is asked elsewhere.
//
// # Invariants
//
//   - Add returns after document, references and outbox entry are durable together. The same document has one id, whenever
//     and however often it is taken in.
//   - Rows are sealed, bound to their keys; keys carry pseudonyms, ids and digests only.
//   - What must be there and is not is storage.ErrIntegrity, never an empty answer: a patient's documents and objections are
//     counted, and a missing refusal must not read as permission.
//   - An objection takes effect here when AddRefusal returns, and until Complete says that it is committed. The withdrawal of
//     an objection has no effect here before it is committed.
//   - A withdrawn document is withdrawn here when Withdraw returns, whatever is in flight.
//   - One statement is in flight at a time; its bytes are durable before they are submitted and are what is submitted again.
//
// # Limits
//
// A document has at most 2,048 parts; its manifest at most 64 MiB. AddBatch takes at most 500 documents. A page has at most
// 1,000 documents. ByPhase reads every document's state and is for operators. Whoever has the region's subject key can
// try out all NHS numbers: the pseudonym protects against everybody else.
//
// # Compatibility
//
// Rows carry a version. How a subject and a document id are made never changes: golden tests pin them.
package record
