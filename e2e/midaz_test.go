//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/pkg/stdcopy"
	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/LerianStudio/midaz-infra/e2e/rig"
)

// midazStack is the project's own stack with the images made from Debian's
// packages, under names and ports of its own: beside the spec's copy everything
// is as a person has it.
type midazStack struct {
	*stack
	values map[string]string // of the .env that midaz made
}

var (
	midazNames = regexp.MustCompile(`\bmidaz-(postgres|mongodb|valkey|rabbitmq|otel|redpanda|hc)\b`)
	portLine   = regexp.MustCompile(`(?m)^\s+([A-Z0-9_]+):\s*\{ type: port`)
)

func newMidazStack(t *testing.T) *midazStack {
	t.Helper()
	needDebian(t)
	m := &midazStack{stack: newStack(t, "")}
	root := rig.Root()
	for _, name := range []string{"midaz.infra.yaml", "specs/debian.infra.yaml", "specs/stack", "specs/debian"} {
		err := filepath.WalkDir(filepath.Join(root, name), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			info, err := d.Info()
			if err != nil {
				return err
			}
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			rel, _ := filepath.Rel(root, path)
			if !strings.HasPrefix(rel, filepath.Join("specs", "debian")+string(filepath.Separator)) {
				data = midazNames.ReplaceAll(data, []byte(m.name+"-$1"))
			}
			text := strings.Replace(string(data), "\nstack: midaz\n", "\nstack: "+m.name+"\n", 1)
			text = strings.ReplaceAll(text, "midaz_infra-network", m.name+"_infra-network")
			to := filepath.Join(m.dir, rel)
			if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
				return err
			}
			return os.WriteFile(to, []byte(text), info.Mode().Perm())
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	m.args = []string{"--file", "midaz.infra.yaml", "--file", "specs/debian.infra.yaml"} // -f follows, behind logs
	spec, err := os.ReadFile(filepath.Join(m.dir, "midaz.infra.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	found := portLine.FindAllStringSubmatch(string(spec), -1)
	if len(found) < 5 {
		t.Fatalf("the spec has only %d ports: %v", len(found), found)
	}
	m.exits(0, "env")
	m.readEnv()
	for _, f := range found {
		m.args = append(m.args, "-var", fmt.Sprintf("%s=%d", f[1], m.port(f[1])))
	}
	// The whole of it is too much memory for a test, and nothing here needs it.
	m.args = append(m.args, "-var", "SHARED_BUFFERS=64MB", "-var", "MAX_CONNECTIONS=100")
	return m
}

func (m *midazStack) readEnv() {
	m.t.Helper()
	data, err := os.ReadFile(filepath.Join(m.dir, ".env"))
	if err != nil {
		m.t.Fatal(err)
	}
	m.values = map[string]string{}
	for line := range strings.Lines(string(data)) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(name, "#") {
			m.values[name] = strings.Trim(value, `"'`)
		}
	}
}

// sql runs a statement in a server of the stack, as the cluster's owner, and
// returns what it printed.
func (m *midazStack) sql(service, port, database, statement string) (string, error) {
	code, out, err := execIn(m.name+"-"+service, "psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-p", fmt.Sprint(m.port(port)), "-U",
		m.values["DB_USER"], "-d", database, "-c", statement)
	if err == nil && code != 0 {
		err = fmt.Errorf("psql: exit %d: %s", code, out)
	}
	return strings.TrimSpace(out), err
}

// execIn runs a command in a container.
func execIn(name string, cmd ...string) (int, string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	made, err := docker.ContainerExecCreate(ctx, name, container.ExecOptions{Cmd: cmd, AttachStdout: true, AttachStderr: true})
	if err != nil {
		return 0, "", err
	}
	stream, err := docker.ContainerExecAttach(ctx, made.ID, container.ExecAttachOptions{})
	if err != nil {
		return 0, "", err
	}
	defer stream.Close()
	var out strings.Builder
	if _, err := stdcopy.StdCopy(&out, &out, stream.Reader); err != nil {
		return 0, "", err
	}
	done, err := docker.ContainerExecInspect(ctx, made.ID)
	return done.ExitCode, out.String(), err
}

// dial opens a channel to the broker as one of its users.
func (m *midazStack) dial(user, password string) (*amqp.Channel, error) {
	conn, err := amqp.DialConfig((&url.URL{
		Scheme: "amqp", Host: fmt.Sprintf("127.0.0.1:%d", m.port("RABBITMQ_PORT_HOST")),
		User: url.UserPassword(user, m.values[password]), Path: "/",
	}).String(), amqp.Config{Dial: amqp.DefaultDial(10 * time.Second)})
	if err != nil {
		return nil, err
	}
	m.t.Cleanup(func() { _ = conn.Close() })
	return conn.Channel()
}

// as is dial for a user who must get in.
func (m *midazStack) as(user, password string) *amqp.Channel {
	m.t.Helper()
	ch, err := m.dial(user, password)
	if err != nil {
		m.t.Fatalf("%s: %v", user, err)
	}
	return ch
}

const (
	workExchange = "transaction.transaction_balance_operation.exchange"
	workKey      = "transaction.transaction_balance_operation.key"
	workQueue    = "transaction.transaction_balance_operation.queue"
)

// publish publishes and waits until the broker says that it has the message. It
// fails when no queue takes it.
func publish(ch *amqp.Channel, exchange, key, body string) error {
	if err := ch.Confirm(false); err != nil {
		return err
	}
	returned := ch.NotifyReturn(make(chan amqp.Return, 1))
	closed := ch.NotifyClose(make(chan *amqp.Error, 1))
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	sent, err := ch.PublishWithDeferredConfirmWithContext(ctx, exchange, key, true, false,
		amqp.Publishing{Body: []byte(body), DeliveryMode: amqp.Persistent})
	if err != nil {
		return err
	}
	select {
	case <-sent.Done():
		if !sent.Acked() {
			return fmt.Errorf("the broker did not take it")
		}
	case err := <-closed:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case r := <-returned:
		return fmt.Errorf("returned: %s", r.ReplyText)
	default:
		return nil
	}
}

// management calls the broker's API as its administrator.
func (m *midazStack) management(method, path, body string) (int, string, error) {
	req, err := http.NewRequest(method, fmt.Sprintf("http://127.0.0.1:%d/api%s", m.port("RABBITMQ_PORT_AMQP"), path), strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	req.SetBasicAuth(m.values["RABBITMQ_DEFAULT_USER"], m.values["RABBITMQ_DEFAULT_PASS"])
	client := http.Client{Timeout: 10 * time.Second}
	res, err := client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	return res.StatusCode, string(data), err
}

// The whole of it, one obligation after the other on the same stack, because
// each begins where the one before ended.
func TestMidaz_stack(t *testing.T) {
	m := newMidazStack(t)
	f := newForeign(t, m.name+"-foreign", nil)
	since := inspect(t, f.container).State.StartedAt
	proxied := m.record()
	step := func(name string, check func(t *testing.T)) {
		t.Helper()
		if t.Failed() {
			t.Logf("left out, because of the failure before it: %s", name)
			return
		}
		t.Run(name, func(t *testing.T) {
			m.stack.t = t
			defer func() { m.stack.t = m.stack.outer }()
			check(t)
		})
	}

	step("must apply from nothing", func(t *testing.T) {
		if got := m.left(); len(got) != 0 {
			t.Fatalf("there is something: %v", got)
		}
		r := m.apply()
		r.says("Apply complete!")
		for _, name := range []string{"postgres-primary", "postgres-replica", "mongodb", "valkey", "rabbitmq", "otel-lgtm"} {
			if c := m.container(name); !c.State.Running || c.RestartCount != 0 {
				t.Errorf("%s: %+v", name, c.State)
			}
		}
		for _, name := range []string{"postgres-init", "mongodb-init"} {
			if c := m.container(name); c.State.Running || c.State.ExitCode != 0 {
				t.Errorf("%s: %+v", name, c.State)
			}
		}
		m.noSecrets(r)
	})
	step("must plan nothing and read only", func(t *testing.T) {
		proxied.Reset()
		m.converged()
		m.exits(0, "drift")
		m.exits(0, "ps")
		m.exits(0, "info")
		m.exits(0, "logs", "--tail", "5")
		readsOnly(t, proxied)
	})
	step("must write nothing when applied again", func(t *testing.T) {
		proxied.Reset()
		m.apply()
		readsOnly(t, proxied)
	})
	step("must publish ports on the loopback address only", func(t *testing.T) {
		for _, name := range m.containers() {
			for port, bindings := range inspect(t, name).NetworkSettings.Ports {
				for _, b := range bindings {
					if b.HostIP != "127.0.0.1" {
						t.Errorf("%s publishes %s on %s", name, port, b.HostIP)
					}
				}
			}
		}
	})
	step("must replicate a row from primary to replica", func(t *testing.T) {
		if _, err := m.sql("postgres-primary", "DB_PORT", "transaction",
			"CREATE TABLE e2e (v text); INSERT INTO e2e VALUES ('written to the primary')"); err != nil {
			t.Fatal(err)
		}
		eventually(t, 20*time.Second, func() error {
			got, err := m.sql("postgres-replica", "DB_REPLICA_PORT", "transaction", "SELECT v FROM e2e")
			if err == nil && got != "written to the primary" {
				err = fmt.Errorf("the replica has %q", got)
			}
			return err
		})
		if _, err := m.sql("postgres-replica", "DB_REPLICA_PORT", "transaction", "INSERT INTO e2e VALUES ('x')"); err == nil ||
			!strings.Contains(err.Error(), "read-only") {
			t.Errorf("the replica took a write: %v", err)
		}
	})
	step("must have the components' databases", func(t *testing.T) {
		got, err := m.sql("postgres-primary", "DB_PORT", "postgres",
			"SELECT string_agg(datname, ' ' ORDER BY datname) FROM pg_database WHERE datname IN ('onboarding','transaction','tracer')")
		if err != nil || got != "onboarding tracer transaction" {
			t.Errorf("%q %v", got, err)
		}
	})
	step("must refuse PostgreSQL and Valkey without a password", func(t *testing.T) {
		connection := func(password string) string {
			return fmt.Sprintf("host=127.0.0.1 port=%d user=%s dbname=transaction password=%s", m.port("DB_PORT"), m.values["DB_USER"], password)
		}
		if code, out, err := execIn(m.name+"-postgres-primary", "psql", "-XAtqc", "SELECT 1", connection("wrong")); err != nil || code == 0 {
			t.Errorf("a wrong password got in: %s %v", out, err)
		}
		if code, out, err := execIn(m.name+"-postgres-primary", "psql", "-XAtqc", "SELECT 1", connection(m.values["DB_PASSWORD"])); err != nil ||
			code != 0 {
			t.Errorf("the right password did not: %s %v", out, err)
		}
		_, out, err := execIn(m.name+"-valkey", "valkey-cli", "-p", fmt.Sprint(m.port("REDIS_PORT")), "GET", "x")
		if err != nil || !strings.Contains(out, "NOAUTH") {
			t.Errorf("valkey without a password: %s %v", out, err)
		}
		_, out, err = execIn(m.name+"-valkey", "valkey-cli", "--no-auth-warning", "-a", m.values["REDIS_PASSWORD"], "-p",
			fmt.Sprint(m.port("REDIS_PORT")), "SET", "e2e", "kept")
		if err != nil || !strings.Contains(out, "OK") {
			t.Errorf("valkey with its password: %s %v", out, err)
		}
	})
	step("must route a message and dead-letter it after rejection", func(t *testing.T) {
		if err := publish(m.as("transaction", "RABBITMQ_TRANSACTION_PASS"), workExchange, workKey, "a transaction"); err != nil {
			t.Fatal(err)
		}
		consumer := m.as("consumer", "RABBITMQ_CONSUMER_PASS")
		var got amqp.Delivery
		eventually(t, 10*time.Second, func() error {
			d, ok, err := consumer.Get(workQueue, false)
			if err == nil && !ok {
				err = fmt.Errorf("%s is empty", workQueue)
			}
			got = d
			return err
		})
		if string(got.Body) != "a transaction" {
			t.Errorf("got %q", got.Body)
		}
		if err := got.Nack(false, false); err != nil {
			t.Fatal(err)
		}
		eventually(t, 20*time.Second, func() error {
			code, body, err := m.management("POST", "/queues/%2F/transaction.dlq/get", `{"count":1,"ackmode":"ack_requeue_true","encoding":"auto"}`)
			if err == nil && (code != 200 || !strings.Contains(body, "a transaction")) {
				err = fmt.Errorf("dead letters: %d %s", code, body)
			}
			return err
		})
	})
	step("must refuse users what they may not do", func(t *testing.T) {
		refused := func(what string, err error) {
			t.Helper()
			if err == nil || !strings.Contains(err.Error(), "ACCESS_REFUSED") && !strings.Contains(err.Error(), "403") {
				t.Errorf("%s: %v, want ACCESS_REFUSED", what, err)
			}
		}
		users := map[string]string{
			"onboarding": "RABBITMQ_ONBOARDING_PASS", "transaction": "RABBITMQ_TRANSACTION_PASS", "consumer": "RABBITMQ_CONSUMER_PASS",
			"reporter-user": "RABBITMQ_REPORTER_PASS", "fetcher": "RABBITMQ_FETCHER_PASS",
		}
		for user, password := range users {
			if user != "transaction" {
				refused(user+" publishes transactions", publish(m.as(user, password), workExchange, workKey, "forged"))
			}
			if user != "consumer" {
				_, _, err := m.as(user, password).Get(workQueue, true)
				refused(user+" reads transactions", err)
			}
			_, err := m.as(user, password).QueueDeclare("e2e.own", true, false, false, false, nil)
			refused(user+" declares a queue", err)
			_, err = m.as(user, password).QueueDelete(workQueue, false, false, false)
			refused(user+" deletes a queue", err)
		}
		_, err := m.dial("guest", "")
		if err == nil {
			t.Error("guest got in")
		}
		m.values["WRONG"] = "wrong"
		if _, err := m.dial("transaction", "WRONG"); err == nil {
			t.Error("a wrong password got in")
		}
	})
	step("must still plan nothing after it was used", func(t *testing.T) {
		m.converged()
		m.exits(0, "drift")
	})
	step("must keep the data through down and up", func(t *testing.T) {
		volumes := func() []string {
			return slices.DeleteFunc(m.left(), func(x string) bool { return !strings.HasPrefix(x, "volume ") })
		}
		before := volumes()
		m.exits(0, "down").says("Destroy complete!")
		if got := m.left(); !slices.Equal(got, before) {
			t.Errorf("after down there is %v, want the volumes %v", got, before)
		}
		m.exits(0, "up")
		got, err := m.sql("postgres-primary", "DB_PORT", "transaction", "SELECT v FROM e2e")
		if err != nil || got != "written to the primary" {
			t.Errorf("the primary has %q, %v", got, err)
		}
		eventually(t, 20*time.Second, func() error {
			got, err := m.sql("postgres-replica", "DB_REPLICA_PORT", "transaction", "SELECT v FROM e2e")
			if err == nil && got != "written to the primary" {
				err = fmt.Errorf("the replica has %q", got)
			}
			return err
		})
		_, out, err := execIn(m.name+"-valkey", "valkey-cli", "--no-auth-warning", "-a", m.values["REDIS_PASSWORD"], "-p",
			fmt.Sprint(m.port("REDIS_PORT")), "GET", "e2e")
		if err != nil || strings.TrimSpace(out) != "kept" {
			t.Errorf("valkey has %q, %v", out, err)
		}
		eventually(t, 20*time.Second, func() error {
			code, body, err := m.management("POST", "/queues/%2F/transaction.dlq/get", `{"count":1,"ackmode":"ack_requeue_true","encoding":"auto"}`)
			if err == nil && (code != 200 || !strings.Contains(body, "a transaction")) {
				err = fmt.Errorf("dead letters: %d %s", code, body)
			}
			return err
		})
		m.converged()
	})
	step("must say that a wrong password of the management API was refused", func(t *testing.T) {
		// The variable is also in a file of the broker's service, which is replaced
		// first: only then is the topology looked at again.
		m.exits(0, "plan", "-var", "RABBITMQ_DEFAULT_PASS=not-the-password").says("401", "could not be read yet").saysNot("not-the-password")
	})
	step("must leave nothing behind when destroyed and touch nothing foreign", func(t *testing.T) {
		m.exits(0, "destroy", "--volumes", "-auto-approve", "-confirm", m.name).says("Destroy complete!")
		if got := m.left(); len(got) != 0 {
			t.Errorf("left: %v", got)
		}
		f.untouched(since)
	})
	step("must never have shown a secret", func(*testing.T) {
		for _, r := range m.runs {
			m.noSecrets(r)
		}
	})
}

// noSecrets fails when a value that `midaz env` made up stands in a command's output.
func (m *midazStack) noSecrets(r *result) {
	m.t.Helper()
	n := 0
	for name, value := range m.values {
		if len(value) < 12 || !regexp.MustCompile(`PASS|PASSWORD|KEY|TOKEN`).MatchString(name) {
			continue
		}
		n++
		if strings.Contains(r.stdout+r.stderr, value) {
			m.t.Errorf("midaz %s shows the value of %s", strings.Join(r.args, " "), name)
		}
	}
	if n < 8 {
		m.t.Errorf("only %d secrets in .env to look for", n)
	}
}
