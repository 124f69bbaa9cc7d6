#!/usr/bin/env bash
# Installs what the tests against real peers need, where this machine allows it, and never fails: a test whose
# peer is missing says so. Postfix and Dovecot need root and apt-get; Prism, emulate, Handlebars and the clients of
# GraphQL and OpenAPI need Node and npm, and go to .peers.
set -u
cd "$(dirname "$0")/.."
export DEBIAN_FRONTEND=noninteractive
LIMIT=${PEERS_TIME_LIMIT:-180}

install_mail() {
    command -v postfix >/dev/null && command -v dovecot >/dev/null && return
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || return
    # The packages start nothing: the tests run servers of their own, on loopback.
    local policy=/usr/sbin/policy-rc.d ours=
    [ -e "$policy" ] || { printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod 755 "$policy" && ours=1; }
    timeout "$LIMIT" sh -c 'apt-get update -qq && apt-get install -y -qq --no-install-recommends \
        postfix dovecot-core dovecot-imapd dovecot-lmtpd' || echo "peers: Postfix and Dovecot could not be installed"
    [ -z "$ours" ] || rm -f "$policy"
}

# npm_install FOLDER WHAT PACKAGE@VERSION...
npm_install() {
    local folder=$1 what=$2
    shift 2
    command -v npm >/dev/null && command -v node >/dev/null || return
    # Certificates that an administrator added to the machine count for Node only when it is told of them.
    local added=/etc/ssl/certs/ca-certificates.crt
    [ -n "${NODE_EXTRA_CA_CERTS:-}" ] || [ ! -e "$added" ] || export NODE_EXTRA_CA_CERTS="$added"
    timeout "$LIMIT" npm install --prefix "$folder" --no-save --no-audit --no-fund --loglevel=error \
        --fetch-retries=1 --fetch-retry-mintimeout=1000 --fetch-timeout=30000 "$@" || { rm -rf "$folder/node_modules"; echo "peers: $what could not be installed"; }
}

install_prism() {
    [ -x .peers/node_modules/.bin/prism ] || npm_install .peers Prism @stoplight/prism-cli@5.16.0
}

install_graphql() {
    mkdir -p .peers/graphql
    [ -x .peers/graphql/node_modules/.bin/graphql-codegen ] || npm_install .peers/graphql "GraphQL clients" \
        graphql@16.15.0 graphql-request@7.4.0 graphql-sse@2.6.1 typescript@7.0.2 \
        @graphql-codegen/cli@7.4.3 @graphql-codegen/typescript@6.1.0 @graphql-codegen/typescript-operations@6.1.9
}

install_handlebars() {
    mkdir -p .peers/handlebars
    [ -e .peers/handlebars/node_modules/handlebars/package.json ] || npm_install .peers/handlebars Handlebars handlebars@4.7.8
}

install_openapi() {
    mkdir -p .peers/openapi
    [ -x .peers/openapi/node_modules/.bin/redocly ] || npm_install .peers/openapi "OpenAPI clients" \
        openapi-typescript@7.13.0 openapi-fetch@0.17.0 typescript@5.9.3 @redocly/cli@2.77.0
}

install_emulate() {
    # It needs a newer Node than many machines have, and brings it along.
    mkdir -p .peers/emulate
    [ -x .peers/emulate/node_modules/.bin/node ] || npm_install .peers/emulate emulate emulate@0.12.2 node@22.23.3
}

mkdir -p .peers
exec 9>.peers/.lock
flock -w "$LIMIT" 9 || exit 0
# Tried once a day at most: a machine without network should not wait at every test run. A script that is newer than
# its last try installs other things.
tried=.peers/.tried
[ -d "${OUTRIDER_SHARED:-}" ] || tried=.peers/.tried-alone
[ -z "$(find "$tried" -mmin -1440 -newer tools/install_peers.sh 2>/dev/null)" ] || exit 0
install() {
    install_graphql
    install_handlebars
    install_openapi
    install_emulate
    # How the others are started and what they check against lies there; without it no test could use them.
    [ -d "${OUTRIDER_SHARED:-}" ] || return 0
    install_mail
    install_prism
}
install </dev/null >.peers/install.log 2>&1 || true
touch "$tried"
grep '^peers: ' .peers/install.log || true
exit 0
