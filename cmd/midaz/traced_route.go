package main

import (
	"github.com/LerianStudio/midaz-infra/resources/rabbitmq/routing"
)

// tracedRoute is a route with what becomes of the message in each queue when
// it is rejected there.
type tracedRoute struct {
	vhost    *routing.Vhost
	route    *routing.Route
	rejected []rejection
}

// rejection is what a queue does with a message that is rejected; to is nil
// when it is gone then.
type rejection struct {
	queue string
	to    *routing.Rejected
}
