// Package wire is the protobuf and gRPC contract between nodes: joining a region, and asking a member how it stands.
//
// It stands beside the vocabulary and holds only what is generated from wire.proto, which says what each message means; node
// serves and calls it, over streams of federation/endpoint. Documents never travel here: they have streams of their own.
// Statements travel as the bytes that were signed.
//
// # Invariants
//
//   - Nothing here is signed itself: the connection proves who speaks, and what a call brings about in the region is a statement.
//   - Join is for callers that the region does not know yet, on the join lane; Region is for nodes of the roster only.
//
// # Limits
//
// Which caller may call what, and how large a message may be, is up to node, which serves it.
//
// # Compatibility
//
// Fields are added, never renumbered; a node ignores fields that it does not know.
package wire
