bpf-src += bpf/sock.bpf.c
bpf-src += bpf/reinject.bpf.c
bpf-src += bpf/guard.bpf.c
bpf-src += bpf/publish.bpf.c
