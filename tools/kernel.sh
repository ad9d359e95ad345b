#!/usr/bin/env bash
# Builds the optional Rust twin of the pool arithmetic into the virtualenv; without cargo Python answers alone.
# Prints one line when it does something or cannot; a digest of the sources says when nothing is to do.
# Usage: tools/kernel.sh [build | test | check]   test: the crate's own tests; check: its format, lint and pinned crates
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'setup: %s\n' "$*" >&2; }

what=${1:-build}
jobs=${CARGO_BUILD_JOBS:-1}
if [ "$what" != build ]; then
    cargo --version >/dev/null 2>&1 || { say "no cargo here, so the crate's own tests are left out"; exit 0; }
    cd kernel
    export CARGO_BUILD_JOBS=$jobs
    if [ "$what" = test ]; then
        nice -n 10 cargo test --release --quiet -p alphapulse-kernel-math
    else
        nice -n 10 cargo fmt --check
        nice -n 10 cargo clippy --release --quiet --all-targets -- -D warnings
        python3 ../tools/kernel_crates.py check
        echo "kernel    ok"
    fi
    exit
fi

sources=$(find kernel -name target -prune -o -type f ! -name Cargo.lock -print0 | sort -z | xargs -0 sha256sum | sha256sum | cut -d' ' -f1)
stamp=.venv/.kernel
[ -f "$stamp" ] && [ "$(cat "$stamp")" = "$sources" ] && exit 0

if ! cargo --version >/dev/null 2>&1; then
    say "no cargo here, so the Rust twin is not built and Python answers (install Rust and run make setup again)"
    exit 0
fi
say "Rust twin of the pool arithmetic into .venv"
wheels=kernel/target/wheels
rm -rf "$wheels"
if ! (cd kernel && CARGO_BUILD_JOBS=$jobs nice -n 10 ../.venv/bin/maturin build --release --quiet -i ../.venv/bin/python --out target/wheels) >.setup-kernel.log 2>&1; then
    say "the Rust twin could not be built (.setup-kernel.log says why), so Python answers"
    exit 0
fi
.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-index --force-reinstall "$wheels"/*.whl
echo "$sources" >"$stamp"
