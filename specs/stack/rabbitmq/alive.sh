#!/bin/bash
# Succeeds when the broker accepts AMQP connections and its metrics say that it is one.
# Shell only: a round of rabbitmq-diagnostics costs one to two seconds of CPU.
set -euo pipefail
exec 3<>"/dev/tcp/127.0.0.1/$1"
exec 4<>/dev/tcp/127.0.0.1/15692
printf 'GET /metrics HTTP/1.0\r\nHost: localhost\r\n\r\n' >&4
while IFS= read -r -t 4 line <&4; do
	case $line in
	rabbitmq_build_info*) exit 0 ;;
	esac
done
echo 'the broker serves no metrics' >&2
exit 1
