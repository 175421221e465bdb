/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What publish.bpf.c's programs make of packets: a packet in, a verdict and a
 * packet out, with its checksums.  publish_env.h says what is published where.
 */
#include "dataplane/ebpf/test/publish_env.h"

#include <linux/types.h>
#include <stdio.h>
#include <string.h>

#include "bpf/nat_map.h"
#include "lib/base.h"
#include "lib/test/test.h"

struct row {
	const char *name, *steps;
};

/* clang-format off */
#define C4	 "192.0.2.2:5000"
#define C6	 "[fd02::2]:5000"

/* its bridge has heard of v3, and need not again for a while */
#define LEARNT	 "E3 tcp 10.6.0.2:80>10.6.0.1:9 A => pass\nE3 tcp 10.6.0.2:80>10.6.0.1:9 A => up\n"

/* one packet, or a question and its answer */
static const struct row wire[] = {
	{ "tcp", "U tcp " C4 ">192.0.2.1:8080 S => peer tcp " C4 ">10.9.0.2:80 S ttl=63\n"
		 "E tcp 10.9.0.2:80>" C4 " SA => wire tcp 192.0.2.1:8080>" C4 " SA ttl=63" },
	{ "tcp, IPv6", "U tcp " C6 ">[fd02::1]:8080 S => peer tcp " C6 ">[fd09::2]:80 S ttl=63\n"
		       "E tcp [fd09::2]:80>" C6 " SA => wire tcp [fd02::1]:8080>" C6 " SA ttl=63" },
	{ "udp", "U udp " C4 ">192.0.2.1:5353 => peer udp " C4 ">10.9.0.2:53 ttl=63\n"
		 "E udp 10.9.0.2:53>" C4 " => wire udp 192.0.2.1:5353>" C4 " ttl=63" },
	{ "udp, IPv6", "U udp " C6 ">[fd02::1]:5353 => peer udp " C6 ">[fd09::2]:53 ttl=63\n"
		       "E udp [fd09::2]:53>" C6 " => wire udp [fd02::1]:5353>" C6 " ttl=63" },
	{ "udp without checksum stays so",
	  "U udp " C4 ">192.0.2.1:5353 nosum => peer udp " C4 ">10.9.0.2:53 ttl=63 nosum" },
	{ "a wrong checksum stays wrong",
	  "U udp " C4 ">192.0.2.1:5353 badsum => peer udp " C4 ">10.9.0.2:53 ttl=63 badsum" },
	{ "a wrong checksum stays wrong: tcp, IPv6",
	  "U tcp " C6 ">[fd02::1]:8080 S badsum => peer tcp " C6 ">[fd09::2]:80 S ttl=63 badsum" },
	{ "udp of odd length", "U udp " C4 ">192.0.2.1:5353 len=7 => peer udp " C4 ">10.9.0.2:53 ttl=63" },
	{ "udp, empty", "U udp " C4 ">192.0.2.1:5353 len=0 => peer udp " C4 ">10.9.0.2:53 ttl=63" },
	{ "sctp, same port", "U sctp 192.0.2.2:7>192.0.2.1:7777 init => peer sctp 192.0.2.2:7>10.9.0.2:7777 init ttl=63\n"
			     "E sctp 10.9.0.2:7777>192.0.2.2:7 data => wire sctp 192.0.2.1:7777>192.0.2.2:7 data ttl=63" },
	{ "sctp, another port: nftables' part", "U sctp 192.0.2.2:7>192.0.2.1:7778 init => pass" },
	{ "sctp, not the first chunk", "U sctp 192.0.2.2:7>192.0.2.1:7777 data => pass" },
	{ "sctp, IPv6", "U sctp [fd02::2]:7>[fd02::1]:7777 init => peer sctp [fd02::2]:7>[fd09::2]:7777 init ttl=63" },
	{ "another address of the host", "U tcp " C4 ">10.9.0.1:8080 S => peer tcp " C4 ">10.9.0.2:80 S ttl=63" },
	{ "on one address", "U tcp " C4 ">192.0.2.1:9090 S => peer tcp " C4 ">10.8.0.2:90 S ttl=63" },
	{ "on one address, asked on another", "U tcp " C4 ">10.9.0.1:9090 S => pass" },
	{ "in a range", "U tcp " C4 ">192.0.2.1:20000 S => peer tcp " C4 ">10.9.0.2:20000 S ttl=63" },
	{ "first of a range", "U tcp " C4 ">192.0.2.1:19968 S => peer tcp " C4 ">10.9.0.2:19968 S ttl=63" },
	{ "last of a range", "U tcp " C4 ">192.0.2.1:20223 S => peer tcp " C4 ">10.9.0.2:20223 S ttl=63" },
	{ "before a range", "U tcp " C4 ">192.0.2.1:19967 S => pass" },
	{ "after a range", "U tcp " C4 ">192.0.2.1:20224 S => pass" },
	{ "in a shifted range", "U tcp " C4 ">192.0.2.1:21010 S => peer tcp " C4 ">10.9.0.2:1010 S ttl=63\n"
				"E tcp 10.9.0.2:1010>" C4 " SA => wire tcp 192.0.2.1:21010>" C4 " SA ttl=63" },
	{ "in a range, IPv6", "U tcp " C6 ">[fd02::1]:21023 S => peer tcp " C6 ">[fd09::2]:1023 S ttl=63" },
	{ "the other protocol", "U udp " C4 ">192.0.2.1:8080 => pass" },
	{ "not published", "U tcp " C4 ">192.0.2.1:8081 S => pass" },
	{ "port 0", "U tcp " C4 ">192.0.2.1:0 S => pass" },
	{ "IPv6 from an IPv4-mapped address", "U tcp [::ffff:127.0.0.1]:5000>[fd02::1]:8080 S => pass" },
	{ "IPv6 to an IPv4-mapped address", "U tcp " C6 ">[::ffff:192.0.2.1]:8080 S => pass" },
	{ "IPv6 to a container without it", "U tcp " C6 ">[fd02::1]:9091 S => pass" },
	{ "to what is the host's by a route alone", "U tcp " C4 ">198.18.0.7:8080 S => peer tcp " C4 ">10.9.0.2:80 S ttl=63\n"
		"E tcp 10.9.0.2:80>" C4 " SA => wire tcp 198.18.0.7:8080>" C4 " SA ttl=63\nU tcp " C4 ">198.18.0.7:8081 S => pass" },
	{ "to what is the host's by a route alone: udp", "U udp " C4 ">198.18.0.7:5353 => peer udp " C4 ">10.9.0.2:53 ttl=63\n"
		"E udp 10.9.0.2:53>" C4 " => wire udp 198.18.0.7:5353>" C4 " ttl=63" },
	{ "to what is the host's by a route alone, IPv6", "U tcp " C6 ">[fd18::7]:8080 S => peer tcp " C6 ">[fd09::2]:80 S ttl=63\n"
		"E tcp [fd09::2]:80>" C6 " SA => wire tcp [fd18::7]:8080>" C6 " SA ttl=63" },
	{ "to what is the host's by a route of another table", "U tcp " C4 ">198.18.1.7:8080 S => peer *" },
	{ "from what is the host's by a route alone", "U tcp 198.18.0.7:5000>192.0.2.1:8080 S => pass" },
	{ "to the host's loopback", "U tcp " C4 ">127.0.0.1:8080 S => pass\nU udp " C4 ">127.0.0.1:5353 => pass\nU tcp " C4 ">127.9.9.9:8080 S => pass\n"
		"U tcp " C6 ">[::1]:8080 S => pass\nU tcp " C6 ">[::]:8080 S => pass" },
	{ "from a loopback", "U tcp 127.0.0.1:5000>192.0.2.1:8080 S => pass\nU tcp [::1]:5000>[fd02::1]:8080 S => pass" },
	{ "routed through the host", "U tcp " C4 ">198.51.100.7:8080 S => pass" },
	{ "straight to the container", "U tcp " C4 ">10.9.0.2:80 S => pass" },
	{ "of a network that nftables serves", "U tcp " C4 ">192.0.2.1:6000 S => pass" },
	{ "of an internal network", "U tcp " C4 ">192.0.2.1:6100 S => pass" },
	{ "no first packet: ACK", "U tcp " C4 ">192.0.2.1:8080 A => pass" },
	{ "no first packet: SYN ACK", "U tcp " C4 ">192.0.2.1:8080 SA => pass" },
	{ "no first packet: RST", "U tcp " C4 ">192.0.2.1:8080 R => pass" },
	{ "no first packet: FIN", "U tcp " C4 ">192.0.2.1:8080 F => pass" },
	{ "no first packet: SYN FIN", "U tcp " C4 ">192.0.2.1:8080 SF => pass" },
	{ "no first packet: SYN RST", "U tcp " C4 ">192.0.2.1:8080 SR => pass" },
	{ "its hops end here", "U tcp " C4 ">192.0.2.1:8080 S ttl=1 => pass" },
	{ "no hops left", "U tcp " C4 ">192.0.2.1:8080 S ttl=0 => pass" },
	{ "its last hop but one", "U tcp " C4 ">192.0.2.1:8080 S ttl=2 => peer tcp " C4 ">10.9.0.2:80 S ttl=1" },
	{ "its hops end here, IPv6", "U tcp " C6 ">[fd02::1]:8080 S ttl=1 => pass" },
	{ "as many hops as there are", "U tcp " C4 ">192.0.2.1:8080 S ttl=255 => peer tcp " C4 ">10.9.0.2:80 S ttl=254" },
	{ "IPv4 options", "U tcp " C4 ">192.0.2.1:8080 S opt=8 => peer tcp " C4 ">10.9.0.2:80 S ttl=63 opt=8" },
	{ "as many IPv4 options as there can be",
	  "U udp " C4 ">192.0.2.1:5353 opt=40 => peer udp " C4 ">10.9.0.2:53 ttl=63 opt=40" },
	{ "IPv6 hop-by-hop options", "U tcp " C6 ">[fd02::1]:8080 S hops => peer tcp " C6 ">[fd09::2]:80 S ttl=63 ext=1" },
	{ "a chain of IPv6 headers", "U udp " C6 ">[fd02::1]:5353 hops dst=2 routing => peer udp " C6 ">[fd09::2]:53 ttl=63 ext=4" },
	{ "as many IPv6 headers as are walked",
	  "U udp " C6 ">[fd02::1]:5353 dst=6 => peer udp " C6 ">[fd09::2]:53 ttl=63 ext=6" },
	{ "one IPv6 header too many", "U udp " C6 ">[fd02::1]:5353 dst=7 => pass" },
	{ "cut off: Ethernet", "U tcp " C4 ">192.0.2.1:8080 S short=14 => not run: Invalid argument" },
	{ "cut off: in the IPv4 header", "U tcp " C4 ">192.0.2.1:8080 S short=33 => not run: Invalid argument" },
	{ "cut off: after the IPv4 header", "U tcp " C4 ">192.0.2.1:8080 S short=34 => pass" },
	{ "cut off: in the TCP header", "U tcp " C4 ">192.0.2.1:8080 S short=49 => pass" },
	{ "cut off: in the UDP ports", "U udp " C4 ">192.0.2.1:5353 short=37 => pass" },
	{ "cut off: in the IPv6 header", "U tcp " C6 ">[fd02::1]:8080 S short=53 => not run: Invalid argument" },
	{ "cut off: in an IPv6 option", "U tcp " C6 ">[fd02::1]:8080 S hops short=60 => pass" },
	{ "cut off: after IPv4 options", "U tcp " C4 ">192.0.2.1:8080 S opt=8 short=42 => pass" },
	{ "cut off: in an ICMP header", "U icmp 192.0.2.2>192.0.2.1 ask=7 short=40 => pass" },
	{ "something without ports", "U gre 192.0.2.2>192.0.2.1 => pass" },
	{ "something without ports, IPv6", "U gre fd02::2>fd02::1 => pass" },
	{ "ARP", "U arp 192.0.2.2>192.0.2.1 => pass" },
	{ "a VLAN's", "U tcp " C4 ">192.0.2.1:8080 S tag => pass" },
	{ "a ping to the host", "U icmp 192.0.2.2>192.0.2.1 ask=7 => pass" },
	{ "an answer that nobody asked for", "U icmp 192.0.2.2>192.0.2.1 answer=7 => pass" },
	{ "an ICMP of another kind", "U icmp 192.0.2.2>192.0.2.1 other => pass" },
	{ "neighbour discovery", "U icmp fd02::2>fd02::1 other => pass" },
	{ "not for this host's MAC", "U tcp " C4 ">192.0.2.1:8080 S elsewhere => pass" },
	{ "to everybody's MAC", "U udp " C4 ">192.0.2.1:5353 group => pass" },
	{ "from a container's address", "U tcp 10.9.0.2:5000>192.0.2.1:8080 S => drop forged" },
	{ "from an address of its network", "U tcp 10.9.0.77:5000>192.0.2.1:8080 S => drop forged" },
	{ "from another container's address", "U udp 10.8.0.2:5000>192.0.2.1:5353 => drop forged" },
	{ "from an address of somebody else's network", "U tcp 10.5.0.9:5000>192.0.2.1:8080 S => drop forged\nU udp 10.5.0.9:5000>192.0.2.1:5353 => drop forged" },
	{ "from somebody else's network", "U3 tcp 10.5.0.9:5000>192.0.2.1:8080 S => peer tcp 10.5.0.9:5000>10.9.0.2:80 S ttl=63\n"
		"U3 tcp 192.0.2.2:5000>10.5.0.1:8080 S => peer *" },
	{ "from a container's address, IPv6", "U tcp [fd09::2]:5000>[fd02::1]:8080 S => drop forged" },
	{ "from this host's address", "U tcp 192.0.2.1:5000>192.0.2.1:8080 S => pass" },
	{ "from loopback", "U tcp 127.0.0.1:5000>192.0.2.1:8080 S => pass" },
	{ "from a group", "U udp 224.0.0.1:5000>192.0.2.1:5353 => pass" },
	{ "from everybody", "U udp 255.255.255.255:5000>192.0.2.1:5353 => pass" },
	{ "from nobody", "U udp 0.0.0.0:5000>192.0.2.1:5353 => pass" },
	{ "from nobody, IPv6", "U udp [::]:5000>[fd02::1]:5353 => pass" },
	{ "from a group, IPv6", "U udp [ff02::1]:5000>[fd02::1]:5353 => pass" },
	{ "from an address of the link", "U tcp [fe80::7]:5000>[fd02::1]:8080 S => pass" },
	{ "an answer that can't be sent", "U tcp 203.0.114.9:5000>192.0.2.1:8080 S => pass" },
	{ "from beyond the gateway", "U tcp 198.51.100.7:5000>192.0.2.1:8080 S => peer tcp 198.51.100.7:5000>10.9.0.2:80 S ttl=63\n"
		"E tcp 10.9.0.2:80>198.51.100.7:5000 SA => wire tcp 192.0.2.1:8080>198.51.100.7:5000 SA ttl=63" },
	{ "a big one of a flow goes in as it is",
	  "U tcp " C4 ">192.0.2.1:8080 S => peer tcp " C4 ">10.9.0.2:80 S ttl=63\n"
	  "U tcp " C4 ">192.0.2.1:8080 len=1900 gso=900 => peer tcp " C4 ">10.9.0.2:80 ttl=63" },
};

