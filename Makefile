# `make help` lists what there is to type. Run as root: namespaces and taps need it.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help

BUILT := $(or $(CARGO_TARGET_DIR),target)
TOOLS := target/tools
AGENT := target/agent/tether-net
HOST := x86_64-unknown-linux-gnu
# The agent is part of every container VM: bytes of the stripped file, KiB resident when idle.
AGENT_BYTES := 2097152
AGENT_KIB := 5120
# A panic ends the agent at once: the index by which stacks are unwound is 27 KB that nothing reads.
AGENT_FLAGS := -C target-feature=+crt-static -C force-unwind-tables=no \
	-C link-arg=-Wl,-z,pack-relative-relocs -C link-arg=-Wl,--icf=all -C link-arg=-Wl,--no-eh-frame-hdr
FUZZ_SECONDS := 60
# The last release, whose VMs run on under this one.
SKEW := target/skew

# program=packages, for what is used here from Debian: what a VCH needs, and what else tests and lints do.
VCH_PROGRAMS := qemu-system-x86_64=qemu-system-x86 ip=iproute2 dpkg-deb=dpkg cc=gcc,libc6-dev sqfstar=squashfs-tools mke2fs=e2fsprogs
PROGRAMS := nft=nftables dig=bind9-dnsutils ping=iputils-ping python3=python3 mmdebstrap=mmdebstrap pip3=python3-pip cc=build-essential
# package==version, for clients of the Docker API in Python, from PyPI.
PYTHON := docker==7.1.0
# crate@version, for what is used here from crates.io.
CRATES := vhost-device-vsock@0.3.0 cargo-deny@0.20.2
FUZZER := cargo-fuzz@0.13.2
COVERAGE := cargo-llvm-cov@0.9.1
MUTATOR := cargo-mutants@27.1.0

