/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Mount options as Docker's volumes give them, checked one by one. */
#include "volplugins/mntopt.h"

#include <linux/mount.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "lib/log.h"
#include "lib/opts.h"
#include "volplugins/mntopt_priv.h"

void mntopt_free(struct mntopt *m)
{
	if (!m)
		return;
	free(m->text);
	free(m->source);
	free(m);
}

static int no_memory(struct err *err)
{
	return err_set(err, -ENOMEM, "out of memory");
}

/* ---- what fits ----------------------------------------------------------- */

/* Printable, and short enough for fsconfig(2). */
bool mntopt_plain(const char *s, size_t max)
{
	const char *p = s;

	for (; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return false;
	return (size_t)(p - s) <= max;
}

static bool digits(const char *s, char last)
{
	if (!*s)
		return false;
	for (; *s; s++)
		if (*s < '0' || *s > last)
			return false;
	return true;
}

static bool number(const char *s)
{
	return digits(s, '9') && strlen(s) <= 10 &&
	       strtoull(s, NULL, 10) <= UINT32_MAX;
}

bool mntopt_tmpfs_size(const char *s, struct mntopt_size *ret)
{
	static const char units[] = "kmgtpe";
	unsigned int shift = 0;
	char *end;
	uint64_t n = strtoull(s, &end, 10);
	size_t len = (size_t)(end - s);

	*ret = (struct mntopt_size){ 0 };
	if (!len || len > 18 || *s < '0' || *s > '9' || !n)
		return false;
	if (strcmp(end, "%") == 0) {
		ret->percent = (uint32_t)n;
		return n <= 100;
	}
	if (*end && (end[1] || !strchr(units, *end | 0x20)))
		return false;
	if (*end)
		shift = 10 *
			(unsigned int)(strchr(units, *end | 0x20) - units + 1);
	ret->bytes = n << shift;
	return n <= (uint64_t)INT64_MAX >> shift;
}

/* Does the name of an option say that its value is a secret? */
static bool secret(const char *key)
{
	static const char *const words[] = { "pass", "secret", "token", "key" };

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (strcasestr(key, words[i]))
			return true;
	return false;
}

/* ---- refusing ------------------------------------------------------------ */

static const char *type_name(const struct mntopt_parsing *p)
{
	return p->type->fs == FS_BIND ? "none" : p->type->name;
}

static int bad_value(struct mntopt_parsing *p, const char *key, const char *val,
		     const char *want)
{
	char shown[MNTOPT_SHOW_MAX];

	if (!val)
		return err_set(p->err, -EINVAL,
			       "mount option %s: needs a value, %s", key, want);
	return err_set(p->err, -EINVAL, "mount option %s=%s: not %s", key,
		       log_quote(shown, sizeof(shown), val), want);
}

/* The type an option that is known elsewhere belongs to. */
static const char *type_of(uint32_t fs)
{
	for (const struct mntopt_type *t = mntopt_types; t->name; t++)
		if (t->fs & fs)
			return t->name;
	return "none";
}

static const char *nearest(const struct mntopt_parsing *p, const char *key)
{
	size_t best = (strlen(key) + 1) / 2, d;
	const char *found = NULL;

	for (const struct mntopt_known *k = mntopt_known; k->key; k++) {
		if (!(k->fs & p->type->fs) || k->shape == SHAPE_REFUSED)
			continue;
		d = opts_distance(key, k->key);
		if (d < best) {
			best = d;
			found = k->key;
		}
	}
	return found;
}

static int unknown(struct mntopt_parsing *p, const char *key)
{
	const char *near = nearest(p, key);
	char shown[MNTOPT_SHOW_MAX];

	log_quote(shown, sizeof(shown), key);
	if (strncmp(key, "x-", 2) == 0)
		return err_set(
			p->err, -EINVAL,
			"mount option %s is refused: it is for "
			"/etc/fstab and means nothing here: leave it out",
			shown);
	for (const struct mntopt_known *k = mntopt_known; k->key; k++)
		if (strcmp(k->key, key) == 0 && k->shape != SHAPE_REFUSED)
			return err_set(p->err, -EINVAL,
				       "mount option %s is not for type=%s: it "
				       "is for type=%s",
				       shown, type_name(p), type_of(k->fs));
	if (near)
		return err_set(p->err, -EINVAL,
			       "unknown mount option %s for type=%s: did you "
			       "mean \"%s\"?",
			       shown, type_name(p), near);
	return err_set(p->err, -EINVAL,
		       "unknown mount option %s for type=%s: docs/options.md "
		       "lists those there are",
		       shown, type_name(p));
}

/* The value is not repeated: this text is shown and logged. */
static int refuse_secret(struct mntopt_parsing *p, const char *key)
{
	char shown[MNTOPT_SHOW_MAX];

	return err_set(
		p->err, -EINVAL,
		"mount option %s is refused: options are shown by docker "
		"volume inspect and kept in clear. Put username=, "
		"password= and domain= into a file of root's with mode "
		"0600, a line each, and say credentials=FILE",
		log_quote(shown, sizeof(shown), key));
}

/* ---- one option ---------------------------------------------------------- */

int mntopt_add(struct mntopt_parsing *p, const char *key, const char *value)
{
	struct mntopt *m = p->m;

	if (m->count == MNTOPT_PARAMS_MAX)
		return err_set(p->err, -EINVAL,
			       "option o: more than %d mount options",
			       MNTOPT_PARAMS_MAX);
	m->params[m->count++] = (struct mntopt_param){ key, value };
	return 0;
}

/* Each: @val is NULL where there is none. */

static int take_flag(struct mntopt_parsing *p, const struct mntopt_known *k,
		     const char *val)
{
	(void)val;
	return mntopt_add(p, k->key, NULL);
}

static int take_num(struct mntopt_parsing *p, const struct mntopt_known *k,
		    const char *val)
{
	if (!val || !number(val))
		return bad_value(p, k->key, val, "a whole number");
	return mntopt_add(p, k->key, val);
}

static int take_oct(struct mntopt_parsing *p, const struct mntopt_known *k,
		    const char *val)
{
	if (!val || !digits(val, '7') || strlen(val) > 5)
		return bad_value(p, k->key, val, "an octal number like 0755");
	return mntopt_add(p, k->key, val);
}

static int take_text(struct mntopt_parsing *p, const struct mntopt_known *k,
		     const char *val)
{
	if (!val || !*val)
		return bad_value(p, k->key, val, "some text");
	return mntopt_add(p, k->key, val);
}

static int take_maybe(struct mntopt_parsing *p, const struct mntopt_known *k,
		      const char *val)
{
	return val ? take_text(p, k, val) : take_flag(p, k, NULL);
}

static int take_size(struct mntopt_parsing *p, const struct mntopt_known *k,
		     const char *val)
{
	struct mntopt_size size;

	if (!val || !mntopt_tmpfs_size(val, &size))
		return bad_value(p, k->key, val,
				 "a size like 64m, 1g or 50%, and not 0, which "
				 "would be no limit");
	p->size_given = true;
	return mntopt_add(p, k->key, val);
}

static int take_user(struct mntopt_parsing *p, const struct mntopt_known *k,
		     const char *val)
{
	if (!val || !*val)
		return bad_value(p, k->key, val, "a name");
	if (strchr(val, '%')) /* USER%PASSWORD */
		return refuse_secret(p, k->key);
	p->user_given = true;
	return mntopt_add(p, k->key, val);
}

static int take_ro(struct mntopt_parsing *p, const struct mntopt_known *k,
		   const char *val)
{
	(void)val;
	p->ro = k->shape == SHAPE_RO;
	return 0;
}

static int take_attr(struct mntopt_parsing *p, const struct mntopt_known *k,
		     const char *val)
{
	(void)val;
	if (k->shape == SHAPE_OFF)
		p->m->attr &= ~k->attr;
	else
		p->m->attr |= k->attr;
	return 0;
}

static int take_atime(struct mntopt_parsing *p, const struct mntopt_known *k,
		      const char *val)
{
	p->m->attr &= ~(uint64_t)MOUNT_ATTR__ATIME;
	p->atime = true;
	return take_attr(p, k, val);
}

static int take_propagation(struct mntopt_parsing *p,
			    const struct mntopt_known *k, const char *val)
{
	(void)val;
	p->m->propagation = k->attr;
	return 0;
}

static int take_bind(struct mntopt_parsing *p, const struct mntopt_known *k,
		     const char *val)
{
	(void)val;
	p->bind = true;
	p->m->recursive = k->key[0] == 'r';
	return 0;
}

static int take_host(struct mntopt_parsing *p, const struct mntopt_known *k,
		     const char *val)
{
	if (!val || !*val || strpbrk(val, "/@ ") || *val == '-')
		return bad_value(p, k->key, val, "a host name or an address");
	p->host = val;
	return 0;
}

static int take_credentials(struct mntopt_parsing *p,
			    const struct mntopt_known *k, const char *val)
{
	if (!val || *val != '/')
		return bad_value(p, k->key, val, "the absolute path of a file");
	p->m->credentials = val;
	return 0;
}

static int take_guest(struct mntopt_parsing *p, const struct mntopt_known *k,
		      const char *val)
{
	(void)k;
	(void)val;
	p->user_given = true;
	return mntopt_add(p, "username", "");
}

static int take_nothing(struct mntopt_parsing *p, const struct mntopt_known *k,
			const char *val)
{
	(void)p;
	(void)k;
	(void)val;
	return 0;
}

static int take_refused(struct mntopt_parsing *p, const struct mntopt_known *k,
			const char *val)
{
	char shown[MNTOPT_SHOW_MAX];

	(void)val;
	return err_set(p->err, -EINVAL, "mount option %s is refused: %s",
		       log_quote(shown, sizeof(shown), k->key), k->why);
}

static const struct {
	int (*take)(struct mntopt_parsing *p, const struct mntopt_known *k,
		    const char *val);
	bool word; /* without a value */
} shapes[] = {
	[SHAPE_FLAG] = { take_flag, true },
	[SHAPE_NUM] = { take_num, false },
	[SHAPE_OCT] = { take_oct, false },
	[SHAPE_TEXT] = { take_text, false },
	[SHAPE_MAYBE] = { take_maybe, false },
	[SHAPE_SIZE] = { take_size, false },
	[SHAPE_USER] = { take_user, false },
	[SHAPE_RO] = { take_ro, true },
	[SHAPE_RW] = { take_ro, true },
	[SHAPE_ON] = { take_attr, true },
	[SHAPE_OFF] = { take_attr, true },
	[SHAPE_ATIME] = { take_atime, true },
	[SHAPE_PROPAGATION] = { take_propagation, true },
	[SHAPE_BIND] = { take_bind, true },
	[SHAPE_HOST] = { take_host, false },
	[SHAPE_CREDENTIALS] = { take_credentials, false },
	[SHAPE_GUEST] = { take_guest, true },
	[SHAPE_NOTHING] = { take_nothing, true },
	[SHAPE_REFUSED] = { take_refused, false },
};

static int take(struct mntopt_parsing *p, char *word)
{
	char *val = strchr(word, '=');
	const struct mntopt_known *k = mntopt_known;

	if (val)
		*val++ = '\0';
	if (!mntopt_plain(word, MNTOPT_VALUE_MAX) ||
	    (val && !mntopt_plain(val, MNTOPT_VALUE_MAX)))
		return err_set(p->err, -EINVAL,
			       "option o: a control character, or a mount "
			       "option longer than %d bytes",
			       MNTOPT_VALUE_MAX);
	while (k->key && !((k->fs & p->type->fs) && strcmp(k->key, word) == 0))
		k++;
	if (k->key && val && shapes[k->shape].word)
		return err_set(p->err, -EINVAL,
			       "mount option %s: takes no value", k->key);
	if (k->key)
		return shapes[k->shape].take(p, k, val);
	return secret(word) ? refuse_secret(p, word) : unknown(p, word);
}

/* ---- all together -------------------------------------------------------- */

/* With proto=tcp6 and the like the kernel insists on the family. */
static int family_of(const struct mntopt *m)
{
	int family = AF_UNSPEC;

	for (size_t i = 0; i < m->count; i++) {
		const char *val = m->params[i].value;

		if (val && strcmp(m->params[i].key, "proto") == 0)
			family = val[strlen(val) - 1] == '6' ? AF_INET6
							     : AF_INET;
	}
	return family;
}

static int finish_net(struct mntopt_parsing *p)
{
	struct mntopt *m = p->m;

	m->family = p->type->fs == FS_NFS ? family_of(m) : AF_UNSPEC;
	if (m->credentials && p->user_given)
		return err_set(p->err, -EINVAL,
			       "mount option credentials: the user is given "
			       "twice, leave username= or guest out");
	return 0;
}

/* -o size= is tmpfs's own size. */
static int finish_size(struct mntopt_parsing *p)
{
	struct mntopt *m = p->m;

	if (!p->size)
		return 0;
	if (m->kind != MNTOPT_TMPFS)
		return err_set(p->err, -EINVAL,
			       "option size: type=%s has no limit that we "
			       "could set, the file system that is mounted "
			       "has its own",
			       type_name(p));
	if (p->size_given)
		return err_set(p->err, -EINVAL,
			       "option size: given twice, here and in o=");
	if (asprintf(&m->source, "%llu", (unsigned long long)p->size) < 0) {
		m->source = NULL;
		return no_memory(p->err);
	}
	return mntopt_add(p, "size", m->source);
}

static void finish_bind(struct mntopt_parsing *p)
{
	struct mntopt *m = p->m;

	/* only when asked: a bind keeps what its source has */
	if (p->atime)
		m->attr_clr = MOUNT_ATTR__ATIME;
	/* What is mounted below the source later comes along with rbind, and
	 * taking the volume away must not reach the source. */
	if (!m->propagation)
		m->propagation = m->recursive ? MS_SLAVE : MS_PRIVATE;
}

static int finish(struct mntopt_parsing *p)
{
	struct mntopt *m = p->m;
	int r = 0;

	if (m->kind == MNTOPT_BIND) {
		if (!p->bind)
			return err_set(p->err, -EINVAL,
				       "option type=none: nothing is mounted "
				       "without bind or rbind in o=");
		finish_bind(p);
	} else if (!m->propagation) {
		m->propagation = MS_PRIVATE;
	}
	if (p->ro) {
		m->attr |= MOUNT_ATTR_RDONLY;
		if (m->kind != MNTOPT_BIND)
			r = mntopt_add(p, "ro", NULL);
	}
	if (r == 0)
		r = finish_size(p);
	if (r == 0 && m->kind == MNTOPT_NET)
		r = finish_net(p);
	return r;
}

/* Is @want among the words of @o? */
static bool has_word(const char *o, const char *want)
{
	size_t len = strlen(want), n;

	for (;; o += n + 1) {
		n = strcspn(o, ",");
		if (n == len && strncmp(o, want, n) == 0)
			return true;
		if (!o[n])
			return false;
	}
}

static int start(struct mntopt_parsing *p, const struct mntopt_given *given)
{
	bool bind = has_word(given->o, "bind") || has_word(given->o, "rbind");
	int r;

	if (!*given->type && !bind)
		return err_set(p->err, -EINVAL,
			       "option type: missing, o= and device= only say "
			       "how to mount what");
	r = mntopt_find_type(p, *given->type ? given->type : "none", bind);
	if (r < 0)
		return r;
	/* type=bind is what many write; the kernel has no such thing */
	p->bind = strcmp(p->type->name, "bind") == 0;
	p->m->kind = p->type->kind;
	p->m->fs = p->type->fs == FS_BIND ? NULL : p->type->name;
	/* a volume's files are somebody else's: suid and dev ask for more */
	p->m->attr = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
	return 0;
}

int mntopt_parse(const struct mntopt_given *given, struct mntopt **ret,
		 struct err *err)
{
	_cleanup_(mntopt_freep) struct mntopt *m = calloc(1, sizeof(*m));
	struct mntopt_parsing p = { .m = m, .size = given->size, .err = err };
	size_t o = strlen(given->o) + 1, device = strlen(given->device) + 1;
	char *rest, *word;
	int r;

	if (m)
		m->text = malloc(o + device);
	if (!m || !m->text)
		return no_memory(err);
	memcpy(m->text, given->o, o);
	memcpy(m->text + o, given->device, device);
	r = start(&p, given);
	rest = m->text;
	while (r == 0 && (word = strsep(&rest, ",")))
		if (*word)
			r = take(&p, word);
	if (r == 0)
		r = mntopt_take_device(&p, m->text + o);
	if (r == 0)
		r = finish(&p);
	if (r < 0)
		return r;
	*ret = take_ptr(m);
	return 0;
}

int mntopt_resolved(struct mntopt *m, const char *addr, struct err *err)
{
	struct mntopt_parsing p = { .m = m, .err = err };
	bool cifs = strcmp(m->fs, "cifs") == 0 || strcmp(m->fs, "smb3") == 0;
	int r;

	if (strlen(m->source) > MNTOPT_VALUE_MAX)
		return err_set(err, -EINVAL,
			       "option device: longer than %d bytes",
			       MNTOPT_VALUE_MAX);
	r = mntopt_add(&p, "source", m->source);
	return r < 0 ? r : mntopt_add(&p, cifs ? "ip" : "addr", addr);
}
