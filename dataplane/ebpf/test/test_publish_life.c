/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The life of publish.bpf.c's flows: what establishes and what ends them, whose
 * source port they get, and which give way.  publish_env.h says what is published
 * where.
 */
#include "dataplane/ebpf/test/publish_env.h"

#include <linux/types.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "bpf/nat_map.h"
#include "lib/base.h"
#include "lib/test/test.h"

struct row {
	const char *name, *steps;
};

/* clang-format off */
#define C4	 "192.0.2.2:5000"
#define TO(n) ">192.0.2.1:" #n " S => "

#define OPENED "U tcp " C4 ">192.0.2.1:8080 S => peer tcp " C4 ">10.9.0.2:80 S ttl=63\n" \
	"E tcp 10.9.0.2:80>" C4 " SA => wire tcp 192.0.2.1:8080>" C4 " SA ttl=63\n" \
	"U tcp " C4 ">192.0.2.1:8080 A => peer tcp " C4 ">10.9.0.2:80 ttl=63\n" \
	"flow tcp " C4 ">192.0.2.1:8080 = open\n" \
	"flow tcp 10.9.0.2:80>" C4 " = open\n"

static const struct row life[] = {
	{ "a SYN", "U tcp " C4 ">192.0.2.1:8080 S => peer tcp *\n"
		   "flow tcp " C4 ">192.0.2.1:8080 = half\n"
		   "flow tcp 10.9.0.2:80>" C4 " = half" },
	{ "a SYN again", "U tcp " C4 ">192.0.2.1:8080 S => peer tcp *\n"
			 "U tcp " C4 ">192.0.2.1:8080 S => peer tcp *\n"
			 "flow tcp " C4 ">192.0.2.1:8080 = half" },
	{ "its answer", "U tcp " C4 ">192.0.2.1:8080 S => peer tcp *\n"
			"E tcp 10.9.0.2:80>" C4 " SA => wire tcp *\n"
			"flow tcp " C4 ">192.0.2.1:8080 = replied\n"
			"flow tcp 10.9.0.2:80>" C4 " = replied" },
	{ "the SYN again after the answer", "U tcp " C4 ">192.0.2.1:8080 S => peer tcp *\n"
			"E tcp 10.9.0.2:80>" C4 " SA => wire tcp *\n"
			"U tcp " C4 ">192.0.2.1:8080 S => peer tcp *\n"
			"flow tcp " C4 ">192.0.2.1:8080 = replied" },
	{ "established", OPENED },
	{ "not established by an ACK of another number", "U tcp " C4 ">192.0.2.1:8080 S seq=40 => peer tcp *\n"
			"E tcp 10.9.0.2:80>" C4 " SA seq=4294967295 ack=41 => wire tcp *\n"
			"U tcp " C4 ">192.0.2.1:8080 A seq=41 ack=4294967295 => peer tcp *\n"
			"U tcp " C4 ">192.0.2.1:8080 A seq=41 ack=65536 => peer tcp *\n"
			"U tcp " C4 ">192.0.2.1:8080 F seq=41 ack=0 => peer tcp *\n"
			"flow tcp " C4 ">192.0.2.1:8080 = replied\n"
			"U tcp " C4 ">192.0.2.1:8080 A seq=41 ack=0 => peer tcp *\n"
			"flow tcp " C4 ">192.0.2.1:8080 = open" },
	{ "not established by an ACK of another number, masqueraded",
			"E tcp 10.9.0.2:40000>198.51.100.7:443 S => wire tcp 192.0.2.1:*>198.51.100.7:443 S ttl=63\n"
			"U tcp 198.51.100.7:443>192.0.2.1:$ SA seq=7 => peer tcp 198.51.100.7:443>10.9.0.2:40000 SA ttl=63\n"
			"E tcp 10.9.0.2:40000>198.51.100.7:443 A ack=7 => wire tcp 192.0.2.1:$>198.51.100.7:443 ttl=63\n"
			"flow tcp 10.9.0.2:40000>198.51.100.7:443 = replied\n"
			"E tcp 10.9.0.2:40000>198.51.100.7:443 A ack=8 => wire tcp 192.0.2.1:$>198.51.100.7:443 ttl=63\n"
			"flow tcp 10.9.0.2:40000>198.51.100.7:443 = open" },
	{ "established by an ACK of the second SYN ACK", "U tcp " C4 ">192.0.2.1:8080 S => peer tcp *\n"
			"E tcp 10.9.0.2:80>" C4 " SA seq=9 => wire tcp *\n"
			"E tcp 10.9.0.2:80>" C4 " SA seq=900000 => wire tcp *\n"
			"U tcp " C4 ">192.0.2.1:8080 A ack=10 => peer tcp *\n"
			"flow tcp " C4 ">192.0.2.1:8080 = replied\n"
			"U tcp " C4 ">192.0.2.1:8080 A ack=900001 => peer tcp *\n"
			"flow tcp " C4 ">192.0.2.1:8080 = open" },
	{ "established by an ACK of data with the SYN ACK", "U tcp " C4 ">192.0.2.1:8080 S => peer tcp *\n"
			"E tcp 10.9.0.2:80>" C4 " SA => wire tcp *\n"
			"U tcp " C4 ">192.0.2.1:8080 A ack=1461 => peer tcp *\n"
			"flow tcp " C4 ">192.0.2.1:8080 = open" },
	{ "established, and who was asked is silent", OPENED "spoke tcp " C4 ">192.0.2.1:8080 => no\n"
			"E tcp 10.9.0.2:80>" C4 " SA => wire tcp *\nU tcp " C4 ">192.0.2.1:8080 A => peer *\n"
			"spoke tcp " C4 ">192.0.2.1:8080 => no\n"
			"E tcp 10.9.0.2:80>" C4 " A => wire tcp *\nspoke tcp " C4 ">192.0.2.1:8080 => yes" },
	{ "an ACK is no answer to a SYN", "U tcp " C4 ">192.0.2.1:8080 S => peer tcp *\n"
			"E tcp 10.9.0.2:80>" C4 " A => wire tcp *\n"
			"U tcp " C4 ">192.0.2.1:8080 A ack=0 => peer tcp *\n"
			"flow tcp " C4 ">192.0.2.1:8080 = half" },
	{ "both begin at once", "E tcp 10.9.0.2:40000>198.51.100.7:443 S => wire tcp 192.0.2.1:*>198.51.100.7:443 S ttl=63\n"
			"U tcp 198.51.100.7:443>192.0.2.1:$ S => peer tcp 198.51.100.7:443>10.9.0.2:40000 S ttl=63\n"
			"E tcp 10.9.0.2:40000>198.51.100.7:443 SA ack=1 => wire *\n"
			"E tcp 10.9.0.2:40000>198.51.100.7:443 A => wire *\n"
			"flow tcp 10.9.0.2:40000>198.51.100.7:443 = open" },
	{ "refused", "U tcp " C4 ">192.0.2.1:8080 S => peer tcp *\n"
		     "E tcp 10.9.0.2:80>" C4 " RA => wire tcp 192.0.2.1:8080>" C4 " AR ttl=63\n"
		     "flow tcp " C4 ">192.0.2.1:8080 = closing\n"
		     "flow tcp 10.9.0.2:80>" C4 " = closing" },
	{ "one side alone establishes nothing",
	  "U tcp " C4 ">192.0.2.1:8080 S => peer tcp *\n"
	  "U tcp " C4 ">192.0.2.1:8080 R => peer tcp *\n"
	  "U tcp " C4 ">192.0.2.1:8080 A => peer tcp *\n"
	  "flow tcp " C4 ">192.0.2.1:8080 = half" },
	{ "one side ends", OPENED "E tcp 10.9.0.2:80>" C4 " AF => wire tcp *\n"
			   "flow tcp " C4 ">192.0.2.1:8080 = open" },
	{ "both sides end", OPENED "E tcp 10.9.0.2:80>" C4 " AF => wire tcp *\n"
			    "U tcp " C4 ">192.0.2.1:8080 AF => peer tcp *\n"
			    "flow tcp " C4 ">192.0.2.1:8080 = closing\n"
			    "flow tcp 10.9.0.2:80>" C4 " = closing\n"
			    "E tcp 10.9.0.2:80>" C4 " A => wire tcp *\n"
			    "flow tcp " C4 ">192.0.2.1:8080 = closing" },
	{ "data after one side's end", OPENED "U tcp " C4 ">192.0.2.1:8080 AF => peer tcp *\n"
			    "E tcp 10.9.0.2:80>" C4 " A => wire tcp *\n"
			    "flow tcp " C4 ">192.0.2.1:8080 = open" },
	{ "broken off by the client", OPENED "U tcp " C4 ">192.0.2.1:8080 R => peer tcp *\n"
			    "flow tcp " C4 ">192.0.2.1:8080 = closing" },
	{ "broken off by the server", OPENED "E tcp 10.9.0.2:80>" C4 " R => wire tcp *\n"
			    "flow tcp 10.9.0.2:80>" C4 " = closing" },
	{ "a RST after data", OPENED "E tcp 10.9.0.2:80>" C4 " ack=500 => wire tcp *\n"
			    "U tcp " C4 ">192.0.2.1:8080 R seq=500 => peer tcp *\n"
			    "U tcp " C4 ">192.0.2.1:8080 A => peer tcp *\n"
			    "flow tcp " C4 ">192.0.2.1:8080 = closing" },
	{ "a RST of somebody else's, at the container", OPENED "E tcp 10.9.0.2:80>" C4 " R seq=2 => wire tcp *\n"
			    "E tcp 10.9.0.2:80>" C4 " A => wire tcp *\n"
			    "flow tcp " C4 ">192.0.2.1:8080 = open" },
	{ "a RST of somebody else's, and then the true one", OPENED "U tcp " C4 ">192.0.2.1:8080 R seq=4000000000 => peer tcp *\n"
			    "U tcp " C4 ">192.0.2.1:8080 R => peer tcp *\n"
			    "U tcp " C4 ">192.0.2.1:8080 A => peer tcp *\n"
			    "flow tcp " C4 ">192.0.2.1:8080 = closing" },
	{ "a RST of somebody else's, and then both sides end", OPENED "U tcp " C4 ">192.0.2.1:8080 R seq=7 => peer tcp *\n"
			    "E tcp 10.9.0.2:80>" C4 " AF => wire tcp *\n"
			    "flow tcp " C4 ">192.0.2.1:8080 = open\n"
			    "U tcp " C4 ">192.0.2.1:8080 AF => peer tcp *\n"
			    "U tcp " C4 ">192.0.2.1:8080 A => peer tcp *\n"
			    "flow tcp " C4 ">192.0.2.1:8080 = closing" },
	{ "a RST of somebody else's, before it is established",
			    "U tcp " C4 ">192.0.2.1:8080 S => peer tcp *\n"
			    "E tcp 10.9.0.2:80>" C4 " SA => wire tcp *\n"
			    "U tcp " C4 ">192.0.2.1:8080 R seq=7 => peer tcp *\n"
			    "flow tcp " C4 ">192.0.2.1:8080 = replied\n"
			    "U tcp " C4 ">192.0.2.1:8080 R => peer tcp *\n"
			    "U tcp " C4 ">192.0.2.1:8080 A => peer tcp *\n"
			    "flow tcp " C4 ">192.0.2.1:8080 = closing" },
	{ "somebody else's answer refuses nothing",
			    "E tcp 10.9.0.2:40000>198.51.100.7:443 S seq=76 => wire tcp 192.0.2.1:*>198.51.100.7:443 S ttl=63\n"
			    "U tcp 198.51.100.7:443>192.0.2.1:$ RA => peer tcp 198.51.100.7:443>10.9.0.2:40000 AR ttl=63\n"
			    "flow tcp 198.51.100.7:443>192.0.2.1:$ = half\n"
			    "U tcp 198.51.100.7:443>192.0.2.1:$ R ack=77 => peer tcp 198.51.100.7:443>10.9.0.2:40000 R ttl=63\n"
			    "flow tcp 198.51.100.7:443>192.0.2.1:$ = half\n"
			    "U tcp 198.51.100.7:443>192.0.2.1:$ RA ack=77 => peer tcp 198.51.100.7:443>10.9.0.2:40000 AR ttl=63\n"
			    "flow tcp 198.51.100.7:443>192.0.2.1:$ = closing" },
	{ "a RST of somebody else's", OPENED "U tcp " C4 ">192.0.2.1:8080 R seq=7 => peer tcp *\n"
			    "flow tcp " C4 ">192.0.2.1:8080 = closing\n"
			    "U tcp " C4 ">192.0.2.1:8080 A => peer tcp *\n"
			    "flow tcp " C4 ">192.0.2.1:8080 = open\n"
			    "flow tcp 10.9.0.2:80>" C4 " = open" },
	{ "a new one of the same tuple", OPENED "E tcp 10.9.0.2:80>" C4 " AF => wire tcp *\n"
			    "U tcp " C4 ">192.0.2.1:8080 AF => peer tcp *\n"
			    "U tcp " C4 ">192.0.2.1:8080 S => peer tcp *\n"
			    "flow tcp " C4 ">192.0.2.1:8080 = half\n"
			    "flow tcp 10.9.0.2:80>" C4 " = half" },
	{ "a SYN again, and the answer's half is gone", "U tcp " C4 ">192.0.2.1:8080 S => peer tcp *\n"
			    "part tcp 10.9.0.2:80>" C4 " => done\n"
			    "U tcp " C4 ">192.0.2.1:8080 S => peer tcp *\n"
			    "E tcp 10.9.0.2:80>" C4 " SA => wire tcp 192.0.2.1:8080>" C4 " SA ttl=63\n"
			    "U tcp " C4 ">192.0.2.1:8080 A => peer tcp *\n"
			    "flow tcp " C4 ">192.0.2.1:8080 = open" },
	{ "a SYN again, and its own half is gone", "U tcp " C4 ">192.0.2.1:8080 S => peer tcp *\n"
			    "part tcp " C4 ">192.0.2.1:8080 => done\n"
			    "U tcp " C4 ">192.0.2.1:8080 S => peer tcp *\n"
			    "E tcp 10.9.0.2:80>" C4 " SA => wire tcp 192.0.2.1:8080>" C4 " SA ttl=63" },
	{ "a SYN again, masqueraded, and the answer's half is gone",
	  "E tcp 10.9.0.2:40000>198.51.100.7:443 S => wire tcp 192.0.2.1:*>198.51.100.7:443 S ttl=63\n"
	  "part tcp 198.51.100.7:443>192.0.2.1:$ => done\n"
	  "E tcp 10.9.0.2:40000>198.51.100.7:443 S => wire tcp 192.0.2.1:$>198.51.100.7:443 S ttl=63\n"
	  "U tcp 198.51.100.7:443>192.0.2.1:$ SA => peer tcp 198.51.100.7:443>10.9.0.2:40000 SA ttl=63" },
	{ "udp: it goes on, and the answer's half is gone", "U udp " C4 ">192.0.2.1:5353 => peer udp *\n"
	  "part udp 10.9.0.2:53>" C4 " => done\nU udp " C4 ">192.0.2.1:5353 => peer udp *\n"
	  "flow udp 10.9.0.2:53>" C4 " = none\nwait 2s => done\n"
	  "U udp 192.0.2.2>192.0.2.1 later=9 => pass\nflow udp 10.9.0.2:53>" C4 " = none\n"
	  "U udp " C4 ">192.0.2.1:5353 => peer udp " C4 ">10.9.0.2:53 ttl=63\n"
	  "E udp 10.9.0.2:53>" C4 " => wire udp 192.0.2.1:5353>" C4 " ttl=63" },
	{ "udp: a later fragment goes on by the half that is left",
	  "U udp " C4 ">192.0.2.1:5353 first=9 badsum => peer udp *\npart udp 10.9.0.2:53>" C4 " => done\nwait 2s => done\n"
	  "U udp 192.0.2.2>192.0.2.1 later=9 => peer udp 192.0.2.2>10.9.0.2 later=9 ttl=63" },
	{ "udp: masqueraded, it goes on, and the answer's half is gone",
	  "E udp 10.9.0.2:40000>198.51.100.7:53 => wire udp 192.0.2.1:*>198.51.100.7:53 ttl=63\n"
	  "part udp 198.51.100.7:53>192.0.2.1:$ => done\nwait 2s => done\n"
	  "E udp 10.9.0.2:40000>198.51.100.7:53 => wire udp 192.0.2.1:$>198.51.100.7:53 ttl=63\n"
	  "U udp 198.51.100.7:53>192.0.2.1:$ => peer udp 198.51.100.7:53>10.9.0.2:40000 ttl=63" },
	{ "udp: forged, and the answer's half is gone",
	  "E udp 10.9.0.2:40000>198.51.100.7:53 => wire udp 192.0.2.1:*>198.51.100.7:53 ttl=63\n"
	  "part udp 198.51.100.7:53>192.0.2.1:$ => done\nwait 2s => done\n"
	  "U udp 10.9.0.2:40000>198.51.100.7:53 => drop forged" },
	{ "sctp: it goes on, and the answer's half is gone", "U sctp 192.0.2.2:7>192.0.2.1:7777 init => peer sctp *\n"
	  "part sctp 10.9.0.2:7777>192.0.2.2:7 => done\nwait 2s => done\n"
	  "U sctp 192.0.2.2:7>192.0.2.1:7777 data => peer sctp 192.0.2.2:7>10.9.0.2:7777 data ttl=63\n"
	  "E sctp 10.9.0.2:7777>192.0.2.2:7 data => wire sctp 192.0.2.1:7777>192.0.2.2:7 data ttl=63" },
	{ "a ping goes on, and the answer's half is gone",
	  "E icmp 10.9.0.2>198.51.100.7 ask=77 => wire icmp 192.0.2.1>198.51.100.7 ttl=63 ask=*\n"
	  "part icmp 198.51.100.7:0>192.0.2.1:$ => done\nwait 2s => done\n"
	  "E icmp 10.9.0.2>198.51.100.7 ask=77 => wire icmp 192.0.2.1>198.51.100.7 ttl=63 ask=$\n"
	  "U icmp 198.51.100.7>192.0.2.1 answer=$ => peer icmp 198.51.100.7>10.9.0.2 ttl=63 answer=77" },
	{ "udp: one question, one answer",
	  "U udp " C4 ">192.0.2.1:5353 => peer udp *\nE udp 10.9.0.2:53>" C4 " => wire udp *\n"
	  "flow udp " C4 ">192.0.2.1:5353 = replied" },
	{ "udp: it goes on at once",
	  "U udp " C4 ">192.0.2.1:5353 => peer udp *\nE udp 10.9.0.2:53>" C4 " => wire udp *\n"
	  "U udp " C4 ">192.0.2.1:5353 => peer udp *\n"
	  "flow udp " C4 ">192.0.2.1:5353 = replied" },
	{ "udp: it goes on",
	  "U udp " C4 ">192.0.2.1:5353 => peer udp *\nE udp 10.9.0.2:53>" C4 " => wire udp *\n"
	  "wait 2s => done\nU udp " C4 ">192.0.2.1:5353 => peer udp *\n"
	  "flow udp " C4 ">192.0.2.1:5353 = open\nflow udp 10.9.0.2:53>" C4 " = open" },
	{ "udp: many questions, no answer",
	  "U udp " C4 ">192.0.2.1:5353 => peer udp *\nU udp " C4 ">192.0.2.1:5353 => peer udp *\n"
	  "flow udp " C4 ">192.0.2.1:5353 = half" },
	{ "two ways to one port: the second has another source port",
	  "U tcp " C4 ">192.0.2.1:8080 S => peer tcp " C4 ">10.9.0.2:80 S ttl=63\n"
	  "U tcp " C4 ">10.9.0.1:8080 S => peer tcp 192.0.2.2:*>10.9.0.2:80 S ttl=63\n"
	  "E tcp 10.9.0.2:80>192.0.2.2:$ SA => wire tcp 10.9.0.1:8080>" C4 " SA ttl=63\n"
	  "E tcp 10.9.0.2:80>" C4 " SA => wire tcp 192.0.2.1:8080>" C4 " SA ttl=63" },
	{ "two containers to one place", "E udp 10.9.0.2:40000>198.51.100.7:53 => wire udp *\n"
	  "E2 udp 10.8.0.2:40000>198.51.100.7:53 => wire udp 192.0.2.1:*>198.51.100.7:53 ttl=63\n"
	  "U udp 198.51.100.7:53>192.0.2.1:$ => peer udp 198.51.100.7:53>10.8.0.2:40000 ttl=63" },
	{ "a connection made again has the same port",
	  "E tcp 10.9.0.2:40000>198.51.100.7:443 S => wire tcp 192.0.2.1:*>198.51.100.7:443 S ttl=63\n"
	  "U tcp 198.51.100.7:443>192.0.2.1:$ RA => peer tcp 198.51.100.7:443>10.9.0.2:40000 AR ttl=63\n"
	  "E tcp 10.9.0.2:40000>198.51.100.7:443 S => wire tcp 192.0.2.1:$>198.51.100.7:443 S ttl=63" },
#define ASKED "E udp 10.9.0.2:40000>198.51.100.7:53 => wire udp 192.0.2.1:*>198.51.100.7:53 ttl=63\n" \
	"U udp 198.51.100.7:53>192.0.2.1:$ => peer udp *\n" \
	"wait 2s => done\n" \
	"E udp 10.9.0.2:40000>198.51.100.7:53 => wire udp *\n" \
	"flow udp 10.9.0.2:40000>198.51.100.7:53 = open\n"
	/* the first choice of these containers' source ports is a published port */
	{ "masqueraded by no published port",
	  "shut 5353 => done\nE2 udp 10.8.0.2:16625>198.51.100.7:53 => wire udp 192.0.2.1:5353>198.51.100.7:53 ttl=63\n"
	  "open 5353 => done\nE2 udp 10.8.0.2:16625>198.51.100.8:53 => wire udp 192.0.2.1:*>198.51.100.8:53 ttl=63\n"
	  "flow udp 198.51.100.8:53>192.0.2.1:5353 = none\n"
	  "U udp 198.51.100.8:53>192.0.2.1:5353 => peer udp 198.51.100.8:53>10.9.0.2:53 ttl=63" },
	{ "masqueraded by no port of a published range",
	  "E2 tcp 10.8.0.2:31272>198.51.100.7:443 S => wire tcp *\n"
	  "U tcp 198.51.100.7:443>192.0.2.1:20000 S => peer tcp 198.51.100.7:443>10.9.0.2:20000 S ttl=63" },
	{ "masqueraded by no port that is published on one address",
	  "E tcp 10.9.0.2:6161>198.51.100.7:443 S => wire tcp *\n"
	  "U tcp 198.51.100.7:443>192.0.2.1:9090 S => peer tcp 198.51.100.7:443>10.8.0.2:90 S ttl=63" },
	{ "masqueraded by a port that is published since: udp",
	  "shut 5353 => done\nE2 udp 10.8.0.2:16625>198.51.100.7:53 => wire udp 192.0.2.1:5353>198.51.100.7:53 ttl=63\n"
	  "U udp 198.51.100.7:53>192.0.2.1:5353 => peer udp 198.51.100.7:53>10.8.0.2:16625 ttl=63\n"
	  "open 5353 => done\nwait 2s => done\n"
	  "U udp 198.51.100.7:53>192.0.2.1:5353 => peer udp 198.51.100.7:53>10.9.0.2:53 ttl=63\n"
	  "flow udp 10.8.0.2:16625>198.51.100.7:53 = none\n"
	  "E udp 10.9.0.2:53>198.51.100.7:53 => wire udp 192.0.2.1:5353>198.51.100.7:53 ttl=63" },
	{ "masqueraded by a port that is published since: tcp",
	  "shut 8080 => done\nE2 tcp 10.8.0.2:19352>198.51.100.7:443 S => wire tcp 192.0.2.1:8080>198.51.100.7:443 S ttl=63\n"
	  "U tcp 198.51.100.7:443>192.0.2.1:8080 S => peer tcp 198.51.100.7:443>10.8.0.2:19352 S ttl=63\n"
	  "open 8080 => done\n"
	  "U tcp 198.51.100.7:443>192.0.2.1:8080 SA => peer tcp 198.51.100.7:443>10.8.0.2:19352 SA ttl=63\n"
	  "U tcp 198.51.100.7:443>192.0.2.1:8080 S => peer tcp 198.51.100.7:443>10.9.0.2:80 S ttl=63\n"
	  "flow tcp 10.8.0.2:19352>198.51.100.7:443 = none" },
	{ "masqueraded by a port that is published since, and established",
	  "shut 8080 => done\nE2 tcp 10.8.0.2:19352>198.51.100.7:443 S => wire tcp 192.0.2.1:8080>198.51.100.7:443 S ttl=63\n"
	  "U tcp 198.51.100.7:443>192.0.2.1:8080 SA => peer *\n"
	  "E2 tcp 10.8.0.2:19352>198.51.100.7:443 A => wire *\nopen 8080 => done\n"
	  "U tcp 198.51.100.7:443>192.0.2.1:8080 S => peer tcp 198.51.100.7:443>10.8.0.2:19352 S ttl=63" },
	{ "masqueraded with an address that is gone",
	  ASKED "lose 192.0.2.1 => done\n"
	  "E udp 10.9.0.2:40000>198.51.100.7:53 => pass\n"
	  "flow udp 10.9.0.2:40000>198.51.100.7:53 = none" },
	{ "masqueraded with an address that is gone, as an ICMP error finds",
	  ASKED "lose 192.0.2.1 => done\n"
	  "E icmp 10.9.0.2>198.51.100.7 error { udp 198.51.100.7:53>10.9.0.2:40000 } => pass\n"
	  "flow udp 10.9.0.2:40000>198.51.100.7:53 = none" },
	{ "masqueraded, and another address is gone",
	  ASKED "lose 10.8.0.1 => done\n"
	  "E udp 10.9.0.2:40000>198.51.100.7:53 => wire udp *\n"
	  "flow udp 10.9.0.2:40000>198.51.100.7:53 = open" },
	{ "masqueraded, and goes out by another link now",
	  ASKED "route add 198.51.100.0/24 via 10.5.0.9 => done\n"
	  "E udp 10.9.0.2:40000>198.51.100.7:53 => pass\n"
	  "flow udp 10.9.0.2:40000>198.51.100.7:53 = none\n"
	  "route del 198.51.100.0/24 => done\n"
	  "E udp 10.9.0.2:40000>198.51.100.7:53 => wire udp *" },
	{ "published, and its answers go out by another link now",
	  "U udp 198.51.100.7:5000>192.0.2.1:5353 => peer udp *\n"
	  "route add 198.51.100.0/24 via 10.5.0.9 => done\n"
	  "E udp 10.9.0.2:53>198.51.100.7:5000 => wire udp 192.0.2.1:5353>198.51.100.7:5000 ttl=63\n"
	  "route del 198.51.100.0/24 => done" },
	{ "a container's answer, forged from the wire",
	  OPENED "U tcp 10.9.0.2:80>" C4 " A => drop forged" },
	{ "a container's own flow, forged from the wire",
	  "E tcp 10.9.0.2:40000>192.0.2.1:9090 S => peer tcp *\n"
	  "U tcp 10.9.0.2:40000>192.0.2.1:9090 A => drop forged" },
	{ "a container's answer, forged by another without source guard",
	  OPENED "E2 tcp 10.9.0.2:80>" C4 " A => pass" },
	{ "a masqueraded flow, forged by another without source guard",
	  "E udp 10.9.0.2:40000>198.51.100.7:53 => wire udp *\n"
	  "E2 udp 10.9.0.2:40000>198.51.100.7:53 => pass" },
	{ "a masqueraded flow, forged from the wire",
	  "E udp 10.9.0.2:40000>198.51.100.7:53 => wire udp *\n"
	  "U udp 10.9.0.2:40000>198.51.100.7:53 => drop forged" },
	{ "its hops end in a flow, from the wire", OPENED "U tcp " C4 ">192.0.2.1:8080 A ttl=1 => drop hops" },
	{ "its hops end in a flow, from the container", OPENED "E tcp 10.9.0.2:80>" C4 " A ttl=1 => pass" },
};
/* clang-format on */

