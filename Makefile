PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
NATIVE := $(shell find csrc -name '*.cpp' -o -name '*.h' -o -name '*.cu' -o -name '*.cuh')

.PHONY: setup demo claims parity fixes test test-all test-torch test-asan test-gpu fuzz gpu-static gpu-check conformance \
	bench wheels lint format clean

setup: $(VENV)/built

# Build tools first, for the extension that is compiled in place. Last torch-mimicry, without what its metrics need:
# TensorFlow and torchvision.
$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt torch numpy setuptools ninja pybind11
	SPECOPS_BUILD=0 $(BIN)/pip install --quiet --constraint constraints.txt --no-build-isolation --editable '.[examples,metrics,peers,test,lint]'
	$(BIN)/pip install --quiet --constraint constraints.txt --no-deps torch-mimicry
	touch $@

$(VENV)/built: $(VENV)/installed setup.py $(NATIVE)
	$(BIN)/python setup.py build_ext --inplace
	$(BIN)/python setup.py --quiet build_core
	$(BIN)/python -m specops info
	touch $@

demo: setup
	$(BIN)/python examples/generator_testbed.py --data photo --upsample bilinear nearest zeros --steps 1500 --threads 1 \
		--out output/demo --overwrite

# The four claims of docs/claims.md, which it writes; stopped at any moment, it goes on when called again.
claims: setup
	$(BIN)/python examples/studies claims --out output/claims --page docs/claims.md

# PSNR and bands of the testbeds for seeds 0, 1 and 2 beside the published code's, where those are beside this checkout.
# Goes on where it was stopped.
parity: setup
	PYTHONPATH=examples:tests $(BIN)/python tests/studies/tools/parity.py

# Writes docs/fixes.md from 24 trainings with and without fixes and a sweep of planar cosines; goes on where it was stopped.
fixes: setup
	$(BIN)/python examples/studies fixes --out output/fixes

# Every op, backend and property in about six minutes on two cores; TESTS= picks files or options of pytest.
test: setup
	$(BIN)/python -m pytest --numprocesses 2 --dist worksteal -m 'not slow' $(TESTS)

# What `make test` leaves out: long tests, and more cases of what it checks.
test-all: setup
	$(BIN)/python -m pytest --numprocesses 2 --dist worksteal -m slow $(TESTS)

# Properties of the library's core on arguments that nobody has drawn before, for so many SECONDS.
SECONDS ?= 120
fuzz: setup
	$(BIN)/python tests/tools/fuzz_core.py --seconds $(SECONDS)

# Of those, GPU kernels executed without a GPU.
test-gpu: setup
	$(BIN)/python -m pytest --numprocesses 2 --dist worksteal -m emulated_gpu $(TESTS)

# The quick tests beside another torch, on an installed wheel: WHEEL=, or that of `make wheels`; TESTS= picks some. They run
# in a copy of the tree without the package's modules, so that they import the wheel's, and with the published codes' values
# where those are beside this checkout. Another torch than the pinned one brings its own Triton.
TORCH ?= 2.15.0
BESIDE := .venvs/torch-$(TORCH)
test-torch: $(if $(WHEEL),,dist/built)
	test -d $(BESIDE) || $(PYTHON) -m venv $(BESIDE)
	cp constraints.txt $(BESIDE)
	grep --quiet --line-regexp torch==$(TORCH) constraints.txt || \
		sed --in-place --regexp-extended '/^(torch|triton|setuptools)==/d' $(BESIDE)/constraints.txt
	wheel=$$(ls $(or $(WHEEL),dist/*.whl)) && pip="$(BESIDE)/bin/pip install --quiet --constraint $(BESIDE)/constraints.txt" && \
	$$pip torch==$(TORCH) "$$wheel[examples,metrics,peers,test]" && $$pip --no-deps torch-mimicry && \
	$$pip --no-deps --force-reinstall "$$wheel"
	rm -rf $(BESIDE)/tree && mkdir $(BESIDE)/tree
	git ls-files -z --cached --others --exclude-standard -- . ':!specops/*.py' | \
		xargs -0 cp --parents --target-directory $(BESIDE)/tree
	test ! -d ../shared || ln --symbolic --force --no-dereference "$$PWD/../shared" $(BESIDE)/shared
	cd $(BESIDE)/tree && ../bin/python -m specops info && \
	../bin/python -m pytest --numprocesses 2 --dist worksteal -m 'not slow' $(TESTS)

# Writes docs/internals/gpu_kernels_*.csv from compiled kernels and what they ask of memory when they are executed without a GPU.
gpu-static: setup
	SPECOPS_WRITE_TABLES=1 $(BIN)/python -m pytest tests/gpu/test_gpu_static.py

# On a machine with a GPU: tests on it, compute-sanitizer where it is installed, and speed in bench/results; QUICK=1 a
# choice of each in about four minutes.
gpu-check: setup
	$(BIN)/python -m bench --device cuda --out bench/results $(if $(QUICK),--quick)

# The extension built again for the address and undefined-behaviour sanitizers, out of the source tree, and all tests that
# call its kernels, but for the import's time and for inductor, whose compiler would load the sanitizers too.
# Python's own leaks are not looked for.
SANITIZED := build/sanitized
test-asan: $(VENV)/installed
	SPECOPS_SANITIZE=address,undefined $(BIN)/python setup.py --quiet build --build-base $(SANITIZED) \
		--build-lib $(SANITIZED)/lib > $(SANITIZED).log 2>&1 || (cat $(SANITIZED).log; exit 1)
	export LD_PRELOAD="$$($(CXX) -print-file-name=libasan.so) $$($(CXX) -print-file-name=libubsan.so)" \
		ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 PYTHONPATH=$(SANITIZED)/lib && \
	$(BIN)/python -P -m specops info | grep 'with sanitizers' && \
	$(BIN)/pytest --numprocesses 2 --dist worksteal -k 'not inductor and not import_takes' $(or $(TESTS),$(addprefix tests/,ops functional geometry nn losses))

# Writes docs/conformance.md from the matrix of tests/functional/test_conformance.py.
conformance: setup
	SPECOPS_WRITE_TABLES=1 $(BIN)/python -m pytest --numprocesses 2 --dist worksteal tests/functional/test_conformance.py

# Ratios against named peers; CHECK=1 fails where one is missed that must be reached, ONLY=text picks claims.
bench: setup
	$(BIN)/python -m bench $(if $(CHECK),--check) $(if $(ONLY),--only '$(ONLY)')

# A wheel for this machine in dist/. The wheels for all machines are those of cibuildwheel: see pyproject.toml.
wheels: dist/built

dist/built: $(VENV)/installed setup.py pyproject.toml $(NATIVE) $(shell find specops -name '*.py')
	rm -rf dist build/lib*
	$(BIN)/pip wheel --verbose --no-deps --wheel-dir dist .
	! command -v auditwheel || auditwheel show dist/*.whl
	touch $@

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/clang-format --dry-run --Werror $(NATIVE)

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/clang-format -i $(NATIVE)

clean:
	rm -rf build dist output $(VENV) .venvs specops/_native*
