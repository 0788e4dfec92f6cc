package consensus

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are a replica's figures for an operator. Without a registry they count for nobody.
type metrics struct {
	refused *prometheus.CounterVec
	submits *prometheus.HistogramVec
	failed  *prometheus.CounterVec
	live    []prometheus.Collector
	to      prometheus.Registerer
}

func newMetrics(to prometheus.Registerer, status func() Status) (*metrics, error) {
	const namespace = "ridgeway_consensus"
	gauge := func(name, help string, value func(Status) float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help},
			func() float64 { return value(status()) })
	}
	m := &metrics{
		to: to,
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: namespace, Name: "refused_total", Help: "Requests that the guard dropped, by reason.",
		}, []string{"reason"}),
		submits: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: namespace, Name: "submit_seconds", Help: "Time from Submit to its answer.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 15),
		}, []string{"priority"}),
		failed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: namespace, Name: "submit_failed_total", Help: "Commands that were not acknowledged, by reason.",
		}, []string{"reason"}),
	}
	m.live = []prometheus.Collector{
		m.refused, m.submits, m.failed,
		gauge("term", "Current term.", func(s Status) float64 { return float64(s.Term) }),
		gauge("applied_index", "Index of the last entry applied.", func(s Status) float64 { return float64(s.Applied) }),
		gauge("commit_index", "Index of the last entry known to be committed.", func(s Status) float64 { return float64(s.Commit) }),
		gauge("last_log_index", "Index of the last entry in the log.", func(s Status) float64 { return float64(s.LastLog) }),
		gauge("merging", "1 while tables of the state are being merged, or wait for that.", func(s Status) float64 {
			if s.Merging {
				return 1
			}
			return 0
		}),
		gauge("leader", "1 on the leader.", func(s Status) float64 {
			if s.State == Leader {
				return 1
			}
			return 0
		}),
	}
	if to == nil {
		return m, nil
	}
	for i, c := range m.live {
		if err := to.Register(c); err != nil {
			m.live = m.live[:i]
			m.close()
			return nil, err
		}
	}
	return m, nil
}

func (m *metrics) submitted(p Priority, took time.Duration, err error) {
	name := "bulk"
	if p == Urgent {
		name = "urgent"
	}
	m.submits.WithLabelValues(name).Observe(took.Seconds())
	switch {
	case err == nil:
	case errors.Is(err, ErrNoQuorum):
		m.failed.WithLabelValues("no_quorum").Inc()
	case errors.Is(err, ErrOutcomeUnknown):
		m.failed.WithLabelValues("unknown").Inc()
	default:
		m.failed.WithLabelValues("other").Inc()
	}
}

func (m *metrics) drop(why refusal) { m.refused.WithLabelValues(why.String()).Inc() }

func (m *metrics) close() {
	if m.to == nil {
		return
	}
	for _, c := range m.live {
		m.to.Unregister(c)
	}
}
