package docker

import (
	"errors"
	"net"
	"path"
	"regexp"
	"strconv"
	"strings"

	"github.com/LerianStudio/midaz-infra/resources"
)

// The following rows say what midaz does with the container. But for the
// files, nothing of them shows on the engine, and nothing is compared.

var fileRows = []row{{
	Field: resources.Field{Key: "files", Type: filesType, Cost: resources.Remake,
		Doc: "Files placed in the container before it starts; this works on remote engines too. A source that is a folder stands for all " +
			"files in it.",
		Example: "[{source: init.sql, target: /etc/app/init.sql, mode: \"0444\"}]",
		Other:   "[{content: \"level = 3\", target: /etc/app/app.conf, on_change: \"signal:SIGHUP\"}]"},
	bare: bareFiles,
}}

var filesType = resources.Keyed{
	Key: func(v map[string]any) string { return resources.Text(v["target"]) },
	Elem: resources.Object{
		What: "a file",
		Fields: []resources.Field{
			{Key: "source", Type: resources.String(), Example: "init.sql", Other: "app.conf", Doc: "The file to copy, relative to the spec."},
			{Key: "content", Type: resources.String(), Example: "\"level = 3\"", Other: "\"level = 4\"",
				Doc: "The text itself, instead of a source."},
			{Key: "target", Type: resources.Checked("an absolute path in the container", fileTarget), Required: true, Example: "/etc/app/app.conf",
				Other: "/etc/app/other.conf", Doc: "where it is placed."},
			{Key: "mode", Type: modeType, Example: "\"0444\"", Other: "\"0400\"",
				Doc: "Permissions, octal; when not given 0755 for a source that can be executed, else 0644."},
			{Key: "uid", Type: resources.Int(0, 1<<31-1), Default: int64(0), Example: "999", Other: "1000",
				Doc: "The number of the user who owns it."},
			{Key: "gid", Type: resources.Int(0, 1<<31-1), Default: int64(0), Example: "999", Other: "1000",
				Doc: "The number of the group that owns it."},
			{Key: "template", Type: resources.Bool(), Default: false, Unmarked: true, Example: "true", Other: "false",
				Doc: "Substitutes ${VARIABLE} in the source as in the spec."},
			{Key: "sensitive", Type: resources.Bool(), Default: false, Unmarked: true, Example: "true", Other: "false",
				Doc: "Never shows the content. Content with the value of a sensitive variable never is."},
			{Key: "on_change", Type: resources.Checked("replace, copy, signal or signal:NAME", onChange), Default: "replace", Unmarked: true,
				Example: "\"signal:SIGHUP\"", Other: "copy",
				Doc: "What a change of the content does: `replace` the container, `copy` the file into the running one, or copy it and send a `signal`."},
		},
		Finish: func(v map[string]any) error {
			if (v["source"] == nil) == (v["content"] == nil) {
				return errors.New("write either source or content")
			}
			if v["template"] == true && v["source"] == nil {
				return errors.New("template is for sources: variables in content are substituted anyway")
			}
			return nil
		},
	},
}

func fileTarget(s string) (string, error) {
	if !strings.HasPrefix(s, "/") {
		return "", errors.New("it must begin with /")
	}
	if s = path.Clean(s); s == "/" {
		return "", errors.New("it is the root")
	}
	return s, nil
}

func onChange(s string) (string, error) {
	word, name, named := strings.Cut(s, ":")
	switch {
	case (word == "replace" || word == "copy") && !named:
		return word, nil
	case word == "signal" && !named:
		return "signal:SIGHUP", nil
	case word == "signal":
		name, err := signalName(name)
		return "signal:" + name, err
	}
	return "", errors.New("it is none of them")
}

// bareFiles leaves out where the content came from and what its change does.
func bareFiles(v resources.Value) resources.Value {
	out := map[string]any{}
	for target, e := range mapOf(v) {
		m := mapOf(e)
		out[target] = map[string]any{"content": m["content"], "mode": m["mode"], "uid": m["uid"], "gid": m["gid"]}
	}
	return out
}

// hidden makes a row that is neither sent nor compared.
func hidden(f resources.Field) row {
	f.Unseen, f.Unmarked = true, true
	return row{Field: f}
}

