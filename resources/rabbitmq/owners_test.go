package rabbitmq_test

import (
	"net/url"
	"slices"
	"testing"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/rabbitmq"
)

// TestOwnersAreWhatTheBrokerDeletesWith removes a user, then a virtual host: what
// goes with them is what the kinds say, and nothing else.
func TestOwnersAreWhatTheBrokerDeletesWith(t *testing.T) {
	onEach(t, func(t *testing.T, b *target) {
		w := world{t: t, b: b}
		w.apply(whole)
		all := w.resolve(whole)
		present := func() []resources.Addr {
			var out []resources.Addr
			for a, o := range observe(t, rabbitmq.OpenReader(rabbitmq.Options{Declared: all}), all) {
				if o.Presence == resources.Present && o.Leftover == "" && a.Kind != "broker" {
					out = append(out, a)
				}
			}
			return out
		}
		before := present()
		for _, owner := range []resources.Addr{resources.NewAddr("user", "midaz-test-app"), resources.NewAddr("vhost", "midaz-test/a b")} {
			b.do(t, "DELETE", "/api/"+owner.Kind+"s/"+url.PathEscape(owner.Parts()[0]), "")
			now := present()
			for _, a := range before {
				said := a == owner || slices.Contains(rabbitmq.OwnersOf(a), owner)
				if gone := !slices.Contains(now, a); gone != said {
					t.Errorf("without %s: %s is gone: %v, and its kind says %v", owner, a, gone, said)
				}
			}
			before = now
		}
	})
}

// TestOwnersOfWhatAnyoneWrote: a ledger may name addresses that no kind makes.
func TestOwnersOfWhatAnyoneWrote(t *testing.T) {
	for _, k := range rabbitmq.Kinds() {
		rabbitmq.OwnersOf(resources.NewAddr(k.Table().Kind, ""))
	}
	if got := rabbitmq.OwnersOf(resources.NewAddr("of-a-later-version", "a", "b")); got != nil {
		t.Errorf("got %v", got)
	}
}
