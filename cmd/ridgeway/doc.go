// Command ridgeway runs a node of a region, and speaks to one.
//
// It turns flags into node.Settings and calls of the node's admin socket, and answers into text for people or, with --json,
// one object for programs. It decides nothing itself.
//
// # Compatibility
//
// The names of commands, flags and JSON fields, the error codes and the exit statuses are stable. Text for people is not.
package main
