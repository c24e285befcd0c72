# Every target sets up what it needs: Python 3.10 or later, pip and a C compiler are enough.

PYTHON ?= python3
VENV ?= .venv
BIN = $(abspath $(VENV))/bin
# Ends in the name of a variable: $(RUN)=1 takes the compiled backend, $(RUN)=0 the Python one.
RUN = PYTHONDONTWRITEBYTECODE=1 WSFAST_EXTENSION
BUILT = $(VENV)/built
SOURCES = setup.py pyproject.toml $(shell find wsfast -name '*.pyx' -o -name '*.pxd' -o -name '*.[ch]')
FUZZ_SECONDS ?= 60

.PHONY: demo test test-all lint types build bench bench-echo base bench-dropins conformance interop \
  peers conformance-dropins browsers soak sanitize neon fuzz clean

demo: build
	$(BIN)/python examples/demo.py
	$(BIN)/python examples/browser_demo.py --headless

test: lint types build
	$(RUN)=1 $(BIN)/python -m pytest -q -n 2
	$(RUN)=0 $(BIN)/python -m pytest -q -n 2

test-all:
	@tested=; for minor in 10 11 12 13; do \
	  for python in $$(command -v python3.$$minor) $(HOME)/.pyenv/versions/3.$$minor.*/bin/python3; do \
	    if "$$python" -c "import sys; sys.exit(sys.version_info[:2] != (3, $$minor))" 2>/dev/null; then \
	      echo "== $$python"; \
	      $(MAKE) test PYTHON="$$python" VENV=.venv-3.$$minor || exit 1; \
	      tested="$$tested 3.$$minor"; \
	      break; \
	    fi; \
	  done; \
	done; \
	echo "tested on Python:$$tested"; test -n "$$tested"

lint: $(VENV)/lint
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(VENV)/lint build
	$(BIN)/mypy

build: $(BUILT)

bench: build $(VENV)/bench
	cd bench && $(RUN)=1 $(BIN)/python -m pytest -q -p no:cacheprovider --benchmark-columns=median

# Loads echo servers over loopback, each on the first core, from the last one: needs zlib's headers.
# ECHO adds arguments. BASE=REVISION also measures against that revision, on both loops, and fails
# where wsfast has become slower since.
CHECKOUT = build/base/$(shell git rev-parse --short "$(BASE)^{commit}")

bench-echo: build $(VENV)/echo $(if $(BASE),base)
	cd bench && $(RUN)=1 $(BIN)/python -m echo $(if $(BASE),--loop both --base ../$(CHECKOUT)) $(ECHO)

# The revision BASE, built by its own Makefile; what it stands on is of the same versions as here.
base: $(VENV)/echo
	mkdir -p build/base
	test -d $(CHECKOUT) || git worktree add --quiet --force --detach $(CHECKOUT) $(BASE)
	$(BIN)/pip freeze --all | grep -iE "^(uvloop|h11|cython|setuptools)==" >build/base/constraints.txt
	PIP_CONSTRAINT=$(abspath build/base/constraints.txt) \
	  $(MAKE) -C $(CHECKOUT) build PYTHON=$(BIN)/python VENV=.venv

# Echo servers of other libraries and frameworks, as they are and on wsfast, loaded by the same
# generator. DROPINS adds arguments.
bench-dropins: build $(VENV)/bench-dropins
	cd bench && $(RUN)=1 $(BIN)/python -m dropins $(DROPINS)

# The Autobahn test suite, whole: both roles on both backends, by kosoku, then by the original
# wstest, where there is a Python 2.7 to run it.
PYTHON2 ?= $(shell for python in python2.7 $(HOME)/.pyenv/versions/2.7.*/bin/python2.7; do \
  "$$python" -c "" 2>/dev/null && echo "$$python" && break; done)
WSTEST = .venv-wstest/bin/wstest

conformance: build $(if $(PYTHON2),$(WSTEST))
	@failed=; \
	for runner in $(BIN)/kosoku $(if $(PYTHON2),$(WSTEST)); do for backend in 1 0; do for role in server client; do \
	  $(RUN)=$$backend $(BIN)/python tests/conformance/run.py $$runner $$role \
	    --reports build/conformance/$$(basename $$runner)-$$role-$$backend || failed=1; \
	done; done; done; \
	$(if $(PYTHON2),,echo "SKIPPED: wstest, the original of the suite, for want of Python 2.7 (PYTHON2=/path/of/python2.7)";) \
	test -z "$$failed"

$(WSTEST): tests/conformance/wstest.txt $(VENV)/conformance
	$(BIN)/virtualenv -q -p $(PYTHON2) .venv-wstest
	.venv-wstest/bin/pip install -q -r tests/conformance/wstest.txt
	@touch $@

