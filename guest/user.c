/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "guest/user.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#include "common/fd.h"
#include "common/str.h"
#include "guest/bind.h"

#define FILE_MAX_BYTES ((size_t)4 << 20)
/* (uid_t)-1 means "no change" to the kernel. */
#define ID_MAX (UINT32_MAX - 1)

/* A piece of a text, without its end. */
struct piece {
	const char *p;
	size_t n;
};

/* Cut the next piece up to `stop` off *text. False when nothing is left. */
static bool cut(struct piece *text, char stop, struct piece *ret)
{
	const char *at;

	if (!text->p)
		return false;
	at = memchr(text->p, stop, text->n);
	ret->p = text->p;
	ret->n = at ? (size_t)(at - text->p) : text->n;
	if (at) {
		text->n -= ret->n + 1;
		text->p = at + 1;
	} else {
		text->p = NULL;
	}
	return true;
}

static bool is(const struct piece *a, const char *s)
{
	return strlen(s) == a->n && memcmp(a->p, s, a->n) == 0;
}

static bool copy(char *dst, size_t cap, const struct piece *a)
{
	return a->n < cap && str_format(dst, cap, "%.*s", (int)a->n, a->p);
}

static bool number(const struct piece *a, uint32_t *ret)
{
	char s[16];
	uint64_t v;

	if (!copy(s, sizeof(s), a) || !str_to_u64(s, 0, ID_MAX, &v))
		return false;
	*ret = (uint32_t)v;
	return true;
}

/* Exactly n fields of a line; false for another number of them. */
static bool fields(struct piece line, struct piece *f, size_t n)
{
	struct piece more;

	for (size_t i = 0; i < n; i++)
		if (!cut(&line, ':', &f[i]))
			return false;
	return !cut(&line, ':', &more);
}

/* passwd(5): name:password:uid:gid:gecos:directory:shell */
static bool parse_user(struct piece line, struct user *u)
{
	struct piece f[7];

	return fields(line, f, 7) && f[0].n > 0 && copy(u->name, sizeof(u->name), &f[0]) &&
	       number(&f[2], &u->uid) && number(&f[3], &u->gid) &&
	       copy(u->home, sizeof(u->home), &f[5]) && copy(u->shell, sizeof(u->shell), &f[6]);
}

/* The first entry of that name, or with that number when `id` is not NULL. */
static bool find_user(const char *passwd, const char *name, const uint32_t *id, struct user *ret)
{
	struct piece text = { passwd, passwd ? strlen(passwd) : 0 }, line;
	struct user u = { 0 };

	while (cut(&text, '\n', &line))
		if (parse_user(line, &u) && (id ? u.uid == *id : str_eq(u.name, name))) {
			if (u.home[0] == '\0')
				str_copy(u.home, sizeof(u.home), "/");
			*ret = u;
			return true;
		}
	return false;
}

static int lookup_user(const char *name, const char *passwd, struct user *ret, struct err *err)
{
	struct piece whole = { name, strlen(name) };
	uint32_t id;

	if (find_user(passwd, name, NULL, ret))
		return 0;
	if (!number(&whole, &id)) {
		if (!str_eq(name, "root"))
			return err_set(err, ERR_not_found,
				"the image has no user '%s' in its /etc/passwd", name);
		id = 0;
	}
	if (find_user(passwd, NULL, &id, ret))
		return 0;
	*ret = (struct user){ .uid = id };
	str_copy(ret->home, sizeof(ret->home), "/");
	return 0;
}

static bool has_member(struct piece members, const char *name)
{
	struct piece m;

	while (cut(&members, ',', &m))
		if (is(&m, name))
			return true;
	return false;
}

/* group(5): name:password:gid:members */
static int lookup_group(const char *name, const char *group, gid_t *ret, struct err *err)
{
	struct piece text = { group, group ? strlen(group) : 0 }, line, f[4];
	struct piece whole = { name, strlen(name) };
	uint32_t id;

	while (cut(&text, '\n', &line))
		if (fields(line, f, 4) && is(&f[0], name) && number(&f[2], &id)) {
			*ret = id;
			return 0;
		}
	if (!number(&whole, &id))
		return err_set(
			err, ERR_not_found, "the image has no group '%s' in its /etc/group", name);
	*ret = id;
	return 0;
}

static void add_memberships(const char *group, struct user *u)
{
	struct piece text = { group, group ? strlen(group) : 0 }, line, f[4];
	uint32_t id;

	while (u->name[0] != '\0' && cut(&text, '\n', &line)) {
		bool known = false;

		if (!fields(line, f, 4) || !number(&f[2], &id) || !has_member(f[3], u->name))
			continue;
		for (size_t i = 0; i < u->n_groups; i++)
			known = known || u->groups[i] == id;
		if (!known && u->n_groups < USER_GROUPS_MAX)
			u->groups[u->n_groups++] = id;
	}
}

int user_lookup(
	const char *spec, const char *passwd, const char *group, struct user *ret, struct err *err)
{
	const char *colon = strchr(spec, ':');
	struct piece name = { spec, colon ? (size_t)(colon - spec) : strlen(spec) };
	char s[sizeof(ret->name)];
	struct user u;

	if (!copy(s, sizeof(s), &name) || (colon && (name.n == 0 || colon[1] == '\0')))
		return err_set(err, ERR_bad_request, "'%s' is no USER[:GROUP]", spec);
	if (lookup_user(s[0] ? s : "root", passwd, &u, err) < 0)
		return -1;
	if (colon && lookup_group(colon + 1, group, &u.gid, err) < 0)
		return -1;
	u.groups[u.n_groups++] = u.gid;
	if (!colon)
		add_memberships(group, &u);
	*ret = u;
	return 0;
}

/* A file's text; NULL when the image has no such regular file. A FIFO or device in its place must
 * not hold us up. */
static int read_file(int root, const char *path, char **ret, struct err *err)
{
	_cleanup_fd_ int fd = bind_open(root, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	*ret = NULL;
	if (fd < 0 && bind_is_absence(errno))
		return 0;
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot read %s", path);
	if (!S_ISREG(st.st_mode))
		return 0;
	return fd_read_text(fd, FILE_MAX_BYTES, ret, NULL, err);
}

int user_find_in(int root, const char *spec, struct user *ret, struct err *err)
{
	_cleanup_free_ char *passwd = NULL, *group = NULL;

	if (read_file(root, "/etc/passwd", &passwd, err) < 0 ||
		read_file(root, "/etc/group", &group, err) < 0)
		return -1;
	return user_lookup(spec, passwd, group, ret, err);
}

int user_find(const char *spec, struct user *ret, struct err *err)
{
	_cleanup_fd_ int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (root < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot open /");
	return user_find_in(root, spec, ret, err);
}
