// Package admin is the contract between the command line and its node: gRPC over a unix socket in the data folder.
//
// The node implements the service, the command line calls it; both sides of the error mapping are in problem.go. Whoever may
// open the socket may act as the node's operator, so the socket is readable by the owner of the data folder only.
//
// # Invariants
//
//   - A problem crosses the socket as a code and a message, and is the same *Error at the other end.
//   - Of several processes that would serve one folder, one has the socket; what a killed one left behind is taken over.
//
// # Limits
//
// A message is at most 4 MiB; files travel as data of at most 1 MiB a message.
//
// # Compatibility
//
// Fields are added, never renumbered. Problem codes are stable; their messages are for people and are not.
package admin
