# SPDX-License-Identifier: BSD-2-Clause
# Debian packages, built with the flags of dpkg-buildflags(1) in a folder of their own. Included by the Makefile; the files beside this one are the
# packages' debian/ directory, but for the changelog, whose version is the Makefile's.

DEB_DIR := $(BUILD)/deb/dived-$(VERSION)
MAINTAINER := $(shell sed -n 's/^Maintainer: //p' conf/debian/control)

## deb: the packages dived, libdive0 and libdive-dev, in build/deb
deb:
	@rm -rf $(BUILD)/deb
	@mkdir -p $(DEB_DIR)
	cp -r conf/debian $(DEB_DIR)/debian
	rm $(DEB_DIR)/debian/package.mk
	@printf 'dived (%s) unstable; urgency=medium\n\n  * Version %s.\n\n -- %s  %s\n' '$(VERSION)' '$(VERSION)' \
	    '$(MAINTAINER)' "$$(date -R)" > $(DEB_DIR)/debian/changelog
	cd $(DEB_DIR) && env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS DEB_BUILD_OPTIONS=noautodbgsym \
	    DIVED_TOP='$(CURDIR)' DIVED_BUILD='$(BUILD)/deb-objects' dpkg-buildpackage -b -us -uc

## lint-deb: lintian on the packages
lint-deb: deb
	lintian --fail-on error,warning $(BUILD)/deb/*.changes

.PHONY: deb lint-deb
