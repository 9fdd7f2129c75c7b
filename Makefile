# make demo   a mission on real photographs, ends by naming the report to open
# make test   the whole gate: what CI runs
# Both make their own environment under .venv and install what is missing.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help demo test dev clean

help:
	@sed -n 's/^# //p' Makefile

# What the core needs; the Arm compiler and QEMU only for the tests.
NEEDS_BUILD := python3-venv python3-dev gcc
NEEDS_TEST := $(NEEDS_BUILD) gcc-multilib clang libclang-rt-14-dev cmake \
	gcc-arm-none-eabi libnewlib-arm-none-eabi qemu-system-arm

demo: $(VENV)/.demo
	$(BIN)/fk-sim run demo --mission missions/satellite.toml --out demo/run
	$(BIN)/fk-ground decode demo/run/downlink.bin --out demo/decoded
	@echo "open demo/run/report.html"

test:
	@./tools/apt-needs $(NEEDS_TEST)
	@test -x $(BIN)/tox || ($(PYTHON) -m venv $(VENV) && $(BIN)/pip install -q 'tox>=4.11')
	$(BIN)/tox

# The package with its run-time dependencies only; rebuilt when a source changes.
SOURCES := pyproject.toml CMakeLists.txt $(shell find onboard ground models/framekeep_models sim \
	-name '*.[ch]' -o -name '*.py' -o -name '*.ld' -o -name '*.txt' -o -name '*.css' 2>/dev/null)

$(VENV)/.demo: $(SOURCES)
	@./tools/apt-needs $(NEEDS_BUILD)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q .
	@touch $@

# An editable environment with every tool, for those who change the code.
dev:
	@./tools/apt-needs $(NEEDS_TEST)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -e '.[dev]'

clean:
	rm -rf build demo .tox