static const struct row container[] = {
	{ "to the world: tcp", "E tcp 10.9.0.2:40000>198.51.100.7:443 S => wire tcp 192.0.2.1:*>198.51.100.7:443 S ttl=63\n"
			       "U tcp 198.51.100.7:443>192.0.2.1:$ SA => peer tcp 198.51.100.7:443>10.9.0.2:40000 SA ttl=63" },
	{ "to the world: udp", "E udp 10.9.0.2:40000>198.51.100.7:53 => wire udp 192.0.2.1:*>198.51.100.7:53 ttl=63\n"
			       "U udp 198.51.100.7:53>192.0.2.1:$ => peer udp 198.51.100.7:53>10.9.0.2:40000 ttl=63" },
	{ "to the world: tcp, IPv6", "E tcp [fd09::2]:40000>[fd77::7]:443 S => wire tcp [fd02::1]:*>[fd77::7]:443 S ttl=63\n"
				     "U tcp [fd77::7]:443>[fd02::1]:$ SA => peer tcp [fd77::7]:443>[fd09::2]:40000 SA ttl=63" },
	{ "to the world: udp, IPv6", "E udp [fd09::2]:40000>[fd77::7]:53 => wire udp [fd02::1]:*>[fd77::7]:53 ttl=63\n"
				     "U udp [fd77::7]:53>[fd02::1]:$ => peer udp [fd77::7]:53>[fd09::2]:40000 ttl=63" },
	{ "to the world: ping", "E icmp 10.9.0.2>198.51.100.7 ask=77 => wire icmp 192.0.2.1>198.51.100.7 ttl=63 ask=*\n"
				"U icmp 198.51.100.7>192.0.2.1 answer=$ => peer icmp 198.51.100.7>10.9.0.2 ttl=63 answer=77" },
	{ "to the world: ping, IPv6", "E icmp fd09::2>fd77::7 ask=77 => wire icmp fd02::1>fd77::7 ttl=63 ask=*\n"
				      "U icmp fd77::7>fd02::1 answer=$ => peer icmp fd77::7>fd09::2 ttl=63 answer=77" },
	{ "to another subnet of the link", "E tcp 10.9.0.2:40000>203.0.115.7:443 S => wire tcp 203.0.115.1:*>203.0.115.7:443 S ttl=63\n"
		"U tcp 203.0.115.7:443>203.0.115.1:$ SA => peer tcp 203.0.115.7:443>10.9.0.2:40000 SA ttl=63\n"
		"U tcp 203.0.115.7:443>192.0.2.1:$ SA => pass" },
	{ "by a router in another subnet of the link", "E udp 10.9.0.2:40000>203.0.116.7:53 => wire udp 203.0.115.1:*>203.0.116.7:53 ttl=63\n"
		"U udp 203.0.116.7:53>203.0.115.1:$ => peer udp 203.0.116.7:53>10.9.0.2:40000 ttl=63" },
	{ "to another subnet of the link: ping", "E icmp 10.9.0.2>203.0.115.7 ask=77 => wire icmp 203.0.115.1>203.0.115.7 ttl=63 ask=*\n"
		"U icmp 203.0.115.7>203.0.115.1 answer=$ => peer icmp 203.0.115.7>10.9.0.2 ttl=63 answer=77" },
	{ "to another subnet of the link, IPv6: by where it goes, not by the router",
	  "E tcp [fd09::2]:40000>[fd15::7]:443 S => wire tcp [fd15::1]:*>[fd15::7]:443 S ttl=63\n"
	  "U tcp [fd15::7]:443>[fd15::1]:$ SA => peer tcp [fd15::7]:443>[fd09::2]:40000 SA ttl=63\n"
	  "E tcp [fd09::2]:40000>[fd16::7]:443 S => wire tcp [fd02::1]:*>[fd16::7]:443 S ttl=63" },
	{ "its way changes to another subnet of the link, and it stays what it is",
	  "E tcp 10.9.0.2:40000>203.0.116.7:443 S => wire tcp 203.0.115.1:*>203.0.116.7:443 S ttl=63\n"
	  "U tcp 203.0.116.7:443>203.0.115.1:$ SA => peer tcp 203.0.116.7:443>10.9.0.2:40000 SA ttl=63\n"
	  "route change 203.0.116.0/24 via 192.0.2.254 => done\n"
	  "E tcp 10.9.0.2:40000>203.0.116.7:443 A => wire tcp 203.0.115.1:$>203.0.116.7:443 ttl=63\n"
	  "E udp 10.9.0.2:40000>203.0.116.7:53 => wire udp 192.0.2.1:*>203.0.116.7:53 ttl=63\n"
	  "route change 203.0.116.0/24 via 203.0.115.254 => done" },
	{ "the address of another subnet of the link goes, and so do its flows",
	  "E udp 10.9.0.2:40000>203.0.116.7:53 => wire udp 203.0.115.1:*>203.0.116.7:53 ttl=63\n"
	  "lose 203.0.115.1 => done\nE udp 10.9.0.2:40000>203.0.116.7:53 => pass\n"
	  "flow udp 10.9.0.2:40000>203.0.116.7:53 = none" },
	{ "to the world: sctp is nftables' part", "E sctp 10.9.0.2:7>198.51.100.7:7 init => pass" },
	{ "to the world: VXLAN is nftables' to judge", "E udp 10.9.0.2:40000>198.51.100.7:4789 => pass\n"
		"E udp [fd09::2]:40000>[fd77::7]:4789 => pass\nflow udp 10.9.0.2:40000>198.51.100.7:4789 = none" },
	{ "to the world: something without ports", "E gre 10.9.0.2>198.51.100.7 => pass" },
	{ "to the world: no first packet", "E tcp 10.9.0.2:40000>198.51.100.7:443 A => pass" },
	{ "to the world: an answer to nothing", "E icmp 10.9.0.2>198.51.100.7 answer=7 => pass" },
	{ "to the world: its hops end here", "E udp 10.9.0.2:40000>198.51.100.7:53 ttl=1 => pass" },
	{ "to the world: too big for the way", "E udp 10.9.0.2:40000>203.0.113.7:53 len=980 df => pass" },
	{ "to the world: too big for the way, and might be cut",
	  "E udp 10.9.0.2:40000>203.0.113.7:53 len=980 => told icmp 10.9.0.1>10.9.0.2 error { cut off }\n"
	  "flow udp 10.9.0.2:40000>203.0.113.7:53 = none" },
	{ "to the world: too big for the way, and IPv4 options", "E udp 10.9.0.2:40000>203.0.113.7:53 len=980 opt=4 => drop big" },
	{ "to the world: too big for the way, IPv6", "E udp [fd09::2]:40000>[fd13::7]:53 len=1300 => pass" },
	{ "too big for a way to whom no MAC is known of", "E udp 10.9.0.2:40000>192.0.2.77:53 len=1500 df => pass\n"
	  "E udp 10.9.0.2:40000>192.0.2.77:53 len=1500 => told icmp 10.9.0.1>10.9.0.2 error { cut off }\n"
	  "E udp 10.9.0.2:40000>192.0.2.77:53 len=1472 => wire udp 192.0.2.1:*>192.0.2.77:53 ttl=63" },
	{ "to the world: just not too big", "E udp 10.9.0.2:40000>203.0.113.7:53 len=972 => wire udp 192.0.2.1:*>203.0.113.7:53 ttl=63" },
	{ "to the world: segments too big for the way",
	  "E tcp 10.9.0.2:40000>203.0.113.7:443 S => wire tcp 192.0.2.1:*>203.0.113.7:443 S ttl=63\n"
	  "U tcp 203.0.113.7:443>192.0.2.1:$ SA => peer tcp 203.0.113.7:443>10.9.0.2:40000 SA ttl=63\n"
	  "E tcp 10.9.0.2:40000>203.0.113.7:443 len=1900 gso=1400 df => pass\n"
	  "E tcp 10.9.0.2:40000>203.0.113.7:443 len=1900 gso=1400 => told icmp 10.9.0.1>10.9.0.2 error { cut off }" },
	{ "to the world: segments that fit",
	  "E tcp 10.9.0.2:40000>203.0.113.7:443 S => wire tcp 192.0.2.1:*>203.0.113.7:443 S ttl=63\n"
	  "U tcp 203.0.113.7:443>192.0.2.1:$ SA => peer tcp 203.0.113.7:443>10.9.0.2:40000 SA ttl=63\n"
	  "E tcp 10.9.0.2:40000>203.0.113.7:443 len=1900 gso=960 => wire tcp 192.0.2.1:*>203.0.113.7:443 ttl=63" },
	{ "to the world: no way there", "E udp 10.9.0.2:40000>203.0.114.7:53 => pass" },
	{ "to the world from an internal network", "E3 tcp 10.6.0.2:40000>198.51.100.7:443 S => pass" },
	{ "to what is the host's by a route alone", "E udp 10.9.0.2:40000>198.18.0.7:53 => pass\nE tcp 10.9.0.2:40000>198.18.0.7:8080 S => pass\n"
		"flow udp 10.9.0.2:40000>198.18.0.7:53 = none" },
	{ "to what is the host's by a route alone, IPv6", "E udp [fd09::2]:40000>[fd18::7]:53 => pass\nE tcp [fd09::2]:40000>[fd18::7]:8080 S => pass" },
	{ "to what is the host's by a route of another table", "E udp 10.9.0.2:40000>198.18.1.7:53 => pass" },
	{ "to what becomes the host's by a route", "E udp 10.9.0.2:40000>198.51.100.7:53 => wire *\n"
		"route add local 198.51.100.7 dev lo => done\nE udp 10.9.0.2:40000>198.51.100.7:53 => pass\n"
		"route del local 198.51.100.7 dev lo => done" },
	{ "to its own network", "E tcp 10.9.0.2:40000>10.9.0.3:80 S => pass" },
	{ "to another network", "E tcp 10.9.0.2:40000>10.8.0.2:90 S => pass" },
	{ "to somebody else's network", "E tcp 10.9.0.2:40000>10.5.0.2:80 S => pass" },
	{ "to the host's wire", "E udp 10.9.0.2:40000>192.0.2.2:53 => wire udp 192.0.2.1:*>192.0.2.2:53 ttl=63" },
	{ "to everybody", "E udp 10.9.0.2:68>255.255.255.255:67 => pass" },
	{ "to a group", "E udp 10.9.0.2:5353>224.0.0.251:5353 => pass" },
	{ "to a group, IPv6", "E udp [fd09::2]:5353>[ff02::fb]:5353 => pass" },
	{ "to the host's own port", "E tcp 10.9.0.2:40000>10.9.0.1:22 S => pass" },
	{ "to the host's own port on the wire", "E tcp 10.9.0.2:40000>192.0.2.1:22 S => pass" },
	{ "a ping to the gateway", "E icmp 10.9.0.2>10.9.0.1 ask=7 => pass" },
	{ "within a connection of this host", "E3 tcp 10.6.0.2:80>10.6.0.1:40000 SA => pass\nE3 tcp 10.6.0.2:80>10.6.0.1:40000 SA => up\nE3 tcp 10.6.0.2:80>10.6.0.1:40000 A len=1460 => up\n"
		"E3 tcp 10.6.0.2:80>10.6.0.1:40000 FA => up\nE3 tcp 10.6.0.2:80>10.6.0.1:40000 R => up" },
	{ "within a connection of this host, IPv6", "E3 tcp [fd06::2]:80>[fd06::1]:40000 SA => pass\nE3 tcp [fd06::2]:80>[fd06::1]:40000 SA => up\nE3 tcp [fd06::2]:80>[fd06::1]:40000 A len=1440 => up" },
	{ "within a connection of this host: its bridge hears of it now and then", LEARNT "wait 17s => done\n" LEARNT },
	{ "within a connection of this host: an aggregate", "E3 tcp 10.6.0.2:80>10.6.0.1:40000 SA => pass\nE3 tcp 10.6.0.2:80>10.6.0.1:40000 A len=1900 gso=1400 => up" },
	{ "within a connection of this host, in fragments", LEARNT "E3 tcp 10.6.0.2:80>10.6.0.1:40000 A first=7 => pass\nE3 tcp 10.6.0.2>10.6.0.1 later=7 => pass" },
	{ "within a connection of this host, to another MAC", LEARNT "E3 tcp 10.6.0.2:80>10.6.0.1:40000 A elsewhere => pass" },
	{ "within a connection of this host, to its address on the wire", LEARNT "E3 tcp 10.6.0.2:80>192.0.2.1:40000 A => pass" },
	{ "within a connection of this host, where no guard looks", "E tcp 10.9.0.2:80>10.9.0.1:40000 A => pass" },
	{ "to this host, no connection", LEARNT "E3 udp 10.6.0.2:53>10.6.0.1:40000 => pass\nE3 icmp 10.6.0.2>10.6.0.1 answer=7 => pass\nE3 tcp 10.6.0.2:80>10.6.0.1:40000 S => pass" },
	{ "to another network's gateway", "E tcp 10.9.0.2:40000>10.8.0.1:9091 S => drop gateway" },
	{ "a ping to another network's gateway", "E icmp 10.9.0.2>10.8.0.1 ask=7 => drop gateway" },
	{ "to a port of another network", "E tcp 10.9.0.2:40000>192.0.2.1:9090 S => peer tcp 10.9.0.2:40000>10.8.0.2:90 S ttl=63\n"
		"E2 tcp 10.8.0.2:90>10.9.0.2:40000 SA => peer tcp 192.0.2.1:9090>10.9.0.2:40000 SA ttl=63" },
	{ "to a port of its own network", "E tcp 10.9.0.2:40000>10.9.0.1:9091 S => peer tcp 10.9.0.2:40000>10.8.0.2:90 S ttl=63" },
	{ "to its own port", "E tcp 10.9.0.2:40000>192.0.2.1:8080 S => peer tcp 10.9.0.1:40000>10.9.0.2:80 S ttl=63\n"
		"E tcp 10.9.0.2:80>10.9.0.1:40000 SA => peer tcp 192.0.2.1:8080>10.9.0.2:40000 SA ttl=63" },
	{ "to its own port, udp", "E udp 10.9.0.2:40000>192.0.2.1:5353 => peer udp 10.9.0.1:40000>10.9.0.2:53 ttl=63\n"
		"E udp 10.9.0.2:53>10.9.0.1:40000 => peer udp 192.0.2.1:5353>10.9.0.2:40000 ttl=63" },
	{ "to its own port, IPv6", "E tcp [fd09::2]:40000>[fd02::1]:8080 S => peer tcp [fd09::1]:40000>[fd09::2]:80 S ttl=63\n"
		"E tcp [fd09::2]:80>[fd09::1]:40000 SA => peer tcp [fd02::1]:8080>[fd09::2]:40000 SA ttl=63" },
	{ "to a port from an internal network", "E3 tcp 10.6.0.2:40000>10.6.0.1:8080 S => pass" },
	{ "to a port that nftables serves", "E tcp 10.9.0.2:40000>192.0.2.1:6000 S => pass" },
	{ "to a port of an internal network", "E tcp 10.9.0.2:40000>192.0.2.1:6100 S => pass" },
	{ "a VLAN's", "E tcp 10.9.0.2:40000>198.51.100.7:443 S tag => pass" },
	{ "ARP", "E arp 10.9.0.2>10.9.0.1 => pass" },
	{ "cut off", "E tcp 10.9.0.2:40000>198.51.100.7:443 S short=45 => pass" },
};

