ar-src += ipam/pool.c
ar-src += ipam/runs.c
tests += ipam/test/test_pool.c
