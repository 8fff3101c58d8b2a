# Two commands matter: `make demo` and `make test`. Each sets up its own .venv.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test test-spark proof mutate lint format bench constraints clean

demo: .venv/core
	$(BIN)/tallybook demo

test: .venv/dev
	$(BIN)/pytest -n 2 --dist worksteal --ignore tests/spark

# The same models on Apache Spark; needs Java 17.
test-spark: .venv/spark
	$(BIN)/pytest tests/spark

# The long proofs, whole: `make test` runs a sample of each.
proof: .venv/dev
	TALLYBOOK_PROOF=1 $(BIN)/pytest

# Plants corruptions one by one, and writes docs/mutation.md (`make proof` plants them
# as well, but writes nothing).
mutate: .venv/dev
	PYTHONPATH=. $(BIN)/python tests/quality/mutate.py

# Models are linted as they compile, which asks a warehouse: an empty one.
lint: export TALLYBOOK_HOME = target/lint
lint: .venv/dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/dbt build --quiet --exclude-resource-types test unit_test
	$(BIN)/sqlfluff lint models tests --processes 2 --disable-progress-bar
	$(BIN)/dbt-bouncer run --config-file .dbt-bouncer.yml

format: .venv/dev
	$(BIN)/ruff check --fix
	$(BIN)/ruff format
	$(BIN)/sqlfluff fix models tests

bench: .venv/dev
	$(BIN)/python -m benchmarks

constraints: .venv/dev
	$(BIN)/pip install --quiet uv
	$(BIN)/uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 \
		--no-emit-index-url --no-emit-find-links --no-header --no-annotate \
		--quiet --upgrade --output-file constraints.txt

.venv/core: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[report]'
	touch $@

.venv/dev: .venv/core
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

.venv/spark: .venv/dev
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev-spark]'
	touch $@

clean:
	rm -rf .venv target logs .tallybook
