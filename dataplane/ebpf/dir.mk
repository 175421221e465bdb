ar-src += dataplane/ebpf/pin.c
ar-src += dataplane/ebpf/sock.c
ar-src += dataplane/ebpf/sock_entry.c
tests += dataplane/ebpf/test/test_sock.c
tests += dataplane/ebpf/test/test_sock_entry.c
ar-src += dataplane/ebpf/test/host.c
ar-src += dataplane/ebpf/reinject.c
tests += dataplane/ebpf/test/test_reinject.c
