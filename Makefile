# SPDX-License-Identifier: BSD-2-Clause
# dived: a verifying, caching forward proxy. `make help` lists the targets.

MAKEFLAGS += --no-builtin-rules
.DELETE_ON_ERROR:
.DEFAULT_GOAL := all

CC        ?= gcc
ifeq ($(origin CC),default)
CC        := gcc
endif
# V=1 shows the commands.
V         ?= 0
Q         := $(if $(filter 0,$(V)),@,)
say       = $(if $(filter 0,$(V)),@printf '  %-4s %s\n' $(1) $@,@:)

PYTHON    ?= /usr/bin/python3
VERSION   := 0.1.0
SANITIZER ?=

# A sanitizer build lives beside the plain one: switching never rebuilds the other.
comma := ,
ifeq ($(SANITIZER),)
BUILD     := build
SAN_FLAGS :=
HARDENING := -D_FORTIFY_SOURCE=2
else
BUILD     := build/sanitizer-$(subst $(comma),-,$(SANITIZER))
SAN_FLAGS := -fsanitize=$(SANITIZER) -fno-omit-frame-pointer -fno-sanitize-recover=all
HARDENING :=
endif

PACKAGES  := libevent libunbound openssl yaml-0.1 jansson sqlite3 p11-kit-1 libseccomp libcap-ng
PKG_CFLAGS := $(shell pkg-config --cflags $(PACKAGES) 2>/dev/null)
PKG_LIBS   := $(shell pkg-config --libs $(PACKAGES) 2>/dev/null) -levent_pthreads \
              $(shell pkg-config --libs krb5-gssapi krb5 libcrypt 2>/dev/null)

WARNINGS  := -Wall -Wextra -Werror -Wshadow -Wpointer-arith -Wstrict-prototypes \
             -Wmissing-prototypes -Wwrite-strings -Wformat=2 -Wundef -Wvla \
             -Wno-unused-parameter -Wno-missing-field-initializers
CPPFLAGS  += -D_GNU_SOURCE -DDIVED_VERSION='"$(VERSION)"' -I. -Idaemon $(HARDENING)
CFLAGS    ?= -O2 -g
ALL_CFLAGS := -std=c17 $(CFLAGS) $(WARNINGS) -fPIE -fstack-protector-strong $(SAN_FLAGS) $(PKG_CFLAGS)
ALL_LDFLAGS := $(LDFLAGS) -pie -Wl,-z,relro,-z,now -Wl,--as-needed $(SAN_FLAGS) -pthread
LIBS      := $(PKG_LIBS)

LLHTTP    := /usr/share/llhttp
LLHTTP_INC := /usr/share/include/llhttp

LIB_SRC    := $(wildcard lib/*.c)
DAEMON_SRC := $(filter-out daemon/cmd/%,$(wildcard daemon/*/*.c))
CMD_SRC    := $(wildcard daemon/cmd/*.c)
LLHTTP_SRC := llhttp api http

obj = $(patsubst %.c,$(BUILD)/%.o,$(1))
LIB_OBJ    := $(call obj,$(LIB_SRC))
DAEMON_OBJ := $(call obj,$(DAEMON_SRC))
CMD_OBJ    := $(call obj,$(CMD_SRC))
LLHTTP_OBJ := $(patsubst %,$(BUILD)/llhttp/%.o,$(LLHTTP_SRC))

# What the subcommands are made of, without main.c: the unit tests link it.
CMD_PARTS  := $(filter-out $(BUILD)/daemon/cmd/main.o,$(CMD_OBJ))

UNIT_LIB_SRC    := $(wildcard tests/lib/*.c)
UNIT_DAEMON_SRC := $(wildcard tests/daemon/*.c) $(wildcard tests/fakes/*.c)

## all: build/dived and build/divectl (CC=clang works too; SANITIZER=address,undefined or thread)
all: $(BUILD)/dived $(BUILD)/divectl

# Every object depends on the flags that made it: other flags, other objects.
$(BUILD)/flags: FORCE
	@mkdir -p $(@D)
	@printf '%s\n' '$(CC) $(subst ',,$(CPPFLAGS)) $(ALL_CFLAGS) $(LIB_CFLAGS) $(ALL_LDFLAGS)' > $@.new
	@cmp -s $@.new $@ && rm -f $@.new || mv $@.new $@

$(BUILD)/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(CPPFLAGS) -I$(LLHTTP_INC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/daemon/cmd/%.o: private CPPFLAGS += $(CMD_CFLAGS)

# A file that is part of a program: its bytes as an initialiser.
$(BUILD)/%.inc: %
	@mkdir -p $(@D)
	$(Q)od -An -v -tu1 $< | sed 's/  */,/g; s/^,//; s/$$/,/' > $@
$(BUILD)/daemon/audit/style.o: $(BUILD)/daemon/audit/style.css.inc
$(BUILD)/daemon/admin/page.o: $(BUILD)/daemon/admin/page.html.inc $(BUILD)/daemon/admin/page.js.inc
$(BUILD)/daemon/audit/style.o $(BUILD)/daemon/admin/page.o: private CPPFLAGS += -I$(BUILD)

# The HTTP/1 parser as Debian ships it: generated C, compiled without our warnings.
$(BUILD)/llhttp/%.o: $(LLHTTP)/%.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) -std=c17 $(CFLAGS) -fPIE -fstack-protector-strong $(SAN_FLAGS) -I$(LLHTTP_INC) -c -o $@ $<

