# make demo, make test: each does all its own set-up.
SHELL := /bin/bash
PY := .venv/bin/python

.PHONY: help setup demo test test-slow test-stores fuzz faults bench bench-memory performance-baseline lint proto lock clean

help: ## what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 22

setup: ## virtual environment, pinned dependencies, generated protobuf
	@scripts/setup.sh

demo: setup ## gate the built-in store against itself, then against a build with a slower search
	@scripts/demo.sh

test: setup lint ## lint, types, layers and all quick tests
	@scripts/test.sh

test-slow: setup ## long simulations and real gates
	@$(PY) -m pytest -m slow --timeout 3600

test-stores: setup ## one suite for every real store that scripts/stores.sh has installed (run it first)
	@scripts/apart.sh $(PY) -m pytest -m 'stores or not stores' -rs tests/test_conformance.py

fuzz: setup ## the reply parsers under sanitizers and atheris (FUZZ_SECONDS=60 each)
	@$(PY) -m pip install -q --disable-pip-version-check --root-user-action=ignore 'atheris>=2.3' || echo "atheris cannot be had here: without it"
	@$(PY) -m pytest -m fuzz -s

faults: setup ## every fault for real, between network namespaces, into docs/faults.md (needs root; ARGS="agent-kill cut-5")
	@$(PY) -m benchmarks.faults --docs docs/faults.md $(ARGS)

bench: setup ## beside other load generators, into docs/performance.md (ARGS=--quick for less; scripts/peers.sh first)
	@$(PY) -m benchmarks.speed --docs docs/performance.md $(ARGS)

bench-memory: setup ## whether a worker's memory stays flat for 20 minutes, into docs/performance.md
	@$(PY) -m benchmarks.speed.memory --docs docs/performance.md $(ARGS)

performance-baseline: setup ## move the rolling baseline to the newest commit of main that passed (ARGS="SCENARIO --target FILE --repo DIR")
	@$(PY) -m perfgate baseline refresh $(ARGS)

lint: setup ## ruff, mypy, import-linter
	@.venv/bin/ruff check -q . && .venv/bin/ruff format -q --check .
	@.venv/bin/mypy -p perfgate -p perfgate_agent -p perfgate_controller
	@.venv/bin/lint-imports

proto: setup ## generate the protobuf modules again
	@$(PY) hatch_build.py

lock: ## pin the dependencies again (needs uv)
	uv pip compile -q pyproject.toml --extra store --extra postgres --extra fleet --extra trend --extra pgvector --extra ssh --extra kubernetes --extra dev --generate-hashes --no-emit-index-url \
	  --python-version 3.11 --universal --upgrade -o requirements-dev.lock

clean: ## remove what setup and runs have made
	rm -rf .venv .perfgate .mypy_cache .ruff_cache .pytest_cache .hypothesis perfgate/wire/v1/*_pb2*
