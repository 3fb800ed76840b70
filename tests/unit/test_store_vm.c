/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bangerd/store_vm: rows as they were written, and networks that nobody has twice. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "bangerd/store_image.h"
#include "bangerd/store_kernel.h"
#include "bangerd/store_owned.h"
#include "bangerd/store_schema.h"
#include "bangerd/store_subnet.h"
#include "bangerd/store_vm.h"
#include "common/str.h"

static char dir[32], path[64];
static struct store *store;
static vm_id image_id, kernel_id, other_kernel;

static void begin(void)
{
	struct err err = ERR_INIT;

	if (store_begin(store, &err) < 0)
		fail_msg("%s", err.msg);
}

static void commit(void)
{
	struct err err = ERR_INIT;

	if (store_commit(store, &err) < 0)
		fail_msg("%s", err.msg);
}

static int setup(void **state)
{
	struct image_row image = { .name = { "debian" }, .created_at = 1 };
	struct kernel_row kernel = { .name = { "cloud" }, .created_at = 1 },
			  other = { .name = { "other" }, .created_at = 2 };
	struct err err = ERR_INIT;

	strcpy(dir, "/tmp/banger-vms-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/t.db", dir);
	if (store_open(path, true, &store, &err) < 0)
		fail_msg("%s", err.msg);
	image_id = image.id = vm_id_random();
	kernel_id = kernel.id = vm_id_random();
	digest_parse("sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
		&image.digest);
	kernel.guest = other.guest = image.digest;
	other_kernel = other.id = vm_id_random();
	begin();
	assert_int_equal(store_image_insert(store, &image, &err), 0);
	assert_int_equal(store_kernel_insert(store, &kernel, &err), 0);
	assert_int_equal(store_kernel_insert(store, &other, &err), 0);
	commit();
	return 0;
}

static int teardown(void **state)
{
	static const char *const tails[] = { "", "-wal", "-shm" };
	char name[80];

	store_close(store);
	for (size_t i = 0; i < ARRAY_SIZE(tails); i++) {
		snprintf(name, sizeof(name), "%s%s", path, tails[i]);
		unlink(name);
	}
	return rmdir(dir);
}

static struct vm_row row_of(const char *name, uid_t owner, uint16_t subnet, uint8_t host)
{
	struct vm_row r = {
		.id = vm_id_random(),
		.owner = owner,
		.image_id = image_id,
		.kernel_id = kernel_id,
		.vcpus = 2,
		.memory_mib = 512,
		.disk_size = UINT64_C(8) << 30,
		.work_size = UINT64_C(3) << 30,
		.remake = true,
		.nat = true,
		.vmm = vmm_kind_firecracker,
		.disk = disk_kind_dm,
		.accel = accel_tcg,
		.mode = guest_mode_command,
		.argv = { "sh\0-c\0true", sizeof("sh\0-c\0true"), 3 },
		.user = { "web" },
		.subnet = subnet,
		.host = host,
		.state = VM_CREATING,
		.created_at = 1700000000 + host,
	};

	str_copy(r.name.s, sizeof(r.name.s), name);
	r.mac = addr_mac(&r.id);
	return r;
}

static int insert(const struct vm_row *r, struct err *err)
{
	int result;

	begin();
	result = store_vm_insert(store, r, err);
	commit();
	return result;
}

static int take_row(void *ctx, struct vm_row *r, struct err *err)
{
	struct vm_row *last = ctx;

	vm_row_finish(last);
	*last = *r;
	*r = (struct vm_row){ 0 };
	return 0;
}

