package audit

import (
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics counts what the log does. A nil *metrics counts nothing.
type metrics struct {
	reg     prometheus.Registerer
	all     []prometheus.Collector
	entries *prometheus.CounterVec
	seconds prometheus.Histogram
}

func newMetrics(reg prometheus.Registerer, size func() uint64) (*metrics, error) {
	if reg == nil {
		return nil, nil
	}
	m := &metrics{
		reg: reg,
		entries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ridgeway_audit_entries_total",
			Help: "Entries appended to the audit log since the start, by kind.",
		}, []string{"kind"}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "ridgeway_audit_append_seconds",
			Help: "Time until an entry was durable.", Buckets: prometheus.ExponentialBuckets(0.0001, 2, 16),
		}),
	}
	gauge := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "ridgeway_audit_size",
		Help: "Entries in the audit log.",
	}, func() float64 { return float64(size()) })
	for _, c := range []prometheus.Collector{m.entries, m.seconds, gauge} {
		if err := reg.Register(c); err != nil {
			m.unregister()
			return nil, fmt.Errorf("metrics of the audit log: %w", err)
		}
		m.all = append(m.all, c)
	}
	return m, nil
}

func (m *metrics) appended(k Kind, took time.Duration) {
	if m == nil {
		return
	}
	m.entries.WithLabelValues(k.String()).Inc()
	m.seconds.Observe(took.Seconds())
}

func (m *metrics) unregister() {
	if m == nil {
		return
	}
	for _, c := range m.all {
		m.reg.Unregister(c)
	}
}
