#!/bin/sh
# Builds the base image and every recipe beside this file with the plain docker client:
#
#   midaz-debian/postgres:17        midaz-debian/valkey:8.1      midaz-debian/rabbitmq:4.0
#   midaz-debian/prometheus:2.53    midaz-debian/mongo-standin:1
#
#   specs/debian/build.sh             all of them
#   specs/debian/build.sh postgres …  only these
#
# An image whose recipe, and base, did not change is left alone.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
"$here/base.sh"
base=$(docker image inspect --format '{{ .Id }}' "${MIDAZ_BASE_IMAGE:-midaz-debian/base:trixie}")
label=midaz.debian.recipe

build() {
	context=$here/$1
	digest=$( (cd "$context" && printf '%s\n' "$base" && find . -type f | LC_ALL=C sort | xargs sha256sum) | sha256sum | cut -c1-16)
	have=$(docker image inspect --format "{{ index .Config.Labels \"$label\" }}" "$2" 2>/dev/null || true)
	if [ "$have" = "$digest" ]; then
		printf 'build: %s is up to date\n' "$2" >&2
		return 0
	fi
	printf 'build: %s\n' "$2" >&2
	# The builder of old engines, which every client still has; the host's network, because
	# a container's may have no way to the packages.
	log=$(mktemp)
	if ! DOCKER_BUILDKIT=0 docker build --network host --label "$label=$digest" -t "$2" "$context" >"$log" 2>&1; then
		tail -n 40 "$log" >&2
		rm -f "$log"
		printf 'build: %s was not built\n' "$2" >&2
		return 1
	fi
	rm -f "$log"
}

[ $# -gt 0 ] || set -- postgres valkey rabbitmq prometheus mongo-standin
for name in "$@"; do
	case $name in
	postgres) build "$name" midaz-debian/postgres:17 ;;
	valkey) build "$name" midaz-debian/valkey:8.1 ;;
	rabbitmq) build "$name" midaz-debian/rabbitmq:4.0 ;;
	prometheus) build "$name" midaz-debian/prometheus:2.53 ;;
	mongo-standin) build "$name" midaz-debian/mongo-standin:1 ;;
	*) printf 'build: no recipe is called %s\n' "$name" >&2; exit 64 ;;
	esac
done
