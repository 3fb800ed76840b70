/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bangerd/store_subnet.h"

#include <stdlib.h>

#include "common/str.h"

/* The one number of a query's first row: 1 when there is a row. */
static int read_number(struct query *q, int64_t *ret, struct err *err)
{
	int r = query_step(q, err);

	if (r > 0)
		*ret = query_col_int(q, 0);
	return r;
}

static int own_subnet(struct store *s, uid_t owner, int64_t *ret, struct err *err)
{
	_cleanup_(query_end) struct query q = { 0 };

	if (query_begin(
		    &q, s, STORE_WRITE, "SELECT subnet FROM owner_subnet WHERE owner = ?", err) < 0)
		return -1;
	query_int(&q, 1, owner);
	return read_number(&q, ret, err);
}

static int pick_free(struct store *s, uint8_t pool_prefix, uint16_t *ret, struct err *err)
{
	_cleanup_(query_end) struct query q = { 0 };
	_cleanup_free_ uint16_t *used = calloc(65536, sizeof(*used));
	size_t n = 0;
	int r;

	if (!used)
		return err_set(err, ERR_operation_failed, "no memory to pick a network");
	if (query_begin(
		    &q, s, STORE_WRITE, "SELECT subnet FROM owner_subnet ORDER BY subnet", err) < 0)
		return -1;
	while ((r = query_step(&q, err)) > 0 && n < 65536)
		used[n++] = (uint16_t)query_col_int(&q, 0);
	if (r < 0)
		return -1;
	return addr_subnet_pick(used, n, pool_prefix, ret, err);
}

/* Take the network of an owner that has no VM: 1 when there was one. */
static int reclaim(struct store *s, uint8_t pool_prefix, uint16_t *ret, struct err *err)
{
	_cleanup_(query_end) struct query q = { 0 }, gone = { 0 };
	int64_t subnet;
	int r;

	if (query_begin(&q, s, STORE_WRITE,
		    "SELECT subnet FROM owner_subnet WHERE subnet NOT IN (SELECT subnet FROM vm) "
		    "AND subnet < ? ORDER BY owner LIMIT 1",
		    err) < 0)
		return -1;
	query_int(&q, 1, addr_pool_subnets(pool_prefix));
	r = read_number(&q, &subnet, err);
	if (r <= 0)
		return r;
	if (query_begin(&gone, s, STORE_WRITE, "DELETE FROM owner_subnet WHERE subnet = ?", err) <
		0)
		return -1;
	query_int(&gone, 1, subnet);
	if (query_run(&gone, err) < 0)
		return -1;
	*ret = (uint16_t)subnet;
	return 1;
}

static int give_subnet(struct store *s, uid_t owner, uint16_t subnet, struct err *err)
{
	_cleanup_(query_end) struct query q = { 0 };

	if (query_begin(&q, s, STORE_WRITE,
		    "INSERT INTO owner_subnet (owner, subnet) VALUES (?, ?)", err) < 0)
		return -1;
	query_int(&q, 1, owner);
	query_int(&q, 2, subnet);
	return query_run(&q, err);
}

/* One that is nobody's, or was an owner's who has no VM. */
static int pick(struct store *s, uint8_t pool_prefix, uint16_t *ret, struct err *err)
{
	struct err full = ERR_INIT;
	int r;

	if (pick_free(s, pool_prefix, ret, &full) == 0)
		return 0;
	r = full.code == ERR_quota_exceeded ? reclaim(s, pool_prefix, ret, err) : 0;
	if (r == 0)
		*err = full;
	return r > 0 ? 0 : -1;
}

int store_subnet_of(
	struct store *s, uid_t owner, uint8_t pool_prefix, uint16_t *ret, struct err *err)
{
	uint16_t subnet = 0;
	int64_t own;
	int r = own_subnet(s, owner, &own, err);

