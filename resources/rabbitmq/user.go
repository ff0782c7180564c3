package rabbitmq

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/rabbitmq/definitions"
)

const userName = "user"

var userTable = &resources.Table{
	Kind: userName, Section: "rabbitmq/users/*",
	Example: "{transaction: {password: \"${RABBITMQ_TRANSACTION_PASS}\", tags: []}}",
	Doc:     "A user of the broker.",
	Fields: []resources.Field{
		{Key: "password", Type: resources.String(), Open: true, Secret: true, Unmarked: true, Cost: resources.InPlace,
			Doc:     "The password. It is compared with the hash the broker keeps, and only ever sent as a hash.",
			Example: `"${RABBITMQ_TRANSACTION_PASS}"`, Other: `"${RABBITMQ_OTHER_PASS}"`},
		{Key: "password_hash", Type: resources.String(), Open: true, Unmarked: true, Cost: resources.InPlace,
			Doc: "The salted hash of the password in place of the password, as the broker exports it. An empty text makes a user who can log in " +
				"only by certificate or token.", Example: `"kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR"`, Other: `""`},
		{Key: "hashing_algorithm", Type: hashingType, Open: true, Cost: resources.InPlace,
			Doc: "How the password is hashed: sha256, sha512 or md5, also by RabbitMQ's own long names.", Example: "sha512", Other: "sha256"},
		{Key: "tags", Type: tagsType{}, Cost: resources.InPlace,
			Doc: "What the user may do with the management API: administrator, monitoring, policymaker, management, impersonator, or words of " +
				"your own. A user of an application needs none.", Example: "[monitoring]", Other: "[management]"},
		externalField("user"),
	},
}

var hashingType = resources.Checked("a hashing algorithm", func(text string) (string, error) {
	name := shortAlgorithm(text)
	if _, ok := algorithms[name]; !ok {
		return "", fmt.Errorf("it is none of sha256, sha512 and md5, and the broker would store a user who can never log in")
	}
	return name, nil
})

type userKind struct{ single }

var _ = register(userKind{single{
	table: userTable,
	list:  "/api/users",
	user:  func(parts []string) string { return parts[0] },
	path:  func(parts []string) string { return apiPath("users", parts[0]) },
	see:   seeUser,
	body:  userBody,
}})

func seeUser(r row) *object {
	name := r.text("name")
	return &object{
		addr: resources.NewAddr(userName, name), free: name == "guest",
		have: resources.Config{"tags": r.tags("tags")},
		hash: passwordHash{text: r.text("password_hash"), algorithm: shortAlgorithm(r.text("hashing_algorithm"))},
	}
}

// userBody always carries a hash: a PUT without one erases the password.
func userBody(r *resources.Resource, have *object, d resources.Delta) map[string]any {
	hash := passwordHash{algorithm: cmpText(r.Config.Text("hashing_algorithm"), "sha256")}
	_, byHash := r.Config["password_hash"]
	_, byPassword := r.Config["password"]
	switch {
	case byHash:
		hash.text = r.Config.Text("password_hash")
	case have != nil && !d.Has("password") && !d.Has("hashing_algorithm"):
		hash = have.hash
	case byPassword:
		hash = newHash(r.Config.Text("password"), hash.algorithm)
	}
	return map[string]any{
		"tags": r.Config.List("tags"), "password_hash": hash.text, "hashing_algorithm": longAlgorithm(hash.algorithm),
	}
}

func (userKind) Refs(r *resources.Resource) []resources.Ref { return brokerRef(r) }

func (k userKind) Finish(r *resources.Resource, all *resources.Declared, report resources.Report) {
	k.single.Finish(r, all, report)
	r.External = r.Config.Bool("external")
	if v, ok := r.Config["password_hash"]; ok {
		r.Config["password_hash"] = resources.SealAll(v) // masked, but no finding: it may stand in the spec
	}
}

// hashMark is the ledger's memory of the hash that was set, as a keyed hash of
// it. Of the password itself nothing is remembered: a hash without a salt that
// only administrators see would be worth guessing at.
const hashMark = "hash"

func (userKind) seal(r *resources.Resource, o *object) resources.Config {
	c := declaredFields(userTable, r.Config)
	if o != nil && o.hash.text != "" {
		c[hashMark] = resources.NewSecret(o.hash.text)
	}
	return c
}