static void as_it_was_written(void **state)
{
	struct vm_row made = row_of("one", 1000, 3, 7), back = { 0 };
	struct err err = ERR_INIT;

	assert_int_equal(insert(&made, &err), 0);
	made.state = VM_RUNNING;
	made.started_at = 1700000123;
	str_copy(made.vmm_why.s, sizeof(made.vmm_why.s), "it was asked for");
	str_copy(made.last_error.s, sizeof(made.last_error.s), "none, 'quoted'");
	str_copy(made.paused_why.s, sizeof(made.paused_why.s), "no room");
	made.disk_lost = true;
	made.disk_made = UINT64_C(7) << 30;
	made.work_made = UINT64_C(2) << 30;
	made.work_gone = true;
	assert_int_equal(store_vm_save_state(store, &made, &err), 0);
	assert_int_equal(store_vm_list(store, take_row, &back, &err), 0);
	assert_string_equal(back.id.s, made.id.s);
	assert_string_equal(back.name.s, "one");
	assert_string_equal(back.image_name.s, "debian");
	assert_string_equal(back.kernel_name.s, "cloud");
	assert_int_equal(back.state, VM_RUNNING);
	assert_int_equal(back.started_at, 1700000123);
	assert_string_equal(back.last_error.s, made.last_error.s);
	assert_string_equal(back.paused_why.s, "no room");
	assert_true(back.disk_lost);
	assert_int_equal(back.disk_made, made.disk_made);
	assert_int_equal(back.work_made, made.work_made);
	assert_false(back.disk_gone);
	assert_true(back.work_gone);
	assert_int_equal(back.disk_size, made.disk_size);
	assert_int_equal(back.work_size, made.work_size);
	assert_int_equal(back.remake, made.remake);
	assert_int_equal(back.vmm, vmm_kind_firecracker);
	assert_int_equal(back.disk, disk_kind_dm);
	assert_string_equal(back.vmm_why.s, "it was asked for");
	assert_int_equal(back.accel, accel_tcg);
	assert_int_equal(back.mode, guest_mode_command);
	assert_int_equal(back.argv.count, 3);
	assert_memory_equal(back.argv.p, made.argv.p, made.argv.n);
	assert_int_equal(back.env.count, 0);
	assert_memory_equal(back.mac.b, made.mac.b, 6);
	assert_true(back.nat);
	assert_false(back.auto_remove);
	vm_row_finish(&back);
}

/* A VM that was made before there was a choice of VMMs asked for none. */
static void from_before_firecracker(void **state)
{
	static const char row[] =
		"INSERT INTO image VALUES ('000000000001','debian',0,'sha256:00',1,1,1,'','','',"
		"'',x'',x'',x'',x'');"
		"INSERT INTO kernel VALUES ('00000000000a','cloud',0,'6.1','x86_64',1,1,'',1);"
		"INSERT INTO vm VALUES ('00000000000b','old',1000,'000000000001','00000000000a',2,"
		"512,8192,1,0,2,0,x'',x'','','',3,7,x'020000000007','running','','',1700000000,"
		"1700000000); PRAGMA user_version=1";
	struct vm_row back = { 0 };
	struct err err = ERR_INIT;
	sqlite3 *db;

	store_close(store);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, store_schema_steps[0], NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, row, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	if (store_open(path, true, &store, &err) < 0 ||
		store_vm_list(store, take_row, &back, &err) < 0)
		fail_msg("%s", err.msg);
	assert_string_equal(back.name.s, "old");
	assert_int_equal(back.state, VM_RUNNING);
	assert_int_equal(back.accel, accel_tcg);
	assert_int_equal(back.vmm, vmm_kind_auto);
	assert_string_equal(back.vmm_why.s, "");
	assert_string_equal(back.paused_why.s, "");
	assert_false(back.disk_lost);
	assert_int_equal(back.work_size, 0);
	assert_false(back.remake);
	assert_int_equal(back.disk_made, MADE_UNKNOWN);
	assert_int_equal(back.work_made, MADE_UNKNOWN);
	assert_false(back.disk_gone || back.work_gone);
	vm_row_finish(&back);
}