var orderRows = []row{
	hidden(resources.Field{Key: "depends_on", Name: true,
		Type: named{what: "a service or job", plain: map[string]any{"condition": "service_started"}, elem: resources.Object{
			What: "a dependency",
			Fields: []resources.Field{
				{Key: "condition", Type: resources.Enum("service_started", "service_healthy", "service_completed_successfully"),
					Default: "service_started", Example: "service_healthy", Other: "service_started",
					Doc: "How far the other must have come: `service_started`, `service_healthy` (its gate has passed), or " +
						"`service_completed_successfully` (a job has ended with 0)."},
				{Key: "restart", Type: resources.Bool(), Default: false, Example: "true", Other: "false", Doc: "Make this one anew when the other is."},
				{Key: "required", Type: resources.Bool(), Default: true, Example: "false", Other: "true",
					Doc: "With false it is no error when the other is not declared or its profile is off."},
			},
			Finish: func(v map[string]any) error {
				if v["condition"] == nil {
					v["condition"] = "service_started"
				}
				return nil
			},
		}},
		Doc:     "Services and jobs that must be there first: a list of names, or a map from name to `condition`.",
		Example: "{postgres: {condition: service_healthy}}", Other: "[postgres]"}),
	hidden(resources.Field{Key: "profiles", Name: true,
		Type:    resources.Set(resources.Pattern("a profile name", `^[a-zA-Z0-9][a-zA-Z0-9_.-]*$`)),
		Doc:     "Profiles it belongs to: it takes part only when one of them is on. Without profiles it always does.",
		Example: "[redpanda]", Other: "[redpanda, vault]"}),
	hidden(resources.Field{Key: "protect", Type: resources.Bool(), Default: false,
		Doc: "Refuses to remove it, also after it has left the spec.", Example: "true", Other: "false"}),
}

var gateRows = []row{hidden(resources.Field{Key: "gate", Type: gateType,
	Doc: "When it counts as ready for what depends on it. All conditions given must hold. Without a gate, one with a health check must " +
		"become healthy, any other must run for 1s.",
	Example: "{healthy: true, stable_for: 2s, timeout: 120s, mode: eventual}", Other: "{tcp: 5432, http: {port: 8080, path: /health}}"})}

var gateType = resources.Object{
	What: "a gate",
	Fields: []resources.Field{
		{Key: "healthy", Type: resources.Bool(), Default: false, Example: "true", Other: "false", Doc: "Its health check succeeds."},
		{Key: "tcp", Type: resources.SetOrOne(resources.Checked("a port, or host:port", tcpPlace)), Example: "5432", Other: "[5432, \"db:5433\"]",
			Doc: "These ports accept connections: a port of the container, or `host:port`."},
		{Key: "http", Type: httpType, Example: "{port: 8080, path: /health, status: 200}", Other: "https://localhost:8443/ready",
			Doc: "A request is answered."},
		{Key: "exec", Type: resources.Argv(), Example: "[pg_isready]", Other: "redis-cli ping",
			Doc: "This command, run in the container, ends with 0."},
		{Key: "log", Type: resources.Checked("a regular expression", checkRegexp), Example: "\"ready to accept connections\"", Other: "started",
			Doc: "A line of its output since its start matches."},
		{Key: "stable_for", Type: resources.Duration(), Example: "2s", Other: "5s",
			Doc: "It has run for this long without a restart; `0s` is as soon as it runs."},
		{Key: "timeout", Type: resources.Duration(), Default: "2m", Example: "120s", Other: "30s", Doc: "How long to wait at most."},
		{Key: "mode", Type: resources.Enum("fail_fast", "eventual"), Default: "fail_fast", Example: "eventual", Other: "fail_fast",
			Doc: "`fail_fast` gives up at the first exit or the verdict \"unhealthy\"; `eventual` waits through them until the timeout."},
	},
	Finish: checkGateTimeout,
}

// checkGateTimeout refuses a timeout in which nothing can become ready.
func checkGateTimeout(v map[string]any) error {
	if timeout, ok := v["timeout"]; ok && resources.ParseDuration(timeout) <= 0 {
		return errors.New("its timeout must be longer than 0s")
	}
	return nil
}

var httpType = resources.Object{
	What: "a request", ShortDoc: "http[s]://[HOST][:PORT]/PATH", Short: shortHTTP,
	Fields: []resources.Field{
		{Key: "port", Type: resources.Int(1, 65535), Example: "8080", Other: "9090",
			Doc: "The container's port; 80 when not given, 443 for https."},
		{Key: "path", Type: resources.Pattern("a path", `^/`), Default: "/", Example: "/health", Other: "/ready",
			Doc: "The path, with a query if wanted."},
		{Key: "status", Type: resources.OneOrMore(resources.Int(100, 599)), Example: "200", Other: "[200, 204]",
			Doc: "The status expected, one or several; 200 to 399 when not given."},
		{Key: "body", Type: resources.Checked("a regular expression", checkRegexp), Example: "ok", Other: "ready",
			Doc: "A regular expression the body must match."},
		{Key: "scheme", Type: resources.Enum("http", "https"), Default: "http", Example: "https", Other: "http",
			Doc: "http, or https without looking at the certificate."},
		{Key: "host", Type: resources.String(), Example: "example.internal", Other: "example.test", Doc: "Another host than the container."},
	},
	Finish: func(v map[string]any) error {
		if v["scheme"] == nil {
			v["scheme"] = "http"
		}
		if v["path"] == nil {
			v["path"] = "/"
		}
		if v["port"] == nil {
			v["port"] = int64(80)
			if v["scheme"] == "https" {
				v["port"] = int64(443)
			}
		}
		return nil
	},
}

var urlText = regexp.MustCompile(`^(https?)://([^/:]*)(?::([0-9]+))?(/.*)?$`)

