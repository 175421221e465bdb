# make install: programs, units, man pages.  DESTDIR= for packages, PREFIX=.
BINDIR  ?= $(PREFIX)/bin
MANDIR  ?= $(PREFIX)/share/man
UNITDIR ?= $(PREFIX)/lib/systemd/system
COMPDIR ?= $(PREFIX)/share/bash-completion/completions

units     := $(wildcard packaging/systemd/*.service packaging/systemd/*.socket)
man-pages := $(wildcard docs/man/*.[1-8])

install: $(bins:%=$O/bin/%)
	install -d '$(DESTDIR)$(BINDIR)' '$(DESTDIR)$(UNITDIR)'
	install -m 0755 $^ '$(DESTDIR)$(BINDIR)'
	@set -e; for u in $(units); do \
		to='$(DESTDIR)$(UNITDIR)'/$${u##*/}; echo "install $$u $$to"; \
		sed 's,^ExecStart=/usr/local/bin/,ExecStart=$(BINDIR)/,' $$u >"$$to"; \
		chmod 0644 "$$to"; \
	done
	@set -e; for m in $(man-pages); do \
		echo "install $$m"; \
		install -D -m 0644 $$m '$(DESTDIR)$(MANDIR)'/man$${m##*.}/$${m##*/}; \
	done
	install -D -m 0644 packaging/completion/netctl '$(DESTDIR)$(COMPDIR)/netctl'

uninstall:
	rm -f '$(DESTDIR)$(COMPDIR)/netctl' \
		$(foreach b,$(bins),'$(DESTDIR)$(BINDIR)/$b') \
		$(foreach u,$(notdir $(units)),'$(DESTDIR)$(UNITDIR)/$u') \
		$(foreach m,$(man-pages),'$(DESTDIR)$(MANDIR)/man$(subst .,,$(suffix $m))/$(notdir $m)')
.PHONY: install uninstall
