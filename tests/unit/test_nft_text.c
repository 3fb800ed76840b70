/* SPDX-License-Identifier: GPL-2.0-or-later */
/* banger-netd/nft_text: which VMs are in which sets. What the rules do is an integration test's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <unistd.h>

#include "banger-netd/nft_text.h"
#include "common/str.h"

static const struct netd_config config = { .pool = { 0xac1e0000 }, .pool_prefix = 16 };

static char dir[] = "/tmp/banger-nft-XXXXXX";
static struct ledger *ledger;
static char *rules;

static int never_stale(void *ctx, vm_id vm, const char *why)
{
	fail_msg("%s: %s", vm.s, why);
	return -1;
}

static int setup(void **state)
{
	struct err err = ERR_INIT;
	int fd;

	if (!mkdtemp(dir) || (fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		return -1;
	assert_int_equal(ledger_open(fd, "01234567-0123-0123-0123-0123456789ab", never_stale, NULL,
				 &ledger, &err),
		0);
	close(fd);
	return 0;
}

static int teardown(void **state)
{
	struct err err = ERR_INIT;
	const struct ledger_row *row;
	char path[64];

	while ((row = ledger_at(ledger, 0)))
		assert_int_equal(ledger_remove(ledger, row->vm, &err), 0);
	ledger_close(ledger);
	free(rules);
	str_format(path, sizeof(path), "%s/ledger", dir);
	return rmdir(path) || rmdir(dir) ? -1 : 0;
}

static void add(const char *id, enum ledger_state state, uid_t owner, uint16_t subnet, uint8_t host,
	bool nat)
{
	struct ledger_row row = { .state = state,
		.owner = owner,
		.jail_uid = 1900000000,
		.subnet = subnet,
		.host = host,
		.mac = { { 0x52, 0x54, 0, 0, (uint8_t)subnet, host } },
		.nat = nat,
		.vmm = vmm_kind_qemu,
		.pid = 1,
		.tap = -1,
		.inside = -1 };
	struct err err = ERR_INIT;

	assert_true(vm_id_parse(id, &row.vm));
	assert_int_equal(ledger_put(ledger, &row, &err), 0);
}

static void build(const vm_id *except, const char *uplinks)
{
	struct err err = ERR_INIT;

	free(rules);
	rules = NULL;
	assert_int_equal(nft_text_build(&config, ledger, except, uplinks, &rules, &err), 0);
}

/* The elements of a set, blanks made single. */
static void assert_set(const char *name, const char *elements)
{
	char head[64], got[1024] = "", *from, *to, *end;
	size_t n = 0;

	str_format(head, sizeof(head), "set %s {", name);
	from = strstr(rules, head);
	assert_non_null(from);
	end = strstr(from, "\n\t}");
	from = strstr(from, "elements = { ");
	if (from && from < end) {
		from += strlen("elements = { ");
		to = strstr(from, " }");
		for (; from < to && n < sizeof(got) - 1; from++)
			if (!strchr("\n\t", *from))
				got[n++] = *from;
	}
	assert_string_equal(got, elements);
}

static void test_nobody(void **state)
{
	static const char none[] = "add table ip banger\nadd table bridge banger\n"
				   "delete table ip banger\ndelete table bridge banger\n";

	build(NULL, "");
	assert_string_equal(rules, none);
	add("aaaaaaaaaaaa", ledger_state_reserved, 1000, 0, 2, false);
	build(NULL, "");
	assert_string_equal(rules, none);
}

static void test_two_owners(void **state)
{
	vm_id third;

	assert_true(vm_id_parse("cccccccccccc", &third));
	add("aaaaaaaaaaaa", ledger_state_network, 1000, 0, 2, false);
	add("bbbbbbbbbbbb", ledger_state_running, 1000, 0, 3, true);
	add("cccccccccccc", ledger_state_dead, 1001, 7, 254, true);
	build(NULL, "eth0\nwlan0\n");
	assert_set("bridges", "\"bgr1000\",\"bgr1001\"");
	assert_set("own_pairs", "\"bgr1000\" . \"bgr1000\",\"bgr1001\" . \"bgr1001\"");
	assert_set("owners", "\"bgr1000\" . 1000,\"bgr1001\" . 1001");
	assert_set("nat_sources", "172.30.0.3,172.30.7.254");
	assert_set("uplinks", "\"eth0\",\"wlan0\"");
	assert_set("taps", "\"btaaaaaaaaaaaa\",\"btbbbbbbbbbbbb\",\"btcccccccccccc\"");
	assert_set("senders", "\"btaaaaaaaaaaaa\" . 52:54:00:00:00:02 . 172.30.0.2,"
			      "\"btbbbbbbbbbbbb\" . 52:54:00:00:00:03 . 172.30.0.3,"
			      "\"btcccccccccccc\" . 52:54:00:00:07:fe . 172.30.7.254");
	build(&third, "");
	assert_set("bridges", "\"bgr1000\"");
	assert_set("nat_sources", "172.30.0.3");
	assert_set("uplinks", "");
	assert_set("taps", "\"btaaaaaaaaaaaa\",\"btbbbbbbbbbbbb\"");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nobody),
		cmocka_unit_test(test_two_owners),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
