ar-src += dataplane/ebpf/pin.c
ar-src += dataplane/ebpf/sock.c
ar-src += dataplane/ebpf/sock_entry.c
