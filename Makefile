# One make, one graph. Each folder's dir.mk only lists files; every rule is here.
MAKEFLAGS += -r
.DELETE_ON_ERROR:
.SECONDARY:
# whatever a dir.mk says first
.DEFAULT_GOAL := all

O      := build
# The same tree by another name would have dependencies of its own: objects
# made by the demo (absolute O) were not rebuilt when a header changed.
ifeq ($(origin O),command line)
override O := $(patsubst $(CURDIR)/%,%,$O)
endif
ifeq ($(origin CC),default)
CC     := gcc
endif
PREFIX ?= /usr/local
PKGS   := libnl-route-3.0 libnl-genl-3.0 libnl-3.0 libmnl libnftnl libbpf json-c libmicrohttpd \
	libcurl sqlite3 libnetfilter_conntrack smartcols mount libsystemd libarchive nettle ldns devmapper blkid \
	libcryptsetup libseccomp
PKGCFG := $(if $(filter clean demo test soak deps,$(MAKECMDGOALS)),true,pkg-config)

CPPFLAGS := -D_GNU_SOURCE -D_FORTIFY_SOURCE=2 -I. -I$O \
	$(patsubst -I%,-isystem %,$(shell $(PKGCFG) --cflags $(PKGS)))
WARN := -Wall -Wextra -Wshadow -Wvla -Wstrict-prototypes -Wmissing-prototypes \
	-Wold-style-definition -Wpointer-arith -Wwrite-strings -Wundef \
	-Wformat=2 -Wimplicit-fallthrough -Wswitch-enum -Wcast-qual \
	-Wconversion -Wsign-conversion
ifneq ($(findstring clang,$(CC)),clang)
WARN += -Wlogical-op -Wduplicated-cond -Wduplicated-branches -Wnull-dereference
endif
HARD := -fPIE -fstack-protector-strong -fstack-clash-protection
ifneq ($(findstring clang,$(CC)),clang) # clang 14 has it behind a second flag
HARD += -ftrivial-auto-var-init=zero
endif
ifeq ($(shell uname -m),x86_64)
HARD += -fcf-protection
endif
CFLAGS  ?= -O2 -g
LDFLAGS += -pie -pthread -Wl,-z,relro,-z,now,-z,noexecstack -Wl,--as-needed
LDLIBS  := $(shell $(PKGCFG) --libs $(PKGS))

ifeq ($(WERROR),1)
WARN += -Werror
endif
# SAN=address,undefined or SAN=thread: a tree of its own
ifneq ($(SAN),)
ifeq ($(origin O),file)
O    := build-$(if $(findstring thread,$(SAN)),tsan,san)
endif
HARD := -fPIE -fsanitize=$(SAN) -fno-sanitize-recover=all -fno-omit-frame-pointer
CPPFLAGS := $(filter-out -D_FORTIFY_SOURCE=% -Ibuild,$(CPPFLAGS)) -I$O
# a quarter less to compile than -O2, with address
ifeq ($(origin CFLAGS),file)
CFLAGS := -O1 -g
endif
endif
ifneq ($V,1)
Q   := @
say  = @printf '  %-5s %s\n' "$1" "$(patsubst $O/%,%,$@)"
endif

# Each folder's dir.mk appends to these.
#   ar-src    objects for the one archive that programs and tests link against
#   test-src  objects for a second one, of what several unit tests share
#   bins      programs; <name>-main: its file with main()
#   tests     unit tests, each one file with main(); <file>-ldflags: extra
#   threaded  of these those in which two threads meet: built with SAN=thread
#   as-built  of these those that say more without a sanitizer: they measure, or look
#             at what it changes.  AS_BUILT=1: no others
#   tools     programs for the integration tests only
#   bpf-src   *.bpf.c, each gives $O/bpf/<name>.skel.h
ar-src  :=
test-src :=
bins    :=
tests   :=
threaded :=
as-built :=
tools   :=
bpf-src :=
include $(sort $(wildcard */dir.mk */*/dir.mk))

ifneq ($(findstring thread,$(SAN)),)
tests := $(threaded)
endif
ifeq ($(AS_BUILT),1)
tests := $(as-built)
endif

obj  = $(patsubst %.c,$O/%.o,$1)
skel = $(patsubst bpf/%.bpf.c,$O/bpf/%.skel.h,$(bpf-src))

all: $(bins:%=$O/bin/%) $(tools:%=$O/tools/%)
check: $(patsubst %.c,$O/%.ok,$(tests))

$O/%.o: %.c | $(skel)
	$(call say,CC)
	$Qmkdir -p $(@D)
	$Q$(CC) -std=gnu17 -pthread $(CPPFLAGS) $(WARN) $(HARD) $(CFLAGS) -MMD -MP -c $< -o $@
$O/berth.a: $(call obj,$(ar-src))
	$(call say,AR)
	$Qmkdir -p $(@D)
	$Qrm -f $@ && ar rcsD $@ $^
$O/berth-test.a: $(call obj,$(test-src))
	$(call say,AR)
	$Qmkdir -p $(@D)
	$Qrm -f $@ && ar rcsD $@ $^

define bin-rule
$O/bin/$1: $(call obj,$($1-main)) $O/berth.a
endef
$(foreach b,$(bins),$(eval $(call bin-rule,$b)))
$(bins:%=$O/bin/%):
	$(call say,LD)
	$Qmkdir -p $(@D)
	$Q$(CC) $(HARD) $(LDFLAGS) $^ -o $@ $(LDLIBS)

define tool-rule
$O/tools/$1: $(call obj,$($1-main)) $O/berth.a
endef
$(foreach b,$(tools),$(eval $(call tool-rule,$b)))
$(tools:%=$O/tools/%):
	$(call say,LD)
	$Qmkdir -p $(@D)
	$Q$(CC) $(HARD) $(LDFLAGS) $^ -o $@ $(LDLIBS)

$(patsubst %.c,$O/%,$(tests)): $O/%: $O/%.o $O/berth-test.a $O/berth.a
	$(call say,LD)
	$Q$(CC) $(HARD) $(LDFLAGS) $($*.c-ldflags) $^ -o $@ $(LDLIBS) -lcmocka
$O/%.ok: $O/%
	$(call say,TEST)
	$Qs=$$(date +%s%3N); $< >$<.log 2>&1 && echo $$(($$(date +%s%3N) - s)) >$@ || \
		{ cat $<.log; exit 1; }

# BPF programs use only the uapi headers: the same object on any kernel.
BPF_CLANG ?= clang
$O/bpf/%.bpf.o: bpf/%.bpf.c
	$(call say,BPF)
	$Qmkdir -p $(@D)
	$Q$(BPF_CLANG) -target bpf -g -O2 -mcpu=v3 -Wall -Wextra -Werror -I. \
		-idirafter /usr/include/$(shell uname -m)-linux-gnu -MMD -MP -c $< -o $@
$O/bpf/%.skel.h: $O/bpf/%.bpf.o
	$(call say,SKEL)
	$Qecho '#pragma GCC system_header' >$@
	$Qbpftool gen skeleton $< name $*_bpf >>$@

clean:
	rm -rf build build-*
.PHONY: all check clean
include integration/test.mk
include packaging/install.mk
# By name: build/it holds whole file systems of tests.
-include $(patsubst %.c,$O/%.d,$(ar-src) $(test-src) $(tests) $(wildcard fuzz/*.c) \
	$(foreach b,$(bins) $(tools),$($b-main)) $(bpf-src))