static const struct row fragments[] = {
	{ "the first is too big for the way", "E udp 10.9.0.2:40000>203.0.113.7:53 first=7 len=980 => told icmp 10.9.0.1>10.9.0.2 error { cut off }\n"
		"E udp 10.9.0.2:0>203.0.113.7:0 later=7 len=980 => pass" },
	{ "the first is too big for the way, IPv6", "E udp [fd09::2]:40000>[fd13::7]:53 first=7 len=1300 => told icmp fd09::1>fd09::2 other" },
	{ "a later one is too big for the way", "E udp 10.9.0.2:40000>203.0.113.7:53 first=7 len=900 => wire *\n"
		"E udp 10.9.0.2:0>203.0.113.7:0 later=7 len=990 => drop big" },
	{ "the first finds, the rest follow",
	  "U udp " C4 ">192.0.2.1:5353 first=9 badsum => peer udp " C4 ">10.9.0.2:53 first=9 ttl=63 badsum\n"
	  "U udp 192.0.2.2>192.0.2.1 later=9 => peer udp 192.0.2.2>10.9.0.2 later=9 ttl=63" },
	{ "IPv6", "U udp " C6 ">[fd02::1]:5353 first=9 badsum => peer udp " C6 ">[fd09::2]:53 first=9 ttl=63 badsum\n"
		  "U udp fd02::2>fd02::1 later=9 => peer udp fd02::2>fd09::2 later=9 ttl=63" },
	{ "IPv6, after other headers",
	  "U udp " C6 ">[fd02::1]:5353 hops first=9 badsum => peer udp " C6 ">[fd09::2]:53 first=9 ttl=63 ext=1 badsum\n"
	  "U udp fd02::2>fd02::1 hops later=9 => peer udp fd02::2>fd09::2 later=9 ttl=63 ext=1" },
	{ "the answer in fragments",
	  "U udp " C4 ">192.0.2.1:5353 => peer udp *\n"
	  "E udp 10.9.0.2:53>" C4 " first=7 badsum => wire udp 192.0.2.1:5353>" C4 " first=7 ttl=63 badsum\n"
	  "E udp 10.9.0.2>192.0.2.2 later=7 => wire udp 192.0.2.1>192.0.2.2 later=7 ttl=63" },
	{ "to the world", "E udp 10.9.0.2:40000>198.51.100.7:53 first=5 badsum => wire udp 192.0.2.1:*>198.51.100.7:53 first=5 ttl=63 badsum\n"
			  "E udp 10.9.0.2>198.51.100.7 later=5 => wire udp 192.0.2.1>198.51.100.7 later=5 ttl=63" },
	{ "a later one without a first", "U udp 192.0.2.2>192.0.2.1 later=9 => pass" },
	{ "a later one of another packet",
	  "U udp " C4 ">192.0.2.1:5353 first=9 badsum => peer udp *\nU udp 192.0.2.2>192.0.2.1 later=8 => pass" },
	{ "a later one of another protocol",
	  "U udp " C4 ">192.0.2.1:5353 first=9 badsum => peer udp *\nU tcp 192.0.2.2>192.0.2.1 later=9 => pass" },
	{ "a later one from somebody else",
	  "U udp " C4 ">192.0.2.1:5353 first=9 badsum => peer udp *\nU udp 192.0.2.3>192.0.2.1 later=9 => pass" },
	{ "a later one, long after a first of that number",
	  "U udp " C4 ">192.0.2.1:5353 first=9 badsum => peer udp *\nwait 29s => done\n"
	  "U udp 192.0.2.2>192.0.2.1 later=9 => peer udp 192.0.2.2>10.9.0.2 later=9 ttl=63\nwait 2s => done\n"
	  "U udp 192.0.2.2>192.0.2.1 later=9 => pass\n"
	  "U udp " C4 ">192.0.2.1:5353 first=9 badsum => peer udp *\n"
	  "U udp 192.0.2.2>192.0.2.1 later=9 => peer udp *" },
	{ "of what is not published", "U udp " C4 ">192.0.2.1:5354 first=9 => pass\nU udp 192.0.2.2>192.0.2.1 later=9 => pass" },
	{ "cut off in the ports", "U udp " C4 ">192.0.2.1:5353 first=9 short=36 => pass" },
};

