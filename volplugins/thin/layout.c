/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A pool's places and its state, as numbers. */
#include "volplugins/thin/layout.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define SECTOR      512
#define MAGIC       "berth-thin-pool 1 "
#define BLOCK_MIN   128           /* 64 KiB */
#define BLOCK_MAX   (1u << 21)    /* the kernel's */
#define BLOCKS_MOST (1u << 24)    /* then the blocks become larger */
#define META_MIN    (8u << 11)    /* 8 MiB */
#define META_MAX    (15ull << 21) /* the kernel uses a little more than 15 GiB */
#define POOL_MIN    (32ull << 20)

int thin_layout_plan(uint64_t bytes, struct thin_layout *ret, struct err *err)
{
	uint64_t sectors = bytes / SECTOR;

	if (bytes < POOL_MIN)
		return err_set(err, -EINVAL, "a pool has at least 32m");
	*ret = (struct thin_layout){ .block = BLOCK_MIN };
	while (sectors / ret->block > BLOCKS_MOST && ret->block < BLOCK_MAX)
		ret->block *= 2;
	/* A mapping takes up to 48 bytes; as much again for snapshots' own. */
	ret->meta_sectors = sectors / ret->block * 96 / SECTOR;
	if (ret->meta_sectors < META_MIN)
		ret->meta_sectors = META_MIN;
	if (ret->meta_sectors > META_MAX)
		ret->meta_sectors = META_MAX;
	ret->meta_sectors = (ret->meta_sectors + 2047) & ~(uint64_t)2047;
	ret->data_start = THIN_META_START + ret->meta_sectors;
	return 0;
}

uint64_t thin_layout_data(const struct thin_layout *l, uint64_t bytes)
{
	uint64_t sectors = bytes / SECTOR;

	if (sectors <= l->data_start)
		return 0;
	return (sectors - l->data_start) / l->block * l->block;
}

uint64_t thin_layout_meta_next(const struct thin_layout *l, uint64_t more,
			       uint64_t data_sectors)
{
	uint64_t most = data_sectors / 16, total = l->meta_sectors + more;
	uint64_t want = 2 * total;

	if (most > META_MAX)
		most = META_MAX;
	if (want > most)
		want = most & ~(uint64_t)2047;
	return want > total ? want - l->meta_sectors : more;
}

void thin_layout_print(const struct thin_layout *l,
		       char buf[static THIN_HEADER_SIZE])
{
	memset(buf, 0, THIN_HEADER_SIZE);
	snprintf(buf, THIN_HEADER_SIZE,
		 MAGIC "uuid=%s block=%" PRIu64 " metadata=%d+%" PRIu64
		       " data=%" PRIu64 "\n",
		 l->uuid, l->block, THIN_META_START, l->meta_sectors,
		 l->data_start);
}

static bool makes_sense(const struct thin_layout *l, unsigned int meta_start)
{
	for (size_t i = 0; i < THIN_UUID_MAX - 1; i++)
		if (!isxdigit((unsigned char)l->uuid[i]))
			return false;
	return meta_start == THIN_META_START && l->block >= BLOCK_MIN &&
	       l->block <= BLOCK_MAX && l->block % BLOCK_MIN == 0 &&
	       l->meta_sectors >= META_MIN && l->meta_sectors <= META_MAX &&
	       l->data_start == THIN_META_START + l->meta_sectors;
}

int thin_layout_parse(const char buf[static THIN_HEADER_SIZE],
		      struct thin_layout *ret, struct err *err)
{
	struct thin_layout l = { 0 };
	unsigned int meta_start = 0;
	char line[256], again[THIN_HEADER_SIZE];
	int n;

	if (strncmp(buf, MAGIC, strlen(MAGIC)) != 0)
		return err_set(err, -ENODATA, "no header of ours");
	snprintf(line, sizeof(line), "%.250s", buf + strlen(MAGIC));
	n = sscanf(line,
		   "uuid=%32s block=%" SCNu64 " metadata=%u+%" SCNu64
		   " data=%" SCNu64,
		   l.uuid, &l.block, &meta_start, &l.meta_sectors,
		   &l.data_start);
	if (n != 5 || !makes_sense(&l, meta_start))
		return err_set(err, -EUCLEAN, "the pool's header is damaged");
	thin_layout_print(&l, again);
	if (memcmp(buf, again, THIN_HEADER_SIZE) != 0)
		return err_set(err, -EUCLEAN, "the pool's header is damaged");
	*ret = l;
	return 0;
}

/* Blocks are zeroed before a volume gets them: they may have been another's. */
void thin_table_print(const struct thin_layout *l, const char *meta,
		      const char *data, uint64_t data_sectors, bool pass_down,
		      char *buf, size_t size)
{
	uint64_t blocks = data_sectors / l->block;

	snprintf(buf, size, "%s %s %" PRIu64 " %" PRIu64 " %s", meta, data,
		 l->block, blocks * (100 - THIN_LOW) / 100,
		 pass_down ? "1 error_if_no_space"
			   : "2 no_discard_passdown error_if_no_space");
}

