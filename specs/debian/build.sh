#!/bin/sh
# Makes the base image and those of specs/debian.infra.yaml, and nothing else:
#
#   midaz-debian/postgres:17        midaz-debian/valkey:8.1      midaz-debian/rabbitmq:4.0
#   midaz-debian/prometheus:2.53    midaz-debian/mongo-standin:1
#
#   specs/debian/build.sh              all of them
#   specs/debian/build.sh postgres …   only these
#
# midaz itself builds them, so that they are the very images a later apply finds: one whose
# recipe and base did not change is left alone. MIDAZ names the program (bin/midaz).
set -eu

cd "$(dirname "$0")/../.."
midaz=${MIDAZ:-bin/midaz}
command -v "$midaz" >/dev/null 2>&1 || { echo "build: there is no $midaz: make build" >&2; exit 1; }
specs/debian/base.sh

[ $# -gt 0 ] || set -- '*'
for name in "$@"; do
	shift
	[ "$name" = '*' ] || [ -d "specs/debian/$name" ] || { echo "build: no recipe is called $name" >&2; exit 64; }
	set -- "$@" -target "image/midaz-debian/$name:*"
done
# Nothing is to run, so the secrets may be anything, and there is no broker to ask. Under a
# name of its own this waits for no lock of the stack's.
values=$(mktemp)
trap 'rm -f "$values"' EXIT
sed -n 's/^\([A-Z][A-Z0-9_]*\)=$/\1=unused/p' .env.example >"$values"
printf 'version: "1"\nstack: midaz-images\nrabbitmq: !reset null\n' |
	"$midaz" up -f midaz.infra.yaml -f specs/debian.infra.yaml -f - --env-file "$values" "$@"
