#!/usr/bin/env bash
# Sets up what the benchmarks compare with, apart from everything that AlphaPulse needs: three Python environments and one of Node.
# A part that cannot be installed here is named in one line and is absent from the tables; nothing else depends on it.
set -uo pipefail
cd "$(dirname "$0")/.."

say() { printf 'peers: %s\n' "$*" >&2; }
fresh() { [ -f "$1" ] && [ "$(cat "$1")" = "$2" ]; }

# degenbot needs Python 3.12 or later, its development version more than 3.12.1; AlphaPulse itself does not, so another
# interpreter may have to be found. 3.13 comes first: all pinned parts have wheels for it.
find_python() {
    local candidate
    local pyenv=${PYENV_ROOT:-$HOME/.pyenv}/versions
    for candidate in python3.13 "$pyenv"/3.13*/bin/python python3.14 python3.12 python3 "$pyenv"/3.1[2-9]*/bin/python; do
        if "$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 12))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    return 1
}

python_part() { # directory requirements what
    local pins
    pins=$(sha256sum <"$2" | cut -d' ' -f1)
    fresh "$1/.installed" "$pins" && return
    say "$3 into $1"
    if "$python" -m venv "$1" && "$1/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r "$2"; then
        echo "$pins" >"$1/.installed"
    else
        rm -rf "$1"
        say "$3 could not be installed; it will be absent from the tables"
    fi
}

if python=$(find_python); then
    python_part .venv-peers benchmarks/peers/requirements-peers.txt "degenbot"
    python_part .venv-peers-next benchmarks/peers/requirements-peers-next.txt "degenbot's development version"
else
    say "degenbot needs Python 3.12 or later, which is not here; it will be absent from the tables"
fi

# The messaging clients run with the interpreter that AlphaPulse runs with; their servers come with the system.
python=$(command -v .venv/bin/python || command -v python3)
python_part .venv-peers-messages benchmarks/peers/requirements-messages.txt "messaging clients (pyzmq, nats-py, redis)"
for server in nats-server redis-server; do
    command -v $server >/dev/null || say "$server is not here; it will be absent from the tables"
done

peers=benchmarks/peers
if command -v npm >/dev/null; then
    lock=$(cat $peers/package.json $peers/package-lock.json $peers/.npmrc | sha256sum | cut -d' ' -f1)
    if ! fresh $peers/node_modules/.installed "$lock"; then
        say "Uniswap's v3-sdk into $peers/node_modules"
        if npm --prefix $peers ci --silent; then
            echo "$lock" >$peers/node_modules/.installed
        else
            rm -rf $peers/node_modules
            say "Uniswap's v3-sdk could not be installed; it will be absent from the tables"
        fi
    fi
else
    say "Uniswap's v3-sdk needs node and npm, which are not here; it will be absent from the tables"
fi
