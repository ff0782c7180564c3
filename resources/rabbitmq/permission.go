package rabbitmq

import (
	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/rabbitmq/definitions"
)

const permissionName = "permission"

var permissionTable = &resources.Table{
	Kind: permissionName, Section: "rabbitmq/vhosts/*/permissions/*",
	Example: "{transaction: {configure: \"\", write: \"^transaction\\\\.\", read: \"\"}}",
	Doc: "What a user may do in a virtual host, as three regular expressions over the names of exchanges and queues. An empty one " +
		"allows nothing.",
	Fields: []resources.Field{
		{Key: "configure", Type: resources.String(), Required: true, Cost: resources.InPlace,
			Doc: "What the user may declare and delete.", Example: `""`, Other: `"^transaction\\."`},
		{Key: "write", Type: resources.String(), Required: true, Cost: resources.InPlace,
			Doc: "Exchanges the user may publish to, and queues that may be bound.", Example: `"^transaction\\."`, Other: `""`},
		{Key: "read", Type: resources.String(), Required: true, Cost: resources.InPlace,
			Doc: "Queues the user may consume from, and exchanges that may be bound to.", Example: `".*"`, Other: `""`},
	},
}

type permissionKind struct{ single }

var _ = register(permissionKind{single{
	table: permissionTable,
	list:  "/api/permissions",
	// The broker gives midaz's own user every permission on a virtual host that it makes.
	user: func(parts []string) string { return parts[1] },
	path: func(parts []string) string { return apiPath("permissions", parts[0], parts[1]) },
	see: func(r row) *object {
		vhost, user := r.text("vhost"), r.text("user")
		return &object{
			addr: resources.NewAddr(permissionName, vhost, user), free: user == "guest",
			refs: append(seenInVhost(vhost), resources.Ref{To: resources.NewAddr(userName, user)}),
			have: resources.Config{"configure": r.text("configure"), "write": r.text("write"), "read": r.text("read")},
		}
	},
	body: func(r *resources.Resource, _ *object, _ resources.Delta) map[string]any {
		return map[string]any{"configure": r.Config["configure"], "write": r.Config["write"], "read": r.Config["read"]}
	},
}})

// Refs refers to the user too, but for the one midaz logs in as, who need not
// be declared.
func (permissionKind) Refs(r *resources.Resource) []resources.Ref {
	return append(vhostRefs(r), userRef(r, r.Addr.Parts()[1]))
}

func userRef(r *resources.Resource, user string) resources.Ref {
	p := placeOf(r)
	return resources.Ref{To: resources.NewAddr(userName, user), Wait: resources.Ready, Optional: user == p.username || user == "guest"}
}

// owners: the broker deletes a permission with its user.
func (permissionKind) owners(a resources.Addr) []resources.Addr {
	return []resources.Addr{resources.NewAddr(userName, part(a, 1))}
}

func (permissionKind) Check(all *resources.Declared, report resources.Report) {
	for _, r := range all.Of(permissionName) {
		for _, field := range []string{"configure", "write", "read"} {
			checkPattern(r, "/"+field, r.Config[field], true, report)
		}
		checkOwnPermission(r, report)
	}
}

// checkOwnPermission reports what would keep midaz from its own work.
func checkOwnPermission(r *resources.Resource, report resources.Report) {
	if p := placeOf(r); p.username == "" || r.Addr.Parts()[1] != p.username {
		return
	}
	for _, field := range []string{"configure", "write", "read"} {
		if _, ok := r.Config[field]; ok && r.Config.Text(field) != ".*" {
			report(ruleOwnLogin.At(r.Pos("/"+field), "midaz logs in as "+r.Addr.Parts()[1]+
				", who could then no longer manage everything in this virtual host", "write \".*\""))
		}
	}
}

func (permissionKind) export(w *exporter, r *resources.Resource) {
	w.ofBroker("permissions", map[string]any{"user": r.Addr.Parts()[1], "vhost": r.Addr.Parts()[0],
		"configure": r.Config["configure"], "write": r.Config["write"], "read": r.Config["read"]})
}

func (permissionKind) imports() definitions.Kind {
	return definitions.Kind{List: "permissions", Take: func(f *definitions.File, r definitions.Row) {
		name, permissions := r.Text("user"), f.Vhost(r).Section("permissions")
		if !permissions.Accept("permission of", name) {
			return
		}
		e := definitions.Entry{Name: name}
		for _, key := range []string{"configure", "write", "read"} {
			e.Add(key, r.Text(key))
		}
		needUser(f, name)
		e.Extra("the permission", r, "user", "vhost", "configure", "write", "read")
		permissions.Add(e)
	}}
}