// fit tells by the hash whether the wanted password is set, so that comparing
// needs to know nothing of it, and by the remembered hash whether someone
// changed it.
func (userKind) fit(o *object, want *resources.Resource, applied *resources.Sealed) *resources.Sealed {
	o.have = o.have.Clone()
	untouched := applied.Has(hashMark) && applied.Matches(hashMark, o.hash.text)
	known := applied.Has(hashMark)
	marked := applied // with the mark
	secrets := resources.Config{}
	if applied != nil {
		fields := maps.Clone(applied.Fields)
		delete(fields, hashMark)
		applied = &resources.Sealed{Fields: fields}
	}
	if want == nil {
		return applied
	}
	if _, ok := want.Config["hashing_algorithm"]; ok {
		o.have["hashing_algorithm"] = o.hash.algorithm
	}
	_, byHash := want.Config["password_hash"]
	password, byPassword := want.Config["password"]
	field := ""
	switch {
	case byHash:
		field = "password_hash"
		o.have[field] = resources.NewSecret(o.hash.text)
	case byPassword && o.hash.matches(resources.Text(password)):
		field = "password"
		o.have[field] = password
	case byPassword:
		field = "password"
		if o.hash.text != "" {
			o.have[field] = resources.NewSecret("hash " + o.hash.text)
		}
	}
	if applied == nil || !known || field == "" {
		return applied
	}
	switch {
	case untouched && o.hash.text != "":
		secrets[field] = resources.NewSecret(resources.Text(o.have[field]))
	case byHash && !marked.Matches(hashMark, resources.Text(want.Config[field])):
		secrets[field] = resources.NewSecret("another hash") // changed in the spec too
	default:
		// Someone has set another one. Whether the spec has a new one too cannot be
		// known of a password, of which nothing is remembered: it counts as the one
		// that was applied, and applying sets it in either case.
		secrets[field] = resources.NewSecret(resources.Text(want.Config[field]))
	}
	sealed := resources.Seal(secrets)
	maps.Copy(sealed.Fields, applied.Fields)
	return &sealed
}

// write always looks again: the hash that is now set is what the ledger
// remembers.
func (k userKind) write(ctx context.Context, c writes, r *resources.Resource, have *object, d resources.Delta) (bool, error) {
	_, err := k.single.write(ctx, c, r, have, d)
	return false, err
}

func (userKind) Check(all *resources.Declared, report resources.Report) {
	for _, r := range all.Of(userName) {
		name := r.Addr.Parts()[0]
		checkName(r, name, "user", report)
		if r.Config.Bool("external") {
			checkUntouched(r, report)
			continue
		}
		checkPassword(r, report)
		for _, tag := range resources.Texts(r.Config["tags"]) {
			if !isASCII(tag) {
				report(ruleTag.At(r.Pos("/tags"), fmt.Sprintf("the tag %q is not ASCII, and the broker would garble it", tag),
					"use letters without accents"))
			}
		}
		checkOwnLogin(r, all, report)
	}
}

func checkPassword(r *resources.Resource, report resources.Report) {
	_, byHash := r.Config["password_hash"]
	_, byPassword := r.Config["password"]
	switch {
	case byHash && byPassword:
		report(rulePassword.At(r.Pos("/password_hash"), "a user has a password or a password_hash, not both", "remove one of the two"))
	case !byHash && !byPassword && (r.Node.Given("password_hash") || !r.Node.Get("password").IsAbsent()):
		// decoding has said what is wrong with it
	case !byHash && !byPassword:
		report(rulePassword.At(r.KeyPos, "the user has no password",
			"write `password: ${VARIABLE}`, or `password_hash: \"\"` for one who logs in only by certificate or token, or `external: true`"))
	case byHash:
		h := passwordHash{text: r.Config.Text("password_hash"), algorithm: cmpText(r.Config.Text("hashing_algorithm"), "sha256")}
		if err := h.check(); err != nil {
			report(rulePassword.At(r.Pos("/password_hash"), "password_hash: "+err.Error(),
				"export it from the broker with its hashing_algorithm, or write the password"))
		}
	case r.Config.Text("password") == "":
		report(rulePassword.At(r.Pos("/password"), "the password is empty", "set the variable it comes from, for example in .env"))
	}
}

