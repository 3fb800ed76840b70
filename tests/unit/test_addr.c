/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bangerd/addr, bangerd/names: what is given out, and when there is no more. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "bangerd/addr.h"
#include "bangerd/names.h"
#include "common/str.h"

static void subnets(void **state)
{
	static const uint16_t gap[] = { 0, 1, 3 }, late[] = { 2 }, full[] = { 0, 1, 2, 3 };
	struct err err = ERR_INIT;
	uint16_t s = 99;

	(void)state;
	assert_int_equal(addr_pool_subnets(16), 256);
	assert_int_equal(addr_pool_subnets(24), 1);
	assert_int_equal(addr_pool_subnets(8), 65536);
	assert_int_equal(addr_subnet_pick(NULL, 0, 16, &s, &err), 0);
	assert_int_equal(s, 0);
	assert_int_equal(addr_subnet_pick(gap, 3, 16, &s, &err), 0);
	assert_int_equal(s, 2);
	assert_int_equal(addr_subnet_pick(late, 1, 16, &s, &err), 0);
	assert_int_equal(s, 0);
	s = 99;
	assert_int_equal(addr_subnet_pick(full, 4, 22, &s, &err), -1);
	assert_int_equal(err.code, ERR_quota_exceeded);
	assert_int_equal(s, 99);
}

static void hosts(void **state)
{
	struct addr_hosts used = { 0 };
	struct err err = ERR_INIT;
	bool seen[256] = { false };
	uint8_t h = 0;

	(void)state;
	assert_int_equal(addr_host_pick(&used, 0, &h, &err), 0);
	assert_int_equal(h, 2);
	assert_int_equal(addr_host_pick(&used, 2, &h, &err), 0);
	assert_int_equal(h, 3);
	assert_int_equal(addr_host_pick(&used, 254, &h, &err), 0);
	assert_int_equal(h, 2);
	addr_hosts_add(&used, 8);
	assert_int_equal(addr_host_pick(&used, 7, &h, &err), 0);
	assert_int_equal(h, 9);
	used = (struct addr_hosts){ 0 };
	h = 0;
	for (int i = 0; i < 253; i++) {
		assert_int_equal(addr_host_pick(&used, h, &h, &err), 0);
		assert_in_range(h, 2, 254);
		assert_false(seen[h]);
		seen[h] = true;
		addr_hosts_add(&used, h);
	}
	assert_int_equal(addr_host_pick(&used, h, &h, &err), -1);
	assert_int_equal(err.code, ERR_quota_exceeded);
}

static void addresses(void **state)
{
	vm_id id, multicast, zero;
	char buf[18];

	(void)state;
	assert_true(vm_id_parse("a1b2c3d4e5f6", &id));
	assert_true(vm_id_parse("ffffffffffff", &multicast));
	assert_true(vm_id_parse("000000000000", &zero));
	assert_string_equal(mac_format(addr_mac(&id), buf), "a2:b2:c3:d4:e5:f6");
	assert_string_equal(mac_format(addr_mac(&multicast), buf), "fe:ff:ff:ff:ff:ff");
	assert_string_equal(mac_format(addr_mac(&zero), buf), "02:00:00:00:00:00");
	assert_string_equal(
		ipv4_format(addr_ipv4((ipv4){ 0xac1e0000 }, 258, 7), buf), "172.31.2.7");
}

static void names(void **state)
{
	vm_name again;

	(void)state;
	for (uint32_t i = 0; i < 8000; i++) {
		vm_name n = names_make(i * 2654435761U, i % 3 ? i : 0);

		assert_true(vm_name_parse(n.s, &again));
	}
	assert_string_equal(names_make(0, 0).s, "able-badger");
	assert_string_equal(names_make(0, 12).s, "able-badger-12");
	assert_string_not_equal(names_make(1, 0).s, names_make(2, 0).s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(subnets),
		cmocka_unit_test(hosts),
		cmocka_unit_test(addresses),
		cmocka_unit_test(names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
