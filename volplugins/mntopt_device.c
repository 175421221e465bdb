/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a volume mounts: its type= and device=. */
#include <stdio.h>
#include <string.h>

#include "lib/log.h"
#include "volplugins/mntopt_priv.h"

int mntopt_find_type(struct mntopt_parsing *p, const char *name, bool bind)
{
	char shown[MNTOPT_SHOW_MAX], known[160] = "";
	const struct mntopt_type *t = mntopt_types;

	for (; t->name && strcmp(t->name, name) != 0; t++)
		snprintf(known + strlen(known), sizeof(known) - strlen(known),
			 "%s%s", known[0] ? ", " : "", t->name);
	if (!t->name)
		return err_set(p->err, -EINVAL, "option type=%s: not one of %s",
			       log_quote(shown, sizeof(shown), name), known);
	if (bind && t->fs != FS_BIND)
		return err_set(p->err, -EINVAL,
			       "mount option bind goes with type=none, not "
			       "with type=%s",
			       t->name);
	p->type = t;
	return 0;
}

static int missing(struct err *err, const char *what, const char *why)
{
	return err_set(err, -EINVAL, "option %s: missing, %s", what, why);
}

/* nfs: HOST:/PATH, [ADDRESS]:/PATH or, with addr=, :/PATH. */
static int nfs_device(struct mntopt_parsing *p, char *device)
{
	struct mntopt *m = p->m;
	char *colon =
		device[0] == '[' ? strstr(device, "]:/") : strstr(device, ":/");
	char *host = device + (device[0] == '['), *source;

	if (!colon)
		return err_set(p->err, -EINVAL,
			       "option device: for type=%s it is :/EXPORT with "
			       "addr=SERVER in o=, or SERVER:/EXPORT",
			       p->type->name);
	m->device = colon + (*colon == ']') + 1;
	*colon = '\0';
	m->host = p->host ? p->host : host;
	/* what is shown is the name the user gave */
	if (!*host)
		host = (char *)(uintptr_t)m->host;
	if (!*m->host)
		return missing(p->err, "device",
			       "no server in it and no addr=SERVER in o=");
	if (asprintf(&source, strchr(host, ':') ? "[%s]:%s" : "%s:%s", host,
		     m->device) < 0)
		return err_set(p->err, -ENOMEM, "out of memory");
	m->source = source;
	return 0;
}

/* cifs: //SERVER/SHARE, with slashes of either kind. */
static int cifs_device(struct mntopt_parsing *p, char *device)
{
	static const char slashes[] = "/\\";
	struct mntopt *m = p->m;
	size_t host = strcspn(device + strspn(device, slashes), slashes);
	const char *share = device + 2 + host;

	if (strspn(device, slashes) != 2 || !host || !*share || !share[1] ||
	    memchr(device + 2, ':', host) || memchr(device + 2, '@', host))
		return err_set(p->err, -EINVAL,
			       "option device: for type=%s it is "
			       "//SERVER/SHARE, and the user is given by "
			       "credentials=FILE in o=",
			       p->type->name);
	m->source = strdup(device);
	if (!m->source)
		return err_set(p->err, -ENOMEM, "out of memory");
	device[2 + host] = '\0';
	m->device = m->source;
	m->host = p->host ? p->host : device + 2;
	return 0;
}

static int path_device(struct mntopt_parsing *p, const char *device)
{
	char shown[MNTOPT_SHOW_MAX];

	if (*device != '/')
		return err_set(p->err, -EINVAL,
			       "option device=%s: not an absolute path%s",
			       log_quote(shown, sizeof(shown), device),
			       strchr(device, '=') && p->type->fs != FS_BIND
				       ? " (/dev/disk/by-uuid and by-label "
					 "have them)"
				       : "");
	p->m->device = device;
	return 0;
}

int mntopt_take_device(struct mntopt_parsing *p, char *device)
{
	struct mntopt *m = p->m;

	if (!*device && m->kind != MNTOPT_TMPFS)
		return missing(p->err, "device",
			       m->kind == MNTOPT_BIND
				       ? "a bind needs the directory"
				       : "this type needs it");
	if (!mntopt_plain(device,
			  m->kind == MNTOPT_BIND ? 4095 : MNTOPT_VALUE_MAX))
		return err_set(p->err, -EINVAL,
			       "option device: a control character, or longer "
			       "than %d bytes",
			       MNTOPT_VALUE_MAX);
	switch (m->kind) {
	case MNTOPT_BIND:
	case MNTOPT_BLOCK:
		return path_device(p, device);
	case MNTOPT_NET:
		return p->type->fs == FS_NFS ? nfs_device(p, device)
					     : cifs_device(p, device);
	case MNTOPT_TMPFS:
		break;
	}
	return mntopt_add(p, "source", *device ? device : "tmpfs");
}
