/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <archive.h>
#include <archive_entry.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "banger-imaged/initramfs.h"
#include "common/fd.h"
#include "common/str.h"
#include "tests/common/kernel_fixture.h"

/* Two modules, in order. */
static void two_modules(struct modules *m)
{
	static const char *const names[] = { "a/virtio.ko", "a/virtio-blk.ko" };
	struct err err = ERR_INIT;

	*m = (struct modules){ 0 };
	for (size_t i = 0; i < 2; i++) {
		struct blob b = fixture_module("", FIXTURE_RELEASE);
		struct module *mod;

		assert_int_equal(modules_add(m, names[i], &mod, &err), 0);
		assert_int_equal(modules_load(m, mod, b.p, b.n, &err), 0);
		mod->wanted = true;
		mod->phase = i ? PHASE_DISK : PHASE_CHANNEL;
		m->order[m->n_order++] = i;
		free(b.p);
	}
}

static struct blob read_back(int fd)
{
	struct stat st;
	struct blob b;

	assert_int_equal(fstat(fd, &st), 0);
	b = (struct blob){ malloc((size_t)st.st_size + 1), (size_t)st.st_size };
	assert_int_equal(fd_pread_full(fd, b.p, b.n, 0), st.st_size);
	return b;
}

/* Write one with the programs filled by `fill`; its bytes. */
static struct blob make(uint8_t fill)
{
	struct blob init = fixture_program(fill), agent = fixture_program((uint8_t)(fill + 1)), b;
	int fds[3] = { fixture_fd(NULL), fixture_fd(&init), fixture_fd(&agent) };
	struct err err = ERR_INIT;
	struct modules m;
	uint64_t size;

	two_modules(&m);
	if (initramfs_write(fds[0], fds[1], fds[2], &m, &size, &err) < 0)
		fail_msg("%s", err.msg);
	b = read_back(fds[0]);
	assert_int_equal(size, b.n);
	modules_finish(&m);
	fd_close_many(fds, 3);
	free(init.p);
	free(agent.p);
	return b;
}

static const struct expected {
	const char *path;
	mode_t mode;
	unsigned major, minor;
} expected[] = {
	{ "dev", S_IFDIR | 0755, 0, 0 },
	{ "proc", S_IFDIR | 0755, 0, 0 },
	{ "sys", S_IFDIR | 0755, 0, 0 },
	{ "run", S_IFDIR | 0755, 0, 0 },
	{ "newroot", S_IFDIR | 0755, 0, 0 },
	{ "modules", S_IFDIR | 0755, 0, 0 },
	{ "dev/console", S_IFCHR | 0600, 5, 1 },
	{ "dev/null", S_IFCHR | 0666, 1, 3 },
	{ "init", S_IFREG | 0755, 0, 0 },
	{ "agent", S_IFREG | 0755, 0, 0 },
	{ "modules/000-virtio.ko", S_IFREG | 0644, 0, 0 },
	{ "modules/001-virtio_blk.ko", S_IFREG | 0644, 0, 0 },
	{ "modules/order", S_IFREG | 0644, 0, 0 },
};

static void test_content(void **state)
{
	struct blob b = make(7);
	struct archive *a = archive_read_new();
	struct archive_entry *e;
	char order[128];
	la_ssize_t n = 0;

	(void)state;
	assert_memory_equal(b.p, "070701", 6); /* newc */
	assert_int_equal(archive_read_support_format_cpio(a), ARCHIVE_OK);
	assert_int_equal(archive_read_open_memory(a, b.p, b.n), ARCHIVE_OK);
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
		assert_int_equal(archive_read_next_header(a, &e), ARCHIVE_OK);
		assert_string_equal(archive_entry_pathname(e), expected[i].path);
		assert_int_equal(archive_entry_mode(e), expected[i].mode);
		assert_int_equal(archive_entry_mtime(e), 0);
		assert_int_equal(archive_entry_uid(e), 0);
		if (S_ISCHR(expected[i].mode))
			assert_int_equal(archive_entry_rdev(e),
				makedev(expected[i].major, expected[i].minor));
		if (str_eq(expected[i].path, "modules/order"))
			n = archive_read_data(a, order, sizeof(order));
	}
	assert_true(n > 0);
	order[n] = '\0';
	assert_string_equal(order, "000-virtio.ko channel\n001-virtio_blk.ko disk\n");
	assert_int_equal(archive_read_next_header(a, &e), ARCHIVE_EOF);
	archive_read_free(a);
	free(b.p);
}

static void test_deterministic(void **state)
{
	struct blob a = make(7), b = make(7), c = make(8);

	(void)state;
	assert_int_equal(a.n, b.n);
	assert_memory_equal(a.p, b.p, a.n);
	assert_memory_not_equal(a.p, c.p, a.n);
	free(a.p);
	free(b.p);
	free(c.p);
}

static int refresh(const struct blob *old, uint8_t fill, struct blob *ret, struct err *err)
{
	struct blob init = fixture_program(fill), agent = fixture_program((uint8_t)(fill + 1));
	int fds[4] = { fixture_fd(NULL), fixture_fd(old), fixture_fd(&init), fixture_fd(&agent) };
	uint64_t size;
	int r;

	r = initramfs_refresh(fds[0], fds[1], fds[2], fds[3], &size, err);
	if (r == 0) {
		*ret = read_back(fds[0]);
		assert_int_equal(ret->n, size);
	}
	fd_close_many(fds, 4);
	free(init.p);
	free(agent.p);
	return r;
}

