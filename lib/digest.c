/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SHA-256, by nettle. */
#include "lib/digest.h"

#include <nettle/sha2.h>
#include <stdint.h>
#include <stdio.h>

struct digest {
	struct sha256_ctx ctx;
};

struct digest *digest_new(void)
{
	struct digest *d = calloc(1, sizeof(*d));

	if (d)
		sha256_init(&d->ctx);
	return d;
}

void digest_free(struct digest *d)
{
	free(d);
}

void digest_add(struct digest *d, const void *data, size_t size)
{
	sha256_update(&d->ctx, size, data);
}

void digest_end_raw(struct digest *d, uint8_t raw[static DIGEST_SIZE])
{
	_Static_assert(DIGEST_SIZE == SHA256_DIGEST_SIZE, "it is SHA-256");
	sha256_digest(&d->ctx, DIGEST_SIZE, raw);
}

void digest_end(struct digest *d, char hex[static DIGEST_HEX_MAX])
{
	uint8_t raw[DIGEST_SIZE];

	digest_end_raw(d, raw);
	for (size_t i = 0; i < sizeof(raw); i++)
		snprintf(hex + 2 * i, 3, "%02x", raw[i]);
}
