# The verbs of the project; `make help` tells them. A machine needs Python 3.11 with venv, nothing else:
# `demo` never asks for root, `test` asks for it to install the peers and to make network namespaces.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
WORKERS ?= 2
PYTEST := $(BIN)/pytest -q -n $(WORKERS)
PIP_INSTALL := -m pip install --quiet --disable-pip-version-check

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: aci bench clean conformance containers demo failover fuzz help image interop lab lab-down lab-med lint pythons setup sim sim-mutants test unit

demo: $(VENV)/.run ## a rack on loopback addresses, to watch; FOREVER=1 keeps it, ZOOKEEPER=1 has a real one
	@$(BIN)/python -m vipd demo $(if $(FOREVER),--forever) $(if $(ZOOKEEPER),--zookeeper)

test: setup lint unit conformance sim pythons interop containers ## everything, as CI runs it: Debian packages, all tests, real peers

setup: $(VENV)/.test ## what the tests need: a venv, and by apt, as root, the peers
	@scripts/packages

lint: $(VENV)/.test ## ruff and mypy
	$(BIN)/ruff check
	$(BIN)/mypy

# 100 % by branch is asked of the files that test_layers.py calls pure, and of no others; and of the unit tests
# alone, for what only a property reaches is reached by luck.
unit: $(VENV)/.test ## the fast tests: unit, with coverage, then property and simulated time
	$(PYTEST) --cov --cov-report= tests/unit tests/test_layers.py
	@pure=$$(cd tests && ../$(BIN)/python -c \
		'import test_layers as t; print(",".join(str(t.MODULES[m]) for m in sorted(t.PURE)))') && \
	$(BIN)/coverage report --skip-covered --fail-under=100 --include="$$pure"
	$(PYTEST) tests/property tests/sim

pythons: $(VENV)/.test ## the unit tests on every other Python that this machine has, 3.11 to 3.13
	@scripts/other-pythons $(BIN)/python

conformance: $(VENV)/.test ## the RFCs over real TCP, row by row, from the outside
	$(PYTEST) tests/conformance

# Sets of text have the same order in every process: else a seed would not tell its story again.
sim: $(VENV)/.test ## whole clusters in simulated time; SEEDS=10000 START=1 runs wide, SEED=7 tells one story
	@cd tests && PYTHONHASHSEED=0 ../$(BIN)/python -m sim $(if $(SEED),--seed $(SEED)) \
		--seeds $(or $(SEEDS),300) --start $(or $(START),1) --jobs $(or $(JOBS),2)

sim-mutants: $(VENV)/.test ## each rule of coordination broken once, and the scenario that shows it
	@cd tests && ../$(BIN)/python -m sim.mutants

fuzz: $(VENV)/.fuzz ## anything at all into framing, decoders and the machine; RUNS=1000000 each, TARGET=decoding one
	@cd tests && ../$(BIN)/python -m fuzz --runs $(or $(RUNS),1000000) $(if $(TARGET),--target $(TARGET))

interop: setup ## against BIRD, FRR, GoBGP and OpenBGPD in network namespaces; as root
	$(PYTEST) --dist loadfile tests/interop

image: ## vipd's image, localhost/vipd, without any registry; BASE=debian:bookworm-slim takes one; as root
	@containers/build vipd

aci: setup image ## the same for rkt, into dist/: vipd.aci and pod.json; NAME=example.net/vipd; as root
	@mkdir -p dist
	@CONTAINERS_CONF=containers/containers.conf python3 containers/aci/convert.py localhost/vipd \
		$(or $(NAME),example.net/vipd) dist
	@actool validate dist/vipd.aci dist/pod.json

containers: setup image $(VENV)/.containers ## the images, running, and a few scenarios of `failover`; as root
	@for image in nginx tor-bird tor-frr; do containers/build $$image; done
	$(PYTEST) --dist loadfile tests/containers
	$(BIN)/pytest -q tests/lab

# `python -m lab` is containers/lab, which stands on tests/interop.
MODES := hot,exabgp
EVERY_MODE := cold,witness,hot,bfd,exabgp
LAB := cd containers && PYTHONPATH=../tests ../$(BIN)/python -m lab

lab: setup image ## a spine-leaf fabric with pods, ZooKeeper, Prometheus and a client, until ^C; MODE=cold|witness|hot|bfd; as root
	@$(LAB) up --mode $(or $(MODE),hot)

lab-down: ## ends it, and removes what a killed one left
	@$(LAB) down

lab-med: setup image ## two pods, one VIP: what becomes of MED, and which levers work; as root
	@$(LAB) med

failover: setup image ## what a client loses at each kind of failure, measured; FULL=1, ONLY=name, RUNS=5, MODES=hot,exabgp
	@$(LAB) failover --only "$(ONLY)" --runs $(or $(RUNS),$(if $(FULL),10,5)) \
		--modes $(if $(FULL),$(EVERY_MODE),$(MODES)) --write ../docs

bench: setup $(VENV)/.bench ## vipd beside its peers on the same jobs: one table; JOBS="idle burst" picks
	PYTHONPATH=tests $(BIN)/python -m bench $(JOBS)

clean: ## remove what the other verbs made
	rm -rf $(VENV) build dist .coverage* .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find src tests -name __pycache__ -prune -exec rm -rf {} +

help: ## tell these verbs
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | \
		while IFS='|' read -r verb words; do printf '  make %-12s %s\n' "$$verb" "$$words"; done

# A venv is as new as the dependencies that it was made of.
$(VENV)/.run: EXTRA :=
$(VENV)/.test: EXTRA := [test]
$(VENV)/.containers: EXTRA := [test,containers]
$(VENV)/.fuzz: EXTRA := [test,fuzz]
$(VENV)/.bench: EXTRA := [test,bench]
$(VENV)/.%: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "vipd needs Python 3.11 or newer")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python $(PIP_INSTALL) -e '.$(EXTRA)'
	@touch $@
