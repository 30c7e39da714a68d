#!/usr/bin/env bash
# For a machine with a container engine and no image registry: makes images with the names that deploy/docker/Dockerfile and
# the compose files use, from Debian's packages, the Rust toolchain of this machine, and the tools of the tests. They stand in
# for the published ones well enough to build and run the stack; nobody should deploy them.
#
#     DOCKER_HOST=unix:///somewhere/docker.sock tests/deploy/engine/stand-ins.sh FOLDER
#
# FOLDER keeps the Debian base between two runs (some 300 MB). Needs root, debootstrap, npm, node and `cargo xtask tools`.
set -euo pipefail
cd "$(dirname "$0")/../../.."
work=$(mkdir -p "${1:?a folder for the base images}" && cd "$1" && pwd)
tools=$PWD/target/tools
export DOCKER_BUILDKIT=1

[ -x "$work/slim/bin/sh" ] || debootstrap --variant=minbase bookworm "$work/slim"
# A network that reads TLS has certificates of its own, which this machine trusts and the images have to.
if ls /usr/local/share/ca-certificates/*.crt >/dev/null 2>&1; then
  mkdir -p "$work/slim/usr/local/share/ca-certificates"
  cp /usr/local/share/ca-certificates/*.crt "$work/slim/usr/local/share/ca-certificates/"
fi
# What the published slim image lacks as well.
rm -rf "$work"/slim/var/cache/apt/* "$work"/slim/var/lib/apt/lists/* "$work"/slim/usr/share/{doc,man,locale,info}/*
docker image inspect debian:bookworm-slim >/dev/null 2>&1 ||
  tar -C "$work/slim" --exclude='./dev/*' --exclude='./proc/*' --exclude='./sys/*' -c . | docker import - debian:bookworm-slim >/dev/null

# image NAME [CONTEXT]: from the Dockerfile on standard input.
image() {
  echo "$1"
  docker build --quiet --network host --tag "$1" --file - "${2:-$work/empty}" >/dev/null
}
mkdir -p "$work/empty"
install='apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends'

sysroot=$(cd / && rustc --print sysroot)
image "rust:${RUST_VERSION:-1.95}-bookworm" "$sysroot" <<DOCKERFILE
FROM debian:bookworm-slim
RUN $install ca-certificates gcc g++ libc6-dev make perl git && rm -rf /var/lib/apt/lists/*
COPY bin /usr/local/bin
COPY lib /usr/local/lib
ENV CARGO_HOME=/usr/local/cargo
DOCKERFILE

image gcr.io/distroless/cc-debian12:nonroot <<DOCKERFILE
FROM debian:bookworm-slim AS files
RUN $install ca-certificates && rm -rf /var/lib/apt/lists/*
FROM scratch
COPY --from=files /lib/x86_64-linux-gnu/libc.so.6 /lib/x86_64-linux-gnu/libm.so.6 /lib/x86_64-linux-gnu/libgcc_s.so.1 \
  /lib/x86_64-linux-gnu/libresolv.so.2 /lib/x86_64-linux-gnu/libnss_dns.so.2 /lib/x86_64-linux-gnu/libnss_files.so.2 \
  /lib/x86_64-linux-gnu/
COPY --from=files /lib64/ld-linux-x86-64.so.2 /lib64/
COPY --from=files /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=files /etc/passwd /etc/group /etc/nsswitch.conf /etc/
ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
DOCKERFILE

image nginx:1.28-bookworm "$tools" <<DOCKERFILE
FROM debian:bookworm-slim
RUN $install ca-certificates curl && rm -rf /var/lib/apt/lists/*
COPY nginx /usr/sbin/nginx
DOCKERFILE

image envoyproxy/envoy:v1.40.0 "$tools" <<DOCKERFILE
FROM debian:bookworm-slim
COPY envoy /usr/local/bin/envoy
DOCKERFILE

image redis:7.4-bookworm <<DOCKERFILE
FROM debian:bookworm-slim
RUN $install redis-server && rm -rf /var/lib/apt/lists/* && mkdir -p /data && chown 999:999 /data
WORKDIR /data
DOCKERFILE

image prom/prometheus:v3.5.0 <<DOCKERFILE
FROM debian:bookworm-slim
RUN $install prometheus wget && rm -rf /var/lib/apt/lists/* && mkdir -p /prometheus && chown nobody:nogroup /prometheus
USER nobody
ENTRYPOINT ["/bin/prometheus"]
DOCKERFILE

# mongosh is MongoDB's own, from npm; node is this machine's.
[ -x "$work/mongosh/node_modules/.bin/mongosh" ] || npm install --silent --no-audit --no-fund --prefix "$work/mongosh" mongosh@2
cp "$(readlink -f "$(command -v node)")" "$work/mongosh/node"
cp -L "$tools/mongod" "$work/mongosh/mongod"
# For `--db credentials --archive --gzip` (docs/operations.md): collections and indexes, through mongosh.
cat > "$work/mongosh/mongodump" <<'SCRIPT'
#!/bin/sh
mongosh --quiet mongodb://localhost/credentials --eval 'print(EJSON.stringify(db.getCollectionInfos({type: "collection"}).map(({name}) =>
  ({name, documents: db.getCollection(name).find().toArray(), indexes: db.getCollection(name).getIndexes()})), {relaxed: false}))' | gzip
SCRIPT
cat > "$work/mongosh/mongorestore" <<'SCRIPT'
#!/bin/sh
gzip -d > /tmp/restored && mongosh --quiet mongodb://localhost/credentials --eval '
  for (const {name, documents, indexes} of EJSON.parse(fs.readFileSync("/tmp/restored", "utf8"), {relaxed: false})) {
    const collection = db.getCollection(name)
    collection.drop()
    db.createCollection(name)
    if (documents.length > 0) { collection.insertMany(documents) }
    for (const {key, v, ...options} of indexes) { if (options.name !== "_id_") { collection.createIndex(key, options) } }
  }'
SCRIPT
chmod 755 "$work/mongosh/mongodump" "$work/mongosh/mongorestore"
image mongo:7.0 "$work/mongosh" <<DOCKERFILE
FROM debian:bookworm-slim
RUN $install libcurl4 libssl3 libstdc++6 && rm -rf /var/lib/apt/lists/*
COPY mongod node mongodump mongorestore /usr/local/bin/
COPY node_modules /opt/mongosh/node_modules
RUN printf '#!/bin/sh\nexec node /opt/mongosh/node_modules/mongosh/bin/mongosh.js "\$@"\n' > /usr/local/bin/mongosh && chmod 755 /usr/local/bin/mongosh && mkdir -p /data/db
ENTRYPOINT ["mongod"]
DOCKERFILE
