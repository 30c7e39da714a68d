#!/bin/sh
# Prints the public half of an RSA-2048 key as a JSON Web Key, with openssl alone.
#     sh public-jwk.sh KEY.pem [KID]
set -eu
key=$1 kid=${2:-demo}
der() { openssl rsa -in "$key" -pubout -outform DER 2>/dev/null; }
# A SubjectPublicKeyInfo of an RSA-2048 key has 294 bytes, its modulus in bytes 34 to 289; the exponent is 65537, "AQAB".
if [ "$(der | wc -c)" -ne 294 ]; then
  echo "$key holds no RSA key of 2048 bits. A new one: openssl genrsa -out NEW.pem 2048" >&2
  exit 1
fi
modulus=$(der | tail -c +34 | head -c 256 | openssl base64 -A | tr '+/' '-_' | tr -d '=')
printf '{"kty":"RSA","use":"sig","alg":"RS256","kid":"%s","n":"%s","e":"AQAB"}\n' "$kid" "$modulus"