/* Another machine, of another image; but of no image that is not there. */
static void another_machine(void **state)
{
	struct vm_row made = row_of("one", 1000, 3, 7), back = { 0 };
	struct err err = ERR_INIT;

	made.remake = false;
	assert_int_equal(insert(&made, &err), 0);
	made.vcpus = 7;
	made.memory_mib = 777;
	made.disk_size *= 2;
	made.work_size *= 2;
	made.nat = !made.nat;
	made.remake = true;
	made.kernel_id = other_kernel;
	made.disk_made = made.work_made = 4096;
	made.disk_gone = true;
	assert_int_equal(store_vm_save_machine(store, &made, &err), 0);
	assert_int_equal(store_vm_list(store, take_row, &back, &err), 0);
	assert_int_equal(back.vcpus, 7);
	assert_int_equal(back.memory_mib, 777);
	assert_int_equal(back.disk_size, made.disk_size);
	assert_int_equal(back.work_size, made.work_size);
	assert_int_equal(back.nat, made.nat);
	assert_true(back.remake);
	assert_true(back.disk_gone && !back.work_gone);
	assert_int_equal(back.disk_made, 4096);
	assert_int_equal(back.work_made, 4096);
	assert_string_equal(back.image_id.s, made.image_id.s);
	/* Once it runs. */
	made.remake = false;
	assert_int_equal(store_vm_save_state(store, &made, &err), 0);
	assert_int_equal(store_vm_list(store, take_row, &back, &err), 0);
	assert_false(back.remake);
	assert_string_equal(back.kernel_id.s, other_kernel.s);
	assert_string_equal(back.kernel_name.s, "other");
	for (int i = 0; i < 2; i++) {
		vm_id *id = i ? &made.kernel_id : &made.image_id, was = *id;

		assert_true(vm_id_parse("ffffffffffff", id));
		made.vcpus = 1;
		assert_int_equal(store_vm_save_machine(store, &made, &err), -1);
		assert_int_equal(err.code, ERR_busy);
		*id = was;
	}
	assert_int_equal(store_vm_list(store, take_row, &back, &err), 0);
	assert_int_equal(back.vcpus, 7);
	vm_row_finish(&back);
}

static void twice(void **state)
{
	struct vm_row a = row_of("one", 1000, 0, 2), name = row_of("one", 1000, 0, 3),
		      address = row_of("two", 1000, 0, 2), other = row_of("one", 1001, 1, 2);
	struct err err = ERR_INIT;

	assert_int_equal(insert(&a, &err), 0);
	assert_int_equal(insert(&name, &err), -1);
	assert_int_equal(err.code, ERR_already_exists);
	assert_int_equal(insert(&address, &err), -1);
	assert_int_equal(err.code, ERR_already_exists);
	assert_int_equal(insert(&other, &err), 0);
}

/* An image that a VM has stays; without the VM it goes. */
static void image_in_use(void **state)
{
	struct vm_row a = row_of("one", 1000, 0, 2);
	const ref_name name = { "debian" };
	struct err err = ERR_INIT;

	assert_int_equal(insert(&a, &err), 0);
	begin();
	assert_int_equal(store_owned_delete(store, STORE_IMAGE, &image_id, &name, 1000, &err), -1);
	assert_int_equal(err.code, ERR_busy);
	assert_int_equal(store_vm_delete(store, &a.id, &err), 0);
	assert_int_equal(store_vm_delete(store, &a.id, &err), 0);
	assert_int_equal(store_owned_delete(store, STORE_IMAGE, &image_id, &name, 1000, &err), 0);
	commit();
}

static int subnet_of(uid_t owner, uint8_t prefix, uint16_t *ret, struct err *err)
{
	int r;

	begin();
	r = store_subnet_of(store, owner, prefix, ret, err);
	commit();
	return r;
}

static void networks(void **state)
{
	struct vm_row first, third;
	struct addr_hosts hosts;
	struct err err = ERR_INIT;
	uint16_t s;

	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(subnet_of(1000 + i, 22, &s, &err), 0);
		assert_int_equal(s, i);
	}
	assert_int_equal(subnet_of(1001, 22, &s, &err), 0);
	assert_int_equal(s, 1);
	/* The pool is full: an owner without VMs gives its network away. */
	first = row_of("one", 1000, 0, 2);
	third = row_of("one", 1002, 2, 9);
	assert_int_equal(insert(&first, &err), 0);
	assert_int_equal(insert(&third, &err), 0);
	assert_int_equal(subnet_of(2000, 22, &s, &err), 0);
	assert_int_equal(s, 1);
	assert_int_equal(subnet_of(2001, 22, &s, &err), 0);
	assert_int_equal(s, 3);
	assert_int_equal(subnet_of(1000, 22, &s, &err), 0);
	assert_int_equal(s, 0);
	begin();
	assert_int_equal(store_subnet_hosts(store, 2, &hosts, &err), 0);
	commit();
	assert_int_equal(hosts.bits[0], UINT64_C(1) << 9);
	/* A pool that was made smaller: the network outside of it is not used. */
	assert_int_equal(subnet_of(1002, 24, &s, &err), -1);
	assert_non_null(strstr(err.msg, "pool"));
}