static const struct row errors[] = {
	{ "from a router, about an answer",
	  "U tcp " C4 ">192.0.2.1:8080 S => peer tcp *\n"
	  "U icmp 192.0.2.254>192.0.2.1 error { tcp 192.0.2.1:8080>" C4 " } => icmp-peer icmp "
	  "192.0.2.254>10.9.0.2 ttl=63 error { tcp 10.9.0.2:80>" C4 " }" },
	{ "from a router, about an answer, IPv6",
	  "U tcp " C6 ">[fd02::1]:8080 S => peer tcp *\n"
	  "U icmp fd02::fe>fd02::1 error { tcp [fd02::1]:8080>" C6 " } => icmp-peer icmp "
	  "fd02::fe>fd09::2 ttl=63 error { tcp [fd09::2]:80>" C6 " }" },
	{ "from the client itself",
	  "U udp " C4 ">192.0.2.1:5353 => peer udp *\n"
	  "U icmp 192.0.2.2>192.0.2.1 error { udp 192.0.2.1:5353>" C4 " } => icmp-peer icmp "
	  "192.0.2.2>10.9.0.2 ttl=63 error { udp 10.9.0.2:53>" C4 " }" },
	{ "from the container: nothing listens",
	  "U udp " C4 ">192.0.2.1:5353 => peer udp *\n"
	  "E icmp 10.9.0.2>192.0.2.2 error { udp " C4 ">10.9.0.2:53 } => icmp-wire icmp "
	  "192.0.2.1>192.0.2.2 ttl=63 error { udp " C4 ">192.0.2.1:5353 }" },
	{ "from the container: nothing listens, IPv6",
	  "U udp " C6 ">[fd02::1]:5353 => peer udp *\n"
	  "E icmp fd09::2>fd02::2 error { udp " C6 ">[fd09::2]:53 } => icmp-wire icmp "
	  "fd02::1>fd02::2 ttl=63 error { udp " C6 ">[fd02::1]:5353 }" },
	{ "from the world, about what was masqueraded",
	  "E udp 10.9.0.2:40000>198.51.100.7:53 => wire udp 192.0.2.1:*>198.51.100.7:53 ttl=63\n"
	  "U icmp 198.51.100.7>192.0.2.1 error { udp 192.0.2.1:$>198.51.100.7:53 } => icmp-peer icmp "
	  "198.51.100.7>10.9.0.2 ttl=63 error { udp 10.9.0.2:40000>198.51.100.7:53 }" },
	{ "from a router, about what was masqueraded, IPv6",
	  "E tcp [fd09::2]:40000>[fd77::7]:443 S => wire tcp [fd02::1]:*>[fd77::7]:443 S ttl=63\n"
	  "U icmp fd77::1>fd02::1 error { tcp [fd02::1]:$>[fd77::7]:443 } => icmp-peer icmp "
	  "fd77::1>fd09::2 ttl=63 error { tcp [fd09::2]:40000>[fd77::7]:443 }" },
	{ "about a ping that was masqueraded",
	  "E icmp 10.9.0.2>198.51.100.7 ask=77 => wire icmp 192.0.2.1>198.51.100.7 ttl=63 ask=*\n"
	  "U icmp 198.51.100.1>192.0.2.1 error { icmp 192.0.2.1>198.51.100.7 ask=$ } => icmp-peer icmp "
	  "198.51.100.1>10.9.0.2 ttl=63 error { icmp 10.9.0.2>198.51.100.7 ask=77 }" },
	{ "with IPv4 options inside",
	  "U udp " C4 ">192.0.2.1:5353 => peer udp *\n"
	  "U icmp 192.0.2.254>192.0.2.1 error { udp 192.0.2.1:5353>" C4 " opt=8 } => icmp-peer icmp "
	  "192.0.2.254>10.9.0.2 ttl=63 error { udp 10.9.0.2:53>" C4 " opt=8 }" },
	{ "with IPv6 headers inside",
	  "U udp " C6 ">[fd02::1]:5353 => peer udp *\n"
	  "U icmp fd02::fe>fd02::1 error { udp [fd02::1]:5353>" C6 " hops dst=2 } => icmp-peer icmp "
	  "fd02::fe>fd09::2 ttl=63 error { udp [fd09::2]:53>" C6 " ext=3 }\n"
	  "U icmp fd02::fe>fd02::1 error { udp [fd02::1]:5353>" C6 " dst=7 } => pass" },
	{ "with IPv6 headers inside, about a fragment",
	  "U udp " C6 ">[fd02::1]:5353 => peer udp *\n"
	  "U icmp fd02::fe>fd02::1 error { udp [fd02::1]:5353>" C6 " first=3 } => icmp-peer icmp "
	  "fd02::fe>fd09::2 ttl=63 error { udp [fd09::2]:53>" C6 " first=3 }\n"
	  "U icmp fd02::fe>fd02::1 error { udp fd02::1>fd02::2 later=3 } => pass" },
	{ "about no flow", "U icmp 192.0.2.254>192.0.2.1 error { tcp 192.0.2.1:8080>" C4 " } => pass" },
	{ "about a connection of the host's", "U icmp 192.0.2.254>192.0.2.1 error { tcp 192.0.2.1:40000>198.51.100.7:443 } => pass" },
	{ "about a later fragment",
	  "U udp " C4 ">192.0.2.1:5353 => peer udp *\n"
	  "U icmp 192.0.2.254>192.0.2.1 error { udp 192.0.2.1>192.0.2.2 later=3 } => pass" },
	{ "cut off in the packet inside",
	  "U udp " C4 ">192.0.2.1:5353 => peer udp *\n"
	  "U icmp 192.0.2.254>192.0.2.1 short=60 error { udp 192.0.2.1:5353>" C4 " } => pass" },
	{ "its hops end here",
	  "U udp " C4 ">192.0.2.1:5353 => peer udp *\n"
	  "U icmp 192.0.2.254>192.0.2.1 ttl=1 error { udp 192.0.2.1:5353>" C4 " } => pass" },
	{ "about another container's flow",
	  "U udp " C4 ">192.0.2.1:5353 => peer udp *\n"
	  "E2 icmp 10.8.0.2>192.0.2.2 error { udp " C4 ">10.9.0.2:53 } => drop forged" },
	{ "about another container's flow, IPv6",
	  "U tcp " C6 ">[fd02::1]:8080 S => peer tcp *\n"
	  "E icmp fd09::3>fd02::2 error { tcp " C6 ">[fd09::2]:80 } => pass" },
	{ "a container's, forged from the wire",
	  "U udp " C4 ">192.0.2.1:5353 => peer udp *\n"
	  "U icmp 10.9.0.2>192.0.2.2 error { udp " C4 ">10.9.0.2:53 } => drop forged" },
};

