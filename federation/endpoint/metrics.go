package endpoint

import (
	"errors"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	registry    prometheus.Registerer // may be nil
	connections *prometheus.GaugeVec
	dials       *prometheus.CounterVec
	refusals    *prometheus.CounterVec
	streams     *prometheus.CounterVec
	resets      *prometheus.CounterVec
	drops       *prometheus.CounterVec
	retries     prometheus.Counter
	handshakes  prometheus.GaugeFunc
}

func newMetrics(registry prometheus.Registerer, e *Endpoint) (*metrics, error) {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "ridgeway", Subsystem: "endpoint", Name: name, Help: help}, labels)
	}
	m := &metrics{
		registry: registry,
		connections: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Namespace: "ridgeway", Subsystem: "endpoint", Name: "connections",
			Help: "Open connections.",
		}, []string{"lane", "direction"}),
		dials:    counter("dials_total", "Connections dialled, by result.", "lane", "result"),
		refusals: counter("refusals_total", "Incoming connections refused.", "lane"),
		streams:  counter("streams_total", "Streams opened and accepted.", "lane", "direction"),
		resets:   counter("stream_resets_total", "Incoming streams reset before a service saw them.", "lane", "reason"),
		drops:    counter("packets_dropped_total", "Packets of the control lane that were dropped.", "reason"),
		retries: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: "ridgeway", Subsystem: "endpoint", Name: "retries_total",
			Help: "Handshakes that were asked to prove their address first.",
		}),
		handshakes: prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Namespace: "ridgeway", Subsystem: "endpoint", Name: "handshakes",
			Help: "Incoming handshakes in progress.",
		}, func() float64 { return float64(e.gate.inProgress()) }),
	}
	if registry == nil {
		return m, nil
	}
	for i, c := range m.all() {
		if err := registry.Register(c); err != nil {
			for _, done := range m.all()[:i] {
				registry.Unregister(done)
			}
			return nil, fmt.Errorf("register endpoint metrics: %w", err)
		}
	}
	return m, nil
}

func (m *metrics) all() []prometheus.Collector {
	return []prometheus.Collector{m.connections, m.dials, m.refusals, m.streams, m.resets, m.drops, m.retries, m.handshakes}
}

// remove takes the collectors out of the registry, so that a restarted endpoint can use it again.
func (m *metrics) remove() {
	if m.registry == nil {
		return
	}
	for _, c := range m.all() {
		m.registry.Unregister(c)
	}
}

func direction(outgoing bool) string {
	if outgoing {
		return "out"
	}
	return "in"
}

func (m *metrics) opened(s *session) {
	m.connections.WithLabelValues(s.at.lane.String(), direction(s.outgoing)).Inc()
}

func (m *metrics) ended(s *session) {
	m.connections.WithLabelValues(s.at.lane.String(), direction(s.outgoing)).Dec()
}

func (m *metrics) dialled(lane Lane, err error) {
	result := "failed"
	switch {
	case err == nil:
		result = "connected"
	case errors.Is(err, ErrNotAdmitted), errors.Is(err, ErrWrongPeer), errors.Is(err, ErrVersion):
		result = "refused"
	case errors.Is(err, ErrUnreachable):
		result = "unreachable"
	}
	m.dials.WithLabelValues(lane.String(), result).Inc()
}

// inProgress counts incoming handshakes.
func (g *gate) inProgress() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.handshakes
}
