# `make up` and `make test` do everything from a fresh clone on Debian 12/13 or Ubuntu 24.04, as root. `make help` lists the rest.
PYTHON ?= python3
LZ := .venv/bin/lz
PY := .venv/bin/python
RUN := $(PY) -m tests.run

.DEFAULT_GOAL := help
.PHONY: help fit host venv engine up down test test-unit test-long lint bench bundle docs requirements

help: ## what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

fit: ## whether this machine can carry the lab, asked before anything is installed
	@! command -v $(PYTHON) >/dev/null || $(PYTHON) -m lab.requirements

host: fit ## install the Debian/Ubuntu packages that the host lacks
	@command -v $(PYTHON) >/dev/null || { apt-get update -q && apt-get install -y -q --no-install-recommends python3; }
	@$(PYTHON) -m tools.host

venv: ## ./.venv from requirements.txt, hashes checked; instant when current
	@$(PYTHON) -m tools.venv

engine: venv ## the Pulumi engine at its pinned versions, in the cache; instant when there
	@$(PY) -m tools install

up: host venv ## all the set-up, the lab cloud, and the first landing zone on it
	@$(LZ) quickstart

down: venv ## take the lab cloud down and leave the machine as it was
	@$(LZ) lab down

test: host venv ## every test but the long ones: lint, unit, engine beside nodes and lab (brings it up if it is not), life (takes it down)
	@$(RUN) lint unit engine+nodes+lab life

test-unit: venv ## unit tests: no cloud, no network, under a minute
	@$(RUN) unit

test-long: host venv ## the long tests, each of minutes: builds from nothing, bundles, drills
	@$(RUN) long

lint: venv ## style, types, YAML, shell, playbooks
	@$(RUN) lint

bench: host venv ## the figures of docs/benchmarks.md, on this machine
	@$(PY) -m benchmarks

bundle: engine ## one archive for a machine without a network; for a lab there: tools/bundle --lab
	@$(PY) -m tools bundle

docs: venv ## write anew what is made from the model: schema, reference, pictures and address books
	@$(PY) -m landing_zone.documents

requirements: venv ## pin requirements.in anew into requirements.txt
	@.venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--custom-compile-command "make requirements" requirements.in --output-file requirements.txt
