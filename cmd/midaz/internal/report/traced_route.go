package report

import (
	"github.com/LerianStudio/midaz-infra/resources/rabbitmq/routing"
)

// TracedRoute is a route with what becomes of the message in each queue when
// it is rejected there.
type TracedRoute struct {
	Vhost    *routing.Vhost
	Route    *routing.Route
	Rejected []Rejection
}

// Rejection is what a queue does with a message that is rejected; to is nil
// when it is gone then.
type Rejection struct {
	Queue string
	To    *routing.Rejected
}
