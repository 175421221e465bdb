/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * frame.h - frames as one line of text, and back: what a table of packets is
 * made of.
 *
 *   PROTO SOURCE>DESTINATION [WORD...] [{ what an ICMP error is about }]
 *
 *   tcp 192.0.2.2:5000>192.0.2.1:8080 S     flags: S A F R, in that order
 *   udp [fd00::2]:53>[fd00::1]:5353
 *   sctp 192.0.2.2:7>192.0.2.1:7 init       or data
 *   icmp 192.0.2.2>192.0.2.1 ask=77         echo request of id 77; answer=77
 *   icmp 192.0.2.9>192.0.2.1 error { udp 192.0.2.1:8080>192.0.2.2:5000 }
 *   gre 192.0.2.2>192.0.2.1                 something without ports
 *   arp 192.0.2.2>192.0.2.1
 *
 * Words: seq=N, ack=N (TCP: 0 in a SYN, else 1; 1 with A, else 0; never printed),
 * ttl=N (64), len=N (payload, 4), opt=N (bytes of IPv4 options), hops,
 * dst, routing (IPv6 extension headers, before the transport's), first=ID,
 * later=ID (fragments), df (IPv4; never printed), nosum (UDP without checksum), badsum, short=N (cut to N
 * bytes), tag (802.1Q), elsewhere, group (another destination MAC),
 * gso=N.  What is as by default is not printed; "badsum" is printed where a
 * checksum does not hold.
 */
#ifndef DATAPLANE_EBPF_TEST_FRAME_H
#define DATAPLANE_EBPF_TEST_FRAME_H

#include <stddef.h>
#include <stdint.h>

#define FRAME_MAX 2048

struct frame {
	uint8_t bytes[FRAME_MAX];
	size_t len;
	uint32_t gso; /* segment size; 0: none */
};

/* Whom a frame comes from. */
extern const uint8_t frame_smac[6];

/* frame_make() - @dmac: of the interface.  A line that is not understood ends
 * the test. */
void frame_make(struct frame *f, const char *text, const uint8_t dmac[6]);
/* frame_text() - into @buf. Return: @buf. */
char *frame_text(const uint8_t *bytes, size_t len, char *buf, size_t size);

#endif
