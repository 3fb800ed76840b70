/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bangerd/store: schema, transactions, and the rows of images and kernels. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "bangerd/store_image.h"
#include "bangerd/store_kernel.h"
#include "bangerd/store_owned.h"
#include "bangerd/store_schema.h"
#include "common/str.h"

static char dir[] = "/tmp/banger-store-XXXXXX";
static char path[64];

static int setup(void **state)
{
	strcpy(dir + strlen(dir) - 6, "XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/t.db", dir);
	return 0;
}

static int teardown(void **state)
{
	char name[80];

	for (size_t i = 0; i < 3; i++) {
		static const char *const tails[] = { "", "-wal", "-shm" };

		snprintf(name, sizeof(name), "%s%s", path, tails[i]);
		unlink(name);
	}
	return rmdir(dir);
}

static struct store *open_it(void)
{
	struct err err = ERR_INIT;
	struct store *s = NULL;

	if (store_open(path, true, &s, &err) < 0)
		fail_msg("%s", err.msg);
	return s;
}

/* Straight into the file, as another program would. */
static void sql(const char *words)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, words, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

static void make_image(struct image_row *r, const char *id, const char *name, uid_t owner)
{
	static const char command[] = "sh\0-c\0true", layers[] = "sha256:01\0"
								 "1234";

	*r = (struct image_row){
		.owner = owner, .size = 1ULL << 40, .entries = 7, .created_at = 1700000000
	};
	assert_true(vm_id_parse(id, &r->id));
	assert_true(ref_name_parse(name, &r->name));
	strcpy(r->digest.s, "sha256:00");
	strcpy(r->config.s, "sha256:02");
	r->layers = (strv){ .p = layers, .n = sizeof(layers), .count = 2 };
	r->command = (strv){ .p = command, .n = sizeof(command), .count = 3 };
}

static int insert(struct store *s, const struct image_row *r, struct err *err)
{
	_cleanup_(store_tx_end) struct store *tx = NULL;

	assert_int_equal(store_begin(s, err), 0);
	tx = s;
	if (store_image_insert(s, r, err) < 0)
		return -1;
	return store_tx_commit(&tx, err);
}

static int count_each(void *ctx, struct image_row *r, struct err *err)
{
	(*(int *)ctx)++;
	return 0;
}

static int count(struct store *s, enum store_side side, uid_t uid)
{
	struct err err = ERR_INIT;
	int n = 0;

	assert_int_equal(store_image_list(s, side, uid, count_each, &n, &err), 0);
	return n;
}

static void test_opens_again(void **state)
{
	struct store *s = open_it();
	struct image_row r, got = { 0 };
	struct err err = ERR_INIT;

	make_image(&r, "0123456789ab", "debian", 1000);
	assert_int_equal(insert(s, &r, &err), 0);
	store_close(s);
	s = open_it();
	assert_int_equal(store_image_get(s, STORE_READ, &r.id, &got, &err), 0);
	assert_string_equal(got.name.s, "debian");
	assert_int_equal(got.owner, 1000);
	assert_int_equal(got.size, 1ULL << 40);
	assert_int_equal(got.created_at, 1700000000);
	assert_int_equal(got.command.count, 3);
	assert_memory_equal(got.command.p, "sh\0-c\0true", 11);
	assert_int_equal(got.env.count, 0);
	assert_string_equal(got.config.s, "sha256:02");
	assert_int_equal(got.layers.count, 2);
	assert_string_equal(strv_next(&got.layers, got.layers.p), "1234");
	image_row_finish(&got);
	store_close(s);
}

static void test_newer_is_refused(void **state)
{
	struct err err = ERR_INIT;
	struct store *s = open_it();
	char words[64];

	store_close(s);
	snprintf(words, sizeof(words), "PRAGMA user_version=%d", store_schema_version + 1);
	sql(words);
	assert_int_equal(store_open(path, true, &s, &err), -1);
	assert_int_equal(err.code, ERR_unavailable);
	assert_non_null(strstr(err.msg, "newer banger"));
	assert_non_null(strstr(err.msg, path));
	/* It was left as it was. */
	snprintf(words, sizeof(words), "PRAGMA user_version=%d", store_schema_version);
	sql(words);
	s = open_it();
	assert_int_equal(count(s, STORE_READ, 0), 0);
	store_close(s);
}

