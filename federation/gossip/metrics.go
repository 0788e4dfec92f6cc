package gossip

import (
	"github.com/prometheus/client_golang/prometheus"
)

// Why a packet, message or stream was dropped.
const (
	dropQueue       = "queue_full"
	dropUnreachable = "unreachable"
	dropStranger    = "not_active"
	dropRate        = "rate"
	dropRefused     = "refused"
	dropBusy        = "busy"
)

// metrics counts what was dropped, and shows the peers by state and the forks.
type metrics struct {
	dropped *prometheus.CounterVec
	peers   *prometheus.GaugeVec
	forks   prometheus.Gauge

	registry prometheus.Registerer  // may be nil
	own      []prometheus.Collector // those that are registered there
}

func newMetrics(registry prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		registry: registry,
		dropped: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ridgeway_gossip_dropped_total",
			Help: "Packets, messages and streams dropped, by reason.",
		}, []string{"reason"}),
		peers: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "ridgeway_gossip_peers",
			Help: "Other active nodes of the region, by state.",
		}, []string{"state"}),
		forks: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "ridgeway_gossip_forks",
			Help: "Peers whose state root differs from ours at the same index.",
		}),
	}
	if registry == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.dropped, m.peers, m.forks} {
		if err := registry.Register(c); err != nil {
			m.close()
			return nil, err
		}
		m.own = append(m.own, c)
	}
	return m, nil
}

// close takes away what was registered, so that a node that is opened again can register its own.
func (m *metrics) close() {
	for _, c := range m.own {
		m.registry.Unregister(c)
	}
	m.own = nil
}

func (m *metrics) drop(reason string) { m.dropped.WithLabelValues(reason).Inc() }

func (m *metrics) show(states map[State]int, forks int) {
	for s := Unseen; s <= Down; s++ {
		m.peers.WithLabelValues(s.String()).Set(float64(states[s]))
	}
	m.forks.Set(float64(forks))
}
