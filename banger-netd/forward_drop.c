/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-netd/forward_drop.h"

#include <string.h>

#include "common/str.h"

#define SHOWN_MAX 40 /* of a name */

/* The next line, without its blanks in front; false at the end. */
static bool next_line(const char **at, const char **ret, size_t *ret_n)
{
	const char *line = *at + strspn(*at, " \t\n");

	if (!*line)
		return false;
	*ret = line;
	*ret_n = strcspn(line, "\n");
	*at = line + *ret_n;
	return true;
}

/* What stands between "`word` " and " {" in a line; false when it is another line. */
static bool header(const char *line, size_t n, const char *word, char dst[SHOWN_MAX + 1])
{
	size_t skip = strlen(word), left;

	if (n < skip + 2 || strncmp(line, word, skip) != 0 || line[n - 1] != '{')
		return false;
	left = n - skip - 2;
	str_format(dst, SHOWN_MAX + 1, "%.*s", (int)(left < SHOWN_MAX ? left : SHOWN_MAX),
		line + skip);
	str_sanitize(dst);
	return true;
}

static bool has(const char *line, size_t n, const char *word)
{
	return memmem(line, n, word, strlen(word)) != NULL;
}

bool forward_drop_find(const char *chains, char *dst, size_t cap)
{
	char table[SHOWN_MAX + 1] = "", chain[SHOWN_MAX + 1] = "";
	const char *line;
	size_t n;

	while (next_line(&chains, &line, &n)) {
		if (header(line, n, "table ", table) || header(line, n, "chain ", chain))
			continue;
		if (!table[0] || !chain[0] || !has(line, n, "hook forward ") ||
			!has(line, n, "policy drop") || str_eq(table, "ip banger"))
			continue;
		return str_format(dst, cap, "table %s, chain %s", table, chain);
	}
	return false;
}
