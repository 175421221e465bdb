# One target a parser; its corpus lies beside it, crashes become files there.
fuzzers := fuzz_dhcp fuzz_request fuzz_text fuzz_dns
fuzzers := fuzz_request fuzz_text fuzz_etcd fuzz_dns
FUZZ_S  ?= 60

fuzz: | $(skel)
	@$(MAKE) --no-print-directory CC=clang O=build-fuzz \
		SAN=fuzzer-no-link,address,undefined $(fuzzers:%=build-fuzz/fuzz/%)
	@for f in $(fuzzers); do \
		build-fuzz/fuzz/$$f -max_total_time=$(FUZZ_S) -verbosity=0 \
			-print_final_stats=1 -max_len=4096 \
			-artifact_prefix=fuzz/corpus/$${f#fuzz_}/ \
			build-fuzz/fuzz/corpus-$${f#fuzz_} fuzz/corpus/$${f#fuzz_} || exit 1; \
	done

$(fuzzers:%=$O/fuzz/%): $O/fuzz/%: $O/fuzz/%.o $O/berth.a
	$(call say,LD)
	$Qmkdir -p $O/fuzz/corpus-$(*:fuzz_%=%)
	$Q$(CC) -fsanitize=fuzzer,address,undefined $(LDFLAGS) $^ -o $@ $(LDLIBS)
.PHONY: fuzz
