package main

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/docker"
	"github.com/LerianStudio/midaz-infra/resources/rabbitmq"
	"github.com/LerianStudio/midaz-infra/specs"
)

// realWorld is Docker and RabbitMQ. It is the only place that knows both.
func realWorld() world {
	return world{
		kinds: func() []resources.Kind { return slices.Concat(docker.Kinds(), rabbitmq.Kinds()) },
		rules: func() []*specs.Rule { return rabbitmq.Rules() },
		read:  readReal,
		write: writeReal,
	}
}

func engineOptions(a access) docker.Options { return docker.Options{LookupEnv: a.lookupEnv} }

func readReal(ctx context.Context, a access) (*sight, error) {
	e, err := docker.OpenReader(ctx, engineOptions(a))
	if err != nil {
		return nil, err
	}
	broker := rabbitmq.OpenReader(rabbitmq.Options{Declared: a.declared})
	return &sight{
		readers: merged(e.Readers(), broker.Readers()),
		look:    noLook{},
		close:   func() { _ = e.Close() },
	}, nil
}

func writeReal(ctx context.Context, a access) (*sight, error) {
	e, err := docker.Open(ctx, engineOptions(a))
	if err != nil {
		return nil, err
	}
	broker := rabbitmq.Open(rabbitmq.Options{Declared: a.declared})
	return &sight{
		readers: merged(e.Readers(), broker.Readers()),
		writers: merged(e.Writers(), broker.Writers()),
		look:    noLook{},
		close:   func() { _ = e.Close() },
	}, nil
}

func merged[V any](all ...map[string]V) map[string]V {
	out := map[string]V{}
	for _, m := range all {
		maps.Copy(out, m)
	}
	return out
}

var errTodo = errors.New("not supported yet")

type noLook struct{}

func (noLook) cpus(context.Context) int { return 4 }
func (noLook) containers(context.Context, string) ([]containerLook, error) {
	return nil, errTodo
}
func (noLook) logs(context.Context, containerLook, logOptions, func(logLine)) error { return errTodo }
func (noLook) about(context.Context) ([]aboutPart, error)                           { return nil, errTodo }
func (noLook) unmanaged(context.Context, string) ([]*resources.Observed, error) {
	return nil, errTodo
}
