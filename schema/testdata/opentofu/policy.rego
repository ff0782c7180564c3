# Rules in the style of conftest, for what `tofu show -json PLAN` prints. Nothing in them knows of
# midaz: they ask for OpenTofu's documented keys only, and what is special about a provider is data.
package main

import rego.v1

deny contains msg if {
	not startswith(input.format_version, "1.")
	msg := sprintf("plan format %v is not known", [input.format_version])
}

deny contains msg if {
	input.errored
	msg := "the plan could not be made"
}

# What holds data is not destroyed, and not replaced either.
deny contains msg if {
	some r in input.resource_changes
	"delete" in r.change.actions
	r.type in data.stateful
	msg := sprintf("%s would be destroyed", [r.address])
}

deny contains msg if {
	some r in input.resource_changes
	r.mode == "managed"
	some action in r.change.actions
	action in {"create", "update"}
	endswith(r.change.after.image, ":latest")
	msg := sprintf("%s runs whatever is the latest image", [r.address])
}

# A sensitive value must be marked, and must not be in the plan's text.
deny contains msg if {
	some r in input.resource_changes
	walk(r.change.after_sensitive, [path, true])
	object.get(r.change.after, path, null) == data.secret
	msg := sprintf("%s shows a secret at %v", [r.address, path])
}

warn contains msg if {
	some r in input.resource_changes
	count(r.change.actions) == 2
	msg := sprintf("%s must be replaced, because of %v", [r.address, object.get(r.change, "replace_paths", [])])
}

warn contains msg if {
	some r in input.resource_drift
	msg := sprintf("%s was changed outside", [r.address])
}

# How much a plan can break: the sum of weights of what it does, by type and action.
weights := {"delete": 10, "create": 1, "update": 3, "no-op": 0, "read": 0}

blast_radius := sum([weights[action] |
	some r in input.resource_changes
	some action in r.change.actions
])
