#!/bin/sh
# Makes what docker-compose.yml and its overlays mount as secrets, once; existing files are kept. Needs openssl.
# The folder is closed to other users of this machine (0700). The files in it are readable (0444), because compose
# mounts them with the owner they have here and the containers run as a user of their own.
set -eu

folder="$(dirname "$0")/secrets"
mkdir -p "$folder"
chmod 700 "$folder"
cd "$folder"

[ -f signing-key.pem ] || openssl genrsa -out signing-key.pem 2048 2>/dev/null
[ -f bootstrap-token ] || openssl rand -hex 32 > bootstrap-token
[ -f client-id-hash-salt ] || openssl rand -hex 128 > client-id-hash-salt
[ -f signing-keys-encryption-key ] || openssl rand -base64 32 > signing-keys-encryption-key
[ -f grafana-password ] || openssl rand -hex 16 > grafana-password
chmod 444 signing-key.pem bootstrap-token client-id-hash-salt signing-keys-encryption-key grafana-password

echo "Secrets are in $(pwd)."
