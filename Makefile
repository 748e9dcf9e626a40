# `make run` and `make test` are all that a fresh machine with Python 3.11 and make needs.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
AUDIT := var/audit-venv
MANAGE := $(BIN)/python manage.py
COMPILE := $(BIN)/pip-compile --quiet --strip-extras --no-emit-find-links --no-emit-index-url \
	--no-emit-trusted-host --annotation-style=line

.DEFAULT_GOAL := help
.PHONY: help run admin mlflow test chaos soak reference pictures client lint audit sbom hashes format messages lock clean

help:  ## What can be made
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/\t/' | expand -t 10

run: $(VENV)/installed  ## Rate reviews in the browser: http://127.0.0.1:8000
	@$(MANAGE) prepare
	@PATH="$(abspath $(BIN)):$$PATH" honcho --env /dev/null start || test $$? -eq 130

admin: $(VENV)/installed  ## Create the account of a reviewer
	@$(MANAGE) prepare --quiet
	@$(MANAGE) createsuperuser

mlflow: $(VENV)/installed  ## Look at the runs: http://127.0.0.1:5000
	@$(BIN)/mlflow ui --backend-store-uri sqlite:///$${VAR_DIR:-var}/mlflow.db

test: $(VENV)/installed-dev  ## Run every test
	@# Many tests wait, so four at once keep two cores busy. They start hundreds of processes:
	@# bytecode that is kept spares each compiling the site.
	@PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest --numprocesses 4 --dist loadfile --no-loadscope-reorder

chaos: $(VENV)/installed-dev  ## Kill workers, break services, fill disks, send nonsense
	@$(BIN)/python -m tests.chaos

soak: $(VENV)/installed-dev  ## An hour of requests: does memory grow?
	@$(BIN)/python -m tests.chaos --soak

reference: $(VENV)/installed  ## Write docs/reference from the code: API, errors, settings, commands
	@$(MANAGE) reference

pictures: $(VENV)/installed-dev  ## Take the pictures of the pages anew, to docs/pictures
	@$(BIN)/python docs/pictures/take.py

client: $(VENV)/installed-dev  ## Generate a typed Python client of the API, to clients/python
	@PATH="$(abspath $(BIN)):$$PATH" openapi-python-client generate --path docs/reference/openapi.yaml \
		--output-path clients/python --overwrite

lint: $(VENV)/installed-dev  ## Check style, types, layers, migrations and deployment settings
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(MANAGE) makemigrations --check --dry-run
	$(MANAGE) makemessages --check
	$(MANAGE) prepare --quiet
	ALLOWED_HOSTS=reviews.example SECRET_KEY=$$($(BIN)/python -c 'import secrets; print(secrets.token_urlsafe(64))') \
		$(MANAGE) check --deploy --fail-level WARNING

audit: $(AUDIT)/installed  ## Look for weak code, secrets in the checkout and known vulnerabilities
	@.ci/audit $(AUDIT)/bin

sbom: $(VENV)/installed $(AUDIT)/installed  ## Write the bill of materials (CycloneDX), to var/sbom.json
	@$(AUDIT)/bin/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible \
		--output-format JSON --output-file var/sbom.json $(BIN)/python

hashes: $(VENV)/installed  ## Write this machine's pins with hashes, for images: requirements-hashed.txt
	@$(BIN)/python .ci/hashes > requirements-hashed.draft
	@mv requirements-hashed.draft requirements-hashed.txt

format: $(VENV)/installed-dev  ## Put the code into its form
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

messages: $(VENV)/installed-dev  ## Bring the translations up to date with the code, and list what is left
	@$(MANAGE) makemessages
	@$(MANAGE) compilemessages

lock: $(VENV)/installed-dev  ## Compile requirements*.in into exact pins
	$(COMPILE) requirements.in --output-file requirements.txt
	$(COMPILE) requirements-dev.in --output-file requirements-dev.txt
	@# The local version says which build is installed here, not what to install elsewhere.
	sed -i 's/^\(torch==[0-9.]*\)+cpu/\1/' requirements.txt requirements-dev.txt

clean:  ## Remove the virtual environment; data and models in var/ stay
	rm -rf $(VENV)

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Reviewsite needs Python 3.11 or newer, but $(PYTHON) is older. Set PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: requirements.txt | $(VENV)/bin/python
	@echo "Installing what the site needs, about 2 GB: some minutes, once."
	@$(BIN)/pip install --disable-pip-version-check --quiet --progress-bar on -r requirements.txt
	@touch $@

$(VENV)/installed-dev: requirements-dev.txt $(VENV)/installed
	@echo "Installing what the tests need."
	@$(BIN)/pip install --disable-pip-version-check --quiet -r requirements-dev.txt
	@touch $@

$(AUDIT)/installed: requirements-audit.txt | $(VENV)/bin/python
	@$(VENV)/bin/python -m venv $(AUDIT)
	@$(AUDIT)/bin/pip install --disable-pip-version-check --quiet -r requirements-audit.txt
	@touch $@
