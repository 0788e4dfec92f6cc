package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/ridgeway-exchange/ridgeway/consensus"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/storage"
)

// openMonitor serves metrics and health on the loopback address of the settings, if there is one.
//
//	/metrics   Prometheus text format
//	/healthz   200 while the process can go on
//	/readyz    200 while the node has a leader and takes documents in; else 503 and why
func (n *Node) openMonitor(context.Context) error {
	addr := n.options.Settings.Metrics
	if addr == "" {
		return nil
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return admin.Errorf(admin.CodeInUse, "metrics: TCP %s cannot be opened: %v: choose another address with --metrics", addr, err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(n.options.Metrics, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if why := n.unready(); why != "" {
			http.Error(w, why, http.StatusServiceUnavailable)
			return
		}
		_, _ = fmt.Fprintln(w, "ready")
	})
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second}
	n.tasks.Go(func() {
		if err := server.Serve(l); err != nil && !errors.Is(err, http.ErrServerClosed) {
			n.logger.Warn("metrics ended", slog.Any("error", err))
		}
	})
	n.onClose(func(context.Context) error { return server.Close() })
	return nil
}

// unready says why the node cannot do all of its work; empty when it can.
func (n *Node) unready() string {
	st := n.replica.Status()
	switch {
	case st.State == consensus.Stopped || st.State == consensus.Removed || st.State == consensus.Closed:
		return "the copy of the region's state is " + st.State.String()
	case st.Leader == "":
		return "the region has no leader that this node knows"
	case n.space.Level() >= storage.LevelNoIngest:
		return "too little disk space is free to take documents in"
	default:
		return ""
	}
}
