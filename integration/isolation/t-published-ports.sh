#!/bin/bash
# 10 001 ports as one range, one port on several host addresses, hairpin, and UDP
# flows that follow the container: each reached from everywhere, and nothing
# beside it.
. "${0%/*}/../lib/lib.sh"
. "$IT/lib/iso.sh"

berth_host
ip addr add 192.0.2.3/24 dev up1
docker network create -d berth-bridge --ipv6 --subnet 10.65.0.0/24 \
	--subnet fd00:65::/64 n1 >/dev/null
docker network create -d berth-bridge --subnet 10.66.0.0/24 n2 >/dev/null

# The range.
elements() {
	nft list table inet berth-bridge | grep -o ' : ' | wc -l
}
before=$(elements)
container wide n1 -p 30000-40000:30000-40000
us=$(metrics berth-bridge NetworkDriver.ProgramExternalConnectivity MaxUs)
at_most "$us" 1000000 "publishing 10001 ports, us"
at_most $(($(elements) - before)) 4 "elements for 10001 ports"
in_background listen-range.log nsenter "--net=/proc/${BOX[wide]}/ns/net" -- \
	"$IT/lib/probe" listen wide 29999 30000 35000 40000 40001
range=$PID
wait_until 5 grep -q ready "$DIR/listen-range.log"
container near n1
container far n2
listening
for place in lan near far wide host; do
	asks $place <<-'END'
	tcp/192.0.2.1/30000             wide
	udp/192.0.2.1/30000             refused
	tcp/192.0.2.1/35000             wide
	tcp/192.0.2.1/40000             wide
	tcp/192.0.2.1/29999             refused
	tcp/192.0.2.1/40001             refused
	END
done
asks host <<'END'
	tcp/127.0.0.1/30000             wide
	tcp/127.0.0.1/40000             wide
	tcp/::1/35000                   wide
	tcp/127.0.0.1/40001             refused
END
end "$range"
docker rm -f wide >/dev/null
same "$(elements)" "$before" "elements after"
asks lan <<<'tcp/192.0.2.1/30000 refused'

# One port, many addresses.
container a1 n1 -p 192.0.2.1:8081:80 -p 192.0.2.1:8081:80/udp
container a3 n1 -p 192.0.2.3:8081:80 -p 192.0.2.3:8081:80/udp
container lo4 n1 -p 127.0.0.1:8081:80 -p 127.0.0.1:8081:80/udp
container lo6 n1 -p '[::1]:8081:80' -p '[::1]:8081:80/udp'
container six n1 -p '[2001:db8:2::1]:8081:80' -p '[2001:db8:2::1]:8081:80/udp'
listening
addresses() { # WHO-ON-192.0.2.1
	asks lan <<-END
	tcp/192.0.2.1/8081              $1
	udp/192.0.2.1/8081              $1
	tcp/192.0.2.3/8081              a3 192.0.2.2
	udp/192.0.2.3/8081              a3 192.0.2.2
	tcp/2001:db8:2::1/8081          six 2001:db8:2::2
	udp/2001:db8:2::1/8081          six 2001:db8:2::2
	END
	asks host <<-END
	tcp/192.0.2.1/8081              $1
	tcp/192.0.2.3/8081              a3
	udp/192.0.2.3/8081              a3
	tcp/127.0.0.1/8081              lo4
	udp/127.0.0.1/8081              lo4
	tcp/::1/8081                    lo6
	udp/::1/8081                    lo6
	tcp/2001:db8:2::1/8081          six
	END
	for c in near a3; do
		asks $c <<-END
		tcp/192.0.2.1/8081              $1
		tcp/192.0.2.3/8081              a3
		udp/192.0.2.3/8081              a3
		tcp/2001:db8:2::1/8081          six
		END
	done
}
addresses a1
# One is freed, the others stay; somebody else takes it.
docker rm -f a1 >/dev/null
addresses refused
container new n2 -p 192.0.2.1:8081:80 -p 192.0.2.1:8081:80/udp
listening
addresses new

# A UDP client that keeps its port follows the port's container: from nobody, to
# one, to the next.
same_port() {
	ns lan python3 - "$@" <<-'END'
	import socket, sys
	s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
	s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
	s.bind(("192.0.2.2", 5555))
	s.connect(("192.0.2.1", 8082))
	s.settimeout(1)
	for _ in range(2):
	    try:
	        s.send(b"x")
	        print(s.recv(99).decode().strip())
	        break
	    except OSError:
	        pass
	else:
	    print("nobody")
	END
}
same "$(same_port)" nobody
container first n1 -p 8082:80/udp
listening
same "$(same_port)" "first 192.0.2.2"
docker rm -f first >/dev/null
same "$(same_port)" nobody
container second n2 -p 8082:80/udp
listening
same "$(same_port)" "second 192.0.2.2"
docker restart -t 0 second >/dev/null
BOX["second"]=$(pid_of second)
in_background listen-second.log nsenter "--net=/proc/${BOX["second"]}/ns/net" -- \
	"$IT/lib/probe" listen second 80
wait_until 5 grep -q ready "$DIR/listen-second.log"
same "$(same_port)" "second 192.0.2.2"
