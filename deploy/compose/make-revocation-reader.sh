#!/bin/sh
# Makes the client with which authorization-service follows revocations in local mode, once, and keeps its id and its secret
# beside the other secrets. The stack of docker-compose.yml must be running. Needs curl.
set -eu

cd "$(dirname "$0")/secrets"
[ -f revocation-reader-secret ] && { echo "The client is there already: $(cat revocation-reader-id)"; exit 0; }

answer=$(curl -fsS -X POST http://127.0.0.1:3001/clients \
  -H "Authorization: Bearer $(cat bootstrap-token)" -H 'Content-Type: application/json' \
  -d '{"client_name":"authorization-service","permissions":["gettone:revocations:read"]}')
member() { printf '%s' "$answer" | sed "s/.*\"$1\":\"\([^\"]*\)\".*/\1/"; }
member client_id > revocation-reader-id
member client_secret > revocation-reader-secret
chmod 444 revocation-reader-id revocation-reader-secret

echo "The client is $(cat revocation-reader-id); its id and its secret are in $(pwd)."
