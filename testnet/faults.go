package testnet

import (
	"fmt"
	"strings"
)

// Packets that were under way when a link is cut still arrive: the cut is at the sender's end.

// Cut cuts both directions between two hosts.
func (n *Network) Cut(a, b string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.setCut(a, b)
	n.setCut(b, a)
	n.trace.add(n.since(), "cut", a+" <> "+b, "")
}

// CutOneWay cuts the direction from one host to another: from can hear to, and cannot be heard.
func (n *Network) CutOneWay(from, to string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.setCut(from, to)
	n.trace.add(n.since(), "cut", from+" > "+to, "")
}

// CutOff cuts a host off from all hosts that are known so far.
func (n *Network) CutOff(host string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.addr(host)
	for other := range n.hosts {
		if other != host {
			n.setCut(host, other)
			n.setCut(other, host)
		}
	}
	n.trace.add(n.since(), "cut off", host, "")
}

// Partition cuts every link between hosts of different groups. Links inside a group, and to hosts in no group, stay as
// they are.
func (n *Network) Partition(groups ...[]string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	var text []string
	for i, g := range groups {
		text = append(text, strings.Join(g, " "))
		for j, other := range groups {
			if i == j {
				continue
			}
			for _, a := range g {
				for _, b := range other {
					n.setCut(a, b)
				}
			}
		}
	}
	n.trace.add(n.since(), "partition", strings.Join(text, " | "), "")
}

// Heal ends all cuts. What SetLink set stays.
func (n *Network) Heal() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, l := range n.links {
		l.cut = false
	}
	n.trace.add(n.since(), "heal", "", "")
}

// HealLink ends the cut of both directions between two hosts.
func (n *Network) HealLink(a, b string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.link(pair{n.addr(a), n.addr(b)}).cut = false
	n.link(pair{n.addr(b), n.addr(a)}).cut = false
	n.trace.add(n.since(), "heal", a+" <> "+b, "")
}

// setCut cuts one direction. n.mu must be held.
func (n *Network) setCut(from, to string) { n.link(pair{n.addr(from), n.addr(to)}).cut = true }

// String returns the options as they stand in a trace.
func (o LinkOptions) String() string {
	s := o.Latency.String()
	if o.Jitter > 0 {
		s += " +" + o.Jitter.String()
	}
	if o.Loss > 0 {
		s += fmt.Sprintf(", %.2f %% lost", 100*o.Loss)
	}
	if o.Rate > 0 {
		s += fmt.Sprintf(", %d B/s", o.Rate)
	}
	return s
}
