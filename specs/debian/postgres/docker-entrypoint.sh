#!/bin/sh
# Starts PostgreSQL; makes the cluster first where the data directory is empty.
#
#   POSTGRES_USER, POSTGRES_PASSWORD, POSTGRES_DB   each also as NAME_FILE
#   POSTGRES_INITDB_ARGS, POSTGRES_HOST_AUTH_METHOD, PGDATA, PGPORT
#   /docker-entrypoint-initdb.d/*.{sh,sql,sql.gz}   run once, on an empty data directory
set -eu

case "${1:-}" in
'' | -*) set -- postgres "$@" ;;
esac
[ "$1" = postgres ] || exec "$@"

say() { printf 'entrypoint: %s\n' "$*" >&2; }

# from_file NAME DEFAULT: the value of NAME, or the content of the file NAME_FILE.
from_file() {
	eval "value=\${$1:-} file=\${$1_FILE:-}"
	if [ -n "$value" ] && [ -n "$file" ]; then
		say "$1 and $1_FILE are both set: keep one"
		exit 1
	fi
	[ -z "$file" ] || value=$(cat "$file")
	eval "$1=\${value:-\$2}"
	export "${1?}"
	unset "$1_FILE"
}
from_file POSTGRES_USER postgres
from_file POSTGRES_PASSWORD ''
from_file POSTGRES_DB "$POSTGRES_USER"
from_file POSTGRES_INITDB_ARGS ''

if [ "$(id -u)" = 0 ]; then
	mkdir -p "$PGDATA"
	chmod 0700 "$PGDATA"
	find "$PGDATA" \! -user postgres -exec chown postgres {} +
	find /var/run/postgresql \! -user postgres -exec chown postgres {} +
	exec setpriv --reuid=postgres --regid=postgres --init-groups env HOME=/var/lib/postgresql "$0" "$@"
fi
mkdir -p "$PGDATA"

make_cluster() {
	method=${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}
	if [ -z "$POSTGRES_PASSWORD" ] && [ "$method" != trust ]; then
		say "POSTGRES_PASSWORD (or POSTGRES_PASSWORD_FILE) is needed to make a new cluster in $PGDATA"
		exit 1
	fi
	set -- --username="$POSTGRES_USER" -D "$PGDATA"
	if [ -n "$POSTGRES_PASSWORD" ]; then
		printf '%s\n' "$POSTGRES_PASSWORD" |
			eval "initdb \"\$@\" --pwfile=/dev/stdin $POSTGRES_INITDB_ARGS"
	else
		eval "initdb \"\$@\" $POSTGRES_INITDB_ARGS"
	fi
	printf '\nhost all all all %s\n' "$method" >>"$PGDATA/pg_hba.conf"
}

# sql DATABASE [psql arguments]: over the socket, as the cluster's owner.
sql() {
	database=$1
	shift
	PGHOST='' PGHOSTADDR='' PGPASSWORD=$POSTGRES_PASSWORD psql -v ON_ERROR_STOP=1 --no-psqlrc -q \
		-U "$POSTGRES_USER" -d "$database" "$@"
}

# fill "$@": databases and scripts of a new cluster, on a server that no network reaches.
fill() {
	"$@" -c listen_addresses= &
	server=$!
	until sql postgres -c 'select' >/dev/null 2>&1; do
		kill -0 "$server" 2>/dev/null || { wait "$server" || true; say "the server did not start"; exit 1; }
		sleep 0.1
	done
	if [ "$POSTGRES_DB" != postgres ]; then
		printf '%s\n' 'create database :"name";' | sql postgres -v name="$POSTGRES_DB"
	fi
	for script in /docker-entrypoint-initdb.d/*; do
		case $script in
		*.sh)
			say "running $script"
			# shellcheck source=/dev/null
			if [ -x "$script" ]; then "$script"; else . "$script"; fi
			;;
		*.sql) say "running $script"; sql "$POSTGRES_DB" -f "$script" ;;
		*.sql.gz) say "running $script"; gunzip -c "$script" | sql "$POSTGRES_DB" ;;
		*'/*') ;;
		*) say "ignoring $script" ;;
		esac
	done
	kill -INT "$server"
	wait "$server"
}

if [ ! -s "$PGDATA/PG_VERSION" ]; then
	make_cluster
	fill "$@"
	say "the cluster in $PGDATA is ready"
fi
unset POSTGRES_PASSWORD
exec "$@"
