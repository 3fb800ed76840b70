/* SPDX-License-Identifier: GPL-2.0-or-later */
/* banger-netd/ledger and ledger_row: what is written is what is read, and nothing else is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <fcntl.h>

#include "banger-netd/ledger.h"
#include "common/fd.h"
#include "common/str.h"

#define BOOT	   "0123abcd-0123-0123-0123-0123456789ab"
#define OTHER_BOOT "ffffffff-0123-0123-0123-0123456789ab"

struct fixture {
	char path[32];
	int dir;
	int stale; /* how often on_stale was called */
	int keep;  /* what it returns */
};

static vm_id id(const char *s)
{
	vm_id vm;

	assert_true(vm_id_parse(s, &vm));
	return vm;
}

static int on_stale(void *ctx, vm_id vm, const char *why)
{
	struct fixture *f = ctx;

	assert_true(vm.s[0] && why[0]);
	f->stale++;
	return f->keep;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	strcpy(f->path, "/tmp/banger-ledger-XXXXXX");
	assert_non_null(mkdtemp(f->path));
	f->dir = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(f->dir >= 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	char command[64];
	static const char *const names[] = { "aaaaaaaaaaaa", "bbbbbbbbbbbb", "cccccccccccc",
		"forwarding", "elsewhere" };
	int ledger = openat(f->dir, "ledger", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		unlinkat(ledger, names[i], 0);
	close(ledger);
	unlinkat(f->dir, "ledger", AT_REMOVEDIR);
	close(f->dir);
	/* Fails, and the test with it, when the ledger left anything else. */
	assert_true(str_format(command, sizeof(command), "%s", f->path));
	assert_int_equal(rmdir(command), 0);
	free(f);
	return 0;
}

static struct ledger *open_ledger(struct fixture *f, const char *boot)
{
	struct err err = ERR_INIT;
	struct ledger *l;

	assert_int_equal(ledger_open(f->dir, boot, on_stale, f, &l, &err), 0);
	return l;
}

static const struct ledger_row running = {
	.vm = { "bbbbbbbbbbbb" },
	.state = ledger_state_running,
	.owner = 1000,
	.jail_uid = 1900000007,
	.subnet = 3,
	.host = 254,
	.mac = { { 0x52, 0x54, 0, 0xab, 0xcd, 0xef } },
	.nat = true,
	.vmm = vmm_kind_firecracker,
	.pid = 4711,
	.start_time = 18446744073709551615ULL,
	.attached = true,
	.tap = -1,
	.inside = -1,
};

static void test_survives_reopening(void **state)
{
	struct fixture *f = *state;
	struct ledger_row first = { .vm = id("aaaaaaaaaaaa"),
		.state = ledger_state_reserved,
		.owner = 0,
		.jail_uid = 1900000000,
		.tap = -1,
		.inside = -1 };
	struct ledger *l = open_ledger(f, BOOT);
	struct err err = ERR_INIT;
	const struct ledger_row *row;

	assert_int_equal(ledger_put(l, &running, &err), 0);
	assert_int_equal(ledger_put(l, &first, &err), 0);
	ledger_close(l);

	l = open_ledger(f, BOOT);
	assert_int_equal(f->stale, 0);
	row = ledger_find(l, running.vm);
	assert_non_null(row);
	assert_int_equal(row->state, ledger_state_running);
	assert_int_equal(row->owner, 1000);
	assert_int_equal(row->jail_uid, 1900000007);
	assert_int_equal(row->subnet, 3);
	assert_int_equal(row->host, 254);
	assert_memory_equal(&row->mac, &running.mac, sizeof(row->mac));
	assert_true(row->nat);
	assert_int_equal(row->vmm, vmm_kind_firecracker);
	assert_true(row->attached);
	assert_int_equal(row->pid, 4711);
	assert_true(row->start_time == UINT64_MAX);
	assert_int_equal(row->tap, -1);
	/* In id order, whatever the order of writing. */
	assert_string_equal(ledger_after(l, id("000000000000"))->vm.s, "aaaaaaaaaaaa");
	assert_string_equal(ledger_after(l, id("aaaaaaaaaaaa"))->vm.s, "bbbbbbbbbbbb");
	assert_null(ledger_after(l, id("bbbbbbbbbbbb")));
	assert_int_equal(ledger_remove(l, running.vm, &err), 0);
	assert_int_equal(ledger_remove(l, running.vm, &err), 0);
	assert_null(ledger_find(l, running.vm));
	ledger_close(l);

	l = open_ledger(f, BOOT);
	assert_null(ledger_find(l, running.vm));
	assert_non_null(ledger_find(l, first.vm));
	ledger_close(l);
}

static void test_another_boot_is_stale(void **state)
{
	struct fixture *f = *state;
	struct ledger *l = open_ledger(f, BOOT);
	struct err err = ERR_INIT;

	assert_int_equal(ledger_put(l, &running, &err), 0);
	ledger_close(l);

	f->keep = -1; /* what it left could not be removed: the row stays to be tried again */
	l = open_ledger(f, OTHER_BOOT);
	assert_int_equal(f->stale, 1);
	assert_null(ledger_find(l, running.vm));
	ledger_close(l);

	f->keep = 0;
	l = open_ledger(f, OTHER_BOOT);
	assert_int_equal(f->stale, 2);
	ledger_close(l);
	l = open_ledger(f, OTHER_BOOT);
	assert_int_equal(f->stale, 2);
	ledger_close(l);
}

static void test_damaged_rows_are_stale(void **state)
{
	struct fixture *f = *state;
	struct ledger *l = open_ledger(f, BOOT);
	struct err err = ERR_INIT;
	int fd;

	ledger_close(l);
	fd = openat(f->dir, "ledger/cccccccccccc", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(fd_write_full(fd, "boot=", 5), 0);
	close(fd);
	/* A link in place of a row leads nowhere. */
	assert_int_equal(symlinkat("cccccccccccc", openat(f->dir, "ledger", O_PATH | O_CLOEXEC),
				 "aaaaaaaaaaaa"),
		0);
	fd = openat(f->dir, "ledger/.bbbbbbbbbbbb.tmp", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	close(fd);
	l = open_ledger(f, BOOT);
	assert_int_equal(f->stale, 2);
	assert_null(ledger_at(l, 0));
	assert_int_equal(faccessat(f->dir, "ledger/.bbbbbbbbbbbb.tmp", F_OK, 0), -1);
	assert_int_equal(ledger_put(l, &running, &err), 0);
	ledger_close(l);
}

static void test_directory_is_roots_alone(void **state)
{
	struct fixture *f = *state;
	struct err err = ERR_INIT;
	struct ledger *l;

	assert_int_equal(mkdirat(f->dir, "ledger", 0700), 0);
	assert_int_equal(fchmodat(f->dir, "ledger", 0770, 0), 0);
	assert_int_equal(ledger_open(f->dir, BOOT, on_stale, f, &l, &err), -1);
	unlinkat(f->dir, "ledger", AT_REMOVEDIR);
	assert_int_equal(symlinkat("/tmp", f->dir, "ledger"), 0);
	assert_int_equal(ledger_open(f->dir, BOOT, on_stale, f, &l, &err), -1);
	unlinkat(f->dir, "ledger", 0);
}

static void test_put_closes_the_fds_it_replaces(void **state)
{
	struct fixture *f = *state;
	struct ledger *l = open_ledger(f, BOOT);
	struct ledger_row row = running;
	struct err err = ERR_INIT;
	int tap = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int inside = open("/dev/null", O_RDONLY | O_CLOEXEC);

	row.state = ledger_state_network;
	row.tap = tap;
	row.inside = inside;
	assert_int_equal(ledger_put(l, &row, &err), 0);
	row.nat = false;
	assert_int_equal(ledger_put(l, &row, &err), 0);
	assert_true(fcntl(tap, F_GETFD) >= 0);
	assert_true(fcntl(inside, F_GETFD) >= 0);
	assert_int_equal(ledger_put(l, &running, &err), 0);
	assert_int_equal(fcntl(tap, F_GETFD), -1);
	assert_int_equal(fcntl(inside, F_GETFD), -1);
	ledger_close(l);
}

static void test_note_is_of_one_boot(void **state)
{
	struct fixture *f = *state;
	struct ledger *l = open_ledger(f, BOOT);
	struct err err = ERR_INIT;
	char *s;

	assert_int_equal(ledger_note_read(l, "forwarding", &s, &err), 0);
	assert_string_equal(s, "");
	free(s);
	assert_int_equal(ledger_note_write(l, "forwarding", "eth0\n", &err), 0);
	assert_int_equal(ledger_note_read(l, "forwarding", &s, &err), 0);
	assert_string_equal(s, "eth0\n");
	free(s);
	ledger_close(l);
	l = open_ledger(f, OTHER_BOOT);
	assert_int_equal(ledger_note_read(l, "forwarding", &s, &err), 0);
	assert_string_equal(s, "");
	free(s);
	ledger_close(l);
}

/* Each differs from a good row by one thing. */
static void test_bad_rows(void **state)
{
	static const char head[] = "boot=" BOOT "\nowner=1000\njail_uid=1900000000\n";
	static const char net[] = "subnet=0\nhost=2\nmac=52:54:00:00:00:01\nnat=0\nvmm=qemu\n";
	static const struct {
		const char *a, *b, *c;
		int r;
	} rows[] = {
		{ head, "state=reserved\n", "", 0 },
		{ head, "state=network\n", net, 0 },
		{ head, "", "", -1 },
		{ "", "", "", -1 },
		{ head, "state=none\n", "", -1 },
		{ head, "state=reserved", "", -1 },
		{ head, "state=reserved\nstate=reserved\n", "", -1 },
		{ head, "state=reserved\n", net, -1 },
		{ head, "state=network\n", "subnet=0\nhost=2\nnat=0\n", -1 },
		{ head, "state=network\npid=1\n", net, -1 },
		{ head, "state=running\npid=0\nstart_time=1\nattached=1\n", net, -1 },
		{ head, "state=running\npid=1\nstart_time=1\nattached=1\n", net, 0 },
		{ head, "state=running\npid=1\nstart_time=1\nattached=0\n", net, 0 },
		{ head, "state=running\npid=1\nstart_time=1\nattached=2\n", net, -1 },
		{ head, "state=running\npid=1\nstart_time=1\n", net, -1 },
		{ head, "state=running\npid=1\nstart_time=-1\nattached=1\n", net, -1 },
		{ head, "state=reserved\nmore=1\n", "", -1 },
		{ head, "state=network\nsubnet=0\nhost=1\nmac=52:54:00:00:00:01\nnat=0\nvmm=qemu\n",
			"", -1 },
		{ head, "state=network\n", "subnet=0\nhost=2\nmac=52:54:00:00:00:01\nnat=0\n", -1 },
		{ head, "state=network\nvmm=auto\n",
			"subnet=0\nhost=2\nmac=52:54:00:00:00:01\nnat=0\n", -1 },
		{ head, "state=network\nvmm=firecracker\n",
			"subnet=0\nhost=2\nmac=52:54:00:00:00:01\nnat=0\n", 0 },
		{ head, "state=network\nsubnet=0\nhost=2\nmac=53:54:00:00:00:01\nnat=0\nvmm=qemu\n",
			"", -1 },
		{ head,
			"state=network\nsubnet=0\nhost=2\nmac=52:54:00:00:00:01x\nnat=0\nvmm="
			"qemu\n",
			"", -1 },
		{ "boot=x\nowner=1\njail_uid=1900000000\n", "state=reserved\n", "", -1 },
		{ "boot=" BOOT "\nowner=1\njail_uid=0\n", "state=reserved\n", "", -1 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err err = ERR_INIT;
		struct ledger_row row;
		char s[512];

		str_format(s, sizeof(s), "%s%s%s", rows[i].a, rows[i].b, rows[i].c);
		if (ledger_row_parse(id("aaaaaaaaaaaa"), s, &row, &err) != rows[i].r)
			fail_msg("row %zu: %s", i, s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_survives_reopening, setup, teardown),
		cmocka_unit_test_setup_teardown(test_another_boot_is_stale, setup, teardown),
		cmocka_unit_test_setup_teardown(test_damaged_rows_are_stale, setup, teardown),
		cmocka_unit_test_setup_teardown(test_directory_is_roots_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_put_closes_the_fds_it_replaces, setup, teardown),
		cmocka_unit_test_setup_teardown(test_note_is_of_one_boot, setup, teardown),
		cmocka_unit_test(test_bad_rows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
