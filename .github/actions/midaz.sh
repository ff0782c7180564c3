#!/usr/bin/env bash
# The steps of action.yml. Inputs come as variables of the environment and are never part of a
# script. What a spec says is printed where the runner reads no commands.
#
#   midaz.sh install    output midaz: the program
#   midaz.sh review     validate, then diff, plan or drift; annotations, summary, outputs
#   midaz.sh comment    the one comment of the pull request, written or brought up to date
#   midaz.sh verdict    exit status of the job
set -euo pipefail

output() { printf '%s=%s\n' "$1" "$2" >>"$GITHUB_OUTPUT"; }
notice() { printf '::notice title=midaz::%s\n' "$*"; }

install() {
	local midaz=${INPUT_MIDAZ:-}
	if [ -z "$midaz" ]; then
		midaz=$RUNNER_TEMP/midaz-bin/midaz
		(cd "$GITHUB_ACTION_PATH" && CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags "-s -w -X github.com/LerianStudio/midaz-infra/cmd/midaz/internal/report.Version=${GITHUB_ACTION_REF:-dev}" -o "$midaz" ./cmd/midaz)
	fi
	"$midaz" version
	output midaz "$midaz"
}

# quoted COMMAND...: its output as text, in which the runner looks for no commands.
quoted() {
	local token status=0
	token=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
	printf '::stop-commands::%s\n' "$token"
	"$@" 2>&1 || status=$?
	printf '::%s::\n' "$token"
	return $status
}

# from_fork: whether the pull request comes from another repository, or from one that is gone.
from_fork() { [ "${GITHUB_EVENT_NAME:-}" = pull_request ] && [ "${HEAD_REPOSITORY:-}" != "$GITHUB_REPOSITORY" ]; }

# without_engine sets the command that is left to review.
without_engine() {
	command='diff'
	if ! "$midaz" help diff >/dev/null 2>&1; then
		notice 'this midaz has no diff: the spec is only validated'
		command=validate
	fi
}

# base_revision prints the revision to compare with, fetched where the checkout lacks it. One that
# cannot be had is left to diff, which tells so in every format.
base_revision() {
	local base=${INPUT_BASE:-${PULL_BASE:-${PUSH_BASE:-}}}
	case $base in
	*[!0]*) ;;
	*) base='HEAD^' ;; # no event with a revision, or the zeros of a new branch
	esac
	if ! git cat-file -e "$base^{commit}" 2>/dev/null; then
		case $base in -*) false ;; *) git fetch --quiet --no-tags --depth=1 origin "$base" 2>/dev/null ;; esac ||
			notice "$base is not in this checkout: give actions/checkout a fetch-depth of 0" >&2
	fi
	printf '%s\n' "$base"
}

# run VERB [ARGUMENT...]: one command of midaz, every format of it in the folder $out.
run() {
	local verb=$1
	shift
	quoted "$midaz" "$verb" -no-color -into "github=$out/annotations" -into "markdown=$out/comment.md" -into "sarif=$out/midaz.sarif" -into "json=$out/midaz.json" "$@"
}

