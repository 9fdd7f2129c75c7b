# make demo   a mission on real photographs: kept, sent, lost in part, repaired; ends by naming the pages to open
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
NEEDS_TEST := $(NEEDS_BUILD) libc6-dev-i386 clang libclang-rt-14-dev cmake \
	gcc-arm-none-eabi libnewlib-arm-none-eabi qemu-system-arm

# Every line is one that you can type yourself, with .venv/bin in your PATH.
demo: export PATH := $(CURDIR)/$(BIN):$(PATH)
demo: $(VENV)/.demo
	@printf '\n1. Judged and kept: a camera stream through the flight code, its flash and its passes of the link\n'
	fk-sim run demo --mission missions/satellite.toml --out demo/run
	@printf '\n2. Lost: a fading radio loses packets; the ground shows what came, and lists what did not\n'
	fk-sim link demo/run/downlink.bin --loss 5 --fade 8 -o demo/heard.bin
	fk-ground decode demo/heard.bin --out demo/before
	@printf '\n3. Asked for again: telecommands for what is missing; the next pass brings it\n'
	fk-ground command resend --from demo/before -o demo/resend.tc
	fk-sim pass demo/run --mission missions/satellite.toml --uplink demo/resend.tc --out demo/pass
	@printf '\n4. Repaired: both passes together; a picture whose room the flash gave away in between stays as it is\n'
	fk-ground decode demo/heard.bin demo/pass/downlink.bin --sent demo/resend.tc --out demo/after
	@printf '\nopen demo/after/index.html (before and after), demo/before/index.html (lost), demo/run/report.html (kept, and why)\n'

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
