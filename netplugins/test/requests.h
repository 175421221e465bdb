/* SPDX-License-Identifier: GPL-2.0-or-later */
/* requests.h - what dockerd asks of the fake driver in these tests. */
#ifndef NETPLUGINS_TEST_REQUESTS_H
#define NETPLUGINS_TEST_REQUESTS_H

#define NET  "aaaaaaaaaaaaaaaa"
#define EP   "bbbbbbbbbbbbbbbb"
#define EP2  "cccccccccccccccc"
#define IDS  "\"NetworkID\":\"" NET "\",\"EndpointID\":\"" EP "\""
#define IDS2 "\"NetworkID\":\"" NET "\",\"EndpointID\":\"" EP2 "\""
#define IDS3 "\"NetworkID\":\"" NET "\",\"EndpointID\":\"dddddddddddddddd\""
#define D    "NetworkDriver."

#define NETWORK(id, pool, gw, generic)                                   \
	"{\"NetworkID\":\"" id "\",\"Options\":{\"com.docker.network."   \
	"generic\":{" generic "}},\"IPv4Data\":[{\"Pool\":\"" pool "\"," \
	"\"Gateway\":\"" gw "\"}],\"IPv6Data\":[]}"
#define NETWORK1 NETWORK(NET, "10.1.0.0/24", "10.1.0.1/24", "")
#define ENDPOINT(ids, addr)                                                \
	"{" ids ",\"Interface\":{\"Address\":\"" addr "\",\"MacAddress\":" \
	"\"\"}}"
#define ENDPOINT1          ENDPOINT(IDS, "10.1.0.2/24")
#define PORTS(first, last) PORTS_OF(IDS, first, last)
#define PORTS_OF(ids, first, last)                                          \
	"{" ids ",\"Options\":{\"com.docker.network.portmap\":[{\"Proto\":" \
	"6,\"IP\":\"\",\"Port\":80,\"HostIP\":\"\",\"HostPort\":" first     \
	",\"HostPortEnd\":" last "}]}}"
#define JOIN1 "{" IDS ",\"SandboxKey\":\"/nowhere/ns1\"}"

struct step {
	const char *method, *body;
};

#endif
