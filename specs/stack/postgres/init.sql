-- Roles, replication slots and databases of the stack. Safe to run again at any time, on a
-- new cluster as on one with years of data: it adds what is missing and sets the passwords
-- to those of the spec. Read by psql, connected as the cluster's owner.

\set ON_ERROR_STOP on
\set owner_password `cat /run/secrets/postgres-password`
\set replication_password `cat /run/secrets/replication-password`
\set monitoring_password `cat /run/secrets/monitoring-password`

-- Statements below carry passwords: none may reach the server's log, not even a failing one.
set log_statement = none;
set log_min_error_statement = panic;
set log_min_duration_statement = -1;
set client_min_messages = warning;

-- Roles
select format('create role %I', :'replication_user')
where not exists (select from pg_roles where rolname = :'replication_user') \gexec
alter role :"replication_user" with login replication nosuperuser nocreatedb nocreaterole
  password :'replication_password';

select format('create role %I', :'monitoring_user')
where not exists (select from pg_roles where rolname = :'monitoring_user') \gexec
alter role :"monitoring_user" with login noreplication nosuperuser nocreatedb nocreaterole
  connection limit 10 password :'monitoring_password';
grant pg_monitor to :"monitoring_user";

alter role :"owner" with password :'owner_password';

-- Slots: the standby's, and a logical one for change data capture where a name is given.
-- A logical slot that nobody reads keeps WAL, so none is made by default.
select pg_create_physical_replication_slot(:'replication_slot', true)
where not exists (select from pg_replication_slots where slot_name = :'replication_slot');

select pg_create_logical_replication_slot(:'logical_slot', 'pgoutput')
where :'logical_slot' <> ''
  and not exists (select from pg_replication_slots where slot_name = :'logical_slot');

-- Databases, one for each component
select format('create database %I owner %I', name, :'owner')
from unnest(string_to_array(:'databases', ',')) as wanted (name)
where not exists (select from pg_database where datname = name) \gexec