# The rooms in which most of the thinking is done; every thirteenth mutant of them is a sample of about 100.
MUTATED := vch-coordinator/ledger/src/** vch-coordinator/network/src/segments/plan.rs tether-net/src/plan* \
	tether-net/src/plan/** protocol/src/session* protocol/src/session/** protocol/src/frame*
MUTANTS_SHARD := 0/13

# Packages whose line coverage is printed.
COVERED := vch-shim vch-runtime container-init
# What is only there for tests is not counted.
UNCOUNTED := /guest_lab(/|\.rs$$)

# $(call installed,crate@version): installs it unless this version is there.
installed = grep -qs '"$(subst @, ,$(1)) ' $(TOOLS)/.crates.toml || cargo install --root $(TOOLS) --locked $(1)

# $(call programs,program=packages ...): installs from Debian what is not there.
programs = missing=; for pair in $(1); do command -v "$${pair%%=*}" >/dev/null || missing+=" $${pair\#\#*=}"; done; \
	if [ -n "$$missing" ] || [ ! -d target/image/kernel ]; then apt-get -q update >/dev/null; fi; \
	if [ -n "$$missing" ]; then DEBIAN_FRONTEND=noninteractive apt-get -qy install --no-install-recommends $${missing//,/ }; fi

# $(call phase,what,command): says what is done, and how long it took.
phase = echo "--- $(1)"; began=$$EPOCHREALTIME; $(2); ended=$$EPOCHREALTIME; \
	tenths=$$(( ($${ended/[.,]/} - $${began/[.,]/}) / 100000 )); \
	echo "--- $(1): $$((tenths / 10)).$$((tenths % 10)) s"

# `make vch` builds the VCH with this profile of Cargo.toml; VCH_PROFILE=dev takes what tests have built.
VCH_PROFILE ?= quick
BUILT_VCH := $(BUILT)/$(if $(filter dev,$(VCH_PROFILE)),debug,$(VCH_PROFILE))
# The same for up and down: of other packages together cargo builds anew what they share.
BUILD_VCH := cargo build --profile $(VCH_PROFILE) -p vch-coordinator -p vchctl -p vch-shim -p vch-image-store -p lab --bins
BUILD_AGENT := RUSTFLAGS="$(AGENT_FLAGS)" cargo build --profile agent --target $(HOST)

.PHONY: help tools agent init probe host image test lint coverage fuzz model crash long mutants skew demo compare vch vch-down newcomer outside

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

tools: ## install what tests and lints use: Debian packages, and programs below target/tools
	@$(call programs,$(VCH_PROGRAMS) $(PROGRAMS))
	@$(foreach crate,$(CRATES),$(call installed,$(crate));)
	@[ -d $(TOOLS)/python/docker ] || pip3 install -q --target $(TOOLS)/python $(PYTHON)

agent: ## build the static agent as target/agent/tether-net; print its size and its memory
	@$(BUILD_AGENT) -p tether-net --bin tether-net
	@install -D $(BUILT)/$(HOST)/agent/tether-net $(AGENT)
	@size=$$(stat -c %s $(AGENT)); echo "$(AGENT): $$size bytes of $(AGENT_BYTES)"; [ "$$size" -le $(AGENT_BYTES) ]
	@folder=$$(mktemp -d); trap 'kill $$agent; rm -r "$$folder"' EXIT; \
	unshare --net $(AGENT) --root "$$folder" --channel "unix:$$folder/none" 2>"$$folder/log" & agent=$$!; \
	sleep 2; kib=$$(awk '/^VmRSS/ { print $$2 }' /proc/$$agent/status); \
	echo "$(AGENT): $$kib KiB resident of $(AGENT_KIB)"; [ "$$kib" -le $(AGENT_KIB) ]

probe: ## build the static program that tests run in guests, as target/agent/vsock-probe
	@$(BUILD_AGENT) -q -p lab --bin vsock-probe
	@install -D $(BUILT)/$(HOST)/agent/vsock-probe target/agent/vsock-probe

init: ## build the static first process of container VMs as target/agent/container-init
	@$(BUILD_AGENT) -q -p container-init
	@install -D $(BUILT)/$(HOST)/agent/container-init target/agent/container-init

host: ## build a static coordinator for VMs that are a VCH themselves, in target/agent
	@RUSTFLAGS="-C target-feature=+crt-static -C strip=symbols" \
		cargo build -q -p vch-coordinator -p vchctl --bins --target $(HOST)
	@install -D -t target/agent $(BUILT)/$(HOST)/debug/vch-coordinator $(BUILT)/$(HOST)/debug/vchctl

image: tools agent init ## make the kernel and the initramfs files of container VMs in target/image
	@cargo run -q -p image -- build --out target/image --agent $(AGENT)
	@cargo run -q -p image -- build --out target/image --agent $(AGENT) --name vm --variant workload \
		--init target/agent/container-init

test: image probe host ## run every test; VM tests take turns by themselves
	@cargo build --workspace --bins --examples
	@cargo test --workspace --no-fail-fast

lint: tools ## check formats, lints, documentation, licences and sources of dependencies
	@cargo fmt --all --check
	@cargo clippy -q --workspace --all-targets -- -D warnings
	@RUSTDOCFLAGS="-D warnings" cargo doc -q --workspace --no-deps
	@PATH="$(CURDIR)/$(TOOLS)/bin:$$PATH" cargo deny --log-level error check bans licenses sources

# The counters are mapped from a file (%c): those of a child that execs or is killed count, too.
coverage: ## print the line coverage of COVERED's packages by their own tests, which need no VM
	@$(call installed,$(COVERAGE))
	@rustup component list --installed | grep -q llvm-tools || rustup component add llvm-tools
	@export PATH="$(CURDIR)/$(TOOLS)/bin:$$PATH" RUSTFLAGS="-C llvm-args=-runtime-counter-relocation" \
		LLVM_PROFILE_FILE_NAME='%p-%m%c.profraw'; \
	for package in $(COVERED); do \
		cargo pkgid -q -p "$$package" >/dev/null 2>&1 || continue; \
		cargo llvm-cov test -q -p "$$package" --ignore-filename-regex '$(UNCOUNTED)' >"target/coverage-$$package.txt"; \
		awk -v package="$$package" '$$1 == "TOTAL" { print package ": " $$10 " of " $$8 " lines" }' \
			"target/coverage-$$package.txt"; \
	done

# Sanitizer flags are for nightly compilers; RUSTC_BOOTSTRAP lets the pinned one take them, so that no
# second toolchain is needed.
fuzz: ## fuzz every parser, FUZZ_SECONDS (60) each; finds go to target/fuzz
	@$(call installed,$(FUZZER))
	@export PATH="$(CURDIR)/$(TOOLS)/bin:$$PATH" RUSTC_BOOTSTRAP=1; \
	for folder in $$(find . -path ./target -prune -o -path '*/fuzz/Cargo.toml' -printf '%h\n'); do \
		for target in $$(cargo fuzz list --fuzz-dir "$$folder"); do \
			echo "=== $$folder $$target"; mkdir -p "target/fuzz/$$target"; \
			cargo fuzz run --fuzz-dir "$$folder" "$$target" "target/fuzz/$$target" "$$folder/corpus/$$target" \
				-- -max_total_time=$(FUZZ_SECONDS) -verbosity=0 -print_final_stats=1; \
		done; \
	done

