#!/bin/sh
# Prints the path of a Compose of version 2 or later to compare with:
#
#   1. $COMPOSE, when set: a path, taken as it is
#   2. the docker client's own plugin, or docker-compose in the PATH
#   3. Debian's package docker-compose, unpacked into a cache, nothing installed
#
# Exit 3 when there is none. What the machine's apt is configured with is used to
# fetch it; root is not needed.
#
#   MIDAZ_COMPOSE_SUITE   Debian suites to look in          (forky trixie)
#   MIDAZ_DEBIAN_MIRROR   mirror to fetch from              (the machine's own)
#   MIDAZ_CACHE           folder of the cache               (.cache of the project)
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
cache=${MIDAZ_CACHE:-$root/.cache}/compose
say() { printf 'compose: %s\n' "$*" >&2; }

# recent PROGRAM: whether it is a Compose that runs here and is new enough.
recent() {
	major=$("$1" version --short 2>/dev/null | sed -n 's/^v\{0,1\}\([0-9][0-9]*\)\..*/\1/p')
	[ -n "$major" ] && [ "$major" -ge 2 ]
}

if [ -n "${COMPOSE:-}" ]; then
	recent "$COMPOSE" || { say "$COMPOSE is not a Compose of version 2 or later"; exit 3; }
	printf '%s\n' "$COMPOSE"
	exit 0
fi
for program in \
	"${DOCKER_CONFIG:-$HOME/.docker}/cli-plugins/docker-compose" \
	/usr/local/lib/docker/cli-plugins/docker-compose /usr/local/libexec/docker/cli-plugins/docker-compose \
	/usr/lib/docker/cli-plugins/docker-compose /usr/libexec/docker/cli-plugins/docker-compose \
	"$(command -v docker-compose 2>/dev/null || true)"; do
	if [ -n "$program" ] && [ -x "$program" ] && recent "$program"; then
		printf '%s\n' "$program"
		exit 0
	fi
done

command -v apt-get >/dev/null 2>&1 && command -v dpkg-deb >/dev/null 2>&1 || {
	say "none is installed, and this is no Debian to fetch one with"
	exit 3
}
mirror=${MIDAZ_DEBIAN_MIRROR:-$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' 2>/dev/null |
	grep -v security | head -n 1)}
[ -n "$mirror" ] || { say "none is installed, and apt knows no Debian mirror"; exit 3; }
arch=$(dpkg --print-architecture)

for suite in ${MIDAZ_COMPOSE_SUITE:-forky trixie}; do
	program=$cache/$suite/usr/libexec/docker/cli-plugins/docker-compose
	if [ -x "$program" ] && recent "$program"; then
		printf '%s\n' "$program"
		exit 0
	fi
	say "fetching Debian's docker-compose of $suite"
	state=$cache/apt-$suite
	rm -rf "$state" "${cache:?}/$suite"
	mkdir -p "$state/lists/partial" "$state/cache/archives/partial" "$state/parts" "$cache/$suite"
	printf 'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s %s main\n' "$mirror" "$suite" >"$state/sources.list"
	set -- -qq -o "Dir::Etc::SourceList=$state/sources.list" -o "Dir::Etc::SourceParts=$state/parts" \
		-o "Dir::State::Lists=$state/lists" -o "Dir::Cache=$state/cache" -o Debug::NoLocking=1 \
		-o "APT::Sandbox::User=" -o "APT::Architecture=$arch" -o Acquire::Languages=none
	if apt-get "$@" update >"$state/log" 2>&1 &&
		(cd "$state" && apt-get "$@" download docker-compose >>"$state/log" 2>&1) &&
		dpkg-deb -x "$state"/docker-compose_*.deb "$cache/$suite" 2>>"$state/log" &&
		recent "$program"; then
		rm -rf "$state/lists" "$state/cache"
		printf '%s\n' "$program"
		exit 0
	fi
	say "not from $suite:"
	tail -n 3 "$state/log" >&2
done
exit 3
