# SPDX-License-Identifier: BSD-2-Clause
# Fuzzing, included by the Makefile. A target is tests/fuzz/<name>.c; its seeds are the files of
# tests/fuzz/corpus/<name>/, its dictionary tests/fuzz/dict/<name>.dict. What a run finds stays in
# $(BUILD)/fuzz/.

FUZZ_CC       ?= clang
FUZZ_SECONDS  ?= 60
FUZZ_TARGETS  := $(patsubst tests/fuzz/%.c,%,$(filter-out tests/fuzz/replay.c,$(wildcard tests/fuzz/*.c)))
# ONLY=name picks targets.
FUZZ_ONLY     := $(if $(ONLY),$(filter $(ONLY),$(FUZZ_TARGETS)),$(FUZZ_TARGETS))
FUZZ_DIR      := $(BUILD)/fuzz
# The static functions are instrumented too. _FORTIFY_SOURCE hides calls from the sanitizers.
FUZZ_CFLAGS   := -U_FORTIFY_SOURCE -fsanitize=fuzzer-no-link,address,undefined \
                 -fno-sanitize-recover=all -fno-omit-frame-pointer
FUZZ_LDFLAGS  := -fsanitize=fuzzer,address,undefined -pthread
# divectl's parsers of what others wrote.
FUZZ_CMD_SRC  := $(patsubst %,daemon/cmd/%.c,records_lint rotate_headers rotate_judge)
FUZZ_CODE_OBJ := $(patsubst %.c,$(FUZZ_DIR)/obj/%.o,$(LIB_SRC) $(DAEMON_SRC) $(FUZZ_CMD_SRC)) \
                 $(patsubst %,$(FUZZ_DIR)/obj/llhttp/%.o,$(LLHTTP_SRC))
FUZZ_OBJ      := $(patsubst %,$(FUZZ_DIR)/obj/tests/fuzz/%.o,$(FUZZ_TARGETS))

$(FUZZ_DIR)/obj/llhttp/%.o: $(LLHTTP)/%.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(FUZZ_CC) -std=c17 $(CFLAGS) $(FUZZ_CFLAGS) -I$(LLHTTP_INC) -c -o $@ $<
$(FUZZ_DIR)/obj/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(FUZZ_CC) $(CPPFLAGS) -I$(LLHTTP_INC) $(ALL_CFLAGS) $(FUZZ_CFLAGS) -MMD -MP -c -o $@ $<

$(FUZZ_DIR)/code.a: $(FUZZ_CODE_OBJ)
	@rm -f $@
	$(call say,AR)
	$(Q)$(AR) rcs $@ $^
$(patsubst %,$(FUZZ_DIR)/%,$(FUZZ_TARGETS)): $(FUZZ_DIR)/%: $(FUZZ_DIR)/obj/tests/fuzz/%.o $(FUZZ_DIR)/code.a
	$(call say,LD)
	$(Q)$(FUZZ_CC) $(FUZZ_LDFLAGS) -o $@ $^ $(LIBS)

## fuzz: run every fuzz target for FUZZ_SECONDS (60) with libFuzzer, then a table (ONLY=name picks one)
fuzz: $(patsubst %,$(FUZZ_DIR)/%,$(FUZZ_ONLY))
	@sh tests/fuzz/run.sh $(FUZZ_DIR) $(FUZZ_SECONDS) $(FUZZ_ONLY)

# The seeds alone, by the compiler and the sanitizer of everything else: no libFuzzer is needed.
$(patsubst %,$(FUZZ_DIR)/replay/%,$(FUZZ_TARGETS)): $(FUZZ_DIR)/replay/%: $(BUILD)/tests/fuzz/%.o \
        $(BUILD)/tests/fuzz/replay.o $(FUZZ_CMD_SRC:%.c=$(BUILD)/%.o) $(BUILD)/daemon.a $(BUILD)/libdive.a
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)

## fuzz-replay: run every fuzz target over its seeds, without libFuzzer (a part of check)
fuzz-replay: $(patsubst %,$(FUZZ_DIR)/replay/%,$(FUZZ_ONLY))
	@for t in $(FUZZ_ONLY); do \
	    $(FUZZ_DIR)/replay/$$t tests/fuzz/corpus/$$t || { echo "fuzz-replay: $$t failed"; exit 1; }; \
	    [ -f tests/fuzz/dict/$$t.dict ] || echo "fuzz-replay: $$t has no dictionary"; \
	done
# The oracle has to have something to agree to.
ifneq ($(filter verifier,$(FUZZ_ONLY)),)
	@for f in tests/fuzz/corpus/verifier/accept-*; do \
	    FUZZ_VERDICTS=1 $(FUZZ_DIR)/replay/verifier $$f | grep -qx verified || \
	        { echo "fuzz-replay: $$f is not accepted"; exit 1; }; \
	done
endif

.PHONY: fuzz fuzz-replay
.SECONDARY: $(FUZZ_OBJ) $(patsubst %,$(BUILD)/tests/fuzz/%.o,$(FUZZ_TARGETS) replay)
-include $(FUZZ_CODE_OBJ:.o=.d) $(FUZZ_OBJ:.o=.d) \
         $(patsubst %,$(BUILD)/tests/fuzz/%.d,$(FUZZ_TARGETS) replay)
