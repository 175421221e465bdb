#!/bin/bash
# Every daemon has its figures at /metrics of its own socket, in a form that Prometheus's own
# client library reads, and they are what there is.
. "${0%/*}/../lib/lib.sh"
need curl jq python3

for d in "${DAEMONS[@]}"; do
	start_daemon "$d"
done
api NetworkDriver.CreateNetwork '{"NetworkID":"aa11","Options":
	{"com.docker.network.enable_ipv6":false,"com.docker.network.generic":
	{"berth.dataplane":"ebpf"}},"IPv6Data":[],
	"IPv4Data":[{"Pool":"10.77.0.0/24","Gateway":"10.77.0.1/24"}]}' berth-bridge
for n in 2 3; do
	api NetworkDriver.CreateEndpoint "{\"NetworkID\":\"aa11\",\"EndpointID\":\"bb2$n\",
		\"Interface\":{\"Address\":\"10.77.0.$n/24\"}}" berth-bridge
done
api VolumeDriver.Create '{"Name":"a"}' berth-named
api VolumeDriver.Create '{"Name":"b","Opts":{"size":"1m"}}' berth-tmpfs
api VolumeDriver.Mount '{"Name":"b","ID":"x"}' berth-tmpfs
api IpamDriver.RequestPool '{"Pool":"10.78.0.0/24"}' berth-ipam
api IpamDriver.RequestAddress '{"PoolID":"berth-local/10.78.0.0/24"}' berth-ipam
api IpamDriver.RequestPool '{"Pool":"fd00:78::/64","V6":true}' berth-ipam
api NetworkDriver.DeleteNetwork '{"NetworkID":"none"}' berth-bridge || :

page() { # DAEMON
	curl -sS --fail --unix-socket "$(sock "$1")" http://d/metrics
}
for d in "${DAEMONS[@]}"; do
	page "$d" >"$d.prom"
done
cat >read.py <<'END'
"""FILE... - as Prometheus reads them: NAME{LABEL="VALUE",...} VALUE, sorted."""
import sys
from prometheus_client.parser import text_string_to_metric_families as families

for path in sys.argv[1:]:
    seen = set()
    for f in families(open(path).read()):
        assert f.documentation, f.name
        for s in f.samples:
            labels = ",".join('%s="%s"' % l for l in sorted(s.labels.items()))
            one = "%s{%s}" % (s.name, labels)
            assert one not in seen, one
            seen.add(one)
            print(one, "%g" % s.value)
END
python3 read.py ./*.prom | sort >all
has() { # SAMPLE - with its value
	grep -qxF -- "$1" all || fail "no sample: $1" "$(grep -F -- "${1%%\{*}" all)"
}
for d in "${DAEMONS[@]}"; do
	has "berth_build_info{driver=\"$d\",version=\"$("$BIN/$d" --version | cut -d' ' -f2)\"} 1"
	has "berth_connections{driver=\"$d\"} 1"
	kib=$(awk '/^VmRSS/ { print $2 }' "/proc/${DAEMON_PID[$d]}/status")
	got=$(awk -v d="berth_resident_bytes{driver=\"$d\"}" '$1 == d { printf "%d", $2 / 1024 }' all)
	[ "$got" -gt $((kib / 2)) ] && [ "$got" -lt $((kib * 2)) ] ||
		fail "$d says it has $got KiB, the kernel $kib"
done
has 'berth_networks{driver="berth-bridge"} 1'
has 'berth_networks{driver="berth-macvlan"} 0'
bridge=$(api Berth.Networks '{}' berth-bridge | jq -r '.Networks[0].Bridge')
has "berth_network_endpoints{bridge=\"$bridge\",dataplane=\"ebpf\",driver=\"berth-bridge\",network=\"aa11\"} 2"
has 'berth_ports{driver="berth-bridge"} 0'
has 'berth_volumes{driver="berth-named"} 1'
has 'berth_volume_users{driver="berth-named",volume="a"} 0'
has 'berth_volume_users{driver="berth-tmpfs",volume="b"} 1'
has 'berth_volume_limit_bytes{driver="berth-tmpfs",volume="b"} 1.04858e+06'
has 'berth_volume_used_bytes{driver="berth-tmpfs",volume="b"} 0'
has 'berth_pools{driver="berth-ipam"} 2'
has 'berth_pool_leases{driver="berth-ipam",pool="berth-local/10.78.0.0/24"} 1'
has 'berth_pool_size{driver="berth-ipam",pool="berth-local/10.78.0.0/24"} 254'
has 'berth_requests_total{driver="berth-bridge",method="NetworkDriver.CreateEndpoint"} 2'
has 'berth_request_seconds_count{driver="berth-bridge",method="NetworkDriver.CreateEndpoint"} 2'
has 'berth_request_seconds_bucket{driver="berth-bridge",le="+Inf",method="NetworkDriver.CreateEndpoint"} 2'
has 'berth_request_errors_total{driver="berth-bridge",method="NetworkDriver.CreateEndpoint"} 0'
# Asking is no request of a driver's.
same "$(grep 'method="metrics"' all || :)" ''

# All of them as one page, printed and served.
"$NETCTL" metrics >joined.prom
python3 read.py joined.prom >joined
same "$(grep -c '^berth_up{' joined)" "${#DAEMONS[@]}"
same "$(grep '^berth_networks\|^berth_volumes\|^berth_pools' joined | sort)" \
	"$(grep '^berth_networks\|^berth_volumes\|^berth_pools' all)"
(umask 077 && head -c 24 /dev/urandom | base64 >token)
fails_with 'not a loopback address' "$NETCTL" metrics --listen 192.0.2.1:9186 --token-file token
fails_with 'not a loopback address' "$NETCTL" metrics --listen 0.0.0.0:9186 --token-file token
fails_with 'needs --token-file' "$NETCTL" metrics --listen 127.0.0.1:9186
install -m 644 token open
fails_with 'chmod 600' "$NETCTL" metrics --listen 127.0.0.1:9186 --token-file open
(umask 077 && echo short >short)
fails_with '16 to 254 characters' "$NETCTL" metrics --listen 127.0.0.1:9186 --token-file short
status() { # URL [FLAG...]
	curl -s -o got -w '%{http_code}' --max-time 10 "${@:2}" "$1"
}
for at in 127.0.0.1 '[::1]'; do
	in_background served.log "$NETCTL" metrics --listen "$at:0" --token-file token
	server=$PID
	told() {
		grep -q 'on port' served.log
	}
	wait_until 10 told
	url=http://$at:$(sed -n 's/.* on port //p' served.log)
	auth="Authorization: Bearer $(cat token)"
	same "$(status "$url/metrics")" 401 'without a token'
	same "$(status "$url/metrics" -H "${auth%?}")" 401 'with a part of it'
	same "$(status "$url/metrics" -H "$auth")" 200
	python3 read.py got >served
	same "$(sed 's/ .*//' served | grep -v le=)" "$(sed 's/ .*//' joined | grep -v le=)" 'what is served'
	same "$(status "$url/" -H "$auth")" 404
	same "$(status "$url/metrics" -H "$auth" -d x)" 405
	kill -TERM "$server"
	wait "$server"
