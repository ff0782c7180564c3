package proxy

import (
	"encoding/json"
	"net/http"
	"time"
)

// When a fault happens.
type When int

const (
	Before When = iota // the upstream never sees the call
	After              // the upstream has done it; the caller does not get its answer
)

// What the caller gets instead of an answer.
type What int

const (
	// Nothing more than Fault.Do: before, the call goes on; after, its answer is lost.
	Nothing What = iota
	// Error: an answer with Fault.Status.
	Error
	// Reset: the connection is dropped.
	Reset
	// Hang: no answer until the caller gives up, or until Fault.Cut drops the connection.
	Hang
	// Pretend: an answer with Fault.Status and Fault.Body, as if it had been done.
	Pretend
)

// Fault is what goes wrong with one call.
type Fault struct {
	When When
	What What
	// Status of an Error, 500 when 0, and its text, "injected fault" when empty.
	Status  int
	Message string
	// Body is the whole answer of a Pretend.
	Body string
	// Rewrite, when set, makes what the upstream gets of what the caller has sent; of
	// a fault before the call.
	Rewrite func(body []byte) []byte
	// Cut ends a Hang; 0 never does.
	Cut time.Duration
	// Do, when set, runs at the moment of the fault: to kill the caller, for instance.
	Do func()
}

// String names the fault for the name of a test.
func (f Fault) String() string {
	when := map[When]string{Before: "before", After: "after"}[f.When]
	what := map[What]string{Nothing: "nothing", Error: "error", Reset: "reset", Hang: "hang", Pretend: "pretend"}[f.What]
	if f.Do != nil {
		what = "act+" + what
	}
	return what + " " + when
}

// Inject has every call from now on decided by decide, which returns nil for a
// call that goes through. It runs while the record is locked and must not call
// the proxy. nil ends it.
func (p *Proxy) Inject(decide func(Call) *Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.decide = decide
}

// AtWrite returns a decision for Inject: the k-th writing call since the last
// Reset, counted from 1, gets the fault.
func AtWrite(k int, f Fault) func(Call) *Fault {
	return func(c Call) *Fault {
		if c.W == k {
			return &f
		}
		return nil
	}
}

// AtCall is AtWrite for calls of any kind.
func AtCall(k int, f Fault) func(Call) *Fault {
	return func(c Call) *Fault {
		if c.N == k {
			return &f
		}
		return nil
	}
}

func (f *Fault) act() {
	if f.Do != nil {
		f.Do()
	}
}

// hang returns when the caller has given up or the connection is to be dropped.
func (f *Fault) hang(caller <-chan struct{}) {
	var cut <-chan time.Time
	if f.Cut > 0 {
		timer := time.NewTimer(f.Cut)
		defer timer.Stop()
		cut = timer.C
	}
	select {
	case <-caller:
	case <-cut:
	}
}

func (f *Fault) status() int {
	if f.Status == 0 {
		return http.StatusInternalServerError
	}
	return f.Status
}

// body is understood by both APIs' clients: Docker's reads message, RabbitMQ's error and reason.
func (f *Fault) body() string {
	if f.What == Pretend {
		return f.Body
	}
	message := f.Message
	if message == "" {
		message = "injected fault: " + f.String()
	}
	body, err := json.Marshal(map[string]string{"message": message, "error": "injected_fault", "reason": message})
	if err != nil {
		panic(err) // strings always marshal
	}
	return string(body) + "\n"
}
