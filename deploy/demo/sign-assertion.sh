#!/bin/sh
# Prints a client assertion (RFC 7523) that is valid for one minute and for one use, with openssl alone.
#     sh sign-assertion.sh KEY.pem CLIENT_ID ISSUER [KID]
set -eu
key=$1 client=$2 issuer=$3 kid=${4:-demo}
base64url() { openssl base64 -A | tr '+/' '-_' | tr -d '='; }
now=$(date +%s)
header=$(printf '{"alg":"RS256","typ":"JWT","kid":"%s"}' "$kid" | base64url)
claims=$(printf '{"iss":"%s","sub":"%s","aud":"%s","jti":"%s","iat":%d,"exp":%d}' \
  "$client" "$client" "$issuer" "$(openssl rand -hex 16)" "$now" "$((now + 60))" | base64url)
signature=$(printf '%s.%s' "$header" "$claims" | openssl dgst -sha256 -sign "$key" -binary | base64url)
printf '%s.%s.%s\n' "$header" "$claims" "$signature"
