/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The commands that only tell: state, list, ps. */
#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "lib/base.h"
#include "runtime/oci/oci.h"
#include "runtime/oci/state.h"

#define PRETTY (JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE)

static int print_json(json_object *obj, struct err *err)
{
	if (!obj)
		return err_set(err, -ENOMEM, "out of memory");
	if (puts(json_object_to_json_string_ext(obj, PRETTY)) < 0 ||
	    fflush(stdout) < 0)
		return err_set(err, -EIO, "standard output: %s",
			       strerror(errno));
	return 0;
}

int cmd_state(struct oci *oci, int argc, char **argv, struct err *err)
{
	static const struct option none[] = { { 0 } };
	_cleanup_(state_freep) struct state *st = NULL;
	_cleanup_(json_putp) json_object *obj = NULL;
	enum status status = STATUS_CREATING;
	const char *id = NULL;
	int r = oci_option(argc, argv, "+:", none, err);

	if (r == 0)
		r = oci_one_id(argc, argv, &id, err);
	if (r == 0)
		r = state_peek(oci->root, id, &st, err);
	if (r == 0)
		r = state_status(st, &status, err);
	if (r < 0)
		return r;
	obj = state_json(st, status, true);
	return print_json(obj, err);
}

static int list_one(struct oci *oci, const char *id, json_object *all,
		    struct err *err)
{
	_cleanup_(state_freep) struct state *st = NULL;
	json_object *obj;
	enum status status = STATUS_CREATING;
	int r = state_peek(oci->root, id, &st, err);

	if (r == -ENOENT) /* deleted meanwhile */
		return 0;
	if (r == 0)
		r = state_status(st, &status, err);
	if (r < 0)
		return r;
	obj = state_json(st, status, true);
	if (!obj || json_object_array_add(all, obj) < 0) {
		json_object_put(obj);
		return err_set(err, -ENOMEM, "out of memory");
	}
	return 0;
}

static const char *text_of(json_object *obj, const char *key)
{
	json_object *val = NULL;

	json_object_object_get_ex(obj, key, &val);
	return val ? json_object_get_string(val) : "";
}

static void print_table(json_object *all)
{
	printf("%-20s %-8s %-9s %-30s %-31s %s\n", "ID", "PID", "STATUS",
	       "BUNDLE", "CREATED", "OWNER");
	for (size_t i = 0; i < json_object_array_length(all); i++) {
		json_object *c = json_object_array_get_idx(all, i);

		printf("%-20s %-8s %-9s %-30s %-31s %s\n", text_of(c, "id"),
		       text_of(c, "pid"), text_of(c, "status"),
		       text_of(c, "bundle"), text_of(c, "created"),
		       text_of(c, "owner"));
	}
}

static int only_ids(const struct dirent *e)
{
	return state_id_valid(e->d_name, NULL) == 0;
}

static int read_all(struct oci *oci, json_object *all, struct err *err)
{
	struct dirent **names = NULL;
	int n = scandir(oci->root, &names, only_ids, alphasort), r = 0;

	if (n < 0 && errno != ENOENT)
		return err_set(err, -errno, "--root %s: %s", oci->root,
			       strerror(errno));
	for (int i = 0; i < n; i++) {
		struct err why = { 0 };

		if (r == 0)
			r = list_one(oci, names[i]->d_name, all, &why);
		if (r == -ENOMEM)
			err_set(err, r, "%s", why.msg);
		else if (r < 0) { /* the others are there all the same */
			oci_log(oci, "warning", "list: container %s: %s",
				names[i]->d_name, why.msg);
			fprintf(stderr, "berth-oci: container %s: %s\n",
				names[i]->d_name, why.msg);
			r = 0;
		}
		free(names[i]);
	}
	free(names);
	return r;
}

/* 0: table; 1: json */
static int format_of(const char *name, struct err *err)
{
	if (strcmp(name, "json") == 0)
		return 1;
	if (strcmp(name, "table") == 0)
		return 0;
	return err_set(err, -EINVAL, "--format: \"%.16s\" is not table or json",
		       name);
}

int cmd_list(struct oci *oci, int argc, char **argv, struct err *err)
{
	static const struct option options[] = {
		{ "format", required_argument, NULL, 'f' },
		{ "quiet", no_argument, NULL, 'q' },
		{ 0 },
	};
	_cleanup_(json_putp) json_object *all = json_object_new_array();
	bool quiet = false;
	int c, r = 0, json = 0;

	while ((c = oci_option(argc, argv, "+:f:q", options, err)) > 0) {
		if (c == 'q')
			quiet = true;
		else
			json = format_of(optarg, err);
		if (json < 0)
			return json;
	}
	if (c < 0)
		return c;
	if (optind < argc)
		return err_set(err, -EINVAL, "list takes no container id");
	if (!all)
		return err_set(err, -ENOMEM, "out of memory");
	r = read_all(oci, all, err);
	if (r < 0)
		return r;
	if (json)
		return print_json(all, err);
	if (!quiet)
		print_table(all);
	for (size_t i = 0; quiet && i < json_object_array_length(all); i++)
		puts(text_of(json_object_array_get_idx(all, i), "id"));
	return 0;
}

static void print_process(pid_t pid)
{
	char path[64], line[256] = "", *p;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	f = fopen(path, "re");
	if (!f)
		return; /* ended meanwhile */
	if (!fgets(line, sizeof(line), f))
		line[0] = '\0';
	fclose(f);
	for (p = line; *p; p++) /* a name may hold anything */
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = *p == '\n' ? '\0' : '?';
	printf("%-8d %s\n", (int)pid, line);
}

int cmd_ps(struct oci *oci, int argc, char **argv, struct err *err)
{
	static const struct option options[] = {
		{ "format", required_argument, NULL, 'f' },
		{ 0 },
	};
	_cleanup_(state_freep) struct state *st = NULL;
	_cleanup_(cgroup_freep) struct cgroup *cg = NULL;
	_cleanup_(json_putp) json_object *list = json_object_new_array();
	_cleanup_free_ pid_t *pids = NULL;
	const char *id = NULL;
	size_t count = 0;
	int c, r, json = 0;

	while ((c = oci_option(argc, argv, "+:f:", options, err)) > 0) {
		json = format_of(optarg, err);
		if (json < 0)
			return json;
	}
	r = c < 0 ? c : oci_one_id(argc, argv, &id, err);
	if (r == 0)
		r = state_peek(oci->root, id, &st, err);
	if (r == 0)
		r = state_cgroup(st, &cg, err);
	if (r == 0 && cg)
		r = cgroup_pids(cg, &pids, &count, err);
	if (r < 0)
		return r;
	if (!json)
		printf("%-8s %s\n", "PID", "CMD");
	for (size_t i = 0; i < count; i++)
		if (json)
			json_object_array_add(list,
					      json_object_new_int(pids[i]));
		else
			print_process(pids[i]);
	return json ? print_json(list, err) : 0;
}
