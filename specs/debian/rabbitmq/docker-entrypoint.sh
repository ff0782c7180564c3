#!/bin/sh
# Starts the broker as its own user. Settings come from /etc/rabbitmq/rabbitmq.conf, from
# /etc/rabbitmq/conf.d/*.conf, and from RABBITMQ_DEFAULT_USER, _PASS and _VHOST for the
# first start on an empty data directory.
set -eu

case "${1:-}" in
rabbitmq*) ;;
*) exec "$@" ;;
esac

if [ "$(id -u)" = 0 ]; then
	[ "$1" != rabbitmq-server ] || find /var/lib/rabbitmq \! -user rabbitmq -exec chown rabbitmq {} +
	exec setpriv --reuid=rabbitmq --regid=rabbitmq --init-groups "$@"
fi
exec "$@"
