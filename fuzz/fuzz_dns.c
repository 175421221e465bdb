/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Questions of containers and answers of resolvers: what passes is answered, within
 * the size that was asked for, and the answer to it fits the question. */
#include <stdlib.h>
#include <string.h>

#include "runtime/names/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void answer(const uint8_t *msg, const struct wire_query *q,
		   const struct wire_answer *a, size_t max)
{
	static uint8_t buf[WIRE_MSG_MAX];
	int n = wire_answer_build(msg, q, a, buf, max);

	if (n < 0) {
		if (n != -ENOMEM)
			abort();
		return;
	}
	if ((size_t)n > max || n < WIRE_HEADER)
		abort();
	if (q->question &&
	    !wire_reply_fits(buf, (size_t)n, msg, q) != ((msg[2] & 0x78) != 0))
		abort();
	if (q->question && wire_reply_cut(buf, q) > (size_t)n)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ip_addr addrs[100] = { 0 }, addr;
	struct wire_query q = { 0 };
	struct wire_answer a = { .addrs = addrs, .ptr = NULL };
	int r = wire_query_parse(data, size, &q);

	if (r < 0)
		return 0;
	if (strlen(q.name) >= sizeof(q.name) || q.udp_size < WIRE_UDP_MIN ||
	    q.udp_size > WIRE_UDP_MAX || WIRE_HEADER + q.question > size)
		abort();
	a.rcode = (enum wire_rcode)r;
	answer(data, &q, &a, WIRE_UDP_MIN);
	(void)wire_ptr_addr(q.name, &addr);
	if (r != WIRE_NOERROR)
		return 0;
	for (size_t i = 0; i < 100; i++)
		addrs[i].family = i & 1 ? AF_INET6 : AF_INET;
	a.count = size % 100;
	answer(data, &q, &a, q.udp_size);
	answer(data, &q, &a, WIRE_MSG_MAX);
	a.count = 0;
	a.ptr = *q.name ? q.name : "web.shop";
	answer(data, &q, &a, q.udp_size);
	return 0;
}
