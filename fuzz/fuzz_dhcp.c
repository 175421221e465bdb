/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Frames off the LAN: what parses is built and parses the same, and a lease in any
 * state gets no address and no time out of it that it must not have. */
#include <stdlib.h>
#include <string.h>

#include "ipam/dhcp_lease.h"
#include "lib/base.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void again(const struct dhcp_msg *m)
{
	uint8_t buf[DHCP_FRAME_MAX];
	struct dhcp_way way = { 0 };
	struct mac_addr from;
	struct dhcp_msg got;
	int len = dhcp_frame_build(&way, m, buf, sizeof(buf));

	if (len < 0 ||
	    dhcp_frame_parse(buf, (size_t)len, true, &from, &got) < 0 ||
	    got.type != m->type || got.xid != m->xid || got.mask != m->mask ||
	    got.lease_s != m->lease_s || !ip_equal(&got.yiaddr, &m->yiaddr) ||
	    !ip_equal(&got.server, &m->server) ||
	    !ip_equal(&got.router, &m->router))
		abort();
}

static void into(enum dhcp_state state, const struct dhcp_msg *m,
		 const struct mac_addr *from)
{
	struct dhcp_lease l = { .state = state,
				.mac = m->chaddr,
				.addr = m->yiaddr,
				.server = m->server,
				.xid = m->xid,
				.asked_ms = 1000,
				.next_ms = 1000,
				.t1_ms = 5000,
				.t2_ms = 8000,
				.end_ms = 10000 },
			  offer, was = l;
	struct dhcp_msg out;
	bool lost;

	switch (dhcp_lease_input(&l, 2000, m, from, &offer)) {
	case DHCP_OFFERED:
		if (state != DHCP_SELECTING || ip_is_none(&offer.addr))
			abort();
		dhcp_lease_accept(&l, &offer, 2000);
		break;
	case DHCP_LEASED:
	case DHCP_RENEWED:
		if (state == DHCP_BOUND || l.state != DHCP_BOUND ||
		    !ip_equal(&l.addr, &was.addr) || l.end_ms <= l.asked_ms)
			abort();
		break;
	case DHCP_REFUSED:
		if (l.state != DHCP_SELECTING)
			abort();
		break;
	case DHCP_NOTHING:
		if (memcmp(&l, &was, sizeof(l)) != 0)
			abort();
		break;
	}
	for (uint64_t now = 2000; now < 20000; now += 500)
		(void)dhcp_lease_due(&l, now, 7, &out, &lost);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mac_addr from;
	struct dhcp_msg m;

	if (size && dhcp_msg_parse(data, size, &m) == 0 &&
	    strlen(m.text) >= sizeof(m.text))
		abort();
	/* the sums would keep the fuzzer out */
	if (dhcp_frame_parse(data, size, false, &from, &m) < 0)
		return 0;
	again(&m);
	for (int state = 0; state < DHCP_STATE_MAX; state++)
		into((enum dhcp_state)state, &m, &from);
	return 0;
}