#define TO(n) ">192.0.2.1:" #n " S => "
static const struct row lists[] = {
	{ "on the list", "U tcp " C4 TO(7000) "peer tcp " C4 ">10.4.0.2:70 S ttl=63\n"
			 "E5 tcp 10.4.0.2:70>" C4 " SA => wire tcp 192.0.2.1:7000>" C4 " SA ttl=63" },
	{ "on the list, IPv6", "U tcp " C6 ">[fd02::1]:7000 S => peer tcp " C6 ">[fd04::2]:70 S ttl=63\n"
			       "E5 tcp [fd04::2]:70>" C6 " SA => wire tcp [fd02::1]:7000>" C6 " SA ttl=63" },
	{ "in no prefix", "U tcp 198.51.100.7:5000" TO(7000) "drop policy" },
	{ "in no prefix, IPv6", "U tcp [fd77::7]:5000>[fd02::1]:7000 S => drop policy" },
	{ "in the first half", "U tcp 192.0.2.127:5000" TO(7000) "peer *" },
	{ "the longer prefix denies", "U tcp 192.0.2.128:5000" TO(7000) "drop policy" },
	{ "the longer prefix denies, its end", "U tcp 192.0.2.255:5000" TO(7000) "drop policy" },
	{ "the longest allows", "U tcp 192.0.2.200:5000" TO(7000) "peer *" },
	{ "beside the longest", "U tcp 192.0.2.201:5000" TO(7000) "drop policy" },
	{ "the longer prefix denies, IPv6", "U tcp [fd02::bad]:5000>[fd02::1]:7000 S => drop policy" },
	{ "beside it, IPv6", "U tcp [fd02::bae]:5000>[fd02::1]:7000 S => peer *" },
	{ "refused again and again", "U tcp 198.51.100.7:5000" TO(7000) "drop policy\nU tcp 198.51.100.7:5000" TO(7000) "drop policy\n"
		"flow tcp 198.51.100.7:5000>192.0.2.1:7000 = none" },
	{ "no first packet is nobody's", "U tcp 198.51.100.7:5000>192.0.2.1:7000 A => pass" },
	{ "a port beside it", "U tcp 198.51.100.7:5000" TO(7001) "pass" },
	{ "a port without a list", "U tcp 198.51.100.7:5000" TO(8080) "peer *" },
	{ "a list that is missing lets nobody in", "U tcp " C4 TO(7200) "drop policy" },
	{ "a container on the list", "E tcp 10.9.0.2:40000" TO(7000) "peer tcp 10.9.0.2:40000>10.4.0.2:70 S ttl=63" },
	{ "a container that is not", "E2 tcp 10.8.0.2:40000" TO(7000) "drop policy" },
	{ "a container, IPv6", "E tcp [fd09::2]:40000>[fd02::1]:7000 S => drop policy" },
	{ "the container itself", "E5 tcp 10.4.0.2:40000" TO(7000) "peer tcp 10.4.0.1:40000>10.4.0.2:70 S ttl=63" },
	{ "the container itself, IPv6", "E5 tcp [fd04::2]:40000>[fd02::1]:7000 S => peer tcp [fd04::1]:40000>[fd04::2]:70 S ttl=63" },
	{ "the container itself, kept from neighbours", "E6 tcp 10.4.0.3:40000" TO(7100) "peer *\nE6 tcp 10.4.0.3:40001" TO(7100) "peer *\n"
		"E6 tcp 10.4.0.3:40002" TO(7100) "peer *" },
	{ "a neighbour", "E5 tcp 10.4.0.2:40000" TO(7100) "peer tcp 10.4.0.2:40000>10.4.0.3:71 S ttl=63" },
	{ "a neighbour that it is kept from", "E6 tcp 10.4.0.3:40000" TO(7000) "drop policy" },
	{ "not denied", "U tcp " C4 TO(7100) "peer *" },
	{ "denied", "U tcp 192.0.2.66:5000" TO(7100) "drop policy" },
	{ "too many", "U tcp 192.0.2.2:1" TO(7100) "peer *\nU tcp 192.0.2.2:2" TO(7100) "peer *\nU tcp 192.0.2.2:3" TO(7100) "drop limit\n"
		"U tcp 192.0.2.2:4" TO(7100) "drop limit\nflow tcp 192.0.2.2:3>192.0.2.1:7100 = none" },
	{ "too many, and somebody else", "U tcp 192.0.2.2:1" TO(7100) "peer *\nU tcp 192.0.2.2:2" TO(7100) "peer *\nU tcp 192.0.2.2:3" TO(7100) "drop limit\n"
		"U tcp 192.0.2.3:1" TO(7100) "peer *" },
	{ "the same SYN again counts once", "U tcp 192.0.2.2:1" TO(7100) "peer *\nU tcp 192.0.2.2:1" TO(7100) "peer *\nU tcp 192.0.2.2:1" TO(7100) "peer *\n"
		"U tcp 192.0.2.2:2" TO(7100) "peer *" },
	{ "the same SYN again counts once, half known", "U tcp 192.0.2.2:1" TO(7100) "peer *\nU tcp 192.0.2.2:2" TO(7100) "peer *\n"
		"part tcp 10.4.0.3:71>192.0.2.2:2 => done\nU tcp 192.0.2.2:2" TO(7100) "peer *\n"
		"E6 tcp 10.4.0.3:71>192.0.2.2:2 SA => wire *\nU tcp 192.0.2.2:3" TO(7100) "drop limit" },
	{ "too many, and what goes on", "U tcp 192.0.2.2:1" TO(7100) "peer *\nE6 tcp 10.4.0.3:71>192.0.2.2:1 SA => wire *\n"
		"U tcp 192.0.2.2:2" TO(7100) "peer *\nU tcp 192.0.2.2:3" TO(7100) "drop limit\nU tcp 192.0.2.2:1>192.0.2.1:7100 A => peer *" },
	{ "too many from one /64", "U tcp [fd02::2]:1>[fd02::1]:7100 S => peer *\nU tcp [fd02::3]:1>[fd02::1]:7100 S => peer *\n"
		"U tcp [fd02::4]:1>[fd02::1]:7100 S => drop limit\nU tcp [fd02:0:0:1::4]:1>[fd02::1]:7100 S => peer *" },
	{ "who is denied is not counted", "U tcp 192.0.2.66:1" TO(7100) "drop policy\nU tcp 192.0.2.66:2" TO(7100) "drop policy\n"
		"U tcp 192.0.2.66:3" TO(7100) "drop policy" },
};