/* A step that fails leaves the version and the tables of before. */
static void test_migration_is_whole_or_not(void **state)
{
	struct err err = ERR_INIT;
	struct store *s;

	sql("CREATE TABLE owner_subnet (a); PRAGMA user_version=0");
	assert_int_equal(store_open(path, true, &s, &err), -1);
	assert_non_null(strstr(err.msg, "schema 1"));
	sql("DROP TABLE owner_subnet; CREATE TABLE image (a); DROP TABLE image");
	s = open_it();
	store_close(s);
}

/* What would be made anew knows nothing of the files that are there. */
static void test_gone_is_refused(void **state)
{
	struct err err = ERR_INIT;
	struct store *s = NULL;
	struct stat st;

	assert_int_equal(store_open(path, false, &s, &err), -1);
	assert_int_equal(err.code, ERR_bad_input);
	assert_non_null(strstr(err.msg, path));
	assert_int_equal(stat(path, &st), -1);
	for (int i = 0; i < 2; i++) { /* the second try, too */
		FILE *f = fopen(path, "a");

		assert_non_null(f);
		fclose(f);
		err = (struct err)ERR_INIT;
		assert_int_equal(store_open(path, false, &s, &err), -1);
		assert_int_equal(err.code, ERR_bad_input);
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_size, 0);
	}
	store_close(open_it());
	assert_int_equal(store_open(path, false, &s, &err), 0);
	store_close(s);
}

static void test_not_a_database(void **state)
{
	struct err err = ERR_INIT;
	struct store *s;
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	for (int i = 0; i < 4096; i++)
		fputs("no database ", f);
	fclose(f);
	assert_int_equal(store_open(path, true, &s, &err), -1);
	assert_int_equal(err.code, ERR_operation_failed);
}

static void test_transactions(void **state)
{
	struct store *s = open_it();
	struct image_row r;
	struct err err = ERR_INIT;

	make_image(&r, "0123456789ab", "one", 0);
	assert_int_equal(store_begin(s, &err), 0);
	assert_int_equal(store_image_insert(s, &r, &err), 0);
	/* The reader sees what is committed, and does not wait. */
	assert_int_equal(count(s, STORE_WRITE, 0), 1);
	assert_int_equal(count(s, STORE_READ, 0), 0);
	store_rollback(s);
	assert_int_equal(count(s, STORE_READ, 0), 0);
	assert_int_equal(insert(s, &r, &err), 0);
	assert_int_equal(count(s, STORE_READ, 0), 1);
	store_close(s);
}

static void test_names_are_an_owners(void **state)
{
	struct store *s = open_it();
	struct image_row r;
	struct err err = ERR_INIT;

	make_image(&r, "000000000001", "debian", 0);
	assert_int_equal(insert(s, &r, &err), 0);
	make_image(&r, "000000000002", "debian", 1000);
	assert_int_equal(insert(s, &r, &err), 0);
	make_image(&r, "000000000003", "debian", 1000);
	assert_int_equal(insert(s, &r, &err), -1);
	assert_int_equal(err.code, ERR_already_exists);
	make_image(&r, "000000000004", "other", 1001);
	assert_int_equal(insert(s, &r, &err), 0);
	assert_int_equal(count(s, STORE_READ, 1000), 2);
	assert_int_equal(count(s, STORE_READ, 1002), 1);
	assert_int_equal(count(s, STORE_READ, 0), 3);
	store_close(s);
}

#define VM(id, name, owner)                                                                        \
	"INSERT INTO vm (id, name, owner, image_id, kernel_id, vcpus, memory_mib, disk_size, nat," \
	"auto_remove, accel, mode, argv, env, user, directory, subnet, host, mac, state,"          \
	"created_at) VALUES ('" id "','" name "'," #owner ",'000000000001','00000000000a',1,64,1," \
	"0,0,0,0,x'',x'','','',1," #owner "+1,x'','stopped',1);"

