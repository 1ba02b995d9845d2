# SPDX-License-Identifier: BSD-2-Clause
# Interop with implementations that nobody here wrote, included by the Makefile. tests/interop/run.sh
# installs the packages into $(BUILD)/interop from the lock file (exact versions, integrity hashes).

INTEROP := $(BUILD)/interop

$(INTEROP)/peer: $(BUILD)/tests/interop/peer.o $(BUILD)/libdive.a
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)

## interop: what divectl signs verifies with other implementations of RFC 9421, and the other way round
interop: $(BUILD)/divectl $(INTEROP)/peer
	@DIVECTL=$(CURDIR)/$(BUILD)/divectl PEER=$(CURDIR)/$(INTEROP)/peer sh tests/interop/run.sh $(INTEROP)

.PHONY: interop
.SECONDARY: $(BUILD)/tests/interop/peer.o
-include $(BUILD)/tests/interop/peer.d
