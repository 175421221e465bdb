# What is run, not built: included at the end of the Makefile.

# Each is enough on a fresh Debian 12, as root.
demo:
	@integration/demo
test:
	@integration/ci
soak:
	@integration/deps build run test guest
	@$(MAKE) --no-print-directory all
	@$(MAKE) --no-print-directory $O/ipam/test/test_ipam_threads
	@BERTH_IPAM_OPS=1000000 integration/lib/box $O/soak-ipam $O/ipam/test/test_ipam_threads
	@SOAK=1 integration/run --build $O soak scale upgrade vm/ kill volumes/t-thin- ebpf/t-again \
		encrypted-cluster snapshots-shared bridge/t-rate many-are-listed
	@IPAM=berth-ipam integration/run --build $O docker/t-publish docker/t-compose \
		docker/t-daemon docker/t-reboot docker/t-network-rm isolation/t-from bridge/t-
	@integration/ci integration-asan
deps:
	@integration/deps build run test guest

layers:
	@integration/checks/layers
format-check:
	@integration/checks/format
shellcheck:
	@integration/checks/shell
check-integration: all
	@integration/run --build $O
check-san:
	@$(MAKE) --no-print-directory SAN=address,undefined check
check-tsan:
	@$(MAKE) --no-print-directory SAN=thread check

# All tests built, none run (the second compiler's turn).
tests: $(patsubst %.c,$O/%,$(tests))
print-tests:
	@echo $(tests)

product-src := $(ar-src) $(foreach b,$(bins),$($b-main))
analyze: fanalyzer tidy cppcheck

# "make analyze CHANGED=1": what was not seen by them yet (checks/changed).
ifeq ($(CHANGED),1)
product-src := $(shell integration/checks/changed $(product-src))
endif

# What is known to be wrong with their reports: checks/analyze.known.
export CPPFLAGS
fanalyzer: | $(skel)
	@[ -z "$(product-src)" ] || integration/checks/analyze gcc $(product-src)
tidy: | $(skel)
	@[ -z "$(product-src)" ] || integration/checks/analyze tidy $(product-src)
cppcheck:
	@[ -z "$(product-src)" ] || integration/checks/analyze cppcheck $(product-src)
.PHONY: demo test soak deps layers format-check shellcheck check-integration \
	check-san check-tsan tests print-tests analyze fanalyzer tidy cppcheck

# Figures, each against a peer and against a limit: half an hour, on a quiet machine.
# bench-quick: does each path work?  bench-docs: bench, and its tables into
# docs/performance.md.
bench: all
	@bench/run --build $O
bench-quick: all
	@bench/run --build $O --quick
bench-docs: all
	@bench/run --build $O; rc=$$?; bench/docs $O && exit $$rc
.PHONY: bench bench-quick bench-docs
