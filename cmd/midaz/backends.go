package main

import (
	"context"
	"errors"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/specs"
)

var errTodo = errors.New("not wired yet")

// realWorld is Docker and RabbitMQ.
func realWorld() world {
	return world{
		kinds: func() []resources.Kind { return nil },
		rules: func() []*specs.Rule { return nil },
		read:  func(context.Context, access) (*sight, error) { return nil, errTodo },
		write: func(context.Context, access) (*sight, error) { return nil, errTodo },
	}
}
