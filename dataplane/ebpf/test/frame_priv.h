/* SPDX-License-Identifier: GPL-2.0-or-later */
/* frame_priv.h - checksums, for making frames and for reading them. */
#ifndef DATAPLANE_EBPF_TEST_FRAME_PRIV_H
#define DATAPLANE_EBPF_TEST_FRAME_PRIV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline void frame_put16(uint8_t *at, unsigned n)
{
	at[0] = (uint8_t)(n >> 8);
	at[1] = (uint8_t)n;
}

static inline void frame_put32(uint8_t *at, unsigned n)
{
	frame_put16(at, n >> 16);
	frame_put16(at + 2, n);
}

static inline unsigned frame_get16(const uint8_t *at)
{
	return (unsigned)(at[0] << 8 | at[1]);
}

struct frame_sum {
	bool v6;
	uint8_t proto;
	const uint8_t *src, *dst;
};

uint32_t frame_sum_add(uint32_t sum, const uint8_t *p, size_t len);
uint16_t frame_sum_fold(uint32_t sum); /* as a number */
/* Of a transport header whose checksum field is 0; with the right one in it: 0. */
uint16_t frame_sum_l4(const struct frame_sum *s, const uint8_t *l4, size_t len);
/* Where the field is. Return: 0: the protocol's is not this kind. */
size_t frame_sum_at(uint8_t proto);

#endif