#define ESTABLISH(hook, box, client, port)                                   \
	"U tcp " client ">192.0.2.1:" port " S => peer *\n" hook " tcp " box \
	">" client " SA => wire *\n"                                         \
	"U tcp " client ">192.0.2.1:" port " A => "

/* Flows of one container leave room for those of the others; they count from
 * when they are established to when they close. */
static void none_has_it_all(void **state)
{
	const long long most = NAT_EST_MAX / 4;

	(void)state;
	publish_env_clear();
	publish_env_share("v1", most - 1);
	publish_env_play(ESTABLISH("E", "10.9.0.2:80", C4, "8080") "peer *");
	assert_int_equal(publish_env_shared("v1"), most);
	publish_env_play(ESTABLISH(
		"E", "10.9.0.2:80", "192.0.2.2:5001",
		"8080") "drop share\n"
			"flow tcp 192.0.2.2:5001>192.0.2.1:8080 = replied\n"
			"U tcp " C4 ">192.0.2.1:8080 A => peer *");
	/* another container has its own */
	publish_env_play(ESTABLISH("E2", "10.8.0.2:90", C4, "9090") "peer *");
	assert_int_equal(publish_env_shared("v2"), 1);
	/* one closes, and the next has its room */
	publish_env_play("E tcp 10.9.0.2:80>" C4 " R => wire *\n"
			 "flow tcp " C4 ">192.0.2.1:8080 = closing");
	assert_int_equal(publish_env_shared("v1"), most - 1);
	publish_env_play("U tcp 192.0.2.2:5001>192.0.2.1:8080 A => peer *");
	assert_int_equal(publish_env_shared("v1"), most);
}

