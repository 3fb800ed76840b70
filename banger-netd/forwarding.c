/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-netd/forwarding.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "banger-netd/sysctl.h"
#include "common/str.h"

#define NOTE	    "forwarding"
#define UPLINKS_MAX 16
/* All of them, a line each. */
#define NOTE_SIZE ((UPLINKS_MAX + 1) * IF_NAMESIZE)

int forwarding_uplinks(struct ledger *l, char **ret, struct err *err)
{
	return ledger_note_read(l, NOTE, ret, err);
}

static bool has_line(const char *note, const char *name)
{
	size_t n = strlen(name);

	for (const char *p = note; (p = strstr(p, name)); p += n)
		if ((p == note || p[-1] == '\n') && p[n] == '\n')
			return true;
	return false;
}

/* One uplink: noted first, then switched. Those that forward anyway are not ours. */
static int switch_on(struct ledger *l, const char *name, struct err *err)
{
	_cleanup_free_ char *note = NULL;
	char longer[NOTE_SIZE];
	int before;

	if (forwarding_uplinks(l, &note, err) < 0 ||
		sysctl_get("ipv4", name, "forwarding", &before, err) < 0)
		return -1;
	if (before)
		return 0;
	if (!has_line(note, name)) {
		if (!str_format(longer, sizeof(longer), "%s%s\n", note, name))
			return err_set(err, ERR_quota_exceeded,
				"more than %d interfaces lead to a default route", UPLINKS_MAX);
		if (ledger_note_write(l, NOTE, longer, err) < 0)
			return -1;
	}
	return sysctl_set("ipv4", name, "forwarding", 1, err);
}

int forwarding_up(struct ledger *l, struct link *link, struct err *err)
{
	char names[UPLINKS_MAX][IF_NAMESIZE];
	size_t n;

	if (link_uplinks(link, names, UPLINKS_MAX, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		if (switch_on(l, names[i], err) < 0)
			return err_wrap(err, "cannot forward from %s", names[i]);
	return 0;
}

int forwarding_down(struct ledger *l, struct err *err)
{
	_cleanup_free_ char *note = NULL;
	struct err one = ERR_INIT;

	if (forwarding_uplinks(l, &note, err) < 0)
		return -1;
	for (char *p = note, *end; (end = strchr(p, '\n')); p = end + 1) {
		*end = '\0';
		if (sysctl_set("ipv4", p, "forwarding", 0, &one) < 0 && one.code != ERR_not_found) {
			*err = one;
			return -1;
		}
	}
	return ledger_note_write(l, NOTE, "", err);
}
