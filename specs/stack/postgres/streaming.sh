#!/bin/sh
# Succeeds when this server is a standby that receives the primary's changes right now.
set -eu
answer=$(psql -XAtq -U "$OWNER" -d postgres -c \
	"select pg_is_in_recovery() and exists (select from pg_stat_wal_receiver where status = 'streaming')")
[ "$answer" = t ] || { echo "not receiving changes from $PRIMARY_HOST"; exit 1; }