func shortHTTP(text string) (map[string]any, error) {
	m := urlText.FindStringSubmatch(text)
	if m == nil {
		return nil, errMalformed
	}
	v := map[string]any{"scheme": m[1]}
	if m[2] != "" && m[2] != "localhost" && m[2] != "127.0.0.1" {
		v["host"] = m[2]
	}
	if m[3] != "" {
		port, err := strconv.ParseUint(m[3], 10, 16)
		if err != nil || port == 0 {
			return nil, errors.New("the port is from 1 to 65535")
		}
		v["port"] = int64(port)
	}
	if m[4] != "" {
		v["path"] = m[4]
	}
	return v, nil
}

// tcpPlace returns "host:port", ":port" for the container itself.
func tcpPlace(s string) (string, error) {
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		host, port = "", s
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return "", errors.New("the port is from 1 to 65535")
	}
	return net.JoinHostPort(host, strconv.FormatUint(n, 10)), nil
}

func checkRegexp(s string) (string, error) {
	if _, err := regexp.Compile(s); err != nil {
		return "", errors.New("it is not valid (RE2 syntax)")
	}
	return s, nil
}

var jobGateRows = []row{hidden(resources.Field{Key: "gate", Type: resources.Object{
	What: "a gate of a job",
	Fields: []resources.Field{
		{Key: "timeout", Type: resources.Duration(), Default: "10m", Example: "5m", Other: "30s", Doc: "How long it may take."},
	},
	Finish: checkGateTimeout,
	Refused: map[string]string{
		"healthy": "a job is ready when it has ended with 0", "tcp": "a job is ready when it has ended with 0",
		"http": "a job is ready when it has ended with 0",
		"exec": "a job is ready when it has ended with 0", "log": "a job is ready when it has ended with 0",
		"stable_for": "a job is ready when it has ended with 0", "mode": "a job is ready when it has ended with 0",
	},
}, Doc: "How long the job may take. It is ready when it has ended with 0.", Example: "{timeout: 5m}", Other: "{timeout: 1m}"})}

var serviceOnlyRows = []row{hidden(resources.Field{Key: "update", Type: resources.Object{
	What: "an update",
	Fields: []resources.Field{{Key: "order", Type: resources.Enum("start_first", "stop_first"), Example: "start_first", Other: "stop_first",
		Doc: "`start_first` starts the new container beside the old one and stops that when the new one is ready; `stop_first` the other way " +
			"round. Told from ports, volumes and addresses when not given."}},
}, Doc: "How a replacement goes.", Example: "{order: start_first}", Other: "{order: stop_first}"})}

var jobOnlyRows = []row{hidden(resources.Field{Key: "run", Type: resources.Enum("on_change", "always", "once"), Default: "on_change",
	Doc: "When the job runs: `on_change` first and whenever its definition changes, `always` at each apply, or `once` until it has " +
		"succeeded. That one has is remembered when its container is removed, as long as the stack has a volume; `-replace job/NAME` runs it " +
		"again.",
	Example: "once", Other: "always"})}

// refusedKeys are Compose's keys that are not here, for services and jobs.
func refusedKeys(kind string) map[string]string {
	refused := map[string]string{
		"attach":             "follow the output with `midaz logs -f SERVICE`",
		"configs":            "write `files` with a source or content",
		"secrets":            "write `files` with the value of a sensitive variable as content and mode \"0400\"",
		"credential_spec":    "it exists on Windows only",
		"cpu_count":          "it exists on Windows only; write `cpus`",
		"cpu_percent":        "it exists on Windows only; write `cpus`",
		"develop":            "midaz does not watch source files",
		"extends":            "write an x-* fragment with an anchor and merge it with `<<`, or convert with `midaz import compose`",
		"external_links":     "join the network that the other container is on, under `networks`",
		"gpus":               "devices by capability (GPUs) are not supported yet; write `devices`",
		"isolation":          "it exists on Windows only",
		"label_file":         "write `labels`",
		"links":              "services reach one another by their keys on a common network; write `aliases` under `networks` for other names",
		"models":             "it belongs to Docker Desktop",
		"post_start":         "write a job that depends on the service",
		"pre_start":          "write a job, and name it under `depends_on` with `condition: service_completed_successfully`",
		"umask":              "set it in the command: `[sh, -c, \"umask 027 && exec PROGRAM\"]`",
		"pre_stop":           "handle the stop signal in the process",
		"provider":           "it belongs to Docker Desktop",
		"pull_refresh_after": "write `pull_policy: always`",
		"scale":              "a service is one container; write several services with an anchor",
		"use_api_socket":     "mount the engine's socket under `volumes` if you must",
		"volumes_from":       "name the volumes under `volumes`; two services may share one",
		"net":                "write `network_mode`",
		"log_driver":         "write `logging: {driver: ...}`",
		"log_opt":            "write `logging: {options: ...}`",
		"memory":             "write `mem_limit`",
		"env":                "write `environment`",
	}
	if kind == "job" {
		refused["update"] = "a job is replaced, never updated"
	} else {
		refused["run"] = "only a job runs once; write it under `jobs`"
	}
	return refused
}
