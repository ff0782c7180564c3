package rabbitmq

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/LerianStudio/midaz-infra/resources"
)

// Exec runs a command in the container of a service of the stack and returns
// what it printed. A command that fails is an error.
type Exec func(ctx context.Context, service string, cmd []string) (string, error)

// Nothing stands between a publisher and a queue when it publishes to the
// default exchange: there is no binding to be switched. What holds such a
// publisher is an alarm on the node, as when memory runs out: the broker stops
// reading from connections that publish. A process on the node raises it and
// clears it when a connection of midaz is closed, which it is also when midaz is
// killed. The connections of midaz itself are told that there is none, so that
// messages can be moved meanwhile.

// pauseLimit is how long publishers are held at most, whatever happens.
const pauseLimit = time.Minute

// pauseQuiet is how long the queue must stay as it is for everything that was
// read from publishers before to have come.
const pauseQuiet = 100 * time.Millisecond

// raising is what the node evaluates: %[1]s names the connections of midaz, of
// which the one that ends with ", held" is watched; %[2]d is pauseLimit in
// milliseconds. The calls are the same from RabbitMQ 3.10 to 4.3.
const raising = `Ours = [{P, proplists:get_value(user_provided_name, I, <<>>)} || {P, I} <- ets:tab2list(connection_created)],
Mine = [P || {P, N} <- Ours, is_binary(N), binary:match(N, <<"%[1]s">>) =/= nomatch],
Held = [P || {P, N} <- Ours, N =:= <<"%[1]s, held">>],
Alarm = {resource_limit, memory, node()},
case {Held, rabbit_alarm:get_alarms()} of
  {[Watched], []} ->
    Caller = self(),
    Guard = spawn(fun() ->
      Ref = erlang:monitor(process, Watched),
      rabbit_alarm:set_alarm({Alarm, []}),
      rabbit_alarm:get_alarms(),
      [P ! {conserve_resources, memory, false} || P <- Mine],
      Caller ! {self(), raised},
      receive {'DOWN', Ref, process, _, _} -> ok after %[2]d -> ok end,
      rabbit_alarm:clear_alarm(Alarm)
    end),
    receive {Guard, raised} -> midaz_raised after 5000 -> midaz_unanswered end;
  {[], _} -> midaz_no_connection;
  {_, Alarms} -> {midaz_alarms, Alarms}
end.`

// canPause reports whether an alarm can be raised on the broker that the spec
// names.
func (s *session) canPause() bool {
	return s.broker != nil && s.broker.Config.Text("service") != ""
}

// pause holds every publisher of the broker until resume is called.
type pause struct {
	watched *amqp.Connection
}

func (p *pause) resume() {
	if p != nil && p.watched != nil {
		_ = p.watched.Close()
		p.watched = nil
	}
}

// newMark returns a name that no other connection has.
func newMark() string { return "midaz: moves messages " + strings.ToLower(rand.Text()[:10]) }

// pausePublishers raises the alarm. mark is part of the names of the connections
// that are not held.
func (b *Broker) pausePublishers(ctx context.Context, vhost, mark string) (*pause, error) {
	if !b.canPause() || b.o.Exec == nil {
		return nil, errors.New("publishers can only be held by an alarm on a broker that is a service of the stack")
	}
	conn, err := b.dialAMQP(ctx, vhost, mark+", held")
	if err != nil {
		return nil, err
	}
	p := &pause{watched: conn}
	expression := strings.Join(strings.Fields(fmt.Sprintf(raising, mark, pauseLimit.Milliseconds())), " ")
	out, err := b.o.Exec(ctx, b.broker.Config.Text("service"), []string{"rabbitmqctl", "-q", "eval", expression})
	if err == nil && !strings.Contains(out, "midaz_raised") {
		err = fmt.Errorf("the node answers %q", strings.TrimSpace(out))
	}
	if err != nil {
		p.resume()
		return nil, &resources.Diagnosis{Err: fmt.Errorf("publishers cannot be held by an alarm on the node: %w", err),
			Hint: "clear what keeps rabbitmqctl in the broker's container from raising one, or declare the queue without `pause_publishers`; the " +
				"old queue is as it was"}
	}
	return p, nil
}
