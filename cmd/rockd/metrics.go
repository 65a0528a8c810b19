package main

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"rock/rocks/rendezvous"
)

// metrics serves the counters of a server at /metrics.
func metrics(s *rendezvous.Server) http.Handler {
	r := prometheus.NewRegistry()
	stats := s.Stats()
	for _, c := range []struct {
		name, help string
		value      func() int64
	}{
		{"connections_total", "Connections that were taken.", stats.Conns.Load},
		{"connections_refused_total", "Connections that were turned away: too many, in all or from one host.", stats.Turned.Load},
		{"words_left_total", "Records that were taken.", stats.Left.Load},
		{"words_found_total", "Records that were given to who looked for them.", stats.Found.Load},
		{"requests_refused_total", "Requests that were not granted.", stats.Refused.Load},
		{"relay_pairs_total", "Pairs that were connected.", stats.Pairs.Load},
		{"relay_bytes_total", "Bytes that went through here, both ways.", stats.RelayBytes.Load},
	} {
		r.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "rockd_" + c.name, Help: c.help},
			func() float64 { return float64(c.value()) }))
	}
	r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "rockd_connections", Help: "Connections that there are."},
		func() float64 { conns, _ := s.Now(); return float64(conns) }))
	r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "rockd_relay_pairs", Help: "Pairs that are connected."},
		func() float64 { _, pairs := s.Now(); return float64(pairs) }))
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(r, promhttp.HandlerOpts{}))
	return mux
}
