# make test      the default tests: from a bare checkout, with nothing but Python >= 3.11 and its venv module
# make lint      ruff and mypy --strict
# make engines   the tests against Docker, Podman, skopeo and umoci (as root; on Debian it installs what is missing)
# make oracle    our closures against the loaders of whole Debian roots, 13 of them (as root on Debian; ARGS=--help)
# make fuzz      strange bytes for every reader, guided by coverage, for an hour (ARGS=-max_total_time=60)
# make bench     the measurements, as a table (ARGS=loader, builds, rules, run or trace for a part)
# make sizes     how large the images of real jobs are, beside their packages and other tools (on Debian 12, as root)

# The newest Python that really runs and can make an environment (a shim of pyenv may do neither).
PYTHON ?= $(shell for python in python3.14 python3.13 python3.12 python3.11 python3; do \
	$$python -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& { echo $$python; break; }; done)
VENV := .venv
RUN := $(VENV)/bin/python
# The default options leave tests/engines out; here it is what is asked for.
ENGINE_OPTIONS := -o addopts= -q --strict-markers --strict-config -rfE --durations=15

.PHONY: test lint engines oracle fuzz bench sizes clean

test: $(VENV)/.test
	$(RUN) -m pytest $(ARGS)

lint: $(VENV)/.test
	$(RUN) -m ruff check .
	$(RUN) -m mypy --strict

engines: $(VENV)/.engines
	$(RUN) tools/debian_packages.py
	$(RUN) -m pytest $(ENGINE_OPTIONS) $(or $(ARGS),tests/engines)

oracle: $(VENV)/.engines
	$(RUN) tools/debian_packages.py
	$(RUN) -m tests.oracle $(ARGS)

fuzz: $(VENV)/.fuzz
	$(RUN) -m tests.fuzz.elf $(ARGS)

bench: $(VENV)/.test
	$(RUN) -m compileall -q src  # what pip does with an installed wheel
	$(RUN) -m benchmarks.bench $(ARGS)

sizes: $(VENV)/.engines
	$(RUN) tools/debian_packages.py
	$(RUN) -m benchmarks.sizes

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .fuzz

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "make: no Python >= 3.11 with venv and ensurepip (Debian: apt-get install python3-venv)" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

# The script and the manual page are copied by an installation, not linked: they are sources of the stamp.
$(VENV)/.test: pyproject.toml bin/needed | $(VENV)/bin/python
	$(RUN) -m pip install --quiet -e '.[test]'
	touch $@

$(VENV)/.engines: $(VENV)/.test
	$(RUN) -m pip install --quiet -e '.[test,engines]'
	touch $@

$(VENV)/.fuzz: $(VENV)/.test
	$(RUN) -m pip install --quiet -e '.[test,fuzz]'
	touch $@