static const struct row pools[] = {
	{ "of several containers, IPv6", "U tcp " C6 ">[fd02::1]:8000 S => peer tcp " C6 ">[fd09::2]:80 S ttl=63\n"
					 "E tcp [fd09::2]:80>" C6 " SA => wire tcp [fd02::1]:8000>" C6 " SA ttl=63" },
	{ "all of several are gone: as if nobody listened", "U tcp " C4 TO(8001) "pass" },
	{ "all of several are gone, IPv6", "U tcp " C6 ">[fd02::1]:8001 S => pass" },
	{ "of several, none with IPv6", "U tcp " C6 ">[fd02::1]:8002 S => pass" },
	{ "of several, with a list: on it", "U tcp " C4 TO(8002) "peer tcp " C4 ">10.4.0.2:70 S ttl=63\n"
					    "E5 tcp 10.4.0.2:70>" C4 " SA => wire tcp 192.0.2.1:8002>" C4 " SA ttl=63" },
	{ "of several, with a list: not on it", "U tcp 198.51.100.7:5000" TO(8002) "drop policy" },
	{ "of several, asked by one of them", "E5 tcp 10.4.0.2:40000" TO(8002) "peer tcp 10.4.0.1:40000>10.4.0.2:70 S ttl=63" },
	{ "of several, no first packet", "U tcp " C4 ">192.0.2.1:8000 A => pass" },
};

