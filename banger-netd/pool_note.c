/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-netd/pool_note.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "banger-netd/names.h"
#include "common/log.h"
#include "common/str.h"

#define NOTE	 "pool"
#define LIST_MAX 128 /* some eight ids */

/* "10.1.0.0/16" */
static void describe(ipv4 base, unsigned prefix, char dst[32])
{
	str_format(dst, 32, "%u.%u.%u.%u/%u", base.v >> 24, base.v >> 16 & 0xff, base.v >> 8 & 0xff,
		base.v & 0xff, prefix);
}

/* The VMs whose address is another with `now`, some of them; false: there are none. */
static bool list_moved(
	struct ledger *l, const struct netd_config *now, bool same_base, char list[LIST_MAX])
{
	const struct ledger_row *row;

	list[0] = '\0';
	for (size_t i = 0; (row = ledger_at(l, i)); i++) {
		size_t used = strlen(list);

		if (!ledger_row_has_network(row) || (same_base && row->subnet < name_subnets(now)))
			continue;
		if (LIST_MAX - used > 2 * sizeof(row->vm.s))
			str_format(
				list + used, LIST_MAX - used, "%s%s", used ? ", " : "", row->vm.s);
		else if (!str_ends(list, "…"))
			str_format(list + used, LIST_MAX - used, ", …");
	}
	return list[0];
}

/* One that cannot be read, or written, is none. */
static void read_note(struct ledger *l, char **ret)
{
	struct err err = ERR_INIT;

	if (ledger_note_read(l, NOTE, ret, &err) < 0)
		log_warning("%s", err.msg);
}

static void write_note(struct ledger *l, const char *pool)
{
	struct err err = ERR_INIT, ignored = ERR_INIT;

	if (ledger_note_write(l, NOTE, pool, &err) == 0)
		return;
	log_warning("%s", err.msg);
	ledger_note_write(l, NOTE, "", &ignored);
}

int pool_note_check(struct ledger *l, const struct netd_config *c, struct err *err)
{
	char now[32], list[LIST_MAX];
	_cleanup_free_ char *note = NULL;
	const char *was;
	bool same_base;

	describe(c->pool, c->pool_prefix, now);
	read_note(l, &note);
	was = note ? note : "";
	/* An earlier banger noted nothing. */
	same_base = !was[0] || strncmp(was, now, strcspn(now, "/") + 1) == 0;
	if (list_moved(l, c, same_base, list))
		return err_set(err, ERR_bad_input,
			"[net] pool is %s now, and VMs have addresses in %s: %s; set it back, stop "
			"them, and change it then",
			now, was[0] ? was : "one that was larger", list);
	if (!str_eq(was, now))
		write_note(l, now);
	return 0;
}