// checkOwnLogin reports what would lock midaz out of the broker.
func checkOwnLogin(r *resources.Resource, all *resources.Declared, report resources.Report) {
	brokers := all.Of(brokerName)
	if len(brokers) == 0 {
		return
	}
	m := managementOf(brokers[0])
	if m.username != r.Addr.Parts()[0] {
		return
	}
	if password, ok := r.Config["password"]; ok && !m.password.Is(resources.Text(password)) {
		report(ruleOwnLogin.At(r.Pos("/password"), fmt.Sprintf("midaz logs in as %s with another password, and would lock itself out",
			m.username), "use the same variable here and in management.password"))
	}
	if tags := resources.Texts(r.Config["tags"]); !slices.Contains(tags, "administrator") {
		report(ruleOwnLogin.At(r.Pos("/tags"), fmt.Sprintf("midaz logs in as %s, who would no longer be an administrator", m.username),
			"add the tag administrator"))
	}
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] < 0x20 || s[i] > 0x7e {
			return false
		}
	}
	return true
}

func (userKind) export(w *exporter, r *resources.Resource) {
	limits := map[string]any{}
	if l := w.all.Get(resources.NewAddr(userLimitName, r.Addr.Parts()[0])); l != nil {
		limits = limitsOf(l)
	}
	body := userBody(r, nil, nil)
	body["name"], body["limits"] = r.Addr.Parts()[0], limits
	w.add("users", body)
}

func (userKind) imports() definitions.Kind {
	return definitions.Kind{List: "users", Take: takeUser}
}

func takeUser(f *definitions.File, r definitions.Row) {
	name, users := r.Text("name"), f.Section("users")
	if users.Has(name) {
		f.Note("user %q is there twice; the first was taken", name)
		return
	}
	if wrong := definitions.BadName(name); wrong != "" {
		f.Note("user %q: its name %s", name, wrong)
		return
	}
	u := definitions.Entry{Name: name}
	takePassword(f, &u, r)
	tags := []any{}
	for _, t := range definitions.Tags(r["tags"]) {
		if !isASCII(t.(string)) {
			u.Note("tag %q is not ASCII, and the broker garbles it", t)
			continue
		}
		tags = append(tags, t)
	}
	u.Add("tags", tags)
	if limits := userLimits.take(&u, r.Object("limits")); len(limits) > 0 {
		u.Nested = append(u.Nested, definitions.Lone("limits", limits))
	}
	u.Extra("the user", r, "name", "password", "password_hash", "hashing_algorithm", "tags", "limits")
	users.Add(u)
}

// takePassword carries a hash as it is. A password in clear is never written.
func takePassword(f *definitions.File, u *definitions.Entry, r definitions.Row) {
	hash, hasHash := r["password_hash"].(string)
	algorithm := strings.TrimPrefix(r.Text("hashing_algorithm"), "rabbit_password_hashing_")
	if algorithm == "" {
		algorithm = "sha256"
	}
	if password, ok := r["password"].(string); ok && !hasHash {
		if f.Aside() {
			u.Add("password", f.Variable("RABBITMQ_"+u.Name+"_PASSWORD", password))
		} else {
			u.Add("password_hash", newHash(password, "sha256").text)
		}
		return
	}
	switch {
	case !hasHash || hash == "":
		u.Add("password_hash", "")
		return
	case algorithms[algorithm] == nil || (passwordHash{text: hash, algorithm: algorithm}).check() != nil:
		u.Note("its password hash is none that the broker can check (%s), so it could not log in before either", algorithm)
		u.Add("password_hash", "")
		return
	case f.Aside():
		u.Add("password_hash", f.Variable("RABBITMQ_"+u.Name+"_PASSWORD_HASH", hash))
	default:
		u.Add("password_hash", hash)
	}
	if algorithm != "sha256" {
		u.Add("hashing_algorithm", algorithm)
	}
}

// needUser declares a user that definitions do not have as one managed elsewhere.
func needUser(f *definitions.File, name string) {
	if users := f.Section("users"); !users.Has(name) {
		users.Add(definitions.Entry{Name: name, Fields: []definitions.Field{{Key: "external", Value: true}},
			Notes: []string{"the export does not have this user"}})
	}
}
