# SPDX-License-Identifier: MIT
# The verbs people type. Meson does the building; a verb longer than a line is a script in tools/.
MAKEFLAGS += --no-print-directory
export HOOKKEEP_BUILD ?= build
export SEED SEEDS ROUNDS SECONDS_EACH T TIME PLANT STRIDE CALLS

.DEFAULT_GOAL := build
.NOTPARALLEL:
.PHONY: deps build run test tidy sim crash faults fuzz tsan valgrind bench install help clean

deps: ## install what building and testing need (Debian 12 and 13)
	@tools/deps

build: $(HOOKKEEP_BUILD)/build.ninja ## build build/hookkeep
	@ninja -C $(HOOKKEEP_BUILD)

run: deps build ## start the gateway with the example configuration and feed it sample events
	@tools/run

test: deps ## build and pass every test that needs no internet
	@tools/test

tidy: ## what a program can check of the project's style (tools/tidy)
	@tools/tidy

sim: build ## simulate many seeds; SEED=n repeats one and prints its trace
	@tools/sim

crash: build ## kill -9 the gateway under load and compare; ROUNDS=n
	@tools/crash

faults: build ## let each open, write, sync, statement and allocation fail in turn
	@tools/faults

fuzz: ## feed the parsers with garbage; T=name TIME=seconds; PLANT=1: with planted bugs
	@tools/fuzz

tsan: ## what threads do to each other: unit tests and a life of the gateway under TSan
	@tools/tsan

valgrind: ## unit tests and a life of the gateway under valgrind
	@tools/deps valgrind
	@$(MAKE) build
	@tools/valgrind

bench: ## measure against what others do
	@tools/deps bench
	@$(MAKE) build
	@tools/bench

install: build ## install into /usr/local; PREFIX=/usr and DESTDIR=dir are heard
	@meson configure $(HOOKKEEP_BUILD) --prefix=$(or $(PREFIX),/usr/local)
	@ninja -C $(HOOKKEEP_BUILD) >/dev/null
	@meson install -C $(HOOKKEEP_BUILD) --no-rebuild
	@if [ -z "$(DESTDIR)" ] && [ "$$(id -u)" = 0 ]; then /sbin/ldconfig; fi

clean: ## remove what was built
	@rm -rf build build-*

help: ## this list
	@sed -n 's/^\([a-z]*\):[^#]*## /\1\t/p' Makefile | while IFS="$$(printf '\t')" read -r v t; do \
	    printf '  make %-8s %s\n' "$$v" "$$t"; done

$(HOOKKEEP_BUILD)/build.ninja:
	@meson setup $(HOOKKEEP_BUILD)

tools/run tools/sim tools/crash tools/fuzz tools/bench:
	@echo "make: there is no $@ yet; nothing was done" >&2; exit 1

run: | tools/run
sim: | tools/sim
crash: | tools/crash
fuzz: | tools/fuzz
bench: | tools/bench