done

# One that hangs is told, and the others are there.
kill -STOP "${DAEMON_PID[berth-tmpfs]}"
"$NETCTL" metrics --timeout 1s >joined.prom 2>told
kill -CONT "${DAEMON_PID[berth-tmpfs]}"
contains "$(cat told)" 'no answer in time'
python3 read.py joined.prom >all
has 'berth_up{driver="berth-tmpfs"} 0'
has 'berth_up{driver="berth-bridge"} 1'

# A published port is counted with eBPF.
api NetworkDriver.Join '{"NetworkID":"aa11","EndpointID":"bb22","SandboxKey":"/proc/self/ns/net"}' \
	berth-bridge
api NetworkDriver.ProgramExternalConnectivity '{"NetworkID":"aa11","EndpointID":"bb22","Options":
	{"com.docker.network.portmap":[{"Proto":6,"IP":"","Port":80,"HostIP":"","HostPort":8080,
	"HostPortEnd":8080}]}}' berth-bridge
page berth-bridge >berth-bridge.prom
python3 read.py berth-bridge.prom >all
has 'berth_ports{driver="berth-bridge"} 1'
labels='driver="berth-bridge",endpoint="bb22",host_first="8080",host_ip="",host_last="8080"'
labels+=',network="aa11",proto="tcp"'
has "berth_port_flows_total{$labels} 0"
has "berth_port_received_bytes_total{$labels} 0"

api NetworkDriver.RevokeExternalConnectivity '{"NetworkID":"aa11","EndpointID":"bb22"}' berth-bridge
api NetworkDriver.Leave '{"NetworkID":"aa11","EndpointID":"bb22"}' berth-bridge
for n in 2 3; do
	api NetworkDriver.DeleteEndpoint "{\"NetworkID\":\"aa11\",\"EndpointID\":\"bb2$n\"}" \
		berth-bridge
done
api NetworkDriver.DeleteNetwork '{"NetworkID":"aa11"}' berth-bridge
api VolumeDriver.Unmount '{"Name":"b","ID":"x"}' berth-tmpfs
api VolumeDriver.Remove '{"Name":"b"}' berth-tmpfs
api VolumeDriver.Remove '{"Name":"a"}' berth-named
api IpamDriver.ReleasePool '{"PoolID":"berth-local/10.78.0.0/24"}' berth-ipam
api IpamDriver.ReleasePool '{"PoolID":"berth-local/fd00:78::/64"}' berth-ipam
for d in "${DAEMONS[@]}"; do
	stop_daemon "$d"
done