/* A client's SYN at port 8080. */
static void knock(unsigned int n)
{
	char steps[160], client[32];

	snprintf(client, sizeof(client), "192.0.2.%u:%u", 10 + n / 10000,
		 10000 + n % 10000);
	snprintf(
		steps, sizeof(steps),
		"U tcp %s>192.0.2.1:8080 S => peer tcp %s>10.9.0.2:80 S ttl=63",
		client, client);
	publish_env_play(steps);
}

/* How many of a flow's two entries are there? */
static int halves(unsigned int n)
{
	char line[64];

	snprintf(line, sizeof(line), "tcp 192.0.2.%u:%u>192.0.2.1:8080",
		 10 + n / 10000, 10000 + n % 10000);
	int there = strcmp(publish_env_state(line), "none") != 0;

	snprintf(line, sizeof(line), "tcp 10.9.0.2:80>192.0.2.%u:%u",
		 10 + n / 10000, 10000 + n % 10000);
	return there + (strcmp(publish_env_state(line), "none") != 0);
}

/* Of half open flows the oldest give way, and no other; both entries go. */
static void give_way(uint32_t first_turn)
{
	const unsigned int most = PUBLISH_ENV_YOUNG, more = 200;

	publish_env_clear();
	publish_env_turn(first_turn);
	for (unsigned int n = 0; n < most + more; n++)
		knock(n);
	for (unsigned int n = 0; n < most + more; n++)
		if (halves(n) != (n < more ? 0 : 2))
			fail_msg("flow %u of %u: %d entries", n, most + more,
				 halves(n));
}

