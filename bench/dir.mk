tools += tcpbench
tcpbench-main := bench/tcpbench.c
tools += ipam-pool
ipam-pool-main := bench/ipam_pool.c
tools += publish
publish-main := bench/publish.c
tools += cluster-scale
cluster-scale-main := bench/cluster_scale.c