static int look_for_subnet(void *ctx, struct vm_row *r, struct err *err)
{
	const struct vm_row *wanted = ctx;

	if (!str_eq(r->id.s, wanted->id.s))
		return 0;
	assert_int_equal(r->host, wanted->host);
	return 1 + r->subnet;
}

/* What the store says of it by now. */
static int subnet_in_row(const struct vm_row *row)
{
	struct err err = ERR_INIT;

	return store_vm_list(store, look_for_subnet, (void *)row, &err) - 1;
}

/* Who is outside gets another network, with all VMs; as long as there is one. */
static void pool_made_smaller(void **state)
{
	struct vm_row in = row_of("one", 1001, 1, 2), out = row_of("one", 1004, 4, 2),
		      too = row_of("two", 1004, 4, 9), none = row_of("one", 1005, 5, 2);
	struct err err = ERR_INIT;
	unsigned moved = 99;
	uint16_t s;

	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(subnet_of(1000 + i, 21, &s, &err), 0);
	assert_int_equal(insert(&in, &err), 0);
	assert_int_equal(insert(&out, &err), 0);
	assert_int_equal(insert(&too, &err), 0);
	assert_int_equal(insert(&none, &err), 0);
	assert_int_equal(store_subnet_fit(store, 21, &moved, &err), 0);
	assert_int_equal(moved, 0);
	/* Two are left: one has VMs, and one is to be had. */
	assert_int_equal(store_subnet_fit(store, 23, &moved, &err), 0);
	assert_int_equal(moved, 1);
	assert_int_equal(subnet_in_row(&in), 1);
	assert_int_equal(subnet_in_row(&out), 0);
	assert_int_equal(subnet_in_row(&too), 0);
	assert_int_equal(subnet_of(1004, 23, &s, &err), 0);
	assert_int_equal(s, 0);
	assert_int_equal(subnet_in_row(&none), 5);
	assert_int_equal(subnet_of(1005, 23, &s, &err), -1);
	assert_int_equal(err.code, ERR_quota_exceeded);
	/* Nobody is given what is outside, were it free. */
	err = (struct err)ERR_INIT;
	assert_int_equal(store_vm_delete(store, &none.id, &err), 0);
	assert_int_equal(subnet_of(1006, 23, &s, &err), -1);
	assert_int_equal(err.code, ERR_quota_exceeded);
	err = (struct err)ERR_INIT;
	assert_int_equal(store_vm_delete(store, &in.id, &err), 0);
	assert_int_equal(store_subnet_fit(store, 23, &moved, &err), 0);
	assert_int_equal(moved, 0);
	assert_int_equal(subnet_of(1005, 23, &s, &err), 0);
	assert_int_equal(s, 1);
}

static void all_networks_have_vms(void **state)
{
	struct vm_row a = row_of("one", 1000, 0, 2), b = row_of("two", 1001, 1, 2);
	struct err err = ERR_INIT;
	uint16_t s = 99;

	assert_int_equal(subnet_of(1000, 23, &s, &err), 0);
	assert_int_equal(subnet_of(1001, 23, &s, &err), 0);
	assert_int_equal(insert(&a, &err), 0);
	assert_int_equal(insert(&b, &err), 0);
	s = 99;
	assert_int_equal(subnet_of(1002, 23, &s, &err), -1);
	assert_int_equal(err.code, ERR_quota_exceeded);
	assert_int_equal(s, 99);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(as_it_was_written, setup, teardown),
		cmocka_unit_test_setup_teardown(from_before_firecracker, setup, teardown),
		cmocka_unit_test_setup_teardown(another_machine, setup, teardown),
		cmocka_unit_test_setup_teardown(twice, setup, teardown),
		cmocka_unit_test_setup_teardown(image_in_use, setup, teardown),
		cmocka_unit_test_setup_teardown(networks, setup, teardown),
		cmocka_unit_test_setup_teardown(pool_made_smaller, setup, teardown),
		cmocka_unit_test_setup_teardown(all_networks_have_vms, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
