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

PACKAGES  := libevent libunbound openssl yaml-0.1 jansson libcap-ng libseccomp
PKG_CFLAGS := $(shell pkg-config --cflags $(PACKAGES) 2>/dev/null)
PKG_LIBS   := $(shell pkg-config --libs $(PACKAGES) 2>/dev/null) -levent_pthreads

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

UNIT_LIB_SRC    := $(wildcard tests/lib/*.c)
UNIT_DAEMON_SRC := $(wildcard tests/daemon/*.c) $(wildcard tests/fakes/*.c)

## all: build/dived and build/divectl (CC=clang works too; SANITIZER=address,undefined or thread)
all: $(BUILD)/dived $(BUILD)/divectl

# Every object depends on the flags that made it: other flags, other objects.
$(BUILD)/flags: FORCE
	@mkdir -p $(@D)
	@printf '%s\n' '$(CC) $(subst ',,$(CPPFLAGS)) $(ALL_CFLAGS) $(ALL_LDFLAGS)' > $@.new
	@cmp -s $@.new $@ && rm -f $@.new || mv $@.new $@

$(BUILD)/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(CPPFLAGS) -I$(LLHTTP_INC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

# The HTTP/1 parser as Debian ships it: generated C, compiled without our warnings.
$(BUILD)/llhttp/%.o: $(LLHTTP)/%.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) -std=c17 $(CFLAGS) -fPIE -fstack-protector-strong $(SAN_FLAGS) -I$(LLHTTP_INC) -c -o $@ $<

$(BUILD)/libdive.a: $(LIB_OBJ)
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
$(BUILD)/tests/unit-daemon: $(call obj,$(UNIT_DAEMON_SRC)) $(BUILD)/daemon.a $(BUILD)/libdive.a
	$(call say,LD)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ -lcriterion $(LIBS)

## unit: the unit tests alone
unit: $(BUILD)/tests/unit-lib $(BUILD)/tests/unit-daemon
	$(BUILD)/tests/unit-lib --jobs 2
	$(BUILD)/tests/unit-daemon --jobs 2

FORCE:
.PHONY: all unit FORCE

-include $(LIB_OBJ:.o=.d) $(DAEMON_OBJ:.o=.d) $(CMD_OBJ:.o=.d) $(BUILD)/daemon/main.d \
         $(patsubst %.o,%.d,$(call obj,$(UNIT_LIB_SRC) $(UNIT_DAEMON_SRC)))
