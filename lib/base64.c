// SPDX-License-Identifier: GPL-2.0-or-later
/* Base64, by nettle. */
#include "lib/base64.h"

#include <errno.h>
#include <nettle/base64.h>
#include <stdint.h>
#include <stdlib.h>

#include "lib/base.h"

char *base64_encode(const void *data, size_t size)
{
	size_t len = BASE64_ENCODE_RAW_LENGTH(size);
	char *text = malloc(len + 1);

	if (!text)
		return NULL;
	base64_encode_raw(text, size, data);
	text[len] = '\0';
	return text;
}

/* nettle skips white space. */
static int alphabet(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	       (c >= '0' && c <= '9') || c == '+' || c == '/' || c == '=';
}

int base64_decode(const char *text, size_t len, char **ret, size_t *ret_len)
{
	_cleanup_free_ uint8_t *data = malloc(BASE64_DECODE_LENGTH(len) + 1);
	struct base64_decode_ctx ctx;
	size_t size = BASE64_DECODE_LENGTH(len);

	if (!data)
		return -ENOMEM;
	for (size_t i = 0; i < len; i++)
		if (!alphabet(text[i]))
			return -EBADMSG;
	base64_decode_init(&ctx);
	if (!base64_decode_update(&ctx, &size, data, len, text) ||
	    !base64_decode_final(&ctx))
		return -EBADMSG;
	data[size] = '\0';
	*ret = (char *)take_ptr(data);
	*ret_len = size;
	return 0;
}