static void the_oldest_gives_way(void **state)
{
	(void)state;
	give_way(0);
	give_way(UINT32_MAX - 99); /* and begin again at 0 */
	give_way(UINT32_MAX - 599);
}

static void knock_often(unsigned int *n, unsigned int more)
{
	while (more--)
		knock((*n)++);
}

/* An established flow never gives way, and one that closes is young again. */
static void closing_is_a_second_youth(void **state)
{
	const unsigned int most = PUBLISH_ENV_YOUNG;
	unsigned int n = 0;

	(void)state;
	publish_env_clear();
	publish_env_play(ESTABLISH("E", "10.9.0.2:80", C4, "8080") "peer *");
	knock_often(&n, most + 100);
	publish_env_play("flow tcp " C4 ">192.0.2.1:8080 = open\n"
			 "flow tcp 10.9.0.2:80>" C4 " = open");
	assert_int_equal(publish_env_shared("v1"), 1);
	publish_env_play("E tcp 10.9.0.2:80>" C4 " R => wire *");
	assert_int_equal(publish_env_shared("v1"), 0);
	knock_often(&n, most - 1);
	publish_env_play("flow tcp " C4 ">192.0.2.1:8080 = closing\n"
			 "flow tcp 10.9.0.2:80>" C4 " = closing");
	knock_often(&n, 1);
	publish_env_play("flow tcp " C4 ">192.0.2.1:8080 = none\n"
			 "flow tcp 10.9.0.2:80>" C4 " = none");
	assert_int_equal(publish_env_shared("v1"), 0);
}

