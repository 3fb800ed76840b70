/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bangerd/store_host.h"

#include "common/str.h"

int store_host_boot(struct store *s, struct boot_id *ret, struct err *err)
{
	_cleanup_(query_end) struct query q = { 0 };
	struct boot_id id = { "" };
	int r;

	if (query_begin(&q, s, STORE_READ, "SELECT boot_id FROM host", err) < 0)
		return -1;
	r = query_step(&q, err);
	if (r > 0)
		r = query_col_text(&q, 0, id.s, sizeof(id.s), err);
	if (r < 0)
		return -1;
	*ret = id;
	return 0;
}

static int set_boot(struct store *s, const struct boot_id *id, struct err *err)
{
	_cleanup_(query_end) struct query q = { 0 };

	if (query_begin(&q, s, STORE_WRITE, "UPDATE host SET boot_id = ?", err) < 0)
		return -1;
	query_text(&q, 1, id->s);
	return query_run(&q, err);
}

int store_host_set_boot(struct store *s, const struct boot_id *id, struct err *err)
{
	_cleanup_(store_tx_end) struct store *tx = NULL;

	if (store_begin(s, err) < 0)
		return -1;
	tx = s;
	return set_boot(s, id, err) < 0 ? -1 : store_tx_commit(&tx, err);
}
