/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What ports and endpoints sent and got, for who asks with "Stats". */
#include <errno.h>

#include "dataplane/dataplane.h"
#include "netplugins/net_core.h"

/* "Stats": {...}; null where nobody counts. */
static int put_stats(json_object *o, const struct dp_stats *st)
{
	_cleanup_(json_putp) json_object *s = NULL;

	if (!st->counted)
		return json_object_object_add(o, "Stats", NULL);
	s = json_object_new_object();
	if (!s || !net_put_int(s, "PacketsIn", st->packets_in) ||
	    !net_put_int(s, "BytesIn", st->bytes_in) ||
	    !net_put_int(s, "PacketsOut", st->packets_out) ||
	    !net_put_int(s, "BytesOut", st->bytes_out) ||
	    !net_put_int(s, "Flows", st->flows) ||
	    !net_put_int(s, "Refused", st->refused))
		return -ENOMEM;
	return net_put(o, "Stats", take_ptr(s)) ? 0 : -ENOMEM;
}

int net_put_port_stats(json_object *o, struct net_endpoint *ep,
		       const struct port_range *r)
{
	const struct net_driver *driver = ep->network->driver;
	struct dp_stats st = { 0 };

	/* what can't be read is not counted */
	if (driver->port_stats && driver->port_stats(ep, r, &st, NULL) < 0)
		st.counted = false;
	return put_stats(o, &st);
}

int net_put_endpoint_stats(json_object *o, struct net_endpoint *ep)
{
	const struct net_driver *driver = ep->network->driver;
	struct dp_stats st = { 0 };

	if (driver->endpoint_stats && driver->endpoint_stats(ep, &st, NULL) < 0)
		st.counted = false;
	return put_stats(o, &st);
}
