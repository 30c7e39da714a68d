#!/usr/bin/env bash
# The drills of docs/operations.md with containers, typed as printed: rotate the signing key, revoke in an emergency, lose the data and
# restore it. Builds and starts docker-compose.yml with shared-keys.yaml, compares what is printed with what the page promises, and
# leaves the stack up. Needs an engine, curl and openssl.
set -euo pipefail
cd "$(dirname "$0")/../../.."

# The shell blocks of a drill, in their order.
blocks() {
  awk -v begin="<!-- drill $1 -->" '
    $0 == begin { inside = 1 }
    $0 == "<!-- end drill -->" { inside = 0 }
    /^```/ { typed = inside && $0 == "```bash"; next }
    typed' docs/operations.md
}

folder=$(mktemp -d)
for drill in rotation emergency restore; do
  typed="$(blocks containers; blocks client; blocks "$drill")"
  # Ten minutes are not waited for; files of the drill stay out of the checkout.
  typed=$(sed -e '/^sleep 600$/,/^gettone keys rotate$/c\gettone keys rotate --immediately' \
    -e "s#\(> \|}' \|rm -f \|backup \|restore \)drill#\1$folder/drill#" <<<"$typed")
  sed -n 's/^# prints //p' <<<"$typed" > "$folder/promised"
  [ "$(wc -l < "$folder/promised")" -gt 3 ] || { echo "the page has no drill $drill" >&2; exit 1; }
  bash -euc "$typed" < /dev/null > "$folder/output" 2> "$folder/errors" || { cat "$folder/errors" >&2; exit 1; }
  grep '^orders: ' "$folder/output" > "$folder/printed"
  diff "$folder/promised" "$folder/printed"
  echo "$drill: as the page says"
done
rm -rf "$folder"
