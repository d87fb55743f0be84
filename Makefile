# The commands of this project. Bare `make` prints them; CI calls the same targets.
.DEFAULT_GOAL := help
.PHONY: help demo test test-gpu golden stubs dev links lint types docs bench performance accuracy names asv conformance clean
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules --no-print-directory

VENV ?= .venv
PYTHON ?= python3
ARGS ?=
py := $(VENV)/bin/python
pytest := $(py) -m pytest -q
# Each of the two begins with a half, and takes from the other's when it is done: tests of a file share what they compile.
two := -n 2 --dist worksteal

# A Python that was named is taken or refused; else the first one on the path that fits.
pythons := $(if $(filter file,$(origin PYTHON)),python3 python3.13 python3.12 python3.11,$(PYTHON))
fits := import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))

help:  ## print this list
	@echo "Weft: a JIT-compiled array engine for Python"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' Makefile
	@echo 'Variables: PYTHON (a Python 3.11 to 3.13), VENV (default .venv), ARGS (more arguments for pytest or the benchmarks)'

demo: $(VENV)/.weft-examples  ## train a network on handwritten digits, in seconds
	@$(py) examples/digits.py

test: $(VENV)/.weft-dev links  ## run all tests, two at a time
	@$(pytest) $(two) $(ARGS)

test-gpu: $(VENV)/.weft-dev links  ## run the tests that need an NVIDIA GPU
	@$(pytest) -m gpu $(ARGS)

golden: $(VENV)/.weft-dev links  ## write expected texts anew, in tests/golden and in the pages; read the diff like code
	@$(pytest) $(two) --update-golden $(ARGS)

stubs: $(VENV)/.weft-dev links  ## write what type checkers read of the public functions anew
	@$(py) -m tests.stubs

dev: $(VENV)/.weft-dev links  ## make .venv with everything a developer needs

lint: $(VENV)/.weft-dev links  ## check style, and that imports between the folders go down only
	@$(py) -m ruff check --quiet .
	@PYTHONPATH=build/dev $(VENV)/bin/lint-imports --no-cache >build/imports.txt || { cat build/imports.txt; exit 1; }
	@echo "lint: clean"

types: $(VENV)/.weft-dev links  ## check types, strictly in ir/
	@$(py) -m mypy
	@$(py) -m mypy --check-untyped-defs --ignore-missing-imports examples tests/face_types.py

docs: $(VENV)/.weft-dev links  ## run the code in the documentation and in docstrings
	@PYTHONPATH=build/dev $(pytest) --doctest-modules --doctest-continue-on-failure tests/test_docs.py build/dev/weft $(ARGS)

bench: $(VENV)/.weft-dev  ## time Weft beside NumPy and JAX
	@$(py) -m asv_bench.compare $(ARGS)

performance: $(VENV)/.weft-dev  ## measure what has a target, and write docs/performance.md
	@$(py) -m asv_bench.performance $(if $(ARGS),$(ARGS),--write)

accuracy: $(VENV)/.weft-dev  ## measure the maths functions, and write docs/accuracy.md
	@$(py) -m asv_bench.accuracy $(if $(ARGS),$(ARGS),--write)

names: $(VENV)/.weft-dev  ## hold the public names against NumPy's and JAX's, and write docs/numpy.md
	@$(py) -m asv_bench.names $(if $(ARGS),$(ARGS),--write)

asv: $(VENV)/.weft-dev  ## let asv run some suites once, which shows that they work
	@cd asv_bench && ../$(VENV)/bin/asv machine --yes >/dev/null && \
	../$(VENV)/bin/asv run --quick --show-stderr --python=same --bench '$(or $(ARGS),^(dispatch|trace|memory.PeakOf[NE]|compile.NewJit|warm.Import))'

conformance: $(VENV)/.weft-dev  ## run the array API standard's own tests, a checkout of which is at SUITE
	@cd $(SUITE) && WEFT_ITEM_ASSIGNMENT=1 ARRAY_API_TESTS_MODULE=weft.numpy ARRAY_API_TESTS_VERSION=2024.12 \
	$(abspath $(py)) -m pytest -q array_api_tests --disable-deadline \
	--xfails-file=$(CURDIR)/tests/ecosystem/conformance_xfails.txt $(ARGS)

clean:  ## remove .venv and all that was built
	@rm -rf $(VENV) build out *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

# build/dev/weft is the package as a plain folder, by links: type checkers and doctests cannot see through an
# editable install. Links, so it costs nothing to make them anew and new files show up at once.
links:
	@mkdir -p build/dev/weft
	@find build/dev/weft -maxdepth 1 -type l -delete
	@for path in engine ir kernels engine/public/*; do \
	  case "$$path" in */__pycache__) ;; *) ln -sfn "../../../$$path" "build/dev/weft/$${path##*/}";; esac; done

# Stamps: what was installed for this pyproject.toml is not installed again. Both are editable, so that the sources
# are what runs, and the second does not undo the first.
$(VENV)/.weft-dev: pyproject.toml | $(py)
	@echo "installing Weft and its development tools into $(VENV) (a few minutes the first time)"
	@PYTHONWARNINGS=ignore $(py) -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $(VENV)/.weft-examples $@

$(VENV)/.weft-examples: pyproject.toml | $(py)
	@echo "installing Weft and what its examples need into $(VENV) (a minute or two the first time)"
	@PYTHONWARNINGS=ignore $(py) -m pip install --quiet --disable-pip-version-check -e '.[examples]'
	@touch $@

$(py):
	@for p in $(pythons); do "$$p" -c '$(fits)' 2>/dev/null && python="$$p" && break; done; \
	if [ -z "$$python" ]; then \
	  echo "Weft needs Python 3.11, 3.12 or 3.13, and found: $$(for p in $(pythons); do "$$p" --version 2>/dev/null || echo "no $$p"; done | paste -sd, -)"; \
	  echo "Install one, or name it: make $(MAKECMDGOALS) PYTHON=/path/to/python3.12"; exit 1; \
	fi >&2; \
	echo "making $(VENV) with $$("$$python" --version)"; "$$python" -m venv $(VENV)
