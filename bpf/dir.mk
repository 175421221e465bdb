bpf-src += bpf/sock.bpf.c
