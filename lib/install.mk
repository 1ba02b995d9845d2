# SPDX-License-Identifier: BSD-2-Clause
# libdive for other programs, and the installation of all. Included by the Makefile.
#
# A header that is listed here is public: it is installed, and what it declares between
# DIVE_API_BEGIN and DIVE_API_END is exported. Everything else in lib/ is private: the objects are
# compiled with hidden visibility, and the archive's names are made local.

PUBLIC_HEADERS := content_digest crypto dive dive_sig domain error key_record message policy_record \
                  record_cache sf signature_base signature_input signer verifier

prefix      ?= /usr/local
bindir      ?= $(prefix)/bin
sbindir     ?= $(prefix)/sbin
libdir      ?= $(prefix)/lib
includedir  ?= $(prefix)/include
mandir      ?= $(prefix)/share/man
docdir      ?= $(prefix)/share/doc/dived
bashcompdir ?= $(prefix)/share/bash-completion/completions
zshcompdir  ?= $(prefix)/share/zsh/site-functions
pkgconfigdir ?= $(libdir)/pkgconfig
unitdir     ?= $(prefix)/lib/systemd/system
sysusersdir ?= $(prefix)/lib/sysusers.d
# Where dived looks by default, whatever the prefix.
sysconfdir  ?= /etc
INSTALL     ?= install
OBJCOPY     ?= objcopy
LD          ?= ld

SONAME      := libdive.so.0
REALNAME    := libdive.so.$(VERSION)
SHARED      := $(BUILD)/public/$(REALNAME)
ARCHIVE     := $(BUILD)/public/libdive.a
LIB_PACKAGES := libcrypto jansson

# The same objects make the programs, the shared library and the archive. A public function may be
# inlined within its file: nobody replaces half of a verifier.
LIB_CFLAGS  := -fPIC -fno-semantic-interposition -fvisibility=hidden
$(LIB_OBJ): ALL_CFLAGS += $(LIB_CFLAGS)

$(SHARED): $(LIB_OBJ) lib/libdive.map
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(CC) -shared $(filter-out -pie,$(ALL_LDFLAGS)) -Wl,-soname,$(SONAME) -Wl,-Bsymbolic-functions \
	    -Wl,--version-script=lib/libdive.map $(if $(SANITIZER),,-Wl,-z,defs) -o $@ $(LIB_OBJ) \
	    $(shell pkg-config --libs $(LIB_PACKAGES))

# One relocatable object, so that what is hidden can be made local.
$(ARCHIVE): $(LIB_OBJ)
	@mkdir -p $(@D)
	@rm -f $@
	$(call say,AR)
	$(Q)$(LD) -r -o $(@D)/libdive.o $^
	$(Q)$(OBJCOPY) --localize-hidden $(@D)/libdive.o
	$(Q)$(AR) rcs $@ $(@D)/libdive.o

## libdive: the library for other programs alone, in build/public
libdive: $(SHARED) $(ARCHIVE)

