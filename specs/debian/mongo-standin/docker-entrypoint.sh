#!/bin/sh
# Starts the stand-in as its own user. Not MongoDB: see the recipe beside this file.
set -eu

case "${1:-}" in
'' | -*) set -- mongod "$@" ;;
esac
if [ "$1" = mongod ] && [ "$(id -u)" = 0 ]; then
	find /data/db /data/configdb \! -user mongodb -exec chown mongodb {} +
	exec setpriv --reuid=mongodb --regid=mongodb --clear-groups "$@"
fi
exec "$@"