	if (r < 0)
		return -1;
	if (r > 0 && own < addr_pool_subnets(pool_prefix)) {
		*ret = (uint16_t)own;
		return 0;
	}
	/* store_subnet_fit() found no other. */
	if (r > 0)
		return err_set(err, ERR_quota_exceeded,
			"your network is not in [net] pool any more, which was made smaller, and "
			"has no other that is free: make it larger");
	if (pick(s, pool_prefix, &subnet, err) < 0 || give_subnet(s, owner, subnet, err) < 0)
		return -1;
	*ret = subnet;
	return 0;
}

/* Outside of the pool, and of no VM: nobody's. */
static int forget_outside(struct store *s, uint32_t subnets, struct err *err)
{
	_cleanup_(query_end) struct query q = { 0 };

	if (query_begin(&q, s, STORE_WRITE,
		    "DELETE FROM owner_subnet WHERE subnet >= ? AND subnet NOT IN (SELECT subnet "
		    "FROM vm)",
		    err) < 0)
		return -1;
	query_int(&q, 1, subnets);
	return query_run(&q, err);
}

static int first_outside(struct store *s, uint32_t subnets, int64_t *ret, struct err *err)
{
	_cleanup_(query_end) struct query q = { 0 };

	if (query_begin(&q, s, STORE_WRITE,
		    "SELECT subnet FROM owner_subnet WHERE subnet >= ? ORDER BY subnet LIMIT 1",
		    err) < 0)
		return -1;
	query_int(&q, 1, subnets);
	return read_number(&q, ret, err);
}

/* An owner's, and all its VMs', with their octets. */
static int move(struct store *s, int64_t from, uint16_t to, struct err *err)
{
	static const char *const changes[] = {
		"UPDATE owner_subnet SET subnet = ? WHERE subnet = ?",
		"UPDATE vm SET subnet = ? WHERE subnet = ?"
	};

	for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
		_cleanup_(query_end) struct query q = { 0 };

		if (query_begin(&q, s, STORE_WRITE, changes[i], err) < 0)
			return -1;
		query_int(&q, 1, to);
		query_int(&q, 2, from);
		if (query_run(&q, err) < 0)
			return -1;
	}
	return 0;
}

static int fit(struct store *s, uint8_t pool_prefix, unsigned *ret_moved, struct err *err)
{
	const uint32_t subnets = addr_pool_subnets(pool_prefix);
	unsigned moved = 0;
	int64_t from;
	int r;

	if (forget_outside(s, subnets, err) < 0)
		return -1;
	while ((r = first_outside(s, subnets, &from, err)) > 0) {
		struct err why = ERR_INIT;
		uint16_t to;

		if (pick(s, pool_prefix, &to, &why) == 0) {
			if (move(s, from, to, err) < 0)
				return -1;
			moved++;
			continue;
		}
		if (why.code == ERR_quota_exceeded)
			break;
		*err = why;
		return -1;
	}
	if (r < 0)
		return -1;
	*ret_moved = moved;
	return 0;
}

int store_subnet_fit(struct store *s, uint8_t pool_prefix, unsigned *ret_moved, struct err *err)
{
	_cleanup_(store_tx_end) struct store *tx = NULL;

	if (store_begin(s, err) < 0)
		return -1;
	tx = s;
	if (fit(s, pool_prefix, ret_moved, err) < 0)
		return -1;
	return store_tx_commit(&tx, err);
}

int store_subnet_hosts(struct store *s, uint16_t subnet, struct addr_hosts *ret, struct err *err)
{
	_cleanup_(query_end) struct query q = { 0 };
	struct addr_hosts hosts = { 0 };
	int r;

	if (query_begin(&q, s, STORE_WRITE, "SELECT host FROM vm WHERE subnet = ?", err) < 0)
		return -1;
	query_int(&q, 1, subnet);
	while ((r = query_step(&q, err)) > 0)
		addr_hosts_add(&hosts, (uint8_t)query_col_int(&q, 0));
	if (r < 0)
		return -1;
	*ret = hosts;
	return 0;
}
