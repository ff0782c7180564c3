package rabbitmq

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"sync"
	"time"

	"github.com/LerianStudio/midaz-infra/resources"
)

// snapshot is one bulk read of the broker: each list is asked for once, however
// many kinds need it.
type snapshot struct {
	reads    reads
	declared *resources.Declared
	username string
	made     time.Time
	writ     int64

	mu    sync.Mutex
	lists map[string]*list
	took  map[string]bool   // kinds that have been served
	books map[string]*books // by stack

	overruledOnce sync.Once
	overrulings   overrulings
}

type list struct {
	done chan struct{}
	rows []row
	err  error
}

// list returns the rows of a list endpoint. Callers at the same time share one
// call; the context of the first one carries it.
func (s *snapshot) list(ctx context.Context, path string) ([]row, error) {
	s.mu.Lock()
	l, asked := s.lists[path]
	if !asked {
		l = &list{done: make(chan struct{})}
		s.lists[path] = l
	}
	s.mu.Unlock()
	if !asked {
		l.rows, l.err = s.reads.rows(ctx, path)
		close(l.done)
	}
	select {
	case <-l.done:
		return l.rows, l.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// snapshotAge is how long kinds that are observed together may share what was
// read. They are asked at the same time; the age only ends what was given up.
const snapshotAge = 10 * time.Second

// snapshot returns the bulk read of the running observation. Each kind is
// served once from one snapshot: a kind that asks a second time begins the next
// observation, as does anything written in between.
func (b *ReadBroker) snapshot(kind string) *snapshot {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.current
	if s == nil || s.took[kind] || s.writ != b.written.Load() || time.Since(s.made) > snapshotAge {
		s = b.freshSnapshot()
		b.current = s
	}
	s.took[kind] = true
	return s
}

// freshSnapshot returns a bulk read that no observation shares.
func (b *ReadBroker) freshSnapshot() *snapshot {
	return &snapshot{reads: b.reads(), declared: b.o.Declared, username: b.username(), made: time.Now(), writ: b.written.Load(),
		lists: map[string]*list{}, took: map[string]bool{}, books: map[string]*books{}}
}

// digest pins an object without an identity of its own by what was seen of it.
// It is computed from what the broker listed, before fit adds what only a wanted
// resource can tell: whoever looks again without one must come to the same.
func digest(o *object) string {
	c := o.have.Clone()
	if o.hash != (passwordHash{}) {
		c["password_hash"], c["hashing_algorithm"] = o.hash.text, o.hash.algorithm
	}
	return hashText(string(resources.Canonical(map[string]any(c))))
}

func hashText(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:16])
}