# wsfast and the libraries of its users' peers, each as client and as server. The ws of npm, where
# there is Node.js, goes into a folder of its own.
interop: build $(VENV)/interop $(VENV)/ws
	WSFAST_INTEROP=all WSFAST_NODE_MODULES=$(abspath $(VENV))/ws $(RUN)=1 $(BIN)/python -m pytest -q tests/interop

$(VENV)/ws: $(VENV)/pip
	npm install --silent --no-audit --no-fund --prefix $@ ws@8
	@touch $@

# Other libraries, as they are and on wsfast: their own test suites, fetched from PyPI and compared
# test by test; and the Autobahn test suite, in which none may do worse than without.
peers: build
	$(RUN)=1 $(BIN)/python tests/dropins/suites.py $(PEERS)

conformance-dropins: build
	$(RUN)=1 $(BIN)/python tests/dropins/conformance.py $(PEERS)

# Debian: chromium, chromium-driver, firefox-esr. Fails where one that is asked for is missing.
BROWSERS ?= chromium firefox
browsers: build
	WSFAST_BROWSERS="$(BROWSERS)" $(RUN)=1 $(BIN)/python -m pytest -q tests/browsers

# An echo of wsfast and, from a process of its own, a thousand peers, good and bad: each of SOAK for
# SOAK_SECONDS. What it names is coroutine, callbacks or clients, on uvloop or asyncio.
SOAK_SECONDS ?= 300
SOAK_CONNECTIONS ?= 1000
SOAK ?= coroutine/uvloop callbacks/asyncio clients/uvloop

soak: build
	@failed=; for each in $(SOAK); do \
	  $(RUN)=1 $(BIN)/python tests/soak/soak.py $${each%/*} $${each#*/} \
	    --seconds $(SOAK_SECONDS) --connections $(SOAK_CONNECTIONS) || failed=1; \
	done; test -z "$$failed"

# The kernels alone, then the compiled twins through the whole suite, each with bounds checked by
# ASan and undefined behaviour by UBSan. PYTHONMALLOC: every object is a block of its exact size.
sanitize: build
	$(MAKE) -f tests/csrc/Makefile sanitize
	rm -rf build/sanitize && mkdir -p build/sanitize
	cp -r Makefile pyproject.toml setup.py README.md LICENSE wsfast tests fuzz build/sanitize
	find build/sanitize -name '*.so' -delete
	cd build/sanitize && WSFAST_EXTENSION=1 \
	  CFLAGS="-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer" \
	  LDFLAGS="-fsanitize=address,undefined" $(BIN)/python setup.py -q build_ext --inplace
	cd build/sanitize && $(RUN)=1 PYTHONMALLOC=malloc ASAN_OPTIONS=detect_leaks=0 \
	  LD_PRELOAD="$$(gcc -print-file-name=libasan.so) $$(gcc -print-file-name=libubsan.so)" \
	  $(BIN)/python -m pytest -q -p no:cacheprovider -n 2 tests/kernels tests/frames tests/test_differential.py \
	  tests/test_nomemory.py \
	  tests/asyncio/test_stream.py tests/asyncio/test_read_buffer.py tests/asyncio/test_websocket_*.py

# The NEON kernels, cross-compiled and run by qemu: gcc-aarch64-linux-gnu, libc6-dev-arm64-cross
# and qemu-user of Debian.
neon:
	$(MAKE) -f tests/csrc/Makefile neon

fuzz: build $(VENV)/fuzz
	for harness in mask utf8 decoder; do \
	  $(RUN)=1 $(BIN)/python fuzz/fuzz_$$harness.py -max_total_time=$(FUZZ_SECONDS) || exit 1; \
	done

clean:
	rm -rf .venv* build dist fuzz/corpus .benchmarks *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find wsfast -name '*.so' -delete
	-git worktree prune

$(BUILT): $(VENV)/test $(SOURCES)
	PYTHONWARNINGS=ignore WSFAST_EXTENSION=1 $(BIN)/pip install -q --no-build-isolation --config-settings editable_mode=compat -e .
	@touch $@

# One stamp for each dependency group of pyproject.toml.
$(VENV)/test $(VENV)/lint $(VENV)/bench $(VENV)/echo $(VENV)/bench-dropins $(VENV)/interop \
  $(VENV)/conformance $(VENV)/fuzz: $(VENV)/pip pyproject.toml
	$(BIN)/pip install -q --group $(@F)
	@touch $@

$(VENV)/pip:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q --upgrade "pip>=25.1" setuptools Cython
	@touch $@
