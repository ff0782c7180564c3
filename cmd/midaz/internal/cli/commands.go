package cli

import (
	"github.com/urfave/cli/v2"

	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/app"
	"github.com/LerianStudio/midaz-infra/cmd/midaz/internal/render"
	"github.com/LerianStudio/midaz-infra/specs"
)

// Groups of commands in the help.
const (
	GroupMain  = "Plan and apply"
	GroupLook  = "Look around"
	GroupWrite = "Write and read specs"
	GroupTool  = "About the tool"
)

// Commands returns every command. Usage is its line in the list, Description
// its page, of which what follows "Examples:" is shown as it stands.
func Commands() []*cli.Command {
	return []*cli.Command{
		{
			Name: "validate", Category: GroupMain, Usage: "check the spec and report everything that is wrong with it",
			Description: `Reads the spec and checks its shape, names, references, cycles, ports, health checks and the rules of the broker.
It needs no engine and no broker. Every problem is reported in one run, with file:line:col, the line, and what to do.
Warnings do not change the exit status; a line comment "# midaz:ignore CODE reason" silences one.
"midaz explain CODE" tells more about a code.

With -fix what can be put right by a tool is: time to live, length and dead-lettering in a queue's arguments become policies (MZ207).
Only the lines concerned are changed, comments stay, and what was changed is shown.

Examples:
  midaz validate
  midaz validate -fix
  midaz validate -f midaz.infra.yaml -f specs/debian.infra.yaml
  midaz validate -json | jq '.diagnostics[]'`,
			Flags: join(specFlags(), []cli.Flag{
				&cli.BoolFlag{Name: "fix", Usage: "put right in the files what can be, and show it"},
				&cli.BoolFlag{Name: "dry-run", Usage: "with -fix: show it, and write nothing"},
			}, jsonFlags("the problems"), formatFlags(render.ValidateFormats), outputFlags()), Action: action(0, app.Validate),
		},
		{
			Name: "plan", Category: GroupMain, Usage: "show what apply would do; it cannot write",
			Description: `Compares the spec with what the engine and the broker really have, and shows what apply would create, change, replace
and destroy, field by field, with the place in the spec that asks for it. Removals and dangers are listed once more at
the end. A topology is planned even before its broker exists.

With -detailed-exitcode the exit status is 2 when there is something to do, or a declared setting is not in force. A plan that apply would refuse ends with 7.

With -out the plan is saved, without any value, for "midaz apply FILE" to carry out exactly that.

With -format html it is a page that needs nothing beside itself: the dangers, a graph of what happens in which order with its
gates and critical path, and each change, to search and to print.

With -observed it plans against what "midaz observe" has recorded, and asks no engine and no broker: for a pull request whose reviewers
may not reach them. Variables have the values of the recording, sensitive ones stand for themselves, and nothing outside of the
spec's repository is read.

Examples:
  midaz plan
  midaz plan -observed observed.json -format markdown
  midaz plan -into html=plan.html
  midaz plan -out next.plan
  midaz plan -target 'service/rabbitmq' -target 'queue/%2F/*'
  midaz plan -detailed-exitcode -json-into plan.json`,
			Flags: join(specFlags(), planFlags(), policyFlags(),
				[]cli.Flag{
					&cli.StringFlag{Name: "out", Aliases: []string{"o"}, Usage: "save the plan to `FILE`, readable by its owner only"},
					&cli.StringFlag{Name: "observed", Usage: "plan against the observation in `FILE`, with no engine"},
					&cli.BoolFlag{Name: "detailed-exitcode", Usage: "exit with 2 when there are changes"},
				},
				jsonFlags("the plan"), formatFlags(render.PlanFormats), outputFlags()), Action: action(0, app.Plan),
		},
		{
			Name: "diff", Category: GroupMain, Usage: "compare two specs, with no engine", ArgsUsage: "[OLD [NEW]]",
			Description: `Shows what applying NEW would do where OLD was applied, in every format of plan. Each is a file, a git revision (of which
the files of -file are taken), REV:FILE as in git, or BASE... for the commit where a branch began. A..B and A...B are both in one, as for
git diff: A, or the merge base of both, against B. OLD is HEAD and NEW the working tree when they are left out. Places are those of NEW, and of OLD for what is destroyed.

It asks no engine and no broker, runs nothing of the specs, and reads nothing outside of their repository, so that it is safe for
what a stranger proposes. A variable that has no value here stands for itself, as ${NAME}. What only an engine knows is
not in it: what was changed outside, how many messages a queue holds, whether an image has moved.

The exit status is that of plan: 2 with -detailed-exitcode when the specs differ, 7 when apply would refuse the change.

Examples:
  midaz diff
  midaz diff origin/main...
  midaz diff v1.4.0 HEAD
  midaz diff main:midaz.infra.yaml midaz.infra.yaml -format markdown`,
			Flags: join(specFlags(), planFlags(), policyFlags(), []cli.Flag{
				&cli.BoolFlag{Name: "detailed-exitcode", Usage: "exit with 2 when there are changes"},
			}, jsonFlags("the plan"), formatFlags(render.PlanFormats), outputFlags()), Action: action(2, app.Diff),
		},
		{
			Name: "observe", Category: GroupMain, Usage: "record what is there, without secrets, to plan against it elsewhere",
			Description: `Looks at everything that plan looks at, contents of files and what would be lost with each queue included, and writes it down as JSON
for "midaz plan -observed FILE". Nothing on the engine or the broker is changed.

No secret is in the record. Where a sensitive variable has what was found, its name stands, as ${NAME}; anything else in the place of a
secret is only numbered; and so is what somebody has put into an environment or a file that neither the spec nor the last apply has.
Of a secret that is written in the spec there is a slow hash. Names of images, containers, networks and folders of the host are in it.
What only a change would have the broker asked, such as how many messages the limits of a new policy would drop, is not.

Examples:
  midaz observe -out observed.json
  midaz observe -f midaz.infra.yaml -f specs/debian.infra.yaml -out observed.json
  midaz observe | jq '.objects[] | select(.presence == "absent").address'`,
			Flags: join(specFlags(), []cli.Flag{
				&cli.StringFlag{Name: "out", Aliases: []string{"o"},
					Usage: "write it to `FILE` instead of standard output, readable by its owner only"},
			}, outputFlags()), Action: action(0, app.Observe),
		},
		{
			Name: "apply", Category: GroupMain, Usage: "make it so, after showing the plan and asking", ArgsUsage: "[PLANFILE]",
			Description: `Shows the plan, asks, and carries it out: in the order of what needs what, in parallel, each resource waiting until the gates
of what it needs have passed. A failure costs only what depends on it; everything else goes on.

The first interrupt lets what is in flight finish and starts nothing new, the second stops at once. Running it again does
what is left. While a run that did not end well is the last one, or another is at work, the gates of what needs no change
are waited for too.

A plan file of "midaz plan -out" is applied exactly, without asking, or refused with status 6 when spec or world are no
longer what it was made for. It holds no values: the spec is read again, from where the plan was made or as -f says.

While there is something to do, the lock of the stack is held on the engine, also while you are asked. Of two runs one
works, and the other ends with status 5 or waits as -lock-timeout says, and then plans against what the first has left.

With -report the run is told as a page: a time line of each step and gate, what waited for what, the critical path that took the
time, and what failed. It is written whatever the end. With OTEL_EXPORTER_OTLP_ENDPOINT the run is sent as an OpenTelemetry trace, below
the span of TRACEPARENT where there is one; a collector that does not answer costs at most three seconds and fails nothing.

Exit status: 3 when an operation failed, 4 when a gate did not pass, 5 when another run has the lock, 6 when the plan
file is stale, 7 when the plan is refused.

Examples:
  midaz apply
  midaz apply -auto-approve -var DB_PORT=5801
  midaz apply -target service/postgres-primary -parallelism 2
  midaz apply -adopt 'volume/*'
  midaz apply next.plan
  midaz apply -auto-approve -report run.html
  midaz apply -lock-timeout 10m`,
			Flags:  join(specFlags(), planFlags(), policyFlags(), applyFlags(true), jsonFlags("what happens, one object a line,"), outputFlags()),
			Action: action(1, app.Apply),
		},
		{
			Name: "up", Category: GroupMain, Usage: "apply without asking",
			Description: `Does what "midaz apply -auto-approve" does. It returns when every gate has passed; services keep running.

Examples:
  midaz up
  midaz up --profile telemetry`,
			Flags: join(specFlags(), planFlags(), policyFlags(), applyFlags(false), []cli.Flag{
				&cli.BoolFlag{Name: "detach", Aliases: []string{"d"}, Hidden: true, Usage: "up never stays attached"},
				&cli.BoolFlag{Name: "wait", Hidden: true, Usage: "up always waits"},
			}, jsonFlags("what happens, one object a line,"), outputFlags()), Action: action(0, app.Up),
		},
		{
			Name: "down", Category: GroupMain, Usage: "remove the stack and keep its volumes, without asking",
			Description: `Removes the containers and networks that belong to the stack, in reverse order. Volumes stay, and so does what is in them:
after "midaz up" the data is there again. Nothing that another owner made is touched.

Examples:
  midaz down
  midaz down -exclude service/rabbitmq`,
			Flags: join(specFlags(), stackFlag(), destroyFlags(), policyFlags(), applyFlags(false), jsonFlags("what happens, one object a line,"),
				outputFlags()), Action: action(0, app.Down),
		},
		{
			Name: "destroy", Category: GroupMain, Usage: "remove the stack after asking; with --volumes its data too",
			Description: `Shows everything that belongs to the stack and would be removed, asks, and removes it in reverse order.

Volumes stay unless --volumes is given. Then all data in them is lost, and the name of the stack must be typed to go on. In a script,
-confirm gives the name; -auto-approve alone does not remove a protected volume, and volumes are protected by default.
Messages on a broker outside the stack are not covered by this: losing them needs -allow data-loss.

Examples:
  midaz destroy
  midaz destroy --volumes
  midaz destroy --volumes -auto-approve -confirm midaz
  midaz destroy --volumes -exclude volume/postgres-data`,
			Flags: join(specFlags(), stackFlag(), destroyFlags(), policyFlags(), []cli.Flag{
				&cli.BoolFlag{Name: "volumes", Aliases: []string{"v"}, Usage: "remove volumes too, protected ones included: their data is lost"},
				&cli.StringFlag{Name: "confirm", Usage: "with -volumes: the `NAME` of the stack, instead of typing it"},
			}, applyFlags(true), jsonFlags("what happens, one object a line,"), outputFlags()), Action: action(0, app.Destroy),
		},
		{
			Name: "drift", Category: GroupMain, Usage: "show what was changed outside since the last apply; it cannot write",
			Description: `Compares what is there with what was last applied. Only what someone changed by other means counts as drift; what the spec
asks for and nobody has applied yet is listed apart. What could not be read, such as a broker that does not answer or refuses the
login, is listed as unknown. The exit status is 2 when there is drift, 1 when none was found but not everything could be read, and
0 when there is none.

Nothing on the engine or the broker is ever changed. With -adopt, what was found is written into the spec instead, with comments
and order kept, and the difference of the file is shown; secrets are never written. What may differ for a while is let be by
rules in the spec, each with a reason and its last day: such drift is neither shown nor repaired, while what the spec newly
asks for in the same field is applied all the same. With -suggest-ignore they are written for all drift there is, for 30 days.

  drift:
    ignore:
      - { address: service/api, field: cpus, reason: the autoscaler sets it, until: 2026-12-31 }

Examples:
  midaz drift
  midaz drift -json | jq '.resource_drift[].address'
  midaz drift -adopt service/api
  midaz drift -suggest-ignore
  midaz apply -only-drift`,
			Flags: join(specFlags(), targetFlags(), []cli.Flag{
				&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"},
					Usage: "print nothing when everything was read and there is no drift, and no warnings about the spec, for cron"},
				&cli.StringSliceFlag{Name: "adopt", Usage: "write what was changed outside of `ADDR` into the spec; globs work"},
				&cli.BoolFlag{Name: "suggest-ignore", Usage: "write rules into the spec that let the drift be for 30 days"},
			}, jsonFlags("the drift"), formatFlags(render.DriftFormats), outputFlags()), Action: action(0, app.ShowDrift),
		},
		{
			Name: "history", Category: GroupMain, Usage: "list what earlier runs did, or show one of them", ArgsUsage: "[RUN]",
			Description: `Lists the runs that changed something: when, by whom, with which result. With the ID of one, or its beginning, it shows the steps
with their timings and what was put back.

The journal lies on the Docker engine with the stack. It holds the last 50 runs and no secret, outlives "midaz down" and goes with
"midaz destroy". Someone who starts a pipeline is named from GITHUB_ACTOR or GITLAB_USER_LOGIN; MIDAZ_ACTOR names anybody.

Examples:
  midaz history
  midaz history 3f9a1c20
  midaz history -json | jq '.runs[0].result'`,
			Flags: join(specFlags(), stackFlag(), jsonFlags("them"), outputFlags()), Action: action(1, app.History),
		},
		{
			Name: "rollback", Category: GroupMain, Usage: "go back to an earlier run, after showing the plan and asking", ArgsUsage: "RUN",
			Description: `Plans and applies what an earlier run was made from: its spec, the files that it names, the values of its variables, and the very
images that its services ran. It is a plan like any other: shown, asked about, with the same exit status.

Sensitive values and sensitive files are never kept: today's are taken, and it says which of them have changed. What is not
to be had any more, such as an image that was removed, is named and nothing is changed. Data in volumes and queues stays as it is.

Examples:
  midaz rollback 3f9a1c20
  midaz rollback 3f9a -auto-approve`,
			Flags: join(specFlags(), stackFlag(), planFlags(), policyFlags(), applyFlags(true), jsonFlags("what happens, one object a line,"),
				outputFlags()), Action: action(1, app.Rollback),
		},
		{
			Name: "policy test", Category: GroupTool, Usage: "run the tests that are written beside plan rules", ArgsUsage: "[FILE…]",
			Description: `Rules under "policy" say in CEL (https://cel.dev) what a plan must not do (deny) or should not (warn). They stand in the spec, or
in files of their own that are given with -policy, which the spec cannot change. A rule sees the plan as "midaz plan -json"
prints it, with secrets masked. What is denied makes plan and apply end with status 7, before anything is written; what
is warned of is shown in every format at the line that asks for it. "midaz explain MZ053" says what a rule sees.

  policy:
    volumes-stay-on-fridays:
      deny: change.type == "volume" && "delete" in change.change.actions && now.getDayOfWeek() == 5
      message: volumes are not destroyed on Fridays
      tests:
        - { change: { type: volume, change: { actions: [delete] } }, now: "2026-11-20T12:00:00Z", expect: deny }

Without a FILE the rules of the spec are tried. The exit status is 1 when a test fails.

Examples:
  midaz policy test
  midaz policy test specs/policy.yaml`,
			Flags: join(specFlags(), outputFlags()), Action: action(-1, app.PolicyTest),
		},
		{
			Name: "show", Category: GroupMain, Usage: "show what a plan file would do", ArgsUsage: "PLANFILE",
			Description: `Shows a plan that was saved with "midaz plan -out", as plan showed it but without values: those are not in the file. In the
JSON "before" and "after" are null, and midaz.fields names what differs. It needs no spec and no engine.

Examples:
  midaz show next.plan
  midaz show -json next.plan | jq '.summary'`,
			Flags: join(jsonFlags("the plan"), chdirFlag(), outputFlags()), Action: action(1, app.Show),
		},
		{
			Name: "unlock", Category: GroupMain, Usage: "drop a lock that was left behind", ArgsUsage: "ID",
			Description: `Drops the lock of the stack with that ID, which a run tells that cannot have it. A lock whose holder is gone expires by itself
after 20 seconds, so this is seldom needed. When the holder gives signs of life you are asked first; it then finishes
what is in flight and starts nothing new.

Examples:
  midaz unlock 3f6c1a0b9d2e4f71
  midaz unlock -force 3f6c1a0b9d2e4f71`,
			Flags: join(specFlags(), []cli.Flag{
				&cli.BoolFlag{Name: "force", Usage: "do not ask, even though the holder is alive"},
				&cli.BoolFlag{Name: "input", Value: true, Usage: "ask when the holder is alive; -input=false fails instead"},
			}, outputFlags()), Action: action(1, app.Unlock),
		},
		{
			Name: "ps", Category: GroupLook, Usage: "list the services with health, ports, age and drift", ArgsUsage: "[SERVICE...]",
			Description: `Lists the services and jobs of the stack: how they run, what their health check says, which ports are published, how long they
run, and whether they differ from the spec or were changed outside.

Examples:
  midaz ps
  midaz ps -json | jq -r '.services[] | select(.health != "healthy") | .address'`,
			Flags: join(specFlags(), jsonFlags("the list"), outputFlags()), Action: action(-1, app.Ps),
		},
		{
			Name: "logs", Category: GroupLook, Usage: "show the logs of services", ArgsUsage: "[SERVICE...]",
			Description: `Shows the logs of the given services and jobs, or of all, each line after the name of its service. Names are those of the spec or addresses;
globs work. Behind "logs", -f means --follow; a spec is then named with --file.

Examples:
  midaz logs -f
  midaz logs --tail 50 --since 10m postgres-primary rabbitmq
  midaz logs -t 'postgres-*'`,
			Flags: join(logSpecFlags(), []cli.Flag{
				&cli.BoolFlag{Name: "follow", Aliases: []string{"f"},
					Usage: "go on with new lines, also of containers that are started later, until interrupted"},
				&cli.StringFlag{Name: "tail", Aliases: []string{"n"}, Value: "all", Usage: "only the last `N` lines of each"},
				&cli.StringFlag{Name: "since", Usage: "only lines after `TIME`: a duration such as 10m, or 2026-01-31T12:00:00Z"},
				&cli.BoolFlag{Name: "timestamps", Aliases: []string{"t"}, Usage: "show when each line was written"},
				&cli.BoolFlag{Name: "no-log-prefix", Usage: "leave out the name of the service"},
			}, outputFlags()), Action: action(-1, app.Logs),
		},
		{
			Name: "info", Category: GroupLook, Usage: "describe engine, broker, endpoints, and where passwords come from",
			Description: `Shows which engine and broker are in use and their versions, the addresses at which services can be reached from this machine, and for
each sensitive variable where its value comes from. No value of one is shown.

Examples:
  midaz info
  DOCKER_CONTEXT=staging midaz info`,
			Flags: join(specFlags(), jsonFlags("it"), outputFlags()), Action: action(0, app.Info),
		},
		{
			Name: "graph", Category: GroupLook, Usage: "draw what needs what, as Mermaid, DOT, HTML or text",
			Description: `Prints the resources of the spec and what each needs. It needs no engine. With -plan it shows instead what apply would do, with a
colour for each action. Mermaid is drawn by GitHub and GitLab in a fenced block, DOT by Graphviz; HTML is a page that needs nothing else.

Examples:
  midaz graph > graph.mmd
  midaz graph -format html > graph.html
  midaz graph -format dot | dot -Tsvg > graph.svg
  midaz graph -format text -target service/rabbitmq`,
			Flags: join(specFlags(), []cli.Flag{
				&cli.StringFlag{Name: "format", Value: "mermaid", Usage: "draw it as `FORMAT`: " + specs.OneOf(render.GraphFormats)},
				&cli.BoolFlag{Name: "plan", Usage: "draw what apply would do"},
				&cli.StringSliceFlag{Name: "target", Usage: "only what matches `ADDR`, and what it needs"},
			}, outputFlags()), Action: action(0, app.DrawGraph),
		},
		{
			Name: "topology", Category: GroupLook, Usage: "draw exchanges, bindings, queues, dead-letter paths and what policies hold",
			Description: `Draws what the spec declares on the broker, from the spec alone: exchanges with their bindings and alternate exchanges, queues with
where they send what is rejected, which policy holds for each of them and what that comes to, policies that match nothing, and those
between which chance decides. SVG needs nothing else to be seen; Mermaid is drawn by GitHub and GitLab, DOT by Graphviz.

Examples:
  midaz topology
  midaz topology -format svg > topology.svg
  midaz topology -format mermaid -vhost / >> docs/broker.md`,
			Flags: join(specFlags(), []cli.Flag{
				&cli.StringFlag{Name: "format", Value: "text", Usage: "text, dot, mermaid, svg or json"},
				&cli.StringFlag{Name: "vhost", Value: "/", DefaultText: "all", Usage: "only virtual host `NAME`"},
			}, outputFlags()), Action: action(0, app.DrawTopology),
		},
		{
			Name: "route", Category: GroupLook, Usage: "tell from the spec where a message goes", ArgsUsage: "EXCHANGE [KEY]",
			Description: `Tells where a message goes that is published to an exchange with a routing key: which bindings it takes, which queues it reaches, where an
alternate exchange catches it, and where it goes when it is rejected. Policies count as they do on the broker. It needs no broker. The
default exchange is "". What an exchange of a plugin's type chooses is said to be unknown.

A header's value is read as YAML reads it: 5 is a number, true a boolean, '"5"' a text.

Exit status: 0 when it reaches a queue, 2 when it reaches none or the broker refuses it, 1 when the spec has an error or no such
exchange.

Examples:
  midaz route transaction.dlx transaction.dlq.key
  midaz route orders -header country=BR -header priority=5
  midaz route -json "" orders.new | jq -r '.queues[]'`,
			Flags: join(specFlags(), []cli.Flag{
				&cli.StringFlag{Name: "vhost", Value: "/", Usage: "in virtual host `NAME`; when the spec has only one, in that"},
				&cli.StringSliceFlag{Name: "header", Usage: "a header of the message: `NAME=VALUE`"},
			}, jsonFlags("the way"), outputFlags()), Action: action(2, app.ShowRoute),
		},
		{
			Name: "env", Category: GroupWrite, Usage: "write .env: defaults, and random values for what is sensitive",
			Description: `Writes the variables of the spec into .env beside it: defaults, and for each sensitive variable a new random value. Names that the file has already
keep their values: only missing ones are added. The file is readable by its owner only.

Examples:
  midaz env
  midaz env -out staging.env`,
			Flags: join(specFlags(), []cli.Flag{
				&cli.StringFlag{Name: "out", Aliases: []string{"o"},
					Usage: "write to `FILE`, relative to the current folder (default: .env beside the spec)"},
				&cli.BoolFlag{Name: "dry-run", Usage: "say what would be added, and write nothing"},
			}, outputFlags()), Action: action(0, app.WriteEnv),
		},
		{
			Name: "import definitions", Category: GroupWrite, Usage: "write the broker's part of a spec from a RabbitMQ export", ArgsUsage: "FILE",
			Description: `Turns a RabbitMQ definitions file into the spec's rabbitmq section: that of a whole broker (rabbitmqctl export_definitions, or GET
/api/definitions) or of one virtual host, of RabbitMQ 3.10 to 4.3. FILE may be - for standard input. What a spec cannot say is told on
standard error and as a comment at its place.

On standard output the spec holds password hashes as the export does. With -out nothing secret is in it: each hash, and each URI
with a password, becomes a sensitive variable, whose value is added to .env beside the file, readable by its owner only.

The export does not say where the broker is. -service names the service of the stack that runs it, -url its management API; -part
writes no more than users, virtual hosts and global parameters, to be merged into a spec that says it.

Examples:
  midaz import definitions definitions.json -service rabbitmq -out midaz.infra.yaml
  curl -s -u admin https://broker:15671/api/definitions | midaz import definitions - -part
  midaz import definitions one-vhost.json -vhost orders`,
			Flags: join([]cli.Flag{
				&cli.StringFlag{Name: "out", Aliases: []string{"o"},
					Usage: "write to `FILE`, and secrets to .env beside it, instead of standard output"},
				&cli.BoolFlag{Name: "force", Usage: "replace FILE when it is there"},
				&cli.StringFlag{Name: "service", Usage: "the `SERVICE` of the stack that runs the broker"},
				&cli.StringFlag{Name: "url", Usage: "the `URL` of the broker's management API (default: http://localhost:15672)"},
				&cli.BoolFlag{Name: "part", Usage: "only users, virtual hosts and global parameters, to be merged into a spec"},
				&cli.StringFlag{Name: "vhost", Usage: "the virtual host that an export of one is of, where it does not say (default: /)"},
				&cli.StringFlag{Name: "stack", Value: "midaz", Usage: "the `NAME` of the stack"},
				&cli.StringFlag{Name: "chdir", Usage: "take relative paths as from `DIR`"},
			}, outputFlags()), Action: action(1, app.ImportDefinitions),
		},
		{
			Name: "export definitions", Category: GroupWrite, Usage: "write the spec's broker part as RabbitMQ definitions",
			Description: `Writes users, virtual hosts, permissions, exchanges, queues, bindings, policies and parameters of the spec in RabbitMQ's own definitions
format, in an order that does not change. A password_hash stays as it is; a password becomes a hash with a fresh salt, never the
text. What is external is left out. The file holds what opens the broker's users: keep it as you keep a password.

Importing definitions into a broker skips what exists there in another form; "midaz apply" does not.

Examples:
  midaz export definitions > definitions.json
  midaz export definitions -out definitions.json -force
  midaz export definitions -vhost /`,
			Flags: join(specFlags(), []cli.Flag{
				&cli.StringFlag{Name: "out", Aliases: []string{"o"}, Usage: "write to `FILE`, readable by its owner only, instead of standard output"},
				&cli.BoolFlag{Name: "force", Usage: "replace FILE when it is there"},
				&cli.StringFlag{Name: "vhost", Usage: "only virtual host `NAME`, in the form of an export of one"},
			}, outputFlags()), Action: action(0, app.ExportDefinitions),
		},
		{
			Name: "import compose", Category: GroupWrite, Usage: "write a spec from a Compose project", ArgsUsage: "[FILE...]",
			Description: `Reads a Compose project with Compose's own loader (all files, env files, profiles, overrides, extends and include) and writes what it
says as a spec. Without a file it takes the one that Compose would find. References to variables stay references; what looks like a
password never comes into the spec, but becomes a sensitive variable. What midaz has no word for is left out, with a comment where it
stood and a line on standard error.

Names are those that Compose gives, so that "midaz apply -adopt '*'" takes over what it has started, as it runs.

Examples:
  midaz import compose -out midaz.infra.yaml
  midaz import compose compose.yaml compose.prod.yaml --project infra -out midaz.infra.yaml -env-out .env`,
			Flags: join(importFlags(), []cli.Flag{
				&cli.StringFlag{Name: "project", Aliases: []string{"p"}, Usage: "`NAME` of the project (default: the one Compose takes)"},
				&cli.StringSliceFlag{Name: "env-file", Usage: "read variables from `FILE` instead of .env beside the Compose file; later ones win"},
				&cli.StringFlag{Name: "chdir", Usage: "take relative paths as from `DIR`"},
			}, outputFlags()), Action: action(-1, app.ImportCompose),
		},
		{
			Name: "import live", Category: GroupWrite, Usage: "write a spec from what runs", ArgsUsage: "[CONTAINER...]",
			Description: `Writes a spec from containers that are there, with their networks and volumes. They are chosen by name (globs work), by label, or as a
Compose project; without any choice it is all that run and belong to no stack. What comes from the image or is the engine's own default is
left out. What looks like a password never comes into the spec, but becomes a sensitive variable: -env-out keeps its value.

Examples:
  midaz import live --project infra -out midaz.infra.yaml -env-out .env
  midaz import live 'midaz-*' -stack midaz
  midaz import live -label team=ledger`,
			Flags: join(importFlags(), []cli.Flag{
				&cli.StringFlag{Name: "project", Aliases: []string{"p"}, Usage: "only what the Compose project `NAME` has started"},
				&cli.StringSliceFlag{Name: "label", Usage: "only what has the label `KEY` or KEY=value"},
				&cli.StringFlag{Name: "stack", Usage: "`NAME` of the stack (default: that of the project, or of the folder)"},
				&cli.StringFlag{Name: "chdir", Usage: "take relative paths as from `DIR`"},
			}, outputFlags()), Action: action(-1, app.ImportLive),
		},
		{
			Name: "schema", Category: GroupWrite, Usage: "print the JSON schema of the spec",
			Description: `Prints the JSON schema that editors complete and check from. A first line in the spec switches it on in many of them:

  # yaml-language-server: $schema=./schema/midaz.infra.schema.json

Examples:
  midaz schema > schema/midaz.infra.schema.json`,
			Flags: outputFlags(), Action: command(0, printSchema),
		},
		{
			Name: "explain", Category: GroupWrite, Usage: "tell what a code or a field means", ArgsUsage: "[CODE | KIND | KIND.FIELD]",
			Description: `Tells more about a finding of validate, a kind of resource or one of its fields: what it means, why it matters, what it may be, and what a change of it costs. Without an argument it lists what it knows.

Examples:
  midaz explain MZ022
  midaz explain service
  midaz explain service.restart`,
			Flags: outputFlags(), Action: command(1, explain),
		},
		{
			Name: "completion", Category: GroupTool, Usage: "print a completion script for bash, zsh or fish", ArgsUsage: "bash|zsh|fish",
			Description: `Prints a script that completes commands, flags, and addresses and services of the spec in the current folder.

Examples:
  source <(midaz completion bash)
  midaz completion zsh > "${fpath[1]}/_midaz"
  midaz completion fish > ~/.config/fish/completions/midaz.fish`,
			Flags: outputFlags(), Action: command(1, completion),
		},
		{
			Name: "man", Hidden: true, Usage: "write the manual pages into a folder", ArgsUsage: "DIR",
			Flags: outputFlags(), Action: action(1, man),
		},
		{
			Name: "__complete", Hidden: true, Usage: "answer a completion script",
			Action: command(-1, complete),
		},
		{
			Name: "version", Category: GroupTool, Usage: "print the version",
			Description: `Prints the version of midaz, of its formats, and of the Go toolchain.

Examples:
  midaz version
  midaz version -json`,
			Flags: join([]cli.Flag{&cli.BoolFlag{Name: "json", Usage: "print it as JSON"}}, outputFlags()), Action: command(0, printVersion),
		},
	}
}

// targetFlags choose resources.
func targetFlags() []cli.Flag { return planFlags()[:2] }

// stackFlag names a stack whose spec cannot be read.
func stackFlag() []cli.Flag {
	return []cli.Flag{&cli.StringFlag{Name: "stack", Usage: "the `NAME` of the stack, where the spec does not tell it"}}
}

// destroyFlags bound a removal.
func destroyFlags() []cli.Flag {
	var out []cli.Flag
	for _, f := range planFlags() {
		switch f.Names()[0] {
		case "target", "exclude", "unprotect", "allow", "max-destroy":
			out = append(out, f)
		}
	}
	return out
}

// logSpecFlags are specFlags without -f, which for logs means follow.
func logSpecFlags() []cli.Flag {
	flags := specFlags()
	flags[0].(*cli.StringSliceFlag).Aliases = nil
	return flags
}
