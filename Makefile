# Tekana's everyday commands. A bare machine needs python3 (3.11 or newer), pip and make.

PYTHON ?= python3
PORT ?= 8000
TEKANA := $(PYTHON) -m tekana.embedded
RUN := $(TEKANA) run --
IN_VENV := .venv/bin/python -m

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1	/p' Makefile | expand -t 20

demo: ## everything on this machine until Ctrl-C [PORT=8000]
	@exec $(TEKANA) demo --port $(PORT)

code: ## the six digits with which staff sign in to the demo [ROLE=support]
	@exec $(TEKANA) code $(ROLE)

stop: ## end a demo that lost its terminal
	@exec $(TEKANA) stop

reset: ## stop, then delete var/ with all data of the demo and the tests
	@exec $(TEKANA) reset

test: ## every check, then every test, on real PostgreSQL and Valkey [ARGS="tests/ledger -q"]
	@exec $(RUN) $(MAKE) --no-print-directory gates pytest

run-tests: ## the tests without the checks [ARGS="tests/ledger -q"]
	@exec $(RUN) $(MAKE) --no-print-directory pytest

check: ## lint, types, layers, migrations, API drift, deployment, security
	@exec $(RUN) $(MAKE) --no-print-directory gates

bench: ## transfers per second beside the machine's own limit, as a table [ARGS=]
	@exec $(TEKANA) run --data bench -- $(IN_VENV) bench $(ARGS)

setup: ## only make .venv with all packages, for an editor or a shell
	@exec $(TEKANA) setup

mutation: ## seed faults in the code that decides and posts; which of them does no test notice? (an hour or two)
	@exec $(RUN) env MODEL_EXAMPLES=6 sh -c '$(IN_VENV) pytest -q --reuse-db --create-db tests/ledger && \
	  $(IN_VENV) mutmut run --max-children 1; $(IN_VENV) mutmut results'

openapi: ## write openapi.yaml anew from the code
	@exec $(RUN) .venv/bin/python manage.py spectacular --file openapi.yaml

docs: ## write anew what docs/ says from the code: diagram, chart of accounts, tables
	@exec $(RUN) sh -c 'for page in database_diagram chart_of_accounts docs_tables; do .venv/bin/python manage.py $$page || exit 1; done'

screenshots: setup ## take the pictures in docs/ anew, of the demo that runs here
	@$(IN_VENV) tests.journeys.screenshots

LOCK := $(IN_VENV) uv pip compile --universal --generate-hashes --no-header --no-annotate --no-emit-index-url --python-version 3.11
lock: setup ## pin the newest versions that requirements*.in allow
	@for name in requirements requirements-dev; do \
	  echo "# Made by \`make lock\` from $$name.in. Do not edit." > $$name.lock && \
	  $(LOCK) $$name.in >> $$name.lock && mv $$name.lock $$name.txt || exit 1; done

# Hashes of packages, what tests and documents make up, placeholders, and the alphabet of receipts.
NO_SECRETS := --exclude-files '^(tests/|requirements.*txt)' --exclude-lines '(:password@|"You changed your password")' --exclude-secrets '^(0123456789A|correct horse battery staple$$|seven quiet herons|Yc0V8m0x)'

# What follows runs inside `run`, with the servers up and their URLs in the environment.
gates:
	$(IN_VENV) ruff check .
	$(IN_VENV) ruff format --check .
	$(IN_VENV) mypy
	.venv/bin/python -c 'from importlinter.cli import lint_imports_command; lint_imports_command()'
	.venv/bin/python manage.py makemigrations --check --dry-run
	.venv/bin/python manage.py spectacular --validate --fail-on-warn --file var/openapi.yaml && diff -u openapi.yaml var/openapi.yaml
	DEBUG=false HTTPS=true PUBLIC_URL=https://wallet.example .venv/bin/python manage.py check --deploy --fail-level WARNING
	$(IN_VENV) bandit --quiet --recursive -ll -ii --configfile pyproject.toml .
	git ls-files -z | xargs -0 $(IN_VENV) detect_secrets.pre_commit_hook $(NO_SECRETS)

# One more than there are processors, four at most: much of its time a test waits for servers and other processes.
WORKERS ?= $(shell cores=$$(nproc 2>/dev/null || sysctl -n hw.ncpu 2>/dev/null || echo 2); echo $$((cores < 4 ? cores + 1 : 4)))
pytest:
	$(IN_VENV) pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

.PHONY: help demo code stop reset test run-tests check bench mutation setup openapi docs screenshots lock gates pytest
