#!/bin/sh
# Starts Valkey as its own user, with the working directory as the place of its data.
# A first argument that is an option or a configuration file means valkey-server.
set -eu

case "${1:-}" in
'' | -* | *.conf) set -- valkey-server "$@" ;;
esac
case "$1" in
valkey-server | redis-server) ;;
*) exec "$@" ;;
esac

# Without a configuration there is no password either. Ports are opened by whoever runs
# the container, so the server does not restrict itself to the loopback address.
[ $# -gt 1 ] || set -- "$@" --protected-mode no

umask 0077
if [ "$(id -u)" = 0 ]; then
	find . \! -user valkey -exec chown valkey {} +
	exec setpriv --reuid=valkey --regid=valkey --clear-groups "$@"
fi
exec "$@"
