// Package gossip knows who is alive in a region, and who has forked.
//
// It runs on every node, over a lane that has proven the keys of both ends: packets, as datagrams or in frames on one
// stream per peer and direction, and short streams for exchanges of membership. Failure detection and
// membership are hashicorp/memberlist's (SWIM); what a peer says of itself, its applied index and state root, travels
// straight from peer to peer and is never relayed. The node uses the answers to order its dials, to tell a user which
// site does not answer, and to raise an alarm when replicas disagree.
//
// # Invariants
//
//   - Gossip is a hint. No decision on permission, identity, membership or leadership may rest on it: a member can lie
//     in it, and it is late by nature.
//   - Up means that the peer itself was heard, over a lane that its key proves, within the last few seconds. What
//     others say of it can neither keep it up nor take it down.
//   - A fork is reported only on the word of the peer whose root differs; nobody can accuse another.
//   - Only nodes that are active in the roster are listened to, sent to, or believed to exist.
//   - Sending never blocks: what cannot be sent at once is queued, and a full queue loses it.
//   - The rejoin loop never gives up, so a region that was split in halves becomes one again.
//
// # Limits
//
// Every node sends one packet of at most 400 bytes to every other once a second, which suits regions of a few hundred
// nodes. An exchange of membership is at most 1 MiB and 4,096 nodes. A peer may send 500 packets a second. Roots are
// remembered for the last 1,024 observations.
//
// # Compatibility
//
// Heads carry a version byte; a head of another version is dropped, and counts as a word from its sender all the same.
// Membership messages are those of memberlist's protocol versions 1 to 5.
package gossip
