# `make book` and `make test` work as the first command on a fresh clone:
# they need Python >= 3.11, make and git, and no network but the package index.

PYTHON  ?= python3
# Text is UTF-8 whatever the locale; uv asks the index that pip was told to ask.
export PYTHONUTF8 := 1
ifdef PIP_INDEX_URL
export UV_DEFAULT_INDEX ?= $(PIP_INDEX_URL)
endif
VENV    := .venv
BIN     := $(VENV)/bin
READY   := $(VENV)/.ready
EXTRAS  := --extra book --extra dev
# Two workers with one thread each: more threads than cores crawl. Who is idle takes over what
# waits for the other, since the long tests stand together.
WORKERS := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal
# What takes longer than ten seconds has `make slow`, what looks at built pages `make browser`.
UNIT     = $(WORKERS) tests -m "not book and not slow"
# The limits: 5 minutes a cell, 10 minutes a notebook. Notebooks come longest first (conftest.py)
# and are handed out one by one, so that both workers end at about the same time.
NBMAKE   = $(WORKERS) --dist load --maxschedchunk 1 --nbmake --nbmake-timeout 300 --timeout 600 notebooks

PAGES    := _build/html/.complete
PAGE_SOURCES = _config.yml _toc.yml $(shell find book notebooks tools vaelib _build/executed \
	-type f -not -name '*.pyc' -not -path '*/.*' 2>/dev/null)

.DEFAULT_GOAL := help
.PHONY: help env book execute html test unit slow notebooks browser lint lab pair data record bench bench-gpu gpu-build kill lock clean

help:  ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "%-12s%s\n", $$1, $$2}' $(MAKEFILE_LIST)

env: $(READY)  ## the environment, from the lock

# uv comes from the same hashed lock as everything else; pip only brings uv.
$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v < (3, 14) else f"Python 3.11 to 3.13 is needed, this is {v[0]}.{v[1]}: make PYTHON=python3.12 ...")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	awk '/^uv==/ {on = 1} on {print; if (!/\\$$/) exit}' requirements.lock > $(VENV)/uv.txt
	$(BIN)/python -m pip install --quiet --require-hashes -r $(VENV)/uv.txt
	VIRTUAL_ENV=$(VENV) $(BIN)/uv pip sync --quiet --require-hashes --compile-bytecode requirements.lock
	VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

book: execute  ## run what changed, write _build/html/index.html
	@$(MAKE) --no-print-directory html

execute: $(READY)  ## run the chapters whose code, environment or data changed
	$(BIN)/python tools/execute.py

html: $(PAGES)  ## render the kept runs (_build/executed); needs no GPU, no data
	@echo "Open _build/html/index.html"

# Made only by a build without a warning: a page that is there may be of one that failed.
$(PAGES): $(READY) $(PAGE_SOURCES)
	@$(BIN)/python tools/execute.py --check
	$(BIN)/jupyter-book build . --all -W --keep-going --quiet
	@touch $@

test: $(READY)  ## unit tests, then every notebook by nbmake
	$(UNIT)
	$(NBMAKE)

unit: $(READY)  ## the unit tests alone
	$(UNIT)

slow: $(READY)  ## the long tests: ranks that die, runs that are killed, tiny books, JupyterLab
	$(WORKERS) tests -m "slow and not book"

notebooks: $(READY)  ## every notebook by nbmake, alone
	$(NBMAKE)

browser: $(READY)  ## look at the built pages in a headless chromium, after `make book`
	$(WORKERS) tests -m book

lint: $(READY)  ## every hook of .pre-commit-config.yaml, on all files
	$(BIN)/pre-commit run --all-files --show-diff-on-failure

lab: $(READY)  ## JupyterLab on the chapters; what it saves differs by the author's changes only
	$(BIN)/jupyter lab --config tools/lab_config.py

pair: $(READY)  ## write the .ipynb notebooks from the .md sources
	$(BIN)/python tools/pair.py

data: $(READY)  ## bring the data sets to VAELIB_DATA (default: the user cache), or say how
	$(BIN)/python -m vaelib.data fetch all

record: $(READY)  ## run CHAPTER=NN_name at the thesis's scale, keep its tables for quick runs
	VAELIB_PROFILE=thesis $(BIN)/python tools/execute.py --force $(CHAPTER)
	$(BIN)/python tools/record.py $(CHAPTER)

bench: $(READY)  ## ratios against peers, measured side by side
	$(BIN)/python benchmarks/bench_cavi.py
	$(BIN)/python benchmarks/bench_drawn.py
	$(BIN)/python benchmarks/bench_estimators.py
	$(BIN)/python benchmarks/bench_growth.py
	$(BIN)/python benchmarks/bench_images.py
	$(BIN)/python benchmarks/bench_train.py

bench-gpu: $(READY)  ## the thesis's three runs on a CUDA device, against its limits
	$(BIN)/python benchmarks/bench_gpu.py

gpu-build: $(READY)  ## pack DATA (mnist brain celeba) and the wheels that a GPU machine lacks, see book/running.md
	$(BIN)/python tools/gpu_build.py pack $(if $(HAS),--has $(HAS)) --data $(DATA)

kill: $(READY)  ## kill 2,000 training runs at random moments and count what is lost
	OMP_NUM_THREADS=1 $(BIN)/python tests/kills.py steps 1000
	OMP_NUM_THREADS=1 $(BIN)/python tests/kills.py writes 1000

lock: $(READY)  ## resolve pyproject.toml anew into requirements.lock and environment.yml
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 $(EXTRAS) --generate-hashes \
		--no-emit-index-url --no-header --upgrade pyproject.toml -o requirements.lock
	$(BIN)/python tools/conda_env.py

clean:  ## remove what was built; keep the environment
	rm -rf _build
