# One target a parser; its corpus lies beside it, crashes become files there.
# One a line: two branches that add one each are merged line by line.
fuzzers :=
fuzzers += fuzz_dhcp
fuzzers += fuzz_dns
fuzzers += fuzz_etcd
fuzzers += fuzz_image
fuzzers += fuzz_request
fuzzers += fuzz_text
FUZZ_S ?= 60

# Each that is there is run.
ifneq ($(sort $(fuzzers)),$(sort $(notdir $(basename $(wildcard fuzz/fuzz_*.c)))))
$(error fuzz/dir.mk does not list the targets that fuzz/ has)
endif

fuzz: | $(skel)
	@$(MAKE) --no-print-directory CC=clang O=build-fuzz \
		SAN=fuzzer-no-link,address,undefined $(fuzzers:%=run-%)

fuzz-build: | $(skel)
	@$(MAKE) --no-print-directory CC=clang O=build-fuzz \
		SAN=fuzzer-no-link,address,undefined $(fuzzers:%=build-fuzz/fuzz/%)

# With -j as many at a time as there are jobs.
$(fuzzers:%=run-%): run-fuzz_%: $O/fuzz/fuzz_%
	$Q$< -max_total_time=$(FUZZ_S) -verbosity=0 -print_final_stats=1 -max_len=4096 \
		-artifact_prefix=fuzz/corpus/$*/ $O/fuzz/corpus-$* fuzz/corpus/$* >$<.log 2>&1; \
		rc=$$?; cat $<.log; exit $$rc

$(fuzzers:%=$O/fuzz/%): $O/fuzz/%: $O/fuzz/%.o $O/berth.a
	$(call say,LD)
	$Qmkdir -p $O/fuzz/corpus-$(*:fuzz_%=%)
	$Q$(CC) -fsanitize=fuzzer,address,undefined $(LDFLAGS) $^ -o $@ $(LDLIBS)
.PHONY: fuzz fuzz-build $(fuzzers:%=run-%)
