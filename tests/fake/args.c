/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/fake/args.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "common/str.h"
#include "tests/fake/log.h"

#define ID_MAX 64

/* Those without a place in struct args are taken and not looked at. */
enum { AT_ID, AT_API_SOCK, AT_LOG_PATH, AT_LEVEL, AT_OTHER };

static const struct {
	const char *name;
	bool has_value;
	int at;
} known[] = {
	{ "--id", true, AT_ID },
	{ "--api-sock", true, AT_API_SOCK },
	{ "--log-path", true, AT_LOG_PATH },
	{ "--level", true, AT_LEVEL },
	{ "--module", true, AT_OTHER },
	{ "--show-level", false, AT_OTHER },
	{ "--show-log-origin", false, AT_OTHER },
	{ "--no-seccomp", false, AT_OTHER },
	{ "--boot-timer", false, AT_OTHER },
	{ "--start-time-us", true, AT_OTHER },
	{ "--start-time-cpu-us", true, AT_OTHER },
	{ "--parent-cpu-time-us", true, AT_OTHER },
	{ "--http-api-max-payload-size", true, AT_OTHER },
};

static int find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (str_eq(known[i].name, name))
			return (int)i;
	return -1;
}

int args_parse(int argc, char **argv, struct args *ret, struct err *err)
{
	const char *values[AT_OTHER + 1] = { "anonymous-instance", "/run/firecracker.socket" };
	bool seen[ARRAY_SIZE(known)] = { 0 };
	struct args a = { 0 };

	for (int i = 1; i < argc; i++)
		a.version |= str_eq(argv[i], "--version");
	for (int i = 1; i < argc && !a.version; i++) {
		int k = find(argv[i]);

		if (k < 0)
			return err_set(err, ERR_bad_request,
				"Arguments parsing error: Found argument '%s' which wasn't "
				"expected, "
				"or isn't valid in this context.",
				argv[i]);
		if (seen[k])
			return err_set(err, ERR_bad_request,
				"Arguments parsing error: The argument '%s' was provided more than "
				"once.",
				argv[i]);
		seen[k] = true;
		if (!known[k].has_value)
			continue;
		if (i + 1 == argc || str_starts(argv[i + 1], "--"))
			return err_set(err, ERR_bad_request,
				"Arguments parsing error: The argument '%s' requires a value, but "
				"none was supplied.",
				argv[i]);
		values[known[k].at] = argv[++i];
	}
	a.id = values[AT_ID];
	a.api_sock = values[AT_API_SOCK];
	a.log_path = values[AT_LOG_PATH];
	a.level = values[AT_LEVEL];
	*ret = a;
	return 0;
}

bool args_id_is_good(const char *id)
{
	size_t n = strlen(id);

	for (const char *c = id; *c; c++)
		if (!isalnum((unsigned char)*c) && *c != '-')
			return false;
	return n >= 1 && n <= ID_MAX;
}

int args_apply_log(const struct args *a, struct err *err)
{
	int fd;

	log_line_level(a->level);
	if (!a->log_path)
		return 0;
	fd = open(a->log_path, O_RDWR | O_CREAT | O_NONBLOCK | O_CLOEXEC, 0666);
	if (fd < 0)
		return err_sys(err, ERR_operation_failed, errno, "Could not initialize logger: %s",
			a->log_path);
	log_line_to(fd);
	return 0;
}
