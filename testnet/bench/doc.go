// Command bench measures what the project promises of its speed, beside the programs that people use for the same.
//
// It builds the real thing out of the same packages as the product (replicas with their synced logs, whole nodes with their
// sockets and folders), runs the peer in the same minutes on the same disk, alternating, and prints one table in Markdown.
// Only the ratio of two figures of one run means anything: the figures themselves follow the machine.
//
//	go run ./testnet/bench                      everything, five runs, a million pointers
//	go run ./testnet/bench -only register,first one or a few
//	go run ./testnet/bench -quick               does it still work: small, one run, figures of no worth
//	go run ./testnet/bench -full                ten million pointers
//	go run ./testnet/bench -peers none          without the other programs
//	go run ./testnet/bench -only portal,downloads  200 people at a portal
//	go run ./testnet/bench -only lossy          as root: two network namespaces with a lossy path between them
//
// The peers are etcd, PostgreSQL, Orthanc and Syncthing; peers.sh installs them. One that is not there is skipped, and the
// table says so. They are started in a temporary folder on the loopback interface and ended by their process id; services
// of the machine are not touched.
//
// # Invariants
//
//   - Ours and the peer are measured in turns within one run, each at least -runs times, and the median is printed.
//   - What is measured is durable, sealed and audited as in production; a shortcut is named in the table.
//   - A goal that is missed is printed as missed.
//
// # Limits
//
// Both ends of every transfer and all replicas share one machine, so transfers and commits are slower than between machines
// of the same kind. The temporary folder has to be on a real disk: set -dir where /tmp is memory.
package main