/* While it stands aside nothing is taken, and nothing of the guard is lost. */
static const struct row aside[] = {
	{ "aside: nothing begins", "aside 1 => done\nU tcp " C4 ">192.0.2.1:8080 S => pass\nflow tcp " C4 ">192.0.2.1:8080 = none\n"
		"E udp 10.9.0.2:40000>192.0.2.2:53 => pass\nE2 tcp 10.8.0.2:40000>192.0.2.1:8080 S => pass" },
	{ "aside: nothing goes on", "U tcp " C4 ">192.0.2.1:8080 S => peer *\naside 1 => done\n"
		"E tcp 10.9.0.2:80>" C4 " SA => pass\nU tcp " C4 ">192.0.2.1:8080 A => pass\n"
		"U icmp 192.0.2.9>192.0.2.1 error { tcp 192.0.2.1:8080>" C4 " } => pass\naside 0 => done\n"
		"E tcp 10.9.0.2:80>" C4 " SA => wire *" },
	{ "aside: the other family too", "aside 1 => done\nU udp " C6 ">[fd02::1]:5353 => pass\n"
		"E udp [fd09::2]:40000>" C6 " => pass" },
};
/* clang-format on */

/* Does the first of the two get what begins at source port @port? */
static bool first_gets(const char *proto, const char *flags, unsigned int port)
{
	char steps[160], got[64];

	snprintf(steps, sizeof(steps),
		 "U %s 192.0.2.2:%u>192.0.2.1:8000%s => "
		 "peer %s 192.0.2.2:%u>*%s ttl=63",
		 proto, port, flags, proto, port, flags);
	publish_env_play(steps);
	publish_env_star(got);
	if (strcmp(got, "10.9.0.2:80") == 0)
		return true;
	assert_string_equal(got, "10.8.0.2:90");
	return false;
}

