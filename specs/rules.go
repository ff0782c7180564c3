package specs

// Rules of reading a spec, codes MZ001 to MZ019.
var (
	RuleFile = &Rule{Code: "MZ001", Severity: Error, Title: "file cannot be read",
		Explain: `A file that was asked for is not there, is a folder, or may not be read. Nothing is guessed in its place: a missing
overlay would silently give another stack than the one that was meant.

**What to do.** Check the path after ` + "`-f`, `--env-file` or `-var-file`" + `. Relative paths start at the current folder, or at the one
given with ` + "`-chdir`" + `. ` + "`-f -`" + ` reads standard input, once.`}

	RuleSyntax = &Rule{Code: "MZ002", Severity: Error, Title: "not valid YAML",
		Explain: `The text is not YAML, so nothing in this file could be read. The other files were checked all the same.

**What to do.** Look at the place named and at the line above it. The usual causes:

* a tab in the indentation: YAML wants spaces;
* a key one space too far left or right of its neighbours;
* a value with ` + "`: `, ` #`, or a first letter out of `@ ` % & * ! | > [ {`" + ` that stands without quotes;
* a quote or a bracket that is never closed.

` + "```yaml\n# wrong\ncommand: echo: hello\n# right\ncommand: \"echo: hello\"\n```"}

	RuleDuplicateKey = &Rule{Code: "MZ003", Severity: Error, Title: "key written twice",
		Explain: `A map holds the same key twice. Most readers of YAML keep the last one and drop the first without a word, which loses half of
a service. Both lines are named.

**What to do.** Join the two, or rename one of them. To replace a value on purpose, put it into a second file and
give both: ` + "`-f midaz.infra.yaml -f override.yaml`" + `. To take several fragments into one map, write one merge key with a list:
` + "`<<: [*first, *second]`" + `.`}

	RuleKey = &Rule{Code: "MZ004", Severity: Error, Title: "key is not text",
		Explain: `YAML reads this key as a number, a boolean, null, a list or a map. Names and fields are texts.

**What to do.** Put the key in quotes.

` + "```yaml\nqueues:\n  \"123\": { type: quorum }   # not 123\n  \"true\": { type: quorum }  # not true\n```"}

	RuleDocument = &Rule{Code: "MZ005", Severity: Error, Title: "not one map in one document",
		Explain: `A spec file holds one YAML document, and that document is a map. Text after a second ` + "`---`" + ` would be ignored by most
readers.

**What to do.** Put the second document into a file of its own and give both: ` + "`-f one.yaml -f two.yaml`" + `. They are merged left to
right.`}

	RuleLimit = &Rule{Code: "MZ006", Severity: Error, Title: "too large",
		Explain: `The file is larger, more deeply nested, or unfolds into more values than any stack needs: 8 MiB of text, 64 levels, one
million values. Small files can unfold without end through anchors that refer to one another; the limits keep that from filling the memory of the
machine that reads them.

**What to do.** Split the spec into several files, or several stacks. Look for anchors that hold other anchors.`}

	RuleAlias = &Rule{Code: "MZ007", Severity: Error, Title: "anchor or merge key is wrong",
		Explain: `An alias (` + "`*name`" + `) takes over what was written at an anchor (` + "`&name`" + `) earlier in the same file. A merge key (` + "`<<`" + `) takes
over the entries of one map or of a list of maps; keys written beside it win, and among several maps the first wins.

**What to do.** Anchors hold within one file only. A value cannot contain itself.

` + "```yaml\nx-base: &base { restart: always }\nservices:\n  web:\n    <<: *base\n    image: nginx:1.29\n```"}

	RuleTag = &Rule{Code: "MZ008", Severity: Error, Title: "tag not known or not fitting",
		Explain: `A tag tells how to read a value. Known are YAML's own (` + "`!!str`, `!!int`, `!!float`, `!!bool`, `!!null`, `!!map`, `!!seq`" + `)
and two for merging files: ` + "`!reset`" + ` removes the key that an earlier file set, ` + "`!override`" + ` puts the value in place of the earlier one
without merging.

**What to do.** Remove the tag, or write a value that fits it. ` + "`!reset`" + ` stands at a key of a map, not at an item of a list.`}

	RuleVariable = &Rule{Code: "MZ009", Severity: Error, Title: "variable declared wrongly",
		Explain: `An entry of ` + "`variables`" + ` has a key or a value that it cannot have.

**What to do.** A variable takes ` + "`type`, `default`, `description`, `sensitive`, `enum` and `pattern`" + `. Types are
` + "`string` (the default), `int`, `number`, `bool`, `port`, `duration` and `bytes`" + `.

` + "```yaml\nvariables:\n  DB_PORT:     { type: port, default: 5701, description: PostgreSQL primary }\n  LOG_LEVEL:   { default: info, enum: [debug, info, warn] }\n  DB_PASSWORD: { sensitive: true }\n```"}

	RuleUnset = &Rule{Code: "MZ010", Severity: Error, Title: "variable used and nowhere set",
		Explain: `The spec uses a variable that has no value. An empty text in its place would start a database with no password or a
service on no port, so there is no silent default.

**What to do.** Give it a value. Strongest first:

1. ` + "`-var NAME=value`" + `
2. ` + "`-var-file`, then `--env-file`" + ` (of each, the later wins)
3. the environment: ` + "`MIDAZ_VAR_NAME`, then `NAME`" + `
4. ` + "`.env`" + ` beside the spec; ` + "`midaz env`" + ` writes one with random values for the sensitive variables
5. ` + "`default`" + ` in its declaration, or ` + "`${NAME:-default}`" + ` where it is used

For a dollar sign that is no variable, write ` + "`$$`" + `.`}

	RuleVariableValue = &Rule{Code: "MZ011", Severity: Error, Title: "value of a variable not allowed",
		Explain: `The variable has a value that its declaration does not allow: not of its ` + "`type`" + `, not in its ` + "`enum`" + `, not matching its ` + "`pattern`" + `,
or an empty text for a sensitive variable.

**What to do.** The message says where the value came from. A value from the environment can be hidden by a stronger one:
` + "`-var NAME=value`" + `. The value of a sensitive variable is not repeated in the message.`}

	RuleReference = &Rule{Code: "MZ012", Severity: Error, Title: "reference not well formed",
		Explain: `A ` + "`${`" + ` begins a reference to a variable, and what follows is not one.

**What to do.** Write one of these forms, or ` + "`$$`" + ` for a dollar sign:

| form | gives |
| --- | --- |
| ` + "`$X`, `${X}`" + ` | the value; unset is an error |
| ` + "`${X:-word}`, `${X-word}`" + ` | word when X is unset or empty; when it is unset |
| ` + "`${X:?message}`, `${X?message}`" + ` | an error with that message when X is unset or empty; when it is unset |
| ` + "`${X:+word}`, `${X+word}`" + ` | word when X is set and not empty; when it is set; else nothing |
| ` + "`$$`" + ` | a dollar sign |

Words may hold references themselves: ` + "`${A:-${B:-c}}`" + `.`}

	RuleValuesFile = &Rule{Code: "MZ013", Severity: Error, Title: "values not well formed",
		Explain: `A file of values, or a ` + "`-var`" + `, cannot be read as names and values.

**What to do.** A ` + "`.env`" + ` file and one given with ` + "`--env-file`" + ` hold ` + "`NAME=value`" + ` lines. In a file given with ` + "`-var-file`" + ` that ends
in ` + "`.yaml`, `.yml` or `.json`" + `, write a map from names to plain values.

` + "```sh\n# a comment\nexport NAME=value      # export is passed over\nQUOTED=\"with ${NAME} and \\n\"\nLITERAL='pa$$word as it is'\nEMPTY=\n```" + `

A value with ` + "`$`" + ` in it, such as a password, belongs in single quotes.`}

	RuleUnknownVariable = &Rule{Code: "MZ014", Severity: Error, Title: "value for an unknown variable",
		Explain: `` + "`-var`" + ` names a variable that the spec neither declares nor uses. A misspelt name would otherwise leave the default in force without
a word.

**What to do.** Correct the name, or remove the flag. Names in files and in the environment are not checked this way: those may serve
other programs too.`}

	RuleIgnore = &Rule{Code: "MZ015", Severity: Warning, Title: "ignore comment not well formed",
		Explain: `A ` + "`# midaz:ignore`" + ` comment silences findings on its line, or on the next line when it stands alone. It needs codes and a
reason, so that the next reader can tell whether it still holds. Only warnings, and the errors whose
explanation says so, can be silenced.

` + "```yaml\n# midaz:ignore MZ018 read by the application, not by the spec\nSPARE: { default: \"1\" }\n```"}

	RuleMergeShape = &Rule{Code: "MZ016", Severity: Warning, Title: "list and map replace each other",
		Explain: `Files are merged left to right: maps by key, while lists and plain values replace what was there. Here one file writes a map and the next
a list (or the other way round), so the later one replaces the whole of the earlier.

**What to do.** Write both as a map to have them merged, or tag the later one with ` + "`!override`" + ` to say that replacing is meant.`}

	RuleLiteral = &Rule{Code: "MZ017", Severity: Warning, Title: "reference that is not substituted",
		Explain: `Variables are substituted in values. A ` + "`${NAME}`" + ` in a key, or in the default of a variable, stays the text it is.

**What to do.** Write keys out. In place of a default that is made of other variables, put the
reference where it is used: ` + "`${URL:-http://${HOST}}`" + `.`}

	RuleUnused = &Rule{Code: "MZ018", Severity: Warning, Title: "variable declared and not used",
		Explain: `Nothing in the spec, and no file that it expands, uses this variable. Most often its name is misspelt at one of the two
places, and the value that someone sets goes nowhere.

**What to do.** Use it, or remove the declaration. A variable that only other programs read from ` + "`.env`" + ` need not be declared.`}

	RuleSensitiveDefault = &Rule{Code: "MZ019", Severity: Warning, Title: "sensitive variable with a default", Masked: true,
		Explain: `The default of a sensitive variable is a secret in version control, and the same on every machine that forgets to set
another.

**What to do.** Remove the default. ` + "`midaz env`" + ` writes a ` + "`.env`" + ` with random values for every sensitive variable.`}
)

// Rules returns the rules of this package in order of their codes.
func Rules() []*Rule {
	return []*Rule{
		RuleFile, RuleSyntax, RuleDuplicateKey, RuleKey, RuleDocument, RuleLimit, RuleAlias, RuleTag, RuleVariable, RuleUnset,
		RuleVariableValue, RuleReference, RuleValuesFile, RuleUnknownVariable, RuleIgnore, RuleMergeShape, RuleLiteral,
		RuleUnused, RuleSensitiveDefault,
	}
}
