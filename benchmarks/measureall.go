package main

import (
	"context"
	"fmt"
	"io"
)

// measureAll measures everything that the settings ask for, and returns what to report.
func measureAll(ctx context.Context, s *settings, progress io.Writer) (*report, error) {
	addr := s.redis
	if addr == "" {
		server, err := startServer(ctx)
		if err != nil {
			return nil, err
		}
		defer server.stop()
		addr = server.addr
	}
	admin := newAdmin(addr)
	defer admin.close()
	if err := admin.requireEmpty(ctx); err != nil {
		return nil, fmt.Errorf("-redis is %q: %w", addr, err)
	}
	clients, err := newClients(ctx, addr, s.pool)
	if err != nil {
		return nil, err
	}
	defer clients.close()
	r := &report{settings: s}
	if r.setting, err = newSetting(ctx, admin, s); err != nil {
		return nil, err
	}
	l := &lab{settings: s, admin: admin, clients: clients, identities: identities(s.keys), progress: progress}
	if r.results, err = l.measureWorkloads(ctx); err != nil {
		return nil, err
	}
	if s.growth {
		if r.growths, err = l.measureGrowth(ctx, growthSizes); err != nil {
			return nil, err
		}
	}
	if s.charts != "" {
		if r.charts, err = drawCharts(s.charts, r); err != nil {
			return nil, err
		}
	}
	return r, nil
}
