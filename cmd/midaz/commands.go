package main

import (
	"github.com/urfave/cli/v2"
)

// Groups of commands in the help.
const (
	groupMain  = "Plan and apply"
	groupLook  = "Look around"
	groupWrite = "Write and read specs"
	groupTool  = "About the tool"
)

// commands returns every command. Usage is its line in the list, Description
// its page, of which what follows "Examples:" is shown as it stands.
func commands() []*cli.Command {
	return []*cli.Command{
		{
			Name: "validate", Category: groupMain, Usage: "check the spec and report everything that is wrong with it",
			Description: `Reads the spec and checks its shape, names, references, cycles, ports, health checks and the rules of the broker.
It needs no engine and no broker. Every problem is reported in one run, with file:line:col, the line, and what to do.
Warnings do not change the exit status; a line comment "# midaz:ignore CODE reason" silences one.
"midaz explain CODE" tells more about a code.

Examples:
  midaz validate
  midaz validate -f midaz.infra.yaml -f specs/debian.infra.yaml
  midaz validate -json | jq '.diagnostics[]'`,
			Flags: join(specFlags(), jsonFlags("the problems"), outputFlags()), Action: action(0, validate),
		},
		{
			Name: "plan", Category: groupMain, Usage: "show what apply would do; it cannot write",
			Description: `Compares the spec with what the engine and the broker really have, and shows what apply would create, change, replace
and destroy, field by field, with the place in the spec that asks for it. Removals and dangers are listed once more at
the end. A topology is planned even before its broker exists.

With -detailed-exitcode the exit status is 2 when there is something to do. A plan that apply would refuse ends with 7.

Examples:
  midaz plan
  midaz plan -target 'service/rabbitmq' -target 'queue/%2F/*'
  midaz plan -detailed-exitcode -json-into plan.json`,
			Flags: join(specFlags(), planFlags(),
				[]cli.Flag{&cli.BoolFlag{Name: "detailed-exitcode", Usage: "exit with 2 when there are changes"}},
				jsonFlags("the plan"), outputFlags()), Action: action(0, plan),
		},
		{
			Name: "apply", Category: groupMain, Usage: "make it so, after showing the plan and asking",
			Description: `Shows the plan, asks, and carries it out: in the order of what needs what, in parallel, each resource waiting until the gates
of what it needs have passed. A failure costs only what depends on it; everything else goes on.

The first interrupt lets what is in flight finish and starts nothing new, the second stops at once. Running it again does
what is left.

Exit status: 3 when an operation failed, 4 when a gate did not pass, 7 when the plan is refused.

Examples:
  midaz apply
  midaz apply -auto-approve -var DB_PORT=5801
  midaz apply -target service/postgres-primary -parallelism 2
  midaz apply -adopt 'volume/*'`,
			Flags: join(specFlags(), planFlags(), applyFlags(true), jsonFlags("what happens, one object a line,"), outputFlags()), Action: action(1, apply),
		},
		{
			Name: "up", Category: groupMain, Usage: "apply without asking",
			Description: `Does what "midaz apply -auto-approve" does. It returns when every gate has passed; services keep running.

Examples:
  midaz up
  midaz up --profile telemetry`,
			Flags: join(specFlags(), planFlags(), applyFlags(false), []cli.Flag{
				&cli.BoolFlag{Name: "detach", Aliases: []string{"d"}, Hidden: true, Usage: "up never stays attached"},
				&cli.BoolFlag{Name: "wait", Hidden: true, Usage: "up always waits"},
			}, jsonFlags("what happens, one object a line,"), outputFlags()), Action: action(0, up),
		},
		{
			Name: "down", Category: groupMain, Usage: "remove the stack and keep its volumes, without asking",
			Description: `Removes the containers and networks that belong to the stack, in reverse order. Volumes stay, and so does what is in them:
after "midaz up" the data is there again. Nothing that another owner made is touched.

Examples:
  midaz down
  midaz down -exclude service/rabbitmq`,
			Flags: join(specFlags(), destroyFlags(), applyFlags(false), jsonFlags("what happens, one object a line,"), outputFlags()), Action: action(0, down),
		},
		{
			Name: "destroy", Category: groupMain, Usage: "remove the stack after asking; with --volumes its data too",
			Description: `Shows everything that belongs to the stack and would be removed, asks, and removes it in reverse order.

Volumes stay unless --volumes is given. Then all data is lost, and the name of the stack must be typed
to go on.

Examples:
  midaz destroy
  midaz destroy --volumes
  midaz destroy --volumes -exclude volume/postgres-data`,
			Flags: join(specFlags(), destroyFlags(), []cli.Flag{
				&cli.BoolFlag{Name: "volumes", Aliases: []string{"v"}, Usage: "remove volumes too, protected ones included: their data is lost"},
			}, applyFlags(true), jsonFlags("what happens, one object a line,"), outputFlags()), Action: action(0, destroy),
		},
		{
			Name: "drift", Category: groupMain, Usage: "show what was changed outside since the last apply; it cannot write",
			Description: `Compares what is there with what was last applied. Only what someone changed by other means counts as drift; what the spec
asks for and nobody has applied yet is listed apart. The exit status is 2 when there is drift, 0 when there is none.

Examples:
  midaz drift
  midaz drift -json | jq '.resource_drift[].address'
  midaz apply -only-drift`,
			Flags: join(specFlags(), targetFlags(), jsonFlags("the drift"), outputFlags()), Action: action(0, showDrift),
		},
		{
			Name: "ps", Category: groupLook, Usage: "list the services with health, ports, age and drift", ArgsUsage: "[SERVICE...]",
			Description: `Lists the services and jobs of the stack: how they run, what their health check says, which ports are published, how long they
run, and whether they differ from the spec or were changed outside.

Examples:
  midaz ps
  midaz ps -json | jq -r '.services[] | select(.health != "healthy") | .address'`,
			Flags: join(specFlags(), jsonFlags("the list"), outputFlags()), Action: action(-1, ps),
		},
		{
			Name: "logs", Category: groupLook, Usage: "show the logs of services", ArgsUsage: "[SERVICE...]",
			Description: `Shows the logs of the given services and jobs, or of all, each line after the name of its service. Names are those of the spec or addresses;
globs work. Behind "logs", -f means --follow; a spec is then named with --file.

Examples:
  midaz logs -f
  midaz logs --tail 50 --since 10m postgres-primary rabbitmq
  midaz logs -t 'postgres-*'`,
			Flags: join(logSpecFlags(), []cli.Flag{
				&cli.BoolFlag{Name: "follow", Aliases: []string{"f"}, Usage: "go on with new lines until interrupted"},
				&cli.StringFlag{Name: "tail", Aliases: []string{"n"}, Value: "all", Usage: "only the last `N` lines of each"},
				&cli.StringFlag{Name: "since", Usage: "only lines after `TIME`: a duration such as 10m, or 2026-01-31T12:00:00Z"},
				&cli.BoolFlag{Name: "timestamps", Aliases: []string{"t"}, Usage: "show when each line was written"},
				&cli.BoolFlag{Name: "no-log-prefix", Usage: "leave out the name of the service"},
			}, outputFlags()), Action: action(-1, logs),
		},
		{
			Name: "info", Category: groupLook, Usage: "describe engine, broker, endpoints, and where passwords come from",
			Description: `Shows which engine and broker are in use and their versions, the addresses at which services can be reached from this machine, and for
each sensitive variable where its value comes from. No value of one is shown.

Examples:
  midaz info
  DOCKER_CONTEXT=staging midaz info`,
			Flags: join(specFlags(), jsonFlags("it"), outputFlags()), Action: action(0, info),
		},
		{
			Name: "graph", Category: groupLook, Usage: "draw what needs what, as Mermaid, DOT or text",
			Description: `Prints the resources of the spec and what each needs. It needs no engine. With -plan it shows instead what apply would do, with a
colour for each action. Mermaid is drawn by GitHub and GitLab in a fenced block, DOT by Graphviz.

Examples:
  midaz graph > graph.mmd
  midaz graph -format dot | dot -Tsvg > graph.svg
  midaz graph -format text -target service/rabbitmq`,
			Flags: join(specFlags(), []cli.Flag{
				&cli.StringFlag{Name: "format", Value: "mermaid", Usage: "mermaid, dot or text"},
				&cli.BoolFlag{Name: "plan", Usage: "draw what apply would do"},
				&cli.StringSliceFlag{Name: "target", Usage: "only what matches `ADDR`, and what it needs"},
			}, outputFlags()), Action: action(0, drawGraph),
		},
		{
			Name: "env", Category: groupWrite, Usage: "write .env: defaults, and random values for what is sensitive",
			Description: `Writes the variables of the spec into .env beside it: defaults, and for each sensitive variable a new random value. Names that the file has already
keep their values: only missing ones are added. The file is readable by its owner only.

Examples:
  midaz env
  midaz env -out staging.env`,
			Flags: join(specFlags(), []cli.Flag{
				&cli.StringFlag{Name: "out", Aliases: []string{"o"}, Usage: "write to `FILE`, relative to the current folder (default: .env beside the spec)"},
				&cli.BoolFlag{Name: "dry-run", Usage: "say what would be added, and write nothing"},
			}, outputFlags()), Action: action(0, writeEnv),
		},
		{
			Name: "schema", Category: groupWrite, Usage: "print the JSON schema of the spec",
			Description: `Prints the JSON schema that editors complete and check from. A first line in the spec switches it on in many of them:

  # yaml-language-server: $schema=./schema/midaz.infra.schema.json

Examples:
  midaz schema > schema/midaz.infra.schema.json`,
			Flags: outputFlags(), Action: action(0, printSchema),
		},
		{
			Name: "explain", Category: groupWrite, Usage: "tell what a code or a field means", ArgsUsage: "[CODE | KIND | KIND.FIELD]",
			Description: `Tells more about a finding of validate, a kind of resource or one of its fields: what it means, why it matters, what it may be, and what a change of it costs. Without an argument it lists what it knows.

Examples:
  midaz explain MZ022
  midaz explain service
  midaz explain service.restart`,
			Flags: outputFlags(), Action: action(1, explain),
		},
		{
			Name: "completion", Category: groupTool, Usage: "print a completion script for bash, zsh or fish", ArgsUsage: "bash|zsh|fish",
			Description: `Prints a script that completes commands, flags, and addresses and services of the spec in the current folder.

Examples:
  source <(midaz completion bash)
  midaz completion zsh > "${fpath[1]}/_midaz"
  midaz completion fish > ~/.config/fish/completions/midaz.fish`,
			Flags: outputFlags(), Action: action(1, completion),
		},
		{
			Name: "__complete", Hidden: true, Usage: "answer a completion script",
			Action: action(-1, complete),
		},
		{
			Name: "version", Category: groupTool, Usage: "print the version",
			Description: `Prints the version of midaz, of its formats, and of the Go toolchain.

Examples:
  midaz version
  midaz version -json`,
			Flags: join([]cli.Flag{&cli.BoolFlag{Name: "json", Usage: "print it as JSON"}}, outputFlags()), Action: action(0, printVersion),
		},
	}
}

// targetFlags choose resources.
func targetFlags() []cli.Flag { return planFlags()[:2] }

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
