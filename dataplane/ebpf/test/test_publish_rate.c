/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A container's rate where publish.bpf.c leads packets past the guard's egress:
 * charged once each way, and only to whom it is for (test_guard_rate has the
 * bucket itself).  publish_env.h says what is published where.
 */
#include "dataplane/ebpf/test/publish_env.h"

#include "lib/base.h"
#include "lib/test/test.h"

struct row {
	const char *name, *steps;
};

/* clang-format off */
#define C4	 "192.0.2.2:5000"
#define C6	 "[fd02::2]:5000"
#define TO7	 ">192.0.2.1:7300"
#define OPEN	 "U tcp " C4 TO7 " S => peer tcp " C4 ">10.4.0.7:73 S ttl=63\n" \
		 "E7 tcp 10.4.0.7:73>" C4 " SA => wire *\n" \
		 "U tcp " C4 TO7 " A => peer *\n"
#define ASKS	 "E7 udp 10.4.0.7:4000>192.0.2.2:53 => wire udp 192.0.2.1:*>192.0.2.2:53 ttl=63\n"

static const struct row rows[] = {
	{ "within the burst", OPEN "owe in 50 => done\nU tcp " C4 TO7 " A => peer *" },
	{ "first packets", "owe in 70 => done\nU tcp " C4 TO7 " S => drop rate\nflow tcp " C4 TO7 " = none\n"
		"owe in 0 => done\nU tcp " C4 TO7 " S => peer *" },
	{ "first packets, IPv6", "owe in 70 => done\nU tcp " C6 ">[fd02::1]:7300 S => drop rate\n"
		"owe in 0 => done\nU tcp " C6 ">[fd02::1]:7300 S => peer *" },
	{ "what goes on", OPEN "owe in 70 => done\nU tcp " C4 TO7 " A => drop rate\n"
		"flow tcp " C4 TO7 " = open\nowe in 0 => done\nU tcp " C4 TO7 " A => peer *" },
	{ "what ends, and is said again", OPEN "owe in 70 => done\nU tcp " C4 TO7 " R => drop rate\n"
		"flow tcp " C4 TO7 " = open" },
	{ "from it", OPEN "owe out 70 => done\nE7 tcp 10.4.0.7:73>" C4 " A => drop\n"
		"owe out 0 => done\nE7 tcp 10.4.0.7:73>" C4 " A => wire *" },
	{ "out is not in", OPEN "owe in 70 => done\nE7 tcp 10.4.0.7:73>" C4 " A => wire *" },
	{ "in is not out", OPEN "owe out 70 => done\nU tcp " C4 TO7 " A => peer *" },
	{ "masqueraded", ASKS "owe out 70 => done\nE7 udp 10.4.0.7:4000>192.0.2.2:53 => drop" },
	{ "masqueraded, its answers", ASKS "owe in 70 => done\nU udp 192.0.2.2:53>192.0.2.1:$ => drop rate\n"
		"owe in 0 => done\nU udp 192.0.2.2:53>192.0.2.1:$ => peer udp 192.0.2.2:53>10.4.0.7:4000 ttl=63" },
	{ "errors about its flows", OPEN "owe in 70 => done\n"
		"U icmp 192.0.2.9>192.0.2.1 error { tcp 192.0.2.1:7300>" C4 " } => drop rate\nowe in 0 => done\n"
		"U icmp 192.0.2.9>192.0.2.1 error { tcp 192.0.2.1:7300>" C4 " } => icmp-peer *" },
	{ "what the stack gets is charged there", "owe in 70 => done\nU tcp 192.0.2.2:5000>192.0.2.1:7301 S => pass\n"
		"U tcp " C4 TO7 " A => pass" },
	{ "what the stack gets from it", "owe out 70 => done\nE7 gre 10.4.0.7>10.4.0.2 => drop\n"
		"owe out 0 => done\nE7 gre 10.4.0.7>10.4.0.2 => pass" },
	{ "a neighbour of it", "owe in 70 => done\nowe out 70 => done\nU tcp " C4 ">192.0.2.1:8080 S => peer *\n"
		"E5 udp 10.4.0.2:4000>192.0.2.2:53 => wire *" },
	{ "from another container: its in", "owe out 70 => done\nE tcp 10.9.0.2:4000" TO7 " S => peer *\n"
		"owe in 70 => done\nE tcp 10.9.0.2:4000" TO7 " S => drop rate\n" },
	{ "to another container: its out", "owe in 70 => done\nE7 tcp 10.4.0.7:4000>192.0.2.1:8080 S => peer *\n"
		"owe out 70 => done\nE7 tcp 10.4.0.7:4000>192.0.2.1:8080 S => drop" },
	{ "answers of another container: its in", "E7 tcp 10.4.0.7:4000>192.0.2.1:8080 S => peer *\n"
		"owe in 70 => done\nE tcp 10.9.0.2:80>10.4.0.7:4000 SA => drop rate\n"
		"owe in 0 => done\nE tcp 10.9.0.2:80>10.4.0.7:4000 SA => peer *" },
	{ "to itself: both", "E7 tcp 10.4.0.7:4000" TO7 " S => peer *\nowe in 70 => done\nE7 tcp 10.4.0.7:4001" TO7 " S => drop rate\n"
		"owe in 0 => done\nowe out 70 => done\nE7 tcp 10.4.0.7:4002" TO7 " S => drop" },
	/* 1954 bytes are 20 s, 1454 are 15: the second one passes if the first was
	 * charged once, and leaves nothing for a third */
	{ "once in", OPEN "owe in 30 => done\nU tcp " C4 TO7 " A len=1900 => peer *\nU tcp " C4 TO7 " A len=1900 => peer *\n"
		"U tcp " C4 TO7 " A => drop rate" },
	{ "once out", OPEN "owe out 40 => done\nE7 tcp 10.4.0.7:73>" C4 " A len=1400 => wire *\nE7 tcp 10.4.0.7:73>" C4 " A len=1400 => wire *\n"
		"E7 tcp 10.4.0.7:73>" C4 " A => drop" },
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
	TEST_ROWS(tests, rows, play_row);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	r = cmocka_run_group_tests(tests, NULL, NULL);
	publish_env_done();
	return r;
}
