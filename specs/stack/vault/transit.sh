#!/bin/sh
# Enables Vault's transit engine at the path of the platform's mode. Safe to run again; an
# engine of another type at that path is an error, never replaced.
set -eu
VAULT_TOKEN=$(cat /run/secrets/vault-token)
export VAULT_TOKEN

path=transit-st
[ "$MULTI_TENANT_ENABLED" != true ] || path=transit-mt

type=$(vault secrets list | sed -n "s|^$path/  *\([^ ]*\) .*|\1|p")
case $type in
transit) echo "transit is already enabled at $path/" ;;
'') vault secrets enable -path="$path" transit ;;
*) echo "$path/ already holds an engine of type $type, not transit" >&2; exit 1 ;;
esac
