tools += tcpbench
tcpbench-main := bench/tcpbench.c