/* The round is full when it closes: the next place is the one that it has. */
static void closing_in_its_own_place(void **state)
{
	unsigned int n = 0;

	(void)state;
	publish_env_clear();
	publish_env_play(ESTABLISH("E", "10.9.0.2:80", C4, "8080") "peer *");
	knock_often(&n, PUBLISH_ENV_YOUNG - 1);
	publish_env_play("E tcp 10.9.0.2:80>" C4 " R => wire *\n"
			 "flow tcp " C4 ">192.0.2.1:8080 = closing\n"
			 "flow tcp 10.9.0.2:80>" C4 " = closing");
	knock_often(&n, PUBLISH_ENV_YOUNG - 1);
	publish_env_play("flow tcp " C4 ">192.0.2.1:8080 = closing\n"
			 "flow tcp 10.9.0.2:80>" C4 " = closing");
	knock_often(&n, 1);
	publish_env_play("flow tcp " C4 ">192.0.2.1:8080 = none\n"
			 "flow tcp 10.9.0.2:80>" C4 " = none");
}

/* The answers' half of a flow has no place that it could give back. */
static void half_a_flow_has_no_place(void **state)
{
	unsigned int n = 0;

	(void)state;
	publish_env_clear();
	publish_env_turn(0);
	knock_often(&n, 1);
	publish_env_play("U tcp " C4 ">192.0.2.1:8080 S => peer *\n"
			 "part tcp " C4 ">192.0.2.1:8080 => done\n"
			 "U tcp " C4 ">192.0.2.1:8080 S => peer *");
	knock_often(&n, PUBLISH_ENV_YOUNG - 3);
	assert_int_equal(halves(0), 2);
	knock_often(&n, 1);
	assert_int_equal(halves(0), 0);
}