/* ---- status ----------------------------------------------------------------- */

int thin_status_parse(const char *text, struct thin_status *ret,
		      struct err *err)
{
	struct thin_status s = { 0 };
	char held[24], mode[32], discard[32], full[32], check[32] = "";
	int n;

	if (strncmp(text, "Fail", 4) == 0 || strncmp(text, "Error", 5) == 0) {
		*ret = (struct thin_status){ .mode = THIN_MODE_FAIL };
		return 0;
	}
	n = sscanf(text,
		   "%" SCNu64 " %" SCNu64 "/%" SCNu64 " %" SCNu64 "/%" SCNu64
		   " %23s %31s %31s %31s %31s",
		   &s.transaction, &s.used_meta, &s.total_meta, &s.used_data,
		   &s.total_data, held, mode, discard, full, check);
	if (n < 9 || !s.total_meta)
		return err_set(err, -EUCLEAN, "state of the pool: \"%.100s\"",
			       text);
	s.mode = strcmp(mode, "rw") == 0   ? THIN_MODE_WRITE
		 : strcmp(mode, "ro") == 0 ? THIN_MODE_READ
					   : THIN_MODE_NO_SPACE;
	s.needs_check = strcmp(check, "needs_check") == 0;
	*ret = s;
	return 0;
}

static unsigned int percent(uint64_t used, uint64_t total)
{
	return total ? (unsigned int)((used * 100 + total - 1) / total) : 100;
}

unsigned int thin_status_full(const struct thin_status *s)
{
	unsigned int data = percent(s->used_data, s->total_data);
	unsigned int meta = percent(s->used_meta, s->total_meta);

	return data > meta ? data : meta;
}

unsigned int thin_status_meta_full(const struct thin_status *s)
{
	return percent(s->used_meta, s->total_meta);
}

bool thin_status_writable(const struct thin_status *s)
{
	return !s->needs_check &&
	       (s->mode == THIN_MODE_WRITE || s->mode == THIN_MODE_NO_SPACE);
}

/* .. of what is not made from @full per cent on. */
static const char *trouble(const struct thin_status *s, unsigned int full,
			   char *buf, size_t size)
{
	unsigned int data = percent(s->used_data, s->total_data);
	unsigned int meta = percent(s->used_meta, s->total_meta);

	if (s->mode == THIN_MODE_FAIL)
		snprintf(buf, size,
			 "the kernel gave the pool up: see dmesg, stop what "
			 "uses its volumes, restart berth-thin");
	else if (s->needs_check || s->mode == THIN_MODE_READ)
		snprintf(buf, size,
			 "the pool is read-only, its metadata needs a check: "
			 "see \"A damaged pool\" in docs/volumes/thin.md");
	else if (s->mode == THIN_MODE_NO_SPACE)
		snprintf(buf, size,
			 "the pool is full, writes to its volumes fail: make "
			 "it larger (--pool-size), or remove snapshots or "
			 "volumes");
	else if (data >= full || meta >= full)
		snprintf(buf, size,
			 "the pool's %s is %u%% full, nothing new is made from "
			 "%u%% on: %sremove snapshots or volumes%s",
			 data >= meta ? "room for data" : "metadata",
			 data >= meta ? data : meta, full,
			 data >= meta ? "make it larger (--pool-size), or "
				      : "",
			 data >= meta ? ""
				      : " (see \"The pool's metadata\" in "
					"docs/volumes/thin.md)");
	else
		return NULL;
	return buf;
}

const char *thin_status_trouble(const struct thin_status *s, char *buf,
				size_t size)
{
	return trouble(s, THIN_FULL, buf, size);
}

int thin_status_room(const struct thin_status *s, unsigned int full,
		     struct err *err)
{
	char why[256];

	if (!trouble(s, full, why, sizeof(why)))
		return 0;
	return err_set(err,
		       s->mode == THIN_MODE_FAIL || s->mode == THIN_MODE_READ ||
				       s->needs_check
			       ? -EROFS
			       : -ENOSPC,
		       "%s", why);
}

int thin_status_fits(const struct thin_status *s, uint64_t block,
		     uint64_t bytes, struct err *err)
{
	uint64_t most = s->total_data * THIN_FULL / 100;
	uint64_t room = most > s->used_data ? most - s->used_data : 0;

	if (bytes <= room * block)
		return 0;
	return err_set(err, -ENOSPC,
		       "an empty file system of that size takes up to %" PRIu64
		       "m, and the pool has %" PRIu64
		       "m until it is %d%% full: make the volume smaller or "
		       "the pool larger (--pool-size), or remove snapshots or "
		       "volumes",
		       (bytes >> 20) + 1, room * block >> 20, THIN_FULL);
}
