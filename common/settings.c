/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/settings.h"

#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/str.h"

#define SIZE_MAX_SETTING (1ULL << 50)

static bool parse_path(const char *v, void *dst)
{
	return v[0] == '/' && !strstr(v, "/../") && str_printable(v, true) && str_copy(dst, 256, v);
}

static bool parse_name(const char *v, void *dst)
{
	return v[0] != '\0' && strspn(v, "abcdefghijklmnopqrstuvwxyz0123456789_-") == strlen(v) &&
	       str_copy(dst, 64, v);
}

static bool parse_size(const char *v, void *dst)
{
	uint64_t n;

	if (!str_to_size(v, &n) || n > SIZE_MAX_SETTING)
		return false;
	*(uint64_t *)dst = n;
	return true;
}

static bool parse_count(const char *v, void *dst)
{
	return str_to_u64(v, 1, UINT32_MAX - 1, dst);
}

static bool parse_boolean(const char *v, void *dst)
{
	bool yes = str_eq(v, "yes") || str_eq(v, "true") || str_eq(v, "on");

	if (!yes && !str_eq(v, "no") && !str_eq(v, "false") && !str_eq(v, "off"))
		return false;
	*(bool *)dst = yes;
	return true;
}

static bool parse_level(const char *v, void *dst)
{
	return log_level_parse(v, dst);
}

static bool parse_seccomp_mode(const char *v, void *dst)
{
	static const char *const names[] = { "off", "log", "kill" };

	for (int i = 0; i < 3; i++)
		if (str_eq(v, names[i])) {
			*(enum confine_mode *)dst = (enum confine_mode)i;
			return true;
		}
	return false;
}

static bool parse_accel(const char *v, void *dst)
{
	return accel_from_name(v, dst);
}

static bool parse_vmm_kind(const char *v, void *dst)
{
	return vmm_kind_from_name(v, dst);
}

static bool parse_disk_kind(const char *v, void *dst)
{
	return disk_kind_from_name(v, dst);
}

static bool parse_rate(const char *v, void *dst)
{
	if (!str_eq(v, "0"))
		return parse_size(v, dst);
	*(uint64_t *)dst = 0;
	return true;
}

static bool parse_quantity(const char *v, void *dst)
{
	return parse_rate(v, dst);
}

static bool parse_cidr(const char *v, void *dst)
{
	char base[20];
	const char *slash = strchr(v, '/');
	struct cidr c;
	uint64_t prefix;

	if (!slash || (size_t)(slash - v) >= sizeof(base))
		return false;
	memcpy(base, v, (size_t)(slash - v));
	base[slash - v] = '\0';
	if (!ipv4_parse(base, &c.base) || !str_to_u64(slash + 1, 8, 24, &prefix))
		return false;
	c.prefix = (uint8_t)prefix;
	if (c.base.v & ((1U << (32 - c.prefix)) - 1))
		return false;
	*(struct cidr *)dst = c;
	return true;
}

static bool parse_addresses(const char *v, void *dst)
{
	struct addresses a = { .automatic = str_eq(v, "auto") };
	char buf[64], *save = NULL;
	size_t n = 0;

	if (!str_copy(buf, sizeof(buf), v))
		return false;
	if (!a.automatic)
		for (char *t = strtok_r(buf, " ,", &save); t; t = strtok_r(NULL, " ,", &save))
			if (n == 2 || !ipv4_parse(t, &a.a[n++]))
				return false;
	if (!a.automatic && n == 0)
		return false;
	*(struct addresses *)dst = a;
	return true;
}

static const struct {
	const char *section, *key, *type, *def;
	size_t offset;
	bool (*parse)(const char *v, void *dst);
} table[] = {
#define SETTING(section, key, type, def, doc) \
	{ #section, #key, #type, def, offsetof(struct settings, section##_##key), parse_##type },
#include "common/proto/settings.tbl.h"
};

/* One value as the file would give it; fails with bad_request. */
static int set(struct settings *s, const char *section, const char *key, const char *value,
	struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		if (!str_eq(table[i].section, section) || !str_eq(table[i].key, key))
			continue;
		if (!table[i].parse(value, (char *)s + table[i].offset))
			return err_set(err, ERR_bad_request, "[%s] %s: '%s' is not a valid %s",
				section, key, value, table[i].type);
		return 0;
	}
	return err_set(err, ERR_bad_request, "[%s] %s: no such setting", section, key);
}

struct loading {
	struct settings *s;
	struct err *err;
};

static int on_value(void *ctx, const char *section, const char *name, const char *value)
{
	struct loading *l = ctx;

	return set(l->s, section, name, value, l->err) == 0;
}

static int check_file(int fd, const char *path, struct err *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot look at %s", path);
	if (!S_ISREG(st.st_mode) || st.st_uid != 0 || (st.st_mode & (S_IWGRP | S_IWOTH)))
		return err_set(err, ERR_bad_request,
			"%s must be a regular file of root's that nobody else may write", path);
	return 0;
}

static int load_file(const char *path, struct settings *s, struct err *err)
{
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	struct loading l = { s, err };
	FILE *f;
	int r;

	if (fd < 0 && errno == ENOENT && str_eq(path, SETTINGS_PATH))
		return 0;
	if (fd < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot open %s", path);
	if (check_file(fd, path, err) < 0)
		return -1;
	f = fdopen(fd, "re");
	if (!f)
		return err_sys(err, ERR_operation_failed, errno, "cannot read %s", path);
	fd = -1;
	err->msg[0] = '\0';
	r = ini_parse_file(f, on_value, &l);
	fclose(f);
	if (r == 0)
		return 0;
	if (err->msg[0] == '\0')
		err_set(err, ERR_bad_request, "this is no setting");
	return err_wrap(err, "%s, line %d", path, r);
}

int settings_load(const char *path, struct settings *ret, struct err *err)
{
	struct settings s;

	memset(&s, 0, sizeof(s));
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (set(&s, table[i].section, table[i].key, table[i].def, err) < 0)
			return -1;
	if (load_file(path, &s, err) < 0)
		return -1;
	*ret = s;
	return 0;
}
