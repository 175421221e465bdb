/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dnsnets - the server of names alone, for networks that its standard input tells.
 *
 *     name NET NAME ADDRESS          kept until "set"
 *     net NET BRIDGE DOMAIN internal|open GATEWAY SUBNET [GATEWAY SUBNET]
 *                                    DOMAIN "-": none
 *     set                            both take effect, and are forgotten here; says "set"
 *     tick                           what the daemon does once a second
 *     problems                       one a line, then "."
 *
 * Ends with its input, or by "quit".  Never a daemon's flag: what a network is, berth-overlay says.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/log.h"
#include "runtime/names/serve.h"

#define MAX 64

struct told {
	struct serve_net nets[MAX];
	char of[MAX][NAMES_NET_MAX]; /* each record's network */
	struct name_record recs[MAX];
	size_t net_count, rec_count;
};

static void on_net(struct told *t, char *line)
{
	struct serve_net *n = &t->nets[t->net_count];
	char kind[16], domain[NAMES_NAME_MAX], gw[2][64], sub[2][64];
	int got;

	*n = (struct serve_net){ 0 };
	got = sscanf(line, "net %64s %15s %253s %15s %63s %63s %63s %63s",
		     n->net, n->ifname, domain, kind, gw[0], sub[0], gw[1],
		     sub[1]);
	if (got < 6 || t->net_count + 1 >= MAX) {
		fprintf(stderr, "dnsnets: %s\n", line);
		_exit(2);
	}
	n->internal = strcmp(kind, "internal") == 0;
	if (strcmp(domain, "-") != 0)
		memcpy(n->domain, domain, sizeof(domain));
	for (int i = 0; i < (got - 4) / 2; i++)
		if (ip_parse(gw[i], &n->gateway[i], NULL) < 0 ||
		    ip_prefix_parse(sub[i], &n->subnet[i], NULL) < 0)
			_exit(2);
	t->net_count++;
}

static void on_name(struct told *t, char *line)
{
	struct name_record *r = &t->recs[t->rec_count];
	char addr[64];

	*r = (struct name_record){ .ptr = true };
	if (t->rec_count + 1 >= MAX ||
	    sscanf(line, "name %64s %253s %63s", t->of[t->rec_count], r->name,
		   addr) != 3 ||
	    ip_parse(addr, &r->addr, NULL) < 0)
		_exit(2);
	t->rec_count++;
}

static int on_set(struct told *t, struct names *names, struct serve *s,
		  struct err *err)
{
	struct name_record of_net[MAX];
	size_t n;
	int r = 0;

	for (size_t i = 0; r == 0 && i < t->net_count; i++) {
		n = 0;
		for (size_t k = 0; k < t->rec_count; k++)
			if (strcmp(t->of[k], t->nets[i].net) == 0)
				of_net[n++] = t->recs[k];
		r = names_set(names, NAMES_HOSTS, t->nets[i].net, of_net, n,
			      err);
	}
	if (r == 0)
		r = serve_nets_set(s, t->nets, t->net_count, err);
	t->net_count = t->rec_count = 0;
	printf("set\n");
	return r;
}

static void on_problem(void *arg, const char *text)
{
	(void)arg;
	printf("%s\n", text);
}

int main(void)
{
	const struct serve_config cfg = { 0 };
	static struct told t;
	struct names *names;
	struct serve *s = NULL;
	struct err err = { 0 };
	char line[512];
	int r = names_new(&names, &err);

	if (r == 0)
		r = serve_new(names, &cfg, &s, &err);
	setvbuf(stdout, NULL, _IOLBF, 0);
	while (r == 0 && fgets(line, sizeof(line), stdin)) {
		if (strncmp(line, "net ", 4) == 0)
			on_net(&t, line);
		else if (strncmp(line, "name ", 5) == 0)
			on_name(&t, line);
		else if (strcmp(line, "set\n") == 0)
			r = on_set(&t, names, s, &err);
		else if (strcmp(line, "quit\n") == 0)
			break;
		else if (strcmp(line, "tick\n") == 0)
			serve_tick(s);
		else if (strcmp(line, "problems\n") == 0) {
			serve_problems(s, on_problem, NULL);
			printf(".\n");
		}
	}
	if (r < 0) {
		fprintf(stderr, "dnsnets: %s\n", err.msg);
		return 1;
	}
	serve_free(s);
	names_free(names);
	return 0;
}
