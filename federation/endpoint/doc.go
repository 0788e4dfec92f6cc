// Package endpoint is a node's one UDP socket: mutually authenticated connections with other nodes,
// by lane, carrying streams and packets.
//
// Everything that nodes say to each other goes through here: the raft lane carries consensus, the
// control lane remote calls and gossip, the document lane documents, the join lane the request of a
// node that is not in the roster yet. The package moves opaque bytes. It knows who a peer is, by
// its key, and asks its caller whether that peer is admitted and where it is; it knows nothing of
// trusts, statements or documents. It is the only package that knows QUIC.
//
// A session in this package is a connection whose hello is done; the sessions that people have are those of the portal.
//
// # Invariants
//
//   - A stream or packet is never handed over, in either direction, unless the other end has proved
//     to hold the key of a peer that Config.Admit admits at that moment. The join lane is the one
//     exception: there the dialling end checks the key against the invitation, and the accepting
//     end must treat everybody as a stranger.
//   - After Evict has returned no stream of that peer yields or takes another byte.
//   - A lane never waits for another lane.
//   - What strangers can make a node spend is bounded, and so is what any one peer can.
//   - Close leaves no goroutine behind.
//
// # Limits
//
// The socket must be able to send and receive UDP; there is no fallback to TCP. Connections are made
// for each direction separately. Loss is known to the sending end only. See Limits for the figures.
//
// # Compatibility
//
// QUIC version 1 (RFC 9000), TLS 1.3 (RFC 8446) with Ed25519 keys. The hello carries a range of
// versions; ends that share none refuse each other with ErrVersion. Lane numbers, services, close
// codes and reset codes are sent and must not be reordered.
package endpoint
