/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * publish_env.h - a host for publish.bpf.c's programs: interfaces, routes and
 * filled maps, in a network namespace of the process's own.
 *
 *   up0 (192.0.2.1, fd02::1)      the wire; default routes by .254, fe80::fe
 *       (203.0.115.1, fd15::1)    the same; 203.0.116.0/24 and fd16::/64 by its .254
 *                                 and fd15::fe
 *   br0 (10.9.0.1, fd09::1)       v1: container 10.9.0.2, fd09::2
 *   br1 (10.8.0.1)                v2: container 10.8.0.2
 *   br2 (10.6.0.1)                v3: container 10.6.0.2, an internal network; its
 *                               sender is looked at
 *   br3 (10.5.0.1)                somebody else's network
 *   lo                            local by a route alone: 198.18.0.0/24,
 *                                 fd18::/64, and .1.0/24 of another table
 *   br4 (10.4.0.1, fd04::1)       v5: container 10.4.0.2, fd04::2; v6:
 *                                 10.4.0.3, fd04::3, kept from its neighbours;
 *                                 v7: 10.4.0.7, fd04::7, 100 bytes a second,
 *                                 6,000 at once, both ways
 *
 * Published, on any address of both families where nothing else is said:
 *   8080/tcp -> 10.9.0.2:80       5353/udp -> 10.9.0.2:53
 *   7777/sctp -> 10.9.0.2:7777    7778/sctp -> 10.9.0.2:77
 *   192.0.2.1:9090/tcp -> 10.8.0.2:90
 *   9091/tcp -> 10.8.0.2:90, IPv4 only
 *   19968-20223/tcp -> 10.9.0.2, 21008-21023/tcp -> 10.9.0.2:1008-1023
 *   6000/tcp -> 10.7.0.2:60 (of a network that nftables serves)
 *   6100/tcp -> 10.6.0.2:61 (internal)
 *   7000/tcp -> 10.4.0.2:70 allowed to 192.0.2.0/24 but not .128/25, of these
 *               .200 all the same; fd02::/64 but not ::bad; 10.9.0.0/24
 *   7100/tcp -> 10.4.0.3:71 not to 192.0.2.66; one flow in 4 s, 2 at once
 *   7200/tcp -> 10.4.0.5:72 whose list is missing
 *   8000/tcp, /udp, 90/sctp -> half 10.9.0.2:80, half 10.8.0.2:90 (pool 1);
 *               fd09::2:80 (pool 2)
 *   8001/tcp -> pool 3, which is not there
 *   8002/tcp -> 10.4.0.2:70 (pool 4), no IPv6
 *   7300/tcp -> 10.4.0.7:73
 */
#ifndef DATAPLANE_EBPF_TEST_PUBLISH_ENV_H
#define DATAPLANE_EBPF_TEST_PUBLISH_ENV_H

#include <stdbool.h>
#include <stdint.h>

#define PUBLISH_ENV_YOUNG 512  /* flows that may give way */
#define PUBLISH_ENV_ROOM  4096 /* entries of flows, all told */

/* Return: false: no rights for it, said so. */
bool publish_env_make(void);
void publish_env_done(void);
/* forget flows, fragments, debts and who came often */
void publish_env_clear(void);
/* How many established flows lead to that container, and the word for it. */
long long publish_env_shared(const char *ifname);
void publish_env_share(const char *ifname, long long n);
/* The next flow that may give way has this turn. */
void publish_env_turn(uint32_t next);
/* On the list of 7000/tcp, from now on. */
void publish_env_judge(const char *ip, unsigned int bits, bool allow);

/* Another table for a pool, until clear(): who has the even and the odd slots. */
void publish_env_pool(unsigned int number, const char *even, uint16_t even_port,
		      const char *odd, uint16_t odd_port);

/*
 * publish_env_play() - one step a line:
 *
 *   HOOK PACKET => RESULT [PACKET]   HOOK: U (up0), U3 (br3), E, E2, E3, E5,
 *                                    E6 (containers: v1, v2, ...)
 *   flow PACKET = STATE              half, replied, open, closing, none
 *   stat WHO => flows=N in=PACKETS/BYTES out=... refused=N
 *                                    since clear(); WHO: 8080, 5353, 19968, 7000,
 *                                    10.9.0.2, 10.8.0.2, 10.4.0.2, 10.4.0.3; - what
 *                                    is of nobody who counts
 *   lose ADDRESS => done             the host has it no more (until clear()),
 *   route ADD-OR-DEL => done         ip-route(8); wait 2s => done: nothing else;
 *   aside 1-OR-0 => done             the stack is to have everything (until clear()).
 *                                    Each as if two seconds had passed
 *                                    (wait 9s: for what is known of fragments and what
 *                                    bridges have heard, 9)
 *   owe in|out SECONDS => done       v7 is as far ahead of its rate
 *   shut PORT => done                it is not published on any IPv4 address, until
 *   open PORT => done
 *   part PACKET => done              the flow loses this one of its two entries
 *   spoke PACKET => yes              or no: established, and who was asked has said
 *                                    more than SYN ACK
 *
 * RESULT: pass (to the stack, unchanged), up (the same, past the bridge), drop REASON,
 * peer, wire (translated, then the packet that goes on), icmp-peer, icmp-wire, told (it was too big, and an
 * ICMP error goes back).  One * in a packet stands
 * for anything, and $ in later lines for what it stood for.
 */
void publish_env_play(const char *steps);
/* Others have all the room for flows that is left. */
void publish_env_fill(void);
/* As "flow PACKET" says it: a constant string. */
const char *publish_env_state(const char *packet);
/* What the last * of the last play stood for. */
void publish_env_star(char ret[static 64]);

#endif