/* A refreshed one is, byte for byte, what would have been made with the new programs. */
static void test_refresh(void **state)
{
	struct blob old = make(7), fresh = make(9), b;
	struct err err = ERR_INIT;

	(void)state;
	if (refresh(&old, 9, &b, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(b.n, fresh.n);
	assert_memory_equal(b.p, fresh.p, b.n);
	free(b.p);
	free(old.p);
	free(fresh.p);
}

/* One from before modules were for devices gets the list it would have now. */
static void test_refresh_old_order(void **state)
{
	struct blob init = fixture_program(7), module = fixture_module("", FIXTURE_RELEASE), old, b;
	int fds[3] = { fixture_fd(NULL), fixture_fd(&init), fixture_fd(&init) };
	struct modules m = { 0 };
	struct err err = ERR_INIT;
	struct module *mod;
	uint64_t size;

	(void)state;
	assert_int_equal(modules_add(&m, "a/vsock.ko", &mod, &err), 0);
	assert_int_equal(modules_load(&m, mod, module.p, module.n, &err), 0);
	mod->wanted = true;
	mod->phase = PHASE_LATE;
	m.n_order = 1;
	assert_int_equal(initramfs_write(fds[0], fds[1], fds[2], &m, &size, &err), 0);
	old = read_back(fds[0]);
	assert_non_null(memmem(old.p, old.n, "000-vsock.ko late\n", 18));
	if (refresh(&old, 9, &b, &err) < 0)
		fail_msg("%s", err.msg);
	assert_non_null(memmem(b.p, b.n, "000-vsock.ko channel virtio:19\n", 31));
	assert_null(memmem(b.p, b.n, "late", 4));
	modules_finish(&m);
	fd_close_many(fds, 3);
	free(init.p);
	free(module.p);
	free(old.p);
	free(b.p);
}

static void replace(struct blob *b, const char *what, const char *by)
{
	uint8_t *at = memmem(b->p, b->n, what, strlen(what));

	assert_non_null(at);
	memcpy(at, by, strlen(by));
}

static void test_refresh_hostile(void **state)
{
	static const struct {
		const char *what, *from, *to;
	} rows[] = {
		{ "another format", "070701", "garbag" },
		{ "no init", "init", "inot" },
		{ "a module in a directory", "modules/000-virtio.ko", "modules/000/virtio.ko" },
		{ "a module that leaves", "modules/000-virtio.ko", "modules/../a/b/c/x.ko" },
		{ "a control character", "modules/000-virtio.ko", "modules/000\033virtio.ko" },
		{ "a module of another kind", "modules/000-virtio.ko", "modules/000-virtio.sh" },
	};
	struct blob old = make(7), b;
	struct err err = ERR_INIT;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct blob copy = { malloc(old.n), old.n };

		memcpy(copy.p, old.p, old.n);
		replace(&copy, rows[i].from, rows[i].to);
		if (refresh(&copy, 9, &b, &err) == 0)
			fail_msg("%s passed", rows[i].what);
		assert_int_equal(err.code, ERR_bad_input);
		free(copy.p);
	}
	for (size_t n = 0; n < old.n - 600; n += 97) {
		struct blob cut = { old.p, n };

		if (refresh(&cut, 9, &b, &err) == 0)
			fail_msg("cut at %zu of %zu passed", n, old.n);
		assert_int_equal(err.code, ERR_bad_input);
	}
	free(old.p);
}

static void test_bad_programs(void **state)
{
	struct blob script = { (uint8_t *)"#!/bin/sh\n", 10 }, good = fixture_program(1);
	int fds[4] = { fixture_fd(NULL), fixture_fd(&script), fixture_fd(&good), -1 }, pipes[2];
	struct modules m = { 0 };
	struct err err = ERR_INIT;
	uint64_t size;

	(void)state;
	assert_int_equal(initramfs_write(fds[0], fds[1], fds[2], &m, &size, &err), -1);
	assert_int_equal(err.code, ERR_bad_input);
	assert_int_equal(initramfs_write(fds[0], fds[2], fds[1], &m, &size, &err), -1);
	fds[3] = fixture_fd(NULL);
	assert_int_equal(initramfs_write(fds[0], fds[3], fds[2], &m, &size, &err), -1);
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(initramfs_write(fds[0], pipes[0], fds[2], &m, &size, &err), -1);
	assert_int_equal(err.code, ERR_bad_input);
	fd_close_many(pipes, 2);
	fd_close_many(fds, 4);
	free(good.p);
}

/* /dev/full: the target's file system is full. */
static void test_no_space(void **state)
{
	struct blob p = fixture_program(1);
	int fds[2] = { fixture_fd(&p), open("/dev/full", O_RDWR | O_CLOEXEC) };
	struct modules m = { 0 };
	struct err err = ERR_INIT;
	uint64_t size;

	(void)state;
	assert_true(fds[1] >= 0);
	assert_int_equal(initramfs_write(fds[1], fds[0], fds[0], &m, &size, &err), -1);
	assert_int_equal(err.code, ERR_no_space);
	fd_close_many(fds, 2);
	free(p.p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_content),
		cmocka_unit_test(test_deterministic),
		cmocka_unit_test(test_refresh),
		cmocka_unit_test(test_refresh_old_order),
		cmocka_unit_test(test_refresh_hostile),
		cmocka_unit_test(test_bad_programs),
		cmocka_unit_test(test_no_space),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
