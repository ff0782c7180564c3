#!/bin/sh
# Starts the OTLP receiver, and Prometheus as the container's first process: a signal ends
# Prometheus, and the end of Prometheus ends the receiver. Arguments are Prometheus's.
set -eu

case "${1:-}" in
prometheus) shift ;;
'' | -*) ;;
*) exec "$@" ;;
esac

vmagent -httpListenAddr=0.0.0.0:4318 -loggerLevel=WARN \
	-opentelemetry.usePrometheusNaming -remoteWrite.relabelConfig=/etc/vmagent/unique-labels.yml \
	-remoteWrite.url=http://127.0.0.1:9090/api/v1/write -remoteWrite.forcePromProto \
	-remoteWrite.tmpDataPath=/tmp/otlp-queue -remoteWrite.flushInterval=500ms \
	-remoteWrite.queues=1 -memory.allowedBytes=64MiB &
exec prometheus "$@"
