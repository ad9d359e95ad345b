#!/usr/bin/env bash
# Sets up everything a target needs, from nothing: virtualenv, pinned Python parts, npm parts, Debian packages.
# Usage: tools/setup.sh base | tests      (tests adds Chromium for the browser tests)
set -euo pipefail
cd "$(dirname "$0")/.."
want=${1:-base}

say() { printf 'setup: %s\n' "$*" >&2; }

# Debian packages only where nothing else gives the part; installed when root, otherwise named.
need_debian() { # reason package...
    local reason=$1
    shift
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        say "installing Debian packages: $*"
        apt-get update -qq >&2 && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
    else
        say "$reason needs the Debian packages: $* (as root: apt-get install $*)"
        return 1
    fi
}

python_works() { python3 -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }
node_works() { node -e 'process.exit(Number(process.versions.node.split(".")[0]) >= 18 ? 0 : 1)' 2>/dev/null && command -v npm >/dev/null; }

[ "$(uname -sm)" = "Linux x86_64" ] || say "the local chain ships for Linux x86-64 only; elsewhere tests and demo that need it will say so"
python_works || need_debian "AlphaPulse" python3 python3-venv
python_works || { say "python3 >= 3.11 with venv is required"; exit 1; }
node_works || need_debian "the local chain" nodejs npm
node_works || { say "node >= 18 with npm is required"; exit 1; }

# A stamp holds the digest of what was installed, so that a changed pin installs again.
fresh() { [ -f "$1" ] && [ "$(cat "$1")" = "$2" ]; }
digest_of() { cat "$@" | sha256sum | cut -d' ' -f1; }

pins=$(digest_of requirements.txt pyproject.toml)
if ! fresh .venv/.installed "$pins"; then
    say "python parts into .venv"
    [ -x .venv/bin/python ] || python3 -m venv .venv
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
    echo "$pins" >.venv/.installed
fi

tools/kernel.sh

lock=$(digest_of package.json package-lock.json .npmrc)
if ! fresh node_modules/.installed "$lock"; then
    say "local chain, compilers and protocol bytecode into node_modules"
    npm ci --silent
    echo "$lock" >node_modules/.installed
fi

if [ "$want" = tests ] && ! command -v nats-server >/dev/null; then
    need_debian "the tests of the message bus" nats-server || say "the tests of the message bus will be skipped"
fi
if [ "$want" = tests ] && ! command -v chromium >/dev/null; then
    need_debian "the browser tests" chromium || say "the browser tests will be skipped"
fi
