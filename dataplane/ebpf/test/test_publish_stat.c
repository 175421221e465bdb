/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What publish.bpf.c's programs count of ports and containers.  publish_env.h
 * says what is published where; a frame with nothing else said is 58 bytes of
 * IPv4 and TCP, 78 of IPv6.
 */
#include "dataplane/ebpf/test/publish_env.h"

#include "lib/base.h"
#include "lib/test/test.h"

struct row {
	const char *name, *steps;
};

/* clang-format off */
#define C4	"192.0.2.2:5000"
#define C6	"[fd02::2]:5000"
#define NONE	"flows=0 in=0/0 out=0/0 refused=0"

static const struct row rows[] = {
	{ "a question and its answer",
	  "U tcp " C4 ">192.0.2.1:8080 S => peer *\n"
	  "E tcp 10.9.0.2:80>" C4 " SA => wire *\n"
	  "U tcp " C4 ">192.0.2.1:8080 A => peer *\n"
	  "stat 8080 => flows=1 in=2/116 out=1/58 refused=0\n"
	  "stat 10.9.0.2 => flows=1 in=2/116 out=1/58 refused=0\n"
	  "stat - => " NONE },
	{ "both families",
	  "U tcp " C4 ">192.0.2.1:8080 S => peer *\n"
	  "U tcp " C6 ">[fd02::1]:8080 S => peer *\n"
	  "stat 8080 => flows=2 in=2/136 out=0/0 refused=0\n"
	  "stat 10.9.0.2 => flows=2 in=2/136 out=0/0 refused=0" },
	{ "an aggregate is its segments",
	  "U tcp " C4 ">192.0.2.1:8080 S => peer *\n"
	  "U tcp " C4 ">192.0.2.1:8080 len=1900 gso=950 => peer *\n"
	  "stat 8080 => flows=1 in=3/2066 out=0/0 refused=0" },
	{ "a range is one",
	  "U tcp " C4 ">192.0.2.1:19968 S => peer *\n"
	  "U tcp " C4 ">192.0.2.1:20223 S => peer *\n"
	  "stat 19968 => flows=2 in=2/116 out=0/0 refused=0" },
	{ "a port without a counter",
	  "U tcp " C4 ">192.0.2.1:9091 S => peer *\n"
	  "stat 10.8.0.2 => flows=1 in=1/58 out=0/0 refused=0\n"
	  "stat - => " NONE },
	{ "the container's alone, both ways",
	  "U tcp 192.0.2.2:1>192.0.2.1:7100 S => peer *\n"
	  "E6 tcp 10.4.0.3:71>192.0.2.2:1 SA => wire *\n"
	  "stat 10.4.0.3 => flows=1 in=1/58 out=1/58 refused=0\n"
	  "stat - => " NONE },
	{ "from a container: it sends, the other gets",
	  "E2 tcp 10.8.0.2:40000>192.0.2.1:8080 S => peer *\n"
	  "E tcp 10.9.0.2:80>10.8.0.2:40000 SA => peer *\n"
	  "E2 tcp 10.8.0.2:40000>192.0.2.1:8080 A => peer *\n"
	  "stat 8080 => flows=1 in=2/116 out=1/58 refused=0\n"
	  "stat 10.8.0.2 => flows=1 in=1/58 out=2/116 refused=0\n"
	  "stat 10.9.0.2 => flows=1 in=2/116 out=1/58 refused=0" },
	{ "to itself: both, one flow",
	  "E tcp 10.9.0.2:40000>192.0.2.1:8080 S => peer *\n"
	  "stat 8080 => flows=1 in=1/58 out=0/0 refused=0\n"
	  "stat 10.9.0.2 => flows=1 in=1/58 out=1/58 refused=0" },
	{ "to the world: the container's alone",
	  "E tcp 10.9.0.2:40000>198.51.100.7:443 S => wire tcp 192.0.2.1:*>198.51.100.7:443 S ttl=63\n"
	  "U tcp 198.51.100.7:443>192.0.2.1:$ SA => peer *\n"
	  "stat 10.9.0.2 => flows=1 in=1/58 out=1/58 refused=0\n"
	  "stat 8080 => " NONE "\n"
	  "stat - => " NONE },
	{ "a ping to the world",
	  "E icmp 10.9.0.2>198.51.100.7 ask=77 => wire *\n"
	  "stat 10.9.0.2 => flows=1 in=0/0 out=1/46 refused=0" },
	{ "udp",
	  "U udp " C4 ">192.0.2.1:5353 => peer *\n"
	  "E udp 10.9.0.2:53>" C4 " => wire *\n"
	  "stat 5353 => flows=1 in=1/46 out=1/46 refused=0" },
	{ "an error about a flow is its packet",
	  "U udp " C4 ">192.0.2.1:5353 => peer *\n"
	  "E icmp 10.9.0.2>192.0.2.2 error { udp " C4 ">10.9.0.2:53 } => icmp-wire *\n"
	  "stat 5353 => flows=1 in=1/46 out=1/74 refused=0" },
	{ "through established and closed",
	  "U tcp " C4 ">192.0.2.1:8080 S => peer *\n"
	  "E tcp 10.9.0.2:80>" C4 " SA => wire *\n"
	  "U tcp " C4 ">192.0.2.1:8080 A => peer *\n"
	  "flow tcp " C4 ">192.0.2.1:8080 = open\n"
	  "U tcp " C4 ">192.0.2.1:8080 FA => peer *\n"
	  "E tcp 10.9.0.2:80>" C4 " FA => wire *\n"
	  "U tcp " C4 ">192.0.2.1:8080 A => peer *\n"
	  "flow tcp " C4 ">192.0.2.1:8080 = closing\n"
	  "U tcp " C4 ">192.0.2.1:8080 S => peer *\n"
	  "stat 8080 => flows=2 in=5/290 out=2/116 refused=0" },
	{ "refused by policy",
	  "U tcp 198.51.100.7:5000>192.0.2.1:7000 S => drop policy\n"
	  "E2 tcp 10.8.0.2:40000>192.0.2.1:7000 S => drop policy\n"
	  "stat 7000 => flows=0 in=0/0 out=0/0 refused=2\n"
	  "stat 10.8.0.2 => " NONE },
	{ "what passes by is nobody's",
	  "U tcp " C4 ">192.0.2.1:8080 A => pass\n"
	  "U tcp " C4 ">192.0.2.1:8080 S ttl=1 => pass\n"
	  "U tcp 10.9.0.2:5000>192.0.2.1:8080 S => drop forged\n"
	  "stat 8080 => " NONE },
};
/* clang-format on */

static void play_row(void **state)
{
	const struct row *row = *state;

	publish_env_clear();
	publish_env_play(row->steps);
}

int main(void)
{
	struct CMUnitTest tests[ARRAY_SIZE(rows)];
	int r;

	if (!publish_env_make())
		return 0;
	(void)TEST_ROWS(tests, rows, play_row);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	r = cmocka_run_group_tests(tests, NULL, NULL);
	publish_env_done();
	return r;
}