review() {
	local out key midaz=${MIDAZ:?} command=$INPUT_COMMAND status=0 base='' flags
	case $command in validate | diff | plan | drift) ;; *)
		echo "::error title=midaz::command \"$command\" is not known: expected one of validate, diff, plan, drift"
		output exitcode 64
		return 0
		;;
	esac
	# The token for ids of a workflow is no business of a spec, which can refer to variables.
	unset ACTIONS_ID_TOKEN_REQUEST_TOKEN ACTIONS_ID_TOKEN_REQUEST_URL ACTIONS_RUNTIME_TOKEN
	MIDAZ_FILE=$(printf '%s\n' "$INPUT_FILES" | sed '/^[[:space:]]*$/d' | paste -sd:)
	export MIDAZ_FILE
	key=midaz:$(printf '%s' "$MIDAZ_FILE" | tr -c 'A-Za-z0-9_./:' _)
	out=$RUNNER_TEMP/$(printf '%s' "$key" | tr ':/' __)
	mkdir -p "$out"
	rm -f "$out"/*
	output key "$key"

	local observed=()
	if [ "$command" = plan ] && [ -n "${INPUT_OBSERVED:-}" ]; then
		observed=(-observed "$INPUT_OBSERVED")
	fi
	if { [ "$command" = plan ] || [ "$command" = drift ]; } && [ ${#observed[@]} = 0 ] && from_fork; then
		notice "$command looks at an engine, which a fork must not reach: the specs are compared instead"
		command='diff'
	fi
	[ "$command" != diff ] || without_engine
	# diff validates too, and lets variables be that have no value here; so does a plan against an observation.
	if [ "$command" != diff ] && [ ${#observed[@]} = 0 ]; then
		run validate || { status=$? command=validate; }
	fi
	if [ "$command" = plan ] && [ ${#observed[@]} = 0 ] && ! "$midaz" info >/dev/null 2>&1; then
		notice 'no engine answers: the specs are compared instead'
		without_engine
	fi
	flags=${INPUT_ARGS//$'\n'/ }
	case $command in
	diff)
		base=$(base_revision)
		MIDAZ_CLI_ARGS_diff=$flags run diff -detailed-exitcode -- "$base" HEAD || status=$?
		;;
	plan) MIDAZ_CLI_ARGS_plan=$flags run plan -detailed-exitcode "${observed[@]}" || status=$? ;;
	drift) MIDAZ_CLI_ARGS_drift=$flags run drift || status=$? ;;
	esac
	[ ! -e "$out/annotations" ] || cat "$out/annotations"
	if [ "$INPUT_SUMMARY" = true ] && [ -e "$out/comment.md" ]; then
		cat "$out/comment.md" >>"$GITHUB_STEP_SUMMARY"
	fi
	counts
	output command "$command"
	output exitcode "$status"
	output markdown "$out/comment.md"
	output sarif "$out/midaz.sarif"
	output json "$out/midaz.json"
}

# counts makes outputs of the line that ends the annotations of a plan.
counts() {
	local add=0 change=0 destroy=0 changes=false
	if [[ $(tail -n 1 "$out/annotations" 2>/dev/null) =~ ^Plan:\ ([0-9]+)\ to\ add,\ ([0-9]+)\ to\ change,\ ([0-9]+)\ to\ destroy ]]; then
		add=${BASH_REMATCH[1]} change=${BASH_REMATCH[2]} destroy=${BASH_REMATCH[3]}
	fi
	case $status,$((add + change + destroy)) in 2,* | *,[1-9]*) changes=true ;; esac
	output add "$add"
	output change "$change"
	output destroy "$destroy"
	output changes "$changes"
}

comment() {
	if [ -z "${PULL:-}" ] || [ ! -e "${MARKDOWN:-}" ]; then
		return 0
	fi
	if from_fork; then
		notice 'the token of a fork may not write comments: see the summary of this job'
		return 0
	fi
	local body author id
	body=$(mktemp)
	{ printf '<!-- %s -->\n' "$KEY" && cat "$MARKDOWN"; } >"$body"
	# Only a comment of our own is changed, whatever others copied from it.
	author=$(gh api user --jq .login 2>/dev/null) || author='github-actions[bot]'
	export MIDAZ_KEY="<!-- $KEY -->" MIDAZ_AUTHOR=$author
	local comments="repos/$GITHUB_REPOSITORY/issues/$PULL/comments"
	if ! id=$(gh api --paginate "$comments?per_page=100" --jq '.[] | select(.user.login == env.MIDAZ_AUTHOR and (.body | startswith(env.MIDAZ_KEY))) | .id' | head -n 1); then
		echo '::warning title=midaz::the comments of the pull request cannot be read: give the job pull-requests: write'
	elif [ -n "$id" ]; then
		gh api --silent --method PATCH "repos/$GITHUB_REPOSITORY/issues/comments/$id" --field "body=@$body" || unwritten
	else
		gh api --silent --method POST "$comments" --field "body=@$body" || unwritten
	fi
	rm -f "$body"
}

unwritten() { echo '::warning title=midaz::the comment cannot be written: give the job pull-requests: write'; }

verdict() {
	local status=${EXITCODE:-1}
	case $INPUT_FAIL_ON in
	never) return 0 ;;
	error) ;;
	destroy) [ "${DESTROY:-0}" = 0 ] || { echo "::error title=midaz::$DESTROY to destroy"; return 1; } ;;
	changes) [ "${CHANGES:-false}" != true ] || { echo "::error title=midaz::there are changes"; return 1; } ;;
	*)
		echo "::error title=midaz::fail-on \"$INPUT_FAIL_ON\" is not known: expected one of error, destroy, changes, never"
		return 64
		;;
	esac
	case $status in 0 | 2) return 0 ;; esac
	echo "::error title=midaz::midaz ${COMMAND:-} ended with status $status"
	return "$status"
}

case ${1:-} in
install | review | comment | verdict) "$1" ;;
*) sed -n '2,/^set /s/^# \{0,1\}//p' "$0" >&2; exit 64 ;;
esac
