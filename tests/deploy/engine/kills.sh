#!/usr/bin/env bash
# Kills the process of each container of a running docker-compose.yml with replicas.yaml, one after the other, while a caller asks for
# tokens and for /orders all the time. After each kill both must work again within a minute, by themselves; meanwhile valid
# calls may fail with a 5xx or without an answer, and never with a 401 or 403. Needs root on the machine of the engine.
set -euo pipefail
cd "$(dirname "$0")/../../.."
folder=$(mktemp -d)
tests/deploy/engine/walk.sh "$folder" > /dev/null
client=$(sed 's/.*"caller":"\([^"]*\)".*/\1/' "$folder/answer")

call() {
  curl -s -o /dev/null -w '%{http_code}\n' --max-time 5 http://127.0.0.1:8080/orders -H "Authorization: Bearer $(cat "$folder/token")" || true
  curl -s -o /dev/null -w '%{http_code}\n' --max-time 5 http://127.0.0.1:8080/oauth/token -d grant_type=client_credentials \
    -d client_id="$client" -d client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer \
    -d client_assertion="$(sh deploy/demo/sign-assertion.sh "$folder/key.pem" "$client" http://localhost:8080)" || true
}

failed=0
for container in $(docker ps --filter label=com.docker.compose.project=gettone --format '{{.Names}}' | sort); do
  kill -9 "$(docker inspect --format '{{.State.Pid}}' "$container")"
  started=$SECONDS good=0
  : > "$folder/statuses"
  # Well again: twenty calls in a row.
  while [ "$good" -lt 20 ] && [ $((SECONDS - started)) -lt 60 ]; do
    for status in $(call); do
      echo "$status" >> "$folder/statuses"
      if [ "$status" = 200 ]; then good=$((good + 1)); else good=0; fi
    done
  done
  printf '%-36s well after %2d s; calls by status: %s\n' "$container" $((SECONDS - started)) \
    "$(sort "$folder/statuses" | uniq -c | awk '{ printf "%s×%s ", $1, $2 }')"
  if [ "$good" -lt 20 ] || grep -q '^4' "$folder/statuses"; then failed=1; fi
done
tests/deploy/engine/walk.sh | tail -1
[ "$failed" = 0 ] || { echo "a valid call was refused, or something did not come back" >&2; exit 1; }
