ar-src += dataplane/portmap.c
ar-src += dataplane/state.c
ar-src += dataplane/claim.c
ar-src += dataplane/claim_range.c
ar-src += dataplane/dataplane.c
ar-src += dataplane/publish.c
ar-src += dataplane/watch.c
tests += dataplane/test/test_nft.c
