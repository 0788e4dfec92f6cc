package exchange

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ridgeway-exchange/ridgeway/policy"
)

// custodianMetrics counts what a custodian does. Nothing in it names a person or a document.
type custodianMetrics struct {
	registry   prometheus.Registerer
	collectors []prometheus.Collector

	releases   *prometheus.CounterVec
	refusals   *prometheus.CounterVec
	turnedAway prometheus.Counter
	bytes      prometheus.Counter
	firstByte  prometheus.Histogram
}

func newCustodianMetrics(registry prometheus.Registerer, c *Custodian) (*custodianMetrics, error) {
	m := &custodianMetrics{
		registry: registry,
		releases: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ridgeway_exchange_releases_total",
			Help: "Releases that began, by how they ended.",
		}, []string{"outcome"}),
		refusals: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ridgeway_exchange_refusals_total",
			Help: "Requests refused, by outcome.",
		}, []string{"outcome"}),
		turnedAway: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "ridgeway_exchange_turned_away_total",
			Help: "Requests over a limit, not heard.",
		}),
		bytes: prometheus.NewCounter(prometheus.CounterOpts{Name: "ridgeway_exchange_sent_bytes_total", Help: "Content sent to peers."}),
		firstByte: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "ridgeway_exchange_grant_seconds",
			Help: "From the start of a request to its grant, decided and audited.", Buckets: prometheus.ExponentialBuckets(0.0001, 2, 16),
		}),
	}
	m.collectors = []prometheus.Collector{
		m.releases, m.refusals, m.turnedAway, m.bytes, m.firstByte,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "ridgeway_exchange_active_releases", Help: "Releases under way."},
			func() float64 { return float64(c.Active()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "ridgeway_exchange_buffered_bytes", Help: "Chunks read and not sent yet."},
			func() float64 { return float64(c.buffered.Load()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "ridgeway_exchange_lease_age_seconds", Help: "Age of the proof of freshness; very large when there is none."},
			func() float64 { return c.cfg.Lease.Age(c.cfg.Lease.Current()).Seconds() }),
	}
	if registry == nil {
		return m, nil
	}
	var errs []error
	for _, collector := range m.collectors {
		errs = append(errs, registry.Register(collector))
	}
	return m, errors.Join(errs...)
}

func (m *custodianMetrics) refused(o policy.Outcome) { m.refusals.WithLabelValues(o.String()).Inc() }

func (m *custodianMetrics) released(o policy.Outcome) { m.releases.WithLabelValues(o.String()).Inc() }

func (m *custodianMetrics) close() {
	if m.registry == nil {
		return
	}
	for _, collector := range m.collectors {
		m.registry.Unregister(collector)
	}
}
