# Everything that people and CI call; `make` alone lists it. Each target sets up what it needs.

# Python keeps what it compiled: a process that starts cold starts in half the time.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
# Two targets that set up the same .venv must not do so at once.
.NOTPARALLEL:
.PHONY: help generate demo test check bench bench-fastbreak fmt bless

help: ## list the targets
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 24

generate: .venv/generate ## compile domains/ into output/
	.venv/bin/tocsin generate
	.venv/bin/tocsin generate domains/fire22 --env demo

demo: .venv/demo generate ## run Fire22 and all that watches it, until Ctrl-C; INCIDENT=domain/alert makes one happen
	@.venv/bin/python -m demo $(if $(INCIDENT),--incident "$$INCIDENT")

test: .venv/development ## run the tests, against the real Prometheus, Alertmanager, PostgreSQL, Redis, nginx and Chromium
	@.ci/setup programs
	.venv/bin/python -m pytest -q -n 3 --dist loadfile --no-loadscope-reorder

check: .venv/development ## what CI checks without running: style, types, imports, output/ current
	.venv/bin/ruff check --quiet
	.venv/bin/ruff format --quiet --check
	.venv/bin/mypy
	@.venv/bin/lint-imports --no-logo >/dev/null || .venv/bin/lint-imports --no-logo
	.venv/bin/tocsin generate --check
	.venv/bin/tocsin generate domains/fire22 --env demo --check

bench: .venv/development ## measure: compiling, and promtool beside it; scrapes, and other exporters beside ours; from a row to its message; instruments
	@.ci/setup bench
	.venv/bin/python -m tests.bench.bench
	.venv/bin/python -m tests.bench.exporters
	.venv/bin/python -m tests.bench.latency
	.venv/instruments/bin/python -m tests.bench.instrument
	.venv/bin/python -m pytest -q tests/bench/stages.py --benchmark-enable --benchmark-columns=median,stddev,rounds

bench-fastbreak: .venv/development ## measure what FastBreak's document promises of cache, database and API, each target met or not
	@.ci/setup load
	.venv/bin/python -m tests.bench.fastbreak

fmt: .venv/development ## format the code
	.venv/bin/ruff check --quiet --fix
	.venv/bin/ruff format --quiet

bless: .venv/development ## rewrite the expected texts that the tests compare with
	@.ci/setup programs
	.venv/bin/python -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder --bless

.venv/generate: pyproject.toml .ci/constraints.txt .ci/setup
	@.ci/setup generate

.venv/demo: pyproject.toml .ci/constraints.txt .ci/setup
	@.ci/setup demo

.venv/development: pyproject.toml .ci/constraints.txt .ci/setup
	@.ci/setup development
