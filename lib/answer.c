/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "lib/answer.h"

#include <errno.h>
#include <unistd.h>

#include "lib/plugd.h"

int answer_put(json_object *to, const char *key, json_object *val)
{
	if (val && to && json_object_object_add(to, key, val) == 0)
		return 0;
	json_object_put(val);
	return -ENOMEM;
}

int answer_text(json_object *to, const char *key, const char *text)
{
	return answer_put(to, key, json_object_new_string(text));
}

int answer_uint(json_object *to, const char *key, uint64_t n)
{
	return answer_put(to, key, json_object_new_uint64(n));
}

int answer_bool(json_object *to, const char *key, bool yes)
{
	return answer_put(to, key, json_object_new_boolean(yes));
}

int answer_list(json_object **ret, const char *key, json_object **list,
		struct err *err)
{
	*ret = json_object_new_object();
	*list = json_object_new_array();
	return answer_put(*ret, key, *list) < 0 ? answer_no_memory(err) : 0;
}

void answer_line(void *list, const char *line)
{
	json_object *text = json_object_new_string(line);

	if (text && json_object_array_add(list, text) < 0)
		json_object_put(text);
}

static uint64_t ms_since(const struct timespec *start)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)(now.tv_sec - start->tv_sec) * 1000 +
	       (uint64_t)(now.tv_nsec / 1000000) -
	       (uint64_t)(start->tv_nsec / 1000000);
}

int answer_info(json_object **ret, const char *name, const char *kind,
		const struct timespec *started, json_object **problems,
		struct err *err)
{
	int r = answer_list(ret, "Problems", problems, err);

	if (r < 0)
		return r;
	if (answer_text(*ret, "Name", name) ||
	    answer_text(*ret, "Version", BERTH_VERSION) ||
	    answer_text(*ret, "Kind", kind) ||
	    answer_uint(*ret, "Pid", (uint64_t)getpid()) ||
	    answer_uint(*ret, "UptimeMs", ms_since(started)))
		return answer_no_memory(err);
	return 0;
}
