#!/usr/bin/env bash
# The walk of the README through the gateway of a running docker-compose.yml, with any of its overlays: register, get a token, be
# refused, get the permission, pass. Fails at the first answer that is not the expected one. Needs curl and openssl.
#
#     tests/deploy/engine/walk.sh [FOLDER]        FOLDER gets the key and the token of the walk
set -euo pipefail
cd "$(dirname "$0")/../../.."
folder=${1:-$(mktemp -d)}
gateway=http://127.0.0.1:8080 management=http://127.0.0.1:3001
answer=$folder/answer

# expect STATUS WHAT curl-arguments…
expect() {
  local wanted=$1 what=$2 status
  shift 2
  status=$(curl -s -o "$answer" -w '%{http_code}' --max-time 20 "$@")
  printf '%s %s\n' "$status" "$what"
  [ "$status" = "$wanted" ] || { echo "expected $wanted: $(cat "$answer")" >&2; exit 1; }
}
member() { sed "s/.*\"$1\":\"\([^\"]*\)\".*/\1/" "$answer"; }

token() {
  expect 200 "a token for a signed assertion" "$gateway/oauth/token" -d grant_type=client_credentials -d client_id="$client" \
    -d client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer \
    -d client_assertion="$(sh deploy/demo/sign-assertion.sh "$folder/key.pem" "$client" http://localhost:8080)"
  member access_token > "$folder/token"
}
orders() { expect "$1" "$2 /orders with the token" -X "$2" "$gateway/orders" -H "Authorization: Bearer $(cat "$folder/token")"; }

openssl genrsa -out "$folder/key.pem" 2048 2>/dev/null
expect 201 "registered" "$gateway/register" -H 'Content-Type: application/json' \
  -d "{\"client_name\":\"walk\",\"token_endpoint_auth_method\":\"private_key_jwt\",\"public_key\":$(sh deploy/demo/public-jwk.sh "$folder/key.pem")}"
client=$(member client_id)
token
orders 403 GET
bearer="Authorization: Bearer $(cat deploy/compose/secrets/bootstrap-token)"
expect 200 "the operator grants read:orders" -X PATCH "$management/clients/$client" -H "$bearer" \
  -H 'Content-Type: application/merge-patch+json' -d '{"permissions":["read:orders"]}'
token
orders 200 GET
grep -q "\"caller\":\"$client\"" "$answer" || { echo "the API was not told who calls: $(cat "$answer")" >&2; exit 1; }
orders 403 DELETE
expect 401 "GET /orders without a token" "$gateway/orders"
expect 200 "GET /public without a token" "$gateway/public"
expect 401 "GET /orders as somebody's word" "$gateway/orders" -H "miauserid: $client" -H 'mia-allowed: 1'
expect 404 "the clients API through the gateway" -X POST "$gateway/clients" -H 'Content-Type: application/json' -d '{}'
expect 200 "the token is revoked" "$gateway/oauth/revoke" -d token="$(cat "$folder/token")" -d client_id="$client" \
  -d client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer \
  -d client_assertion="$(sh deploy/demo/sign-assertion.sh "$folder/key.pem" "$client" http://localhost:8080)"
# Other replicas learn of it within a second.
for _ in 1 2 3 4 5 6 7 8; do
  [ "$(curl -s -o /dev/null -w '%{http_code}' "$gateway/orders" -H "Authorization: Bearer $(cat "$folder/token")")" = 401 ] && break
  sleep 0.25
done
orders 401 GET
token
orders 200 GET
