# The developer's interface. Every target does all the set-up that it needs.
.DEFAULT_GOAL := help
SHELL := /bin/bash
BIN := .venv/bin
# What the twin of the pool arithmetic answers for: run once more with the readable Python.
EXACT := tests/unit/amm tests/unit/market tests/unit/strategies tests/golden tests/replay/test_replay_digest.py \
	$(wildcard $(addprefix tests/property/test_,amm_*.py market_*.py network_*.py strategy_*.py) tests/differential/test_amm_*.py)
export PYTHONDONTWRITEBYTECODE := 1

.PHONY: help setup demo test check bench peers docs format contracts fuzz soak

help: ## what can be made
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 18

setup: ## virtualenv, pinned parts, local chain: everything that the others need
	@tools/setup.sh tests

demo: ## local chain, real protocols, the whole system, dashboard in your browser (SECONDS_TO_RUN=n to end by itself)
	@tools/setup.sh base
	@$(BIN)/alphapulse demo $(if $(SECONDS_TO_RUN),--seconds $(SECONDS_TO_RUN))

test: ## every test, then a line of counts
	@tools/setup.sh tests
	@tools/kernel.sh test
	@ALPHAPULSE_KERNEL=python $(BIN)/python -m pytest $(EXACT)
	@$(BIN)/python -m pytest

fuzz: ## random and mutated bytes into the Rust twin (MINUTES=10), then a million into decoder and relay (BUFFERS=1000000)
	@tools/setup.sh base
	@$(BIN)/python tools/fuzz_kernel.py $(or $(MINUTES),10)
	@$(BIN)/python tools/fuzz_protocol.py $(or $(BUFFERS),1000000)

soak: ## relays under load beside bad clients: exact delivery, flat memory (MINUTES=1440)
	@tools/setup.sh base
	@$(BIN)/python tools/soak.py $(or $(MINUTES),1440)

check: ## format, lint, types, import law, tidy rules, generated reference
	@tools/setup.sh base
	@$(BIN)/ruff format --check --quiet . && echo "format    ok"
	@$(BIN)/ruff check --quiet . && echo "lint      ok"
	@$(BIN)/mypy --no-error-summary && echo "types     ok"
	@$(BIN)/lint-imports --no-cache > .setup-imports.log 2>&1 && echo "imports   ok" || (cat .setup-imports.log; exit 1)
	@$(BIN)/python tools/protocol_reference.py --check && echo "reference ok"
	@$(BIN)/python -m pytest -q tests/architecture
	@tools/kernel.sh check

bench: ## every benchmark, JSON lines to standard output and to bench-results/; peers are in them after `make peers`
	@tools/setup.sh base
	@mkdir -p bench-results
	@set -o pipefail; $(BIN)/alphapulse bench all --json | tee bench-results/all.jsonl

peers: ## install what the benchmarks compare with (degenbot, Uniswap's v3-sdk, messaging clients), in environments of their own
	@tools/peers.sh

docs: ## pages that are generated, from the registry of messages and from what `make bench` saved
	@tools/setup.sh base
	@$(BIN)/python tools/protocol_reference.py
	@$(BIN)/python benchmarks/peers/page.py

format: ## apply the formatter and the safe fixes
	@tools/setup.sh base
	@$(BIN)/ruff format --quiet . && $(BIN)/ruff check --fix --quiet .

contracts: ## compile the Huff contracts into contracts/artifacts
	@tools/setup.sh base
	@$(BIN)/python -m alphapulse.evm.huff contracts/src/FlashArbitrage.huff -o contracts/artifacts