/* No established flow gives way: what would begin is refused. */
static void what_is_full_refuses(void **state)
{
	(void)state;
	publish_env_clear();
	publish_env_play(ESTABLISH("E", "10.9.0.2:80", C4, "8080") "peer *");
	publish_env_fill();
	publish_env_play("U tcp 192.0.2.2:5001" TO(
		8080) "drop full\n"
		      "flow tcp 192.0.2.2:5001>192.0.2.1:8080 = none\n"
		      "flow tcp 10.9.0.2:80>192.0.2.2:5001 = none\n"
		      "E2 tcp 10.8.0.2:40000>192.0.2.2:443 S => drop full\n"
		      "U tcp " C4 ">192.0.2.1:8080 A => peer *\n"
		      "stat 8080 => flows=1 in=3/* refused=1\n"
		      /* what it was is enough room for another */
		      "part tcp " C4 ">192.0.2.1:8080 => done\n"
		      "part tcp 10.9.0.2:80>" C4 " => done\n"
		      "U tcp 192.0.2.2:5001" TO(8080) "peer *");
}

/* What is masqueraded counts for who sent it, and one flow between two
 * containers for both. */
static void whose_it_is(void **state)
{
	(void)state;
	publish_env_clear();
	publish_env_play("E tcp 10.9.0.2:40000>192.0.2.2:443 S => "
			 "wire tcp 192.0.2.1:*>192.0.2.2:443 S ttl=63\n"
			 "U tcp 192.0.2.2:443>192.0.2.1:$ SA => peer *63\n"
			 "E tcp 10.9.0.2:40000>192.0.2.2:443 A => wire *");
	assert_int_equal(publish_env_shared("v1"), 1);
	publish_env_play("E2 tcp 10.8.0.2:40000>10.8.0.1:8080 S => peer *\n"
			 "E tcp 10.9.0.2:80>10.8.0.2:40000 SA => peer *\n"
			 "E2 tcp 10.8.0.2:40000>10.8.0.1:8080 A => peer *");
	assert_int_equal(publish_env_shared("v1"), 2);
	assert_int_equal(publish_env_shared("v2"), 1);
	/* its address is gone: the flow ends */
	publish_env_play("lose 192.0.2.1 => done\n"
			 "E tcp 10.9.0.2:40000>192.0.2.2:443 A => pass");
	assert_int_equal(publish_env_shared("v1"), 1);
}

