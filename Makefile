# Everything starts here: `make demo`, `make test`, `make serve`, `make bench`. The environment is made on first use.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
PEOPLE ?= 30000
BIN := .venv/bin

.PHONY: demo test serve bench lint lock clean

demo: .venv/ready
	@$(BIN)/kinfold demo --people $(PEOPLE)

test: .venv/ready lint
	PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

lint: .venv/ready
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

serve: .venv/ready
	@$(BIN)/kinfold serve

bench: .venv/ready
	@$(BIN)/python -m benchmarks

# The environment, exactly as pinned: hashes are checked, nothing is built from an unpinned package. Of what benchmarks/ names
# the data files alone are read, so it comes without what it depends on.
.venv/ready: requirements.lock benchmarks/requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11) and "Kinfold needs Python 3.11: make PYTHON=/path/to/python3.11")'
	@echo "Installing the pinned packages into .venv (a minute or two, once) ..."
	@$(PYTHON) -m venv --clear .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r benchmarks/requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

# Pins anew after a change of pyproject.toml; needs uv on the path.
lock:
	uv pip compile --quiet --generate-hashes --no-strip-extras --no-emit-index-url --no-header --python-version 3.11 \
	  --extra dev pyproject.toml -o requirements.lock

# Removes the environment and the invented borough; asks nothing, so it touches the default folders alone.
clean:
	rm -rf .venv .kinfold .kinfold.key .kinfold-borough .dagster