model: ## play 100,000 random commands on ledger and reference model, others in every run
	@VCH_MODEL_OPS=100000 cargo test -q --release -p vch-ledger --lib model -- --nocapture

crash: ## kill the coordinator CRASH_ROUNDS (200) times, and cut the power under its store POWER_ROUNDS (2000) times
	@cargo build -q --workspace --bins
	@CRASH_ROUNDS=$${CRASH_ROUNDS:-200} cargo test -q -p lab --test crash -- --nocapture | tee target/crash.log
	@POWER_ROUNDS=$${POWER_ROUNDS:-2000} cargo test -q -p vch-store --lib crash -- --nocapture | tee -a target/crash.log
	@grep -h ' rounds, .* differences' target/crash.log

long: ## play the long forms of the tests that have one: fifty threads, two thousand networks, 15,000 ports, twenty VMs, a hundred lives, times, rates
	@cargo build -q --workspace --bins
	@VCH_LONG=1 cargo test -q -p lab --test load --test complaints --test docker_many --test docker_lifecycle --test times --test many_networks --test hostile_guest --test real_software \
		-- --nocapture --test-threads 1
	@VCH_LONG=1 cargo test -q -p vch-network --lib throughput -- --nocapture --test-threads 1

mutants: ## change the pure rooms in ways that their tests must notice: every thirteenth, from MUTANTS_SHARD (0/13) on
	@$(call installed,$(MUTATOR))
	@PATH="$(CURDIR)/$(TOOLS)/bin:$$PATH" VCH_MODEL_OPS=300 cargo mutants --sharding round-robin --shard $(MUTANTS_SHARD) --timeout 300 \
		--output target $(foreach file,$(MUTATED),--file '$(file)') -- --lib

# Fresh clones may lack the tag.
skew: image ## run a container under release 0.1.0, then under this one, and back; builds 0.1.0 in target/skew
	@commit=$$(git rev-parse -q --verify 'v0.1.0^{commit}' || echo cb7009b); \
		mkdir -p $(SKEW); git archive "$$commit" | tar -x -C $(SKEW)
	@cd $(SKEW); export CARGO_TARGET_DIR=$$PWD/target; \
		cargo build -q -p vch-coordinator -p vch-shim -p vch-images --bins; \
		$(BUILD_AGENT) -q -p tether-net -p container-init --bins; \
		agent=target/$(HOST)/agent; cargo run -q -p image -- build --out target/image --agent $$agent/tether-net \
			--name vm --variant workload --init $$agent/container-init
	@cargo build -q --workspace --bins
	@cargo test -q -p lab --test skew -- --ignored --nocapture

demo: image ## boot two VMs, give them their network and let one ping the other by name
	@cargo build --release -p vch-coordinator -p vchctl --bins
	@cargo run --release -p lab --example demo

compare: image ## type every command of tests/tests/compare at a real dockerd and at a VCH; write record and table
	@cargo build -q --workspace --bins
	@VCH_COMPARE=1 cargo test -q -p lab --test compare dockerd
	@VCH_COMPARE=1 cargo test -q -p lab --test compare vch
	@cat target/compare/*.md

vch: ## start a whole Virtual Container Host here, reached by one link; `. target/vch/env` lets docker talk to it
	@$(call phase,what is missing of Debian's packages,$(call programs,$(VCH_PROGRAMS)))
	@$(call phase,the programs of VMs and of the VCH,\
		($(BUILD_AGENT) -p tether-net --bin tether-net; $(BUILD_AGENT) -p container-init) & vms=$$!; \
		$(BUILD_VCH) || { kill $$vms; exit 1; }; wait $$vms; \
		install -D -t target/agent $(BUILT)/$(HOST)/agent/tether-net $(BUILT)/$(HOST)/agent/container-init)
	@$(BUILT_VCH)/vch up

vch-down: ## remove it and all that is in it
	@$(BUILD_VCH) -q
	@$(BUILT_VCH)/vch down

newcomer: ## time `make vch` on a new machine beside that of v0.1.0; on a quiet machine, with no VCH up
	@$(call programs,mmdebstrap=mmdebstrap)
	@tests/newcomer.sh

outside: ## run CMD='...' where the clients of published ports are, or open a shell there
	@test -f target/vch/env || { echo "no VCH is up: run \`make vch\`" >&2; exit 1; }
	@. target/vch/env; exec ip netns exec "$$VCH_OUTSIDE" $${SHELL:-sh} $(if $(CMD),-c '$(subst ','\'',$(value CMD))')