/* 400 throws of a coin: 200, and three deviations of 10 to each side. */
static void connections_spread(void **state)
{
	unsigned int tcp = 0, udp = 0;

	(void)state;
	publish_env_clear();
	for (unsigned int i = 0; i < 400; i++) {
		tcp += first_gets("tcp", " S", 2000 + i);
		udp += first_gets("udp", "", 2000 + i);
	}
	assert_in_range(tcp, 170, 230);
	assert_in_range(udp, 170, 230);
}

/* A client's port says which one: the same again goes to the same. */
static void the_same_tuple_goes_to_the_same(void **state)
{
	bool first[50];

	(void)state;
	publish_env_clear();
	for (unsigned int i = 0; i < ARRAY_SIZE(first); i++)
		first[i] = first_gets("tcp", " S", 2000 + i);
	publish_env_clear();
	for (unsigned int i = 0; i < ARRAY_SIZE(first); i++)
		assert_int_equal(first_gets("tcp", " S", 2000 + i), first[i]);
}

/* An open flow stays with its container whoever is in the pool; new ones go to
 * who is there. */
static void flows_stay_when_the_pool_changes(void **state)
{
	(void)state;
	publish_env_clear();
	publish_env_pool(1, "10.9.0.2", 80, "10.9.0.2", 80);
	publish_env_play(
		"U tcp " C4 TO(8000) "peer tcp " C4 ">10.9.0.2:80 S ttl=63\n"
				     "E tcp 10.9.0.2:80>" C4 " SA => wire *\n"
				     "U tcp " C4 ">192.0.2.1:8000 A => peer *");
	publish_env_pool(1, "10.8.0.2", 90, "10.8.0.2", 90);
	publish_env_play(
		"U tcp " C4 ">192.0.2.1:8000 A => peer tcp " C4
		">10.9.0.2:80 ttl=63\n"
		"E tcp 10.9.0.2:80>" C4 " A => wire tcp 192.0.2.1:8000>" C4
		" ttl=63\n"
		"U tcp 192.0.2.2:5001" TO(
			8000) "peer tcp 192.0.2.2:5001>10.8.0.2:90 S ttl=63");
}

/* SCTP's checksum covers its ports: only a container with the same port. */
static void sctp_only_to_the_same_port(void **state)
{
	(void)state;
	publish_env_clear();
	publish_env_pool(1, "10.8.0.2", 90, "10.8.0.2", 90);
	publish_env_play("U sctp 192.0.2.2:7>192.0.2.1:90 init => "
			 "peer sctp 192.0.2.2:7>10.8.0.2:90 init ttl=63");
	publish_env_clear();
	publish_env_pool(1, "10.8.0.2", 91, "10.8.0.2", 91);
	publish_env_play("U sctp 192.0.2.2:7>192.0.2.1:90 init => pass");
}

/* Flows that are there stay when the list changes. */
static void a_list_judges_what_begins(void **state)
{
	(void)state;
	publish_env_clear();
	publish_env_play("U tcp " C4 TO(7000) "peer *");
	publish_env_judge("192.0.2.2", 32, false);
	publish_env_play("U tcp " C4 ">192.0.2.1:7000 A => peer *\n"
			 "E5 tcp 10.4.0.2:70>" C4 " SA => wire *\n"
			 "U tcp 192.0.2.2:5001" TO(7000) "drop policy");
	publish_env_judge("192.0.2.2", 32, true);
	publish_env_play("U tcp 192.0.2.2:5001" TO(7000) "peer *");
}

static void play_row(void **state)
{
	const struct row *row = *state;

	publish_env_clear();
	publish_env_play(row->steps);
}

int main(void)
{
	struct CMUnitTest tests[ARRAY_SIZE(wire) + ARRAY_SIZE(container) +
				ARRAY_SIZE(fragments) + ARRAY_SIZE(errors) +
				ARRAY_SIZE(lists) + ARRAY_SIZE(pools) +
				ARRAY_SIZE(aside) + 5];
	size_t n = 0;
	int r;

	if (!publish_env_make())
		return 0;
	n += TEST_ROWS(tests + n, wire, play_row);
	n += TEST_ROWS(tests + n, container, play_row);
	n += TEST_ROWS(tests + n, fragments, play_row);
	n += TEST_ROWS(tests + n, errors, play_row);
	n += TEST_ROWS(tests + n, lists, play_row);
	n += TEST_ROWS(tests + n, pools, play_row);
	n += TEST_ROWS(tests + n, aside, play_row);
	tests[n++] = (struct CMUnitTest){
		.name = "a list judges what begins",
		.test_func = a_list_judges_what_begins,
	};
	tests[n++] = (struct CMUnitTest)cmocka_unit_test(connections_spread);
	tests[n++] = (struct CMUnitTest)cmocka_unit_test(
		the_same_tuple_goes_to_the_same);
	tests[n++] = (struct CMUnitTest)cmocka_unit_test(
		flows_stay_when_the_pool_changes);
	tests[n++] =
		(struct CMUnitTest)cmocka_unit_test(sctp_only_to_the_same_port);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	r = cmocka_run_group_tests(tests, NULL, NULL);
	publish_env_done();
	return r;
}
