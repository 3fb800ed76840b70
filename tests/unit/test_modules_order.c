/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "banger-imaged/modules_order.h"
#include "common/str.h"

static void test_write(void **state)
{
	struct module v[] = { { .name = "virtio", .phase = PHASE_CHANNEL },
		{ .name = "vsock", .phase = PHASE_CHANNEL, .device = 19 },
		{ .name = "virtio_blk", .phase = PHASE_DISK } };
	struct modules m = { .v = v, .n = 3, .order = { 0, 2, 1 }, .n_order = 3 };
	_cleanup_free_ char *text = NULL;
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(modules_order_write(&m, &text, &err), 0);
	assert_string_equal(text, "000-virtio.ko channel\n001-virtio_blk.ko disk\n"
				  "002-vsock.ko channel virtio:19\n");
}

/* The longest names, as many as there may be: they fit. */
static void test_write_most(void **state)
{
	static struct module v[MODULES_WANTED_MAX];
	static struct modules m = { .v = v, .n = MODULES_WANTED_MAX };
	_cleanup_free_ char *text = NULL, *again = NULL;
	struct err err = ERR_INIT;

	(void)state;
	for (size_t i = 0; i < MODULES_WANTED_MAX; i++) {
		memset(v[i].name, 'a', MODULE_NAME_MAX);
		v[i].phase = PHASE_CHANNEL;
		v[i].device = UINT16_MAX;
		m.order[m.n_order++] = i;
	}
	assert_int_equal(modules_order_write(&m, &text, &err), 0);
	assert_int_equal(strlen(text),
		MODULES_WANTED_MAX * (MODULE_NAME_MAX + strlen("000-.ko channel virtio:65535\n")));
	assert_int_equal(modules_order_renew(text, &again, &err), 0);
	assert_string_equal(again, text);
}

/* A packaged 6.1 kernel's, as the lists once were. */
static void test_renew(void **state)
{
	_cleanup_free_ char *text = NULL, *again = NULL;
	struct err err = ERR_INIT;

	(void)state;
	if (modules_order_renew("000-virtio_ring.ko channel\n001-virtio.ko channel\n"
				"002-virtio_console.ko channel\n003-virtio_mmio.ko channel\n"
				"004-failover.ko net\n005-net_failover.ko net\n"
				"006-virtio_net.ko net\n007-virtio_blk.ko disk\n"
				"008-overlay.ko late\n009-virtio_rng.ko late\n"
				"010-vsock.ko late\n"
				"011-vmw_vsock_virtio_transport_common.ko late\n"
				"012-vmw_vsock_virtio_transport.ko late\n",
		    &text, &err) < 0)
		fail_msg("%s", err.msg);
	assert_string_equal(text, "000-virtio_ring.ko channel\n001-virtio.ko channel\n"
				  "003-virtio_mmio.ko channel\n007-virtio_blk.ko disk\n"
				  "008-overlay.ko late\n"
				  "002-virtio_console.ko channel virtio:3\n"
				  "004-failover.ko net virtio:1\n"
				  "005-net_failover.ko net virtio:1\n"
				  "006-virtio_net.ko net virtio:1\n"
				  "009-virtio_rng.ko late virtio:4\n"
				  "010-vsock.ko channel virtio:19\n"
				  "011-vmw_vsock_virtio_transport_common.ko channel virtio:19\n"
				  "012-vmw_vsock_virtio_transport.ko channel virtio:19\n");
	/* Once is enough. */
	assert_int_equal(modules_order_renew(text, &again, &err), 0);
	assert_string_equal(again, text);
}

static void test_renew_hostile(void **state)
{
	static const char *const hostile[] = { "x\n", "000-a.ko\n", "000-a.ko never\n",
		"000-a.ko channel net\n", " channel\n", "a channel\n",
		"000-"
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa."
		"ko "
		"channel\n" };
	struct err err = ERR_INIT;
	char many[(MODULES_WANTED_MAX + 1) * 17 + 1] = "", *text = NULL;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(hostile); i++) {
		err = (struct err)ERR_INIT;
		assert_int_equal(modules_order_renew(hostile[i], &text, &err), -1);
		assert_int_equal(err.code, ERR_bad_input);
	}
	for (size_t i = 0; i < MODULES_WANTED_MAX + 1; i++)
		strcat(many, "000-a.ko channel\n");
	assert_int_equal(modules_order_renew(many, &text, &err), -1);
	assert_null(text);
	many[strlen(many) - 17] = '\0';
	assert_int_equal(modules_order_renew(many, &text, &err), 0);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_write),
		cmocka_unit_test(test_write_most),
		cmocka_unit_test(test_renew),
		cmocka_unit_test(test_renew_hostile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
