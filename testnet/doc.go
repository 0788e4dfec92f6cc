// Package testnet runs whole regions in one process, with faults.
//
// It is the backbone of the tests that no single package can hold: nodes that are complete but for their socket, clock
// and folder, on a simulated network, in virtual time (testing/synctest) or in real time. It has the network and its
// faults, the region that is built on it, the workload, the scenarios with the promises they check, and the end-to-end
// benchmarks. The demonstration of the command line is such a region too, so whatever it imports takes no testing.T.
// The rules on what may import what are checked here as well, because this is the package that may see all others.
//
// # Network
//
// A Network carries datagrams between hosts that are known by name. Each direction of each pair of hosts is a link with
// its own latency, jitter, loss, rate and queue, and its own random numbers, which depend on the seed and on the two
// names only: what happens on one link does not change what happens on another.
//
//	WriteTo ─► cut? ─► lost? ─► queue of the link, at its rate ─► latency, jitter ─► inbox by time of arrival ─► ReadFrom
//
// No goroutine and no timer belongs to a packet: the reader of a socket waits for the first arrival itself.
//
// # Scenarios
//
// Each Test of a scenario founds a region of complete nodes in virtual time, plays on it, heals everything, and then wants
// Region.Ready, Region.Published and Region.CheckInvariants to hold. Attackers are programs of their own with a node's keys, or
// with none that anybody knows; they encode what they say themselves.
//
//   - RIDGEWAY_SEEDS=n runs each scenario with the seeds 1 to n; without it there are one to five, and fewer with -short.
//   - -run 'TestRevocation/seed_4$' with RIDGEWAY_SEEDS=4 or more runs one seed again.
//   - REGION_LOG=debug makes a failure print all that the nodes logged, and not only the last lines.
//
// # Invariants
//
//   - A killed host is silent from that instant: nothing that it still writes gets out, as if the power had gone.
//   - A packet arrives whole or not at all; nothing is corrupted or made up.
//   - Packets of a link without jitter arrive in the order in which they were sent.
//   - The same seed and the same sequence of packets on a link lose the same packets. Which packets are sent is up to
//     the scheduler, so a run is not repeatable bit for bit: a failure prints the trace as well as the seed.
//
// # Limits
//
// Datagrams of at most 1,500 bytes by default. An inbox holds 16 MiB, under way and unread; more is lost. The trace
// holds the last 4,096 events.
package testnet
