// Package wire is the protobuf and gRPC contract between nodes.
//
// It holds generated code and the two files it comes from say what it means. Documents never travel here: they have streams
// of their own. Statements travel as the bytes that were signed.
//
// # Compatibility
//
// Fields are added, never renumbered; a node ignores fields that it does not know.
package wire
