/* SPDX-License-Identifier: GPL-2.0-or-later */
/* publish_env_priv.h - what the files of publish_env.h share. */
#ifndef DATAPLANE_EBPF_TEST_PUBLISH_ENV_PRIV_H
#define DATAPLANE_EBPF_TEST_PUBLISH_ENV_PRIV_H

#include "dataplane/ebpf/test/publish_env.h"

#include <linux/types.h>
#include <stddef.h>

#include "bpf/publish.skel.h"

/* Steps of a script: @what is its first word, @arg the rest.  Return: false: another
 * word; else @ret is what came of it. */

/* ---- publish_env.c ---- */

/* From publish_env_make() to publish_env_done(). */
extern struct publish_bpf *publish_skel;
extern int publish_cpus;
/* Flag of a run: the sum of the whole packet is known, and must hold afterwards
 * (CHECKSUM_COMPLETE); 0: the kernel can't, before Linux 6.16. */
extern uint32_t publish_sums;

extern const uint8_t publish_bridge_mac[6], publish_container_mac[6];

/* "lose ADDRESS", "route WHAT", "wait TIME", "aside N" */
bool publish_step_host(const char *what, const char *arg, char *ret,
		       size_t size);

/* ---- publish_maps.c ---- */

/* An address as the maps' keys have it: IPv4 mapped into IPv6. */
void publish_key(const char *text, __u32 ret[4]);
void publish_put(struct bpf_map *map, const void *key, const void *value);
/* What publish_env.h says is there; anew. */
void publish_fill(void);
void publish_clear_stats(void);
/* "stat WHO" */
bool publish_step_stat(const char *what, const char *who, char *ret,
		       size_t size);
/* "shut PORT", "open PORT" */
bool publish_step_port(const char *what, const char *port, char *ret,
		       size_t size);
/* "owe DIRECTION SECONDS" */
bool publish_step_rate(const char *what, const char *arg, char *ret,
		       size_t size);

#endif
