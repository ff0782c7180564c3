package rabbitmq

import (
	"encoding/json"
	"testing"

	"github.com/LerianStudio/midaz-infra/resources"
)

// FuzzLedger reads any global parameters as ledgers. Nothing panics, and only
// well-formed addresses are owned.
func FuzzLedger(f *testing.F) {
	f.Add(`[{"name":"midaz.test","value":{"format":1,"stack":"test","cluster":"c","generation":3,"objects":{"queue/%2F/a":{"fields":{"durable":true}}}}},{"name":"internal_cluster_id","value":"c"}]`)
	f.Add(`[{"name":"midaz.test","value":{"objects":[]}},{"name":"midaz.other","value":{"objects":{"x":1,"queue/%2F/b":[]}}}]`)
	f.Add(`[{"name":"midaz.test","value":{"cluster":"d","objects":{"queue/%2F/a":{"key":"zz"}}}},{"name":"internal_cluster_id","value":1}]`)
	f.Fuzz(func(t *testing.T, text string) {
		var rows []row
		if json.Unmarshal([]byte(text), &rows) != nil {
			return
		}
		for i := range rows {
			normal, ok := resources.Normalize(map[string]any(rows[i])).(map[string]any)
			if !ok {
				return
			}
			rows[i] = normal
		}
		b := parseBooks(rows, "test")
		for a := range b.own {
			if back, err := resources.ParseAddr(a.String()); err != nil || back != a {
				t.Errorf("owns %q", a)
			}
			_, _ = b.applied(a), b.mark(a)
		}
		if len(b.own) > 0 && b.strange {
			t.Error("owns what came from another cluster")
		}
	})
}
