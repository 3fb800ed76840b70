/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <elf.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "banger-imaged/elf64.h"
#include "common/str.h"
#include "tests/common/kernel_fixture.h"

#define SIZE 2000000

static int check(const struct blob *b, struct err *err)
{
	int fd = fixture_fd(b), r;

	r = elf64_check_kernel(fd, b->n, err);
	close(fd);
	return r;
}

static void test_kernel(void **state)
{
	struct blob b = fixture_vmlinux(FIXTURE_RELEASE, SIZE);
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(check(&b, &err), 0);
	free(b.p);
}

#define EH(field) offsetof(Elf64_Ehdr, field), sizeof(((Elf64_Ehdr *)0)->field)
#define PH(field) sizeof(Elf64_Ehdr) + offsetof(Elf64_Phdr, field), sizeof(((Elf64_Phdr *)0)->field)

/* One field wrong. */
static const struct damage {
	const char *what;
	size_t at, len;
	uint64_t value;
} damages[] = {
	{ "magic", 0, 1, 'x' },
	{ "32 bit", EI_CLASS, 1, ELFCLASS32 },
	{ "big-endian", EI_DATA, 1, ELFDATA2MSB },
	{ "another machine", EH(e_machine), EM_AARCH64 },
	{ "a module", EH(e_type), ET_REL },
	{ "a core", EH(e_type), ET_CORE },
	{ "no segments", EH(e_phnum), 0 },
	{ "too many segments", EH(e_phnum), 65535 },
	{ "segments of another size", EH(e_phentsize), 32 },
	{ "segments outside", EH(e_phoff), SIZE },
	{ "segments far outside", EH(e_phoff), UINT64_MAX - 8 },
	{ "content outside", PH(p_offset), SIZE },
	{ "content wraps", PH(p_offset), UINT64_MAX - 8 },
	{ "content too long", PH(p_filesz), SIZE + 1 },
	{ "less memory than content", PH(p_memsz), 10 },
	{ "memory wraps", PH(p_memsz), UINT64_MAX - 8 },
	{ "memory beyond 4 GiB", PH(p_paddr), UINT64_C(0xffffffff) },
	{ "nothing to load", PH(p_type), PT_NOTE },
};

static void test_damaged_kernel(void **state)
{
	struct blob b = fixture_vmlinux(FIXTURE_RELEASE, SIZE);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(damages); i++) {
		struct err err = ERR_INIT;
		uint8_t before[8];

		memcpy(before, b.p + damages[i].at, damages[i].len);
		memcpy(b.p + damages[i].at, &damages[i].value, damages[i].len);
		if (check(&b, &err) == 0)
			fail_msg("%s passed", damages[i].what);
		assert_int_equal(err.code, ERR_bad_input);
		memcpy(b.p + damages[i].at, before, damages[i].len);
	}
	for (size_t n = 0; n < 120; n += 7) {
		struct blob cut = { b.p, n };
		struct err err = ERR_INIT;

		assert_int_equal(check(&cut, &err), -1);
		assert_int_equal(err.code, ERR_bad_input);
	}
	free(b.p);
}

/* A banner is found wherever it stands, also across the blocks in which the file is read. */
static void test_version(void **state)
{
	static const char banner[] = "Linux version 5.10.7-x (me@here) #1";
	struct blob b = { calloc(1, SIZE), SIZE };
	struct err err = ERR_INIT;
	text version;
	int fd = -1;

	(void)state;
	for (size_t at = 1047000; at < 1049000; at += 3) {
		memset(b.p, 0, b.n);
		memcpy(b.p + 500, "Linux version %s", 16);
		memcpy(b.p + at, banner, sizeof(banner));
		if (fd >= 0)
			close(fd);
		fd = fixture_fd(&b);
		if (elf64_kernel_version(fd, b.n, &version, &err) < 0)
			fail_msg("at %zu: %s", at, err.msg);
		assert_string_equal(version.s, "5.10.7-x");
	}
	close(fd);
	memset(b.p, 'x', b.n);
	memcpy(b.p + 100, "Linux version 5.1\x7f[2J ", 22);
	memcpy(b.p + b.n - 17, "Linux version 5.1", 17); /* no end */
	fd = fixture_fd(&b);
	assert_int_equal(elf64_kernel_version(fd, b.n, &version, &err), -1);
	assert_int_equal(err.code, ERR_bad_input);
	close(fd);
	free(b.p);
}

static void test_modinfo(void **state)
{
	struct blob m = fixture_module("a,b", FIXTURE_RELEASE);
	struct err err = ERR_INIT;
	const char *info;
	size_t len;

	(void)state;
	assert_int_equal(elf64_modinfo(m.p, m.n, "m", &info, &len, &err), 0);
	assert_string_equal(info, "license=GPL");
	assert_int_equal(info[len - 1], '\0');
	for (size_t n = 0; n < m.n; n += n < 340 ? 1 : 50) {
		uint8_t *copy = malloc(n + 1);

		memcpy(copy, m.p, n);
		if (elf64_modinfo(copy, n, "m", &info, &len, &err) == 0)
			assert_true((const uint8_t *)info + len <= copy + n);
		free(copy);
	}
	/* Whatever a byte of the headers says, what comes back is inside (a sanitizer looks on). */
	for (size_t at = 0; at < 340; at++)
		for (int v = 0; v < 256; v += 51) {
			uint8_t *copy = malloc(m.n);

			memcpy(copy, m.p, m.n);
			copy[at] = (uint8_t)v;
			if (elf64_modinfo(copy, m.n, "m", &info, &len, &err) == 0) {
				assert_true((const uint8_t *)info >= copy);
				assert_true((const uint8_t *)info + len <= copy + m.n);
				assert_int_equal(info[len - 1], '\0');
			}
			free(copy);
		}
	free(m.p);
}

static void test_program(void **state)
{
	struct blob p = fixture_program(1), m = fixture_module("", "x");
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(elf64_check_program(p.p, p.n, "init", &err), 0);
	assert_int_equal(elf64_check_program(m.p, m.n, "init", &err), -1);
	assert_int_equal(elf64_check_program(p.p, 40, "init", &err), -1);
	assert_int_equal(elf64_check_program((const uint8_t *)"#!/bin/sh", 9, "init", &err), -1);
	free(p.p);
	free(m.p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kernel),
		cmocka_unit_test(test_damaged_kernel),
		cmocka_unit_test(test_version),
		cmocka_unit_test(test_modinfo),
		cmocka_unit_test(test_program),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
