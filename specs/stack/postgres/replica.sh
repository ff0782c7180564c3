#!/bin/sh
# Starts the streaming standby; clones the primary first where the data directory is empty.
# The clone becomes the data directory in one rename, so a clone that was cut short is never
# taken for a whole one. Arguments: the server's command.
#
#   PGDATA, PRIMARY_HOST, PRIMARY_PORT, REPLICATION_USER, REPLICATION_SLOT
#   PGPASSFILE   the replication password, in libpq's format
set -eu

say() { printf 'replica: %s\n' "$*" >&2; }
child=
trap '[ -z "$child" ] || kill "$child" 2>/dev/null; exit 143' TERM INT

primary="host=$PRIMARY_HOST port=$PRIMARY_PORT user=$REPLICATION_USER application_name=replica passfile=$PGPASSFILE connect_timeout=5"

# run COMMAND: in the background, so that a signal ends it at once.
run() {
	"$@" &
	child=$!
	wait "$child"
}

if [ ! -s "$PGDATA/PG_VERSION" ]; then
	say "cloning $PRIMARY_HOST:$PRIMARY_PORT"
	until
		rm -rf "$PGDATA.part" && run pg_basebackup --dbname="$primary" --pgdata="$PGDATA.part" \
			--slot="$REPLICATION_SLOT" --wal-method=stream --checkpoint=fast --no-password
	do
		say "the primary cannot be cloned yet, trying again"
		run sleep 1
	done
	: >"$PGDATA.part/standby.signal"
	chmod 0700 "$PGDATA.part"
	rm -rf "$PGDATA"
	mv "$PGDATA.part" "$PGDATA"
	say "cloned"
elif theirs=$(psql -XAtc 'IDENTIFY_SYSTEM' "$primary replication=true" 2>/dev/null); then
	# A standby of another cluster would wait for ever: say so, and touch nothing.
	ours=$(pg_controldata "$PGDATA" | sed -n 's/^Database system identifier: *//p')
	if [ "${theirs%%|*}" != "$ours" ]; then
		say "this data is a copy of cluster $ours, but $PRIMARY_HOST is now cluster ${theirs%%|*}"
		say "remove the replica's volume to clone the new primary"
		exit 1
	fi
fi

trap - TERM INT
exec "$@" -c primary_conninfo="$primary" -c primary_slot_name="$REPLICATION_SLOT"
