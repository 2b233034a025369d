package main

import "context"

type grafana struct{}

func (d *demo) startGrafana(ctx context.Context, b binaries) error { return nil }
func (g *grafana) tell(s *story)                                   {}