static void test_used_is_kept(void **state)
{
	struct store *s = open_it();
	struct image_row r;
	struct kernel_row k = { .owner = 0, .created_at = 1 };
	struct err err = ERR_INIT;
	char buf[256];
	vm_id gone;
	strv users;

	make_image(&r, "000000000001", "debian", 0);
	assert_int_equal(insert(s, &r, &err), 0);
	assert_true(vm_id_parse("00000000000a", &k.id) && ref_name_parse("6.1", &k.name));
	assert_int_equal(store_begin(s, &err), 0);
	assert_int_equal(store_kernel_insert(s, &k, &err), 0);
	assert_int_equal(store_commit(s, &err), 0);
	sql(VM("00000000000b", "mine", 1) VM("00000000000c", "yours", 2));

	assert_int_equal(store_begin(s, &err), 0);
	assert_int_equal(store_owned_delete(s, STORE_IMAGE, &r.id, &r.name, 1, &err), -1);
	assert_int_equal(err.code, ERR_busy);
	assert_string_equal(
		err.msg, "image 'debian' is used by VMs: mine, another user's; delete them first");
	assert_int_equal(store_owned_delete(s, STORE_KERNEL, &k.id, &k.name, 0, &err), -1);
	assert_int_equal(err.code, ERR_busy);
	assert_string_equal(err.msg, "kernel '6.1' is used by VMs: mine, yours; delete them first");
	/* What is used makes place by its name alone. */
	assert_int_equal(store_owned_make_place(s, STORE_KERNEL, 0, &k.name, &gone, &err), 0);
	assert_int_equal(store_owned_find(s, STORE_WRITE, STORE_KERNEL, 0, "6.1", &gone, &err), 0);
	assert_int_equal(store_owned_find(s, STORE_WRITE, STORE_KERNEL, 0, k.id.s, &gone, &err), 1);
	assert_string_equal(gone.s, k.id.s);
	store_rollback(s);
	/* Names that do not fit are told. */
	assert_int_equal(
		store_owned_users(s, STORE_READ, STORE_IMAGE, &r.id, 0, buf, 26, &users, &err), 0);
	assert_int_equal(users.count, 2);
	assert_string_equal(strv_next(&users, strv_next(&users, NULL)), "…");
	store_close(s);
}

/* What nobody uses goes for another of its name; who has another one's name is in nobody's way. */
static void test_making_place(void **state)
{
	struct store *s = open_it();
	struct err err = ERR_INIT;
	struct image_row r;
	vm_id gone;

	make_image(&r, "000000000001", "debian", 1000);
	assert_int_equal(insert(s, &r, &err), 0);
	assert_int_equal(store_owned_is_free(s, STORE_IMAGE, 1001, "debian", &err), 0);
	assert_int_equal(store_owned_is_free(s, STORE_KERNEL, 1000, "debian", &err), 0);
	assert_int_equal(store_owned_is_free(s, STORE_IMAGE, 1000, "debian", &err), -1);
	assert_int_equal(err.code, ERR_already_exists);
	assert_int_equal(store_begin(s, &err), 0);
	assert_int_equal(store_owned_make_place(s, STORE_IMAGE, 1001, &r.name, &gone, &err), 0);
	assert_int_equal(store_owned_make_place(s, STORE_IMAGE, 1000, &r.name, &gone, &err), 1);
	assert_string_equal(gone.s, "000000000001");
	assert_int_equal(store_owned_delete(s, STORE_IMAGE, &r.id, &r.name, 1000, &err), -1);
	assert_int_equal(err.code, ERR_not_found);
	assert_int_equal(store_commit(s, &err), 0);
	assert_int_equal(store_owned_is_free(s, STORE_IMAGE, 1000, "debian", &err), 0);
	store_close(s);
}

static void test_damage_is_an_error(void **state)
{
	struct store *s = open_it();
	struct image_row r, got = { 0 };
	struct err err = ERR_INIT;

	make_image(&r, "000000000001", "debian", 0);
	assert_int_equal(insert(s, &r, &err), 0);
	sql("UPDATE image SET command = x'6162'"); /* no NUL at its end */
	assert_int_equal(store_image_get(s, STORE_READ, &r.id, &got, &err), -1);
	assert_int_equal(err.code, ERR_operation_failed);
	sql("UPDATE image SET command = x'', id = '000000000001000000001'");
	err = (struct err)ERR_INIT;
	assert_int_equal(store_image_list(s, STORE_READ, 0, count_each, &(int){ 0 }, &err), -1);
	assert_non_null(strstr(err.msg, "column id"));
	store_close(s);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_opens_again),
		T(test_newer_is_refused),
		T(test_migration_is_whole_or_not),
		T(test_gone_is_refused),
		T(test_not_a_database),
		T(test_transactions),
		T(test_names_are_an_owners),
		T(test_used_is_kept),
		T(test_making_place),
		T(test_damage_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