$(BUILD)/libdive.a: $(LIB_OBJ)
	@rm -f $@
	$(call say,AR)
	$(Q)$(AR) rcs $@ $^
$(BUILD)/cmd.a: $(CMD_PARTS)
	@rm -f $@
	$(call say,AR)
	$(Q)$(AR) rcs $@ $^
$(BUILD)/daemon.a: $(DAEMON_OBJ) $(LLHTTP_OBJ)
	@rm -f $@
	$(call say,AR)
	$(Q)$(AR) rcs $@ $^

$(BUILD)/dived: $(BUILD)/daemon/main.o $(BUILD)/daemon.a $(BUILD)/libdive.a
	$(call say,LD)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)
$(BUILD)/divectl: $(CMD_OBJ) $(BUILD)/daemon.a $(BUILD)/libdive.a
	$(call say,LD)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)

$(BUILD)/tests/unit-lib: $(call obj,$(UNIT_LIB_SRC)) $(BUILD)/libdive.a
	$(call say,LD)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ -lcriterion $(LIBS)
$(BUILD)/tests/unit-daemon: $(call obj,$(UNIT_DAEMON_SRC)) $(BUILD)/cmd.a $(BUILD)/daemon.a $(BUILD)/libdive.a
	$(call say,LD)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ -lcriterion $(LIBS)

# Criterion keeps some memory of its own with more than one job.
UNIT_ENV := LSAN_OPTIONS=suppressions=tests/lsan.supp:print_suppressions=0

## unit: the unit tests alone
unit: $(BUILD)/tests/unit-lib $(BUILD)/tests/unit-daemon
	$(UNIT_ENV) $(BUILD)/tests/unit-lib --jobs 2
	$(UNIT_ENV) $(BUILD)/tests/unit-daemon --jobs 2

# A sanitizer's findings fail the run: the scenarios look for them in what the daemon prints.
SCENARIOS := CC='$(CC)' SAN_FLAGS='$(SAN_FLAGS)' DIVED=$(CURDIR)/$(BUILD)/dived DIVECTL=$(CURDIR)/$(BUILD)/divectl \
             $(PYTHON) -m pytest -p no:cacheprovider -q tests/scenarios

## scenarios: the end-to-end tests alone: real DNS, TLS, origins and clients (ONLY=expr selects)
scenarios: all
	$(SCENARIOS) $(if $(ONLY),-k '$(ONLY)')

## check: all tests (also with SANITIZER=address,undefined)
check: all unit fuzz-replay interop scenarios

## demo: the daemon releases, blocks and reports real downloads; a table of what the client sees
demo: all
	DIVED=$(CURDIR)/$(BUILD)/dived DIVECTL=$(CURDIR)/$(BUILD)/divectl $(PYTHON) tests/demo.py

## run: a proxy for yourself on 127.0.0.1:3128, and the environment that points your tools at it
run: all
	DIVED=$(CURDIR)/$(BUILD)/dived DIVECTL=$(CURDIR)/$(BUILD)/divectl sh tests/run.sh

# What `make bench` runs beside the daemon: the cache's index alone, and the library alone.
CACHE_POLICY := $(BUILD)/tests/bench/cache_policy
BENCH_OBJ    := $(call obj,$(wildcard tests/bench/cache_*.c))
$(CACHE_POLICY): $(BENCH_OBJ) $(BUILD)/daemon.a $(BUILD)/libdive.a
	$(call say,LD)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS) -lm
$(BUILD)/lib_bench: $(BUILD)/tests/bench/lib_bench.o $(BUILD)/libdive.a
	$(call say,LD)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)

