/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What etcd answers: a range, and what a host may have written into its values. */
#include <stdlib.h>
#include <string.h>

#include "lib/etcd_priv.h"
#include "lib/jdec.h"
#include "netplugins/overlay/cluster_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is taken is written the same and taken again. */
static void records(const struct etcd_kv *kv)
{
	static const struct ov_network any;
	struct cl_net_record net;
	struct cl_subnet_record subnet;
	struct cl_owner owner;
	struct cl_host_record host;
	struct ov_endpoint ep;
	struct etcd_kv again = { .key = kv->key };
	char *text = NULL;

	if (cl_net_decode(kv, &net) == 0)
		text = cl_net_encode(&net);
	if (text) {
		again.value = text;
		again.value_len = strlen(text);
		if (cl_net_decode(&again, &net) < 0)
			abort();
	}
	free(text);
	text = NULL;
	(void)cl_subnet_decode(kv, &subnet);
	(void)cl_owner_decode(kv, &owner);
	(void)cl_host_decode(kv, "a", &host);
	if (cl_endpoint_decode(kv, "", "a", &any, &ep) == 0)
		text = cl_endpoint_encode(&ep);
	if (text) {
		again.value = text;
		again.value_len = strlen(text);
		if (cl_endpoint_decode(&again, "", "a", &any, &ep) < 0)
			abort();
	}
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(json_putp) json_object *o = NULL;
	_cleanup_free_ char *text = malloc(size + 1);
	struct etcd_kv one = { .key = NULL, .value_len = size };
	char key[] = "e1";
	struct etcd_head head;
	struct etcd_kvs kvs = { 0 };

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	one.key = key;
	one.value = text;
	records(&one);
	if (jdec_parse(text, size, &o, NULL) < 0)
		return 0;
	(void)etcd_json_head(o, &head, NULL);
	if (etcd_json_kvs(o, &kvs, NULL) == 0)
		for (size_t i = 0; i < kvs.count; i++)
			records(&kvs.v[i]);
	etcd_kvs_clear(&kvs);
	return 0;
}
