ar-src += dataplane/nft/ruleset.c
ar-src += dataplane/nft/ruleset_sets.c
ar-src += dataplane/nft/ruleset_inet.c
ar-src += dataplane/nft/ruleset_bridge.c
ar-src += dataplane/nft/ruleset_elems.c
ar-src += dataplane/nft/foreign.c
tests += dataplane/test/test_foreign.c
