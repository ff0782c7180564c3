#!/bin/sh
# Succeeds when every part of the container answers: Grafana, Loki, Tempo, Prometheus and
# the collector. The image's own check passes over parts that are not there.
set -eu
for url in \
	http://127.0.0.1:3000/api/health \
	http://127.0.0.1:3100/ready \
	http://127.0.0.1:3200/ready \
	http://127.0.0.1:9090/-/ready \
	http://127.0.0.1:13133/ready
do
	curl -fsS -m 3 -o /dev/null "$url" || { echo "$url does not answer"; exit 1; }
done