MAN_PAGES := $(wildcard docs/*.[1-8])
# The calls that a page of section 3 documents, as its NAME has them, but for the page's own name.
page_links = $(if $(filter %.3,$(1)),$(filter-out $(basename $(notdir $(1))),$(shell \
    sed -n '/^\.Sh NAME/,/^\.Nd/s/^\.Nm \([a-z0-9_]*\).*/\1/p' $(1))))

in = $(DESTDIR)$(1)

## install: programs, libdive, manual pages, completions, unit (DESTDIR, prefix, libdir, sysconfdir, unitdir, ...)
install: all libdive
	$(INSTALL) -d $(call in,$(bindir)) $(call in,$(sbindir)) $(call in,$(libdir)) \
	    $(call in,$(includedir))/dive $(call in,$(pkgconfigdir)) $(call in,$(unitdir)) \
	    $(call in,$(sysusersdir)) \
	    $(call in,$(sysconfdir))/dived $(call in,$(docdir)) \
	    $(call in,$(bashcompdir)) $(call in,$(zshcompdir))
	$(INSTALL) -m 755 $(BUILD)/dived $(call in,$(sbindir))/dived
	$(INSTALL) -m 755 $(BUILD)/divectl $(call in,$(bindir))/divectl
	$(INSTALL) -m 644 $(SHARED) $(call in,$(libdir))/$(REALNAME)
	ln -sf $(REALNAME) $(call in,$(libdir))/$(SONAME)
	ln -sf $(SONAME) $(call in,$(libdir))/libdive.so
	$(INSTALL) -m 644 $(ARCHIVE) $(call in,$(libdir))/libdive.a
	$(INSTALL) -m 644 $(PUBLIC_HEADERS:%=lib/%.h) $(call in,$(includedir))/dive
	sed -e 's|@prefix@|$(prefix)|' -e 's|@libdir@|$(libdir)|' -e 's|@includedir@|$(includedir)|' \
	    -e 's|@version@|$(VERSION)|' lib/libdive.pc.in > $(call in,$(pkgconfigdir))/libdive.pc
	sed -e 's|/usr/local/sbin|$(sbindir)|g' -e 's|/usr/local/bin|$(bindir)|g' -e 's|/etc/dived|$(sysconfdir)/dived|g' \
	    systemd/dived.service > $(call in,$(unitdir))/dived.service
	$(INSTALL) -m 644 systemd/dived.socket $(call in,$(unitdir))
	$(INSTALL) -m 644 systemd/dived.sysusers $(call in,$(sysusersdir))/dived.conf
	$(INSTALL) -m 644 systemd/drop-ins/*.conf $(call in,$(docdir))
	@test -e $(call in,$(sysconfdir))/dived/dived.yaml \
	    && echo 'kept: $(call in,$(sysconfdir))/dived/dived.yaml' \
	    || $(INSTALL) -m 644 conf/dived.yaml $(call in,$(sysconfdir))/dived/dived.yaml
	$(INSTALL) -m 644 conf/dived.yaml conf/developer.yaml docs/*.md docs/example.c $(call in,$(docdir))
	$(INSTALL) -d $(call in,$(docdir))/nft
	$(INSTALL) -m 644 $(wildcard docs/nft/*) $(call in,$(docdir))/nft
	$(INSTALL) -m 644 conf/completions/divectl $(call in,$(bashcompdir))/divectl
	$(INSTALL) -m 644 conf/completions/_divectl $(call in,$(zshcompdir))/_divectl
	$(foreach page,$(MAN_PAGES),$(call install_page,$(page),$(call in,$(mandir))/man$(subst .,,$(suffix $(page)))))

define install_page
$(INSTALL) -d $(2)
	$(INSTALL) -m 644 $(1) $(2)
	$(foreach name,$(call page_links,$(1)),@echo '.so man3/$(notdir $(1))' > $(2)/$(name).3
	)

endef

## uninstall: remove what install put there, but the configuration
uninstall:
	rm -f $(call in,$(bindir))/divectl $(call in,$(sbindir))/dived \
	    $(addprefix $(call in,$(libdir))/,$(REALNAME) $(SONAME) libdive.so libdive.a) \
	    $(call in,$(pkgconfigdir))/libdive.pc $(addprefix $(call in,$(unitdir))/dived.,service socket) \
	    $(call in,$(sysusersdir))/dived.conf \
	    $(call in,$(bashcompdir))/divectl $(call in,$(zshcompdir))/_divectl \
	    $(foreach page,$(MAN_PAGES),$(call in,$(mandir))/man$(subst .,,$(suffix $(page)))/$(notdir $(page)) \
	        $(patsubst %,$(call in,$(mandir))/man3/%.3,$(call page_links,$(page)))) \
	    $(PUBLIC_HEADERS:%=$(call in,$(includedir))/dive/%.h) \
	    $(addprefix $(call in,$(docdir))/,dived.yaml developer.yaml example.c $(notdir $(wildcard systemd/drop-ins/*.conf)) $(notdir $(wildcard docs/*.md)) \
	        $(patsubst docs/%,%,$(wildcard docs/nft/*)))
	-rmdir $(call in,$(includedir))/dive $(call in,$(docdir))/nft $(call in,$(docdir)) 2>/dev/null

.PHONY: libdive install uninstall