/* Nor what the host's own servers have. */
static void masqueraded_by_no_port_of_the_hosts(void **state)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_port = htons(9999) };
	_cleanup_close_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char got[64];

	(void)state;
	publish_env_clear();
	publish_env_play("E tcp 10.9.0.2:7070>198.51.100.7:443 S => "
			 "wire tcp 192.0.2.1:9999>198.51.100.7:443 S ttl=63");
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(fd, 1), 0);
	/* an answer is the container's, and what begins the server's */
	publish_env_play("U tcp 198.51.100.7:443>192.0.2.1:9999 SA => peer *\n"
			 "U tcp 198.51.100.7:443>192.0.2.1:9999 S => pass\n"
			 "E tcp 10.9.0.2:7070>198.51.100.8:443 S => "
			 "wire tcp 192.0.2.1:*>198.51.100.8:443 S ttl=63");
	publish_env_star(got);
	assert_string_not_equal(got, "9999");
}

static void play_row(void **state)
{
	const struct row *row = *state;

	publish_env_clear();
	publish_env_play(row->steps);
}

int main(void)
{
	static const struct CMUnitTest more[] = {
		cmocka_unit_test(none_has_it_all),
		cmocka_unit_test(the_oldest_gives_way),
		cmocka_unit_test(what_is_full_refuses),
		cmocka_unit_test(closing_is_a_second_youth),
		cmocka_unit_test(closing_in_its_own_place),
		cmocka_unit_test(half_a_flow_has_no_place),
		cmocka_unit_test(whose_it_is),
		cmocka_unit_test(masqueraded_by_no_port_of_the_hosts),
	};
	struct CMUnitTest tests[ARRAY_SIZE(life) + ARRAY_SIZE(more)];
	size_t n;
	int r;

	if (!publish_env_make())
		return 0;
	n = TEST_ROWS(tests, life, play_row);
	memcpy(&tests[n], more, sizeof(more));
	cmocka_set_message_output(CM_OUTPUT_TAP);
	r = cmocka_run_group_tests(tests, NULL, NULL);
	publish_env_done();
	return r;
}