## lib-bench: the library alone beside the OpenSSL calls that it can't avoid, and the parse of a head
lib-bench: $(BUILD)/lib_bench
	@$(BUILD)/lib_bench

## bench: lib-bench; then CPU and memory beside nginx, squid and varnish, in one run (ONLY=requests,download,held,idle,fair,reload,audit,sign,cache)
bench: all lib-bench $(CACHE_POLICY)
	DIVED=$(CURDIR)/$(BUILD)/dived DIVECTL=$(CURDIR)/$(BUILD)/divectl $(PYTHON) tests/bench/bench.py $(if $(ONLY),--only $(ONLY))

# The suite is installed beside what is built, from the lock file.
CONFORMANCE := $(BUILD)/conformance
$(CONFORMANCE)/installed: tests/conformance/package.json tests/conformance/package-lock.json
	@mkdir -p $(@D)
	cp $^ $(@D)
	cd $(@D) && npm ci --ignore-scripts --no-audit --no-fund
	@touch $@

## cache-tests: the public HTTP caching conformance suite through dived, squid and nginx (ONLY=test-id)
cache-tests: all $(CONFORMANCE)/installed
	DIVED=$(CURDIR)/$(BUILD)/dived $(PYTHON) tests/conformance/cache.py \
	    $(CONFORMANCE)/node_modules/http-cache-tests $(if $(ONLY),--test $(ONLY))

## deps: install what is needed (Debian 12, as root or with sudo)
DEPS := gcc make pkg-config libevent-dev libunbound-dev libssl-dev libyaml-dev libjansson-dev libsqlite3-dev libxxhash-dev \
        libcrypt-dev libkrb5-dev libseccomp-dev libcap-ng-dev \
        node-llhttp libp11-kit-dev ca-certificates dns-root-data
TEST_DEPS := clang libclang-rt-14-dev libcriterion-dev python3 python3-pytest python3-cryptography \
             knot knot-dnsutils ldnsutils nginx-light apache2-bin apache2-utils krb5-kdc krb5-admin-server krb5-user \
             softhsm2 opensc p11-kit curl openssl bash zsh libcap2-bin util-linux nftables iproute2 g++ mandoc binutils \
             systemd systemd-container wget git golang-go python3-pip chromium prometheus debhelper lintian rsyslog logrotate
# A node from elsewhere brings an npm of its own, which Debian's conflicts with.
NODE_DEPS := $(if $(shell command -v node >/dev/null && command -v npm >/dev/null && echo yes),,nodejs npm)
LINT_DEPS := clang-format clang-tidy cppcheck mandoc
SUDO := $(if $(filter 0,$(shell id -u)),,sudo)
deps:
	$(SUDO) apt-get update -qq
	$(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
	    $(DEPS) $(TEST_DEPS) $(NODE_DEPS) $(LINT_DEPS)

SOURCES := $(wildcard lib/*.[ch] daemon/*.[ch] daemon/*/*.[ch] tests/lib/*.[ch] tests/daemon/*.[ch] \
                     tests/fuzz/*.[ch] tests/bench/*.[ch] tests/interop/*.[ch] docs/*.c)

include tests/fuzz/rules.mk
include tests/interop/rules.mk
include lib/install.mk
include conf/debian/package.mk

## fmt: format the C sources in place
fmt:
	@clang-format -i $(SOURCES)

## lint: clang-format in dry run, a clang build with the same warnings, cppcheck, mandoc
lint:
	@clang-format --dry-run --Werror $(SOURCES)
	$(MAKE) CC=clang BUILD=build/clang all
	cppcheck --quiet --std=c11 --enable=warning,performance,portability --inline-suppr \
	    --suppressions-list=tests/cppcheck.supp --error-exitcode=1 -I. -Idaemon lib daemon
	mandoc -Tlint -Wwarning $(MAN_PAGES)

## clean: remove everything that was built
clean:
	rm -rf build

## help: this list
help:
	@echo "make [target] [CC=clang] [SANITIZER=address,undefined|thread] [V=1]"
	@sed -n 's/^## /  /p' $(MAKEFILE_LIST)

FORCE:
.PHONY: all unit scenarios check demo run bench lib-bench cache-tests deps fmt lint clean help FORCE

-include $(BENCH_OBJ:.o=.d) $(LIB_OBJ:.o=.d) $(DAEMON_OBJ:.o=.d) $(CMD_OBJ:.o=.d) $(BUILD)/daemon/main.d \
         $(BUILD)/tests/bench/lib_bench.d $(patsubst %.o,%.d,$(call obj,$(UNIT_LIB_SRC) $(UNIT_DAEMON_SRC)))
