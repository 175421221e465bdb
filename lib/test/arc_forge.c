/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See arc_forge.h. */
#include "lib/test/arc_forge.h"

#include <unistd.h>

#include "lib/test/test.h"

struct archive *arc_forge_open(void *buf, size_t size, size_t *used)
{
	struct archive *a = archive_write_new();

	assert_non_null(a);
	archive_write_set_format_pax(a);
	archive_write_add_filter_zstd(a);
	archive_write_set_bytes_in_last_block(a, 1);
	archive_write_open_memory(a, buf, size, used);
	return a;
}

void arc_forge_close(struct archive *a, int fd, const void *buf,
		     const size_t *used)
{
	archive_write_close(a);
	archive_write_free(a);
	arc_forge_put(fd, buf, *used);
}

void arc_forge_put(int fd, const void *data, size_t size)
{
	struct digest *d = digest_new();
	char sha256[DIGEST_HEX_MAX];
	uint8_t end[ARC_END_SIZE];

	digest_add(d, data, size);
	digest_end(d, sha256);
	digest_free(d);
	arc_end_make(end, sha256);
	assert_int_equal(write(fd, data, size), size);
	assert_int_equal(write(fd, end, sizeof(end)), sizeof(end));
}
