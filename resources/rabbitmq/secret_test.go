package rabbitmq_test

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/LerianStudio/midaz-infra/resources/rabbitmq"
)

const canary = "cAnArY-0f-a-pAssw0rd"

// TestCanary puts a password through everything this package can say: problems,
// observations, differences, errors, the ledger and what is sent.
func TestCanary(t *testing.T) {
	b := fakeTarget(t, "4.0.5")
	var said strings.Builder
	say := func(v any) {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			fmt.Fprintf(&said, verb+"\n", v)
		}
		data, _ := json.Marshal(v)
		said.Write(data)
		slog.New(slog.NewTextHandler(&said, nil)).Info("v", "v", v)
	}
	spec := b.head() + fmt.Sprintf(`
  users:
    midaz-test: { password: %q, tags: [é, monitoring] }
  vhosts:
    midaz-test:
      permissions: { midaz-test: { configure: "(", write: "", read: "" } }
      parameters: { federation-upstream: { up: { value: { uri: "amqp://u:%s@h" } } } }
`, canary, canary)
	all, problems := declare(t, spec)
	for _, p := range problems {
		say(p.Error() + p.Hint)
	}
	good := strings.NewReplacer("é, ", "", `"("`, `""`).Replace(spec)
	all, problems = declare(t, good)
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	w := world{t: t, b: b}
	tell := func() {
		for _, o := range observe(t, rabbitmq.OpenReader(rabbitmq.Options{Declared: all}), all) {
			say(o)
			say(o.Have)
			say(o.ID)
			say(o.Applied)
			if r := all.Get(o.Addr); r != nil {
				say(compare(all, r, o))
				say(show(compare(all, r, o)))
			}
		}
		say(b.ledger(t))
	}
	tell()
	if err := w.carryOut(all, w.plan(all)); err != nil {
		t.Fatal(err)
	}
	tell()
	b.do(t, http.MethodPut, "/api/users/midaz-test", `{"tags":"","password":"other"}`)
	b.do(t, http.MethodPut, "/api/parameters/federation-upstream/midaz-test/up", fmt.Sprintf(`{"value":{"uri":["amqp://x:%s@h","amqp://y"]}}`,
		canary))
	tell()
	b.fake.Fault = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPut {
			return false
		}
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte(`{"error":"bad_request","reason":"refused"}`))
		return true
	}
	for _, r := range all.Resources {
		if writer := rabbitmq.Open(rabbitmq.Options{Declared: all}).Writers()[r.Addr.Kind]; writer != nil {
			say(fmt.Sprint(writer.Create(t.Context(), r, nil)))
		}
	}
	b.fake.Fault = nil
	wrong, _ := declare(t, strings.Replace(good, b.password, canary, 1))
	say(fmt.Sprint(observeErr(wrong, "queue")))
	text := said.String()
	for _, s := range []string{canary, hex.EncodeToString([]byte(canary)), b.password} {
		if i := strings.Index(text, s); i >= 0 {
			t.Errorf("the password is said: …%s…", text[max(0, i-200):i+40])
		}
	}
	if sent := strings.NewReplacer("amqp://u:"+canary, "", "amqp://x:"+canary, "").Replace(b.fake.Bodies()); strings.Contains(sent, canary) {
		t.Error("the password was sent in clear")
	}
}
