#!/bin/sh
# The end of `make demo`: what runs, where it is, and what to try.
set -eu
cd "$(dirname "$0")/../.."
export MIDAZ_FILE=midaz.infra.yaml:specs/debian.infra.yaml

value() { sed -n "s/^$1=//p" .env | tail -n 1; }
port() { p=$(value "$1"); echo "${p:-$2}"; }

echo
bin/midaz ps
echo
bin/midaz info
cat <<TEXT

Look around (passwords are in .env):
  RabbitMQ     http://127.0.0.1:$(port RABBITMQ_PORT_AMQP 3004)   user $(value RABBITMQ_DEFAULT_USER), password RABBITMQ_DEFAULT_PASS
  Prometheus   http://127.0.0.1:$(port OTEL_LGTM_EXTERNAL_PORT 3100)   stands in for Grafana here
  PostgreSQL   docker exec -it midaz-postgres-primary psql -U $(value DB_USER) -d onboarding
               docker exec -it midaz-postgres-replica psql -U $(value DB_USER) -d onboarding
  MongoDB      a stand-in on this image set: it answers health checks and stores nothing

  export MIDAZ_FILE=$MIDAZ_FILE     which files are meant, from now on
  bin/midaz plan                    nothing to do: the machine matches the file
  docker update --restart=no midaz-valkey && bin/midaz drift
                                    change something behind its back, see it found,
  bin/midaz apply                   and put it right, without a restart
  make infra COMMAND=logs           everybody's logs
  make infra COMMAND=down           stop it; the data stays
TEXT
