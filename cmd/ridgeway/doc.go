// Command ridgeway runs a node of a region, and speaks to one.
//
// It turns flags into node.Settings and calls of the node's admin socket, and answers into text for people or, with --json,
// one object for programs. It decides nothing itself.
//
// # Limits
//
// One node a command: a command speaks to the node of one data folder, on this machine, as the user that the node runs as. It
// holds a few MiB whatever the size of a document, and a manifest whole. Of what the region refused it lists 1,000 at a time.
//
// # Compatibility
//
// The names of commands, flags and JSON fields, the error codes and the exit statuses are stable. Text for people is not.
package main
