/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <sys/stat.h>
#include <unistd.h>

#include "common/settings.h"
#include "common/str.h"

static int load_text(const char *s, mode_t mode, struct settings *ret, struct err *err)
{
	char path[] = "/tmp/banger-settings-XXXXXX";
	int fd = mkstemp(path), r;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, s, strlen(s)), (ssize_t)strlen(s));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
	r = settings_load(path, ret, err);
	unlink(path);
	return r;
}

static void test_defaults(void **state)
{
	struct settings s;
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(load_text("", 0644, &s, &err), 0);
	assert_string_equal(s.paths_run_dir.s, "/run/banger");
	assert_int_equal(s.daemon_seccomp, CONFINE_KILL);
	assert_int_equal(s.net_pool.base.v, 0xac1e0000);
	assert_int_equal(s.net_pool.prefix, 16);
	assert_true(s.net_dns.automatic);
	assert_int_equal(s.image_system_overlay_size, 8ULL << 30);
	assert_int_equal(s.image_work_size, 0);
	assert_true(s.image_verify_diff_ids);
}

static void test_values(void **state)
{
	struct settings s;
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(
		load_text("[daemon]\nseccomp = log ; why\n[net]\ndns = 9.9.9.9, 1.1.1.1\n"
			  "[image]\nverify_diff_ids=no\n"
			  "[vmm]\nvmm = firecracker\ndisk_bandwidth = 64M\nconsole_rate = 0\n",
			0644, &s, &err),
		0);
	assert_int_equal(s.daemon_seccomp, CONFINE_LOG);
	assert_false(s.net_dns.automatic);
	assert_int_equal(s.net_dns.a[1].v, 0x01010101);
	assert_false(s.image_verify_diff_ids);
	assert_int_equal(s.vmm_vmm, vmm_kind_firecracker);
	assert_int_equal(s.vmm_disk_bandwidth, 64 << 20);
	assert_int_equal(s.vmm_console_rate, 0);
	assert_int_equal(s.vmm_net_bandwidth, 0);
}

static const struct {
	const char *text, *message;
} refused[] = {
	{ "[daemon]\nseccomp = maybe\n", "line 2: [daemon] seccomp: 'maybe'" },
	{ "[daemon]\nsecomp = log\n", "[daemon] secomp: no such setting" },
	{ "[deamon]\nseccomp = log\n", "[deamon] seccomp: no such setting" },
	{ "[net]\npool = 172.30.0.1/16\n", "is not a valid cidr" },
	{ "[net]\npool = 172.30.0.0/30\n", "is not a valid cidr" },
	{ "[net]\ndns = 1.1.1.1 2.2.2.2 3.3.3.3\n", "is not a valid addresses" },
	{ "[paths]\nrun_dir = run\n", "is not a valid path" },
	{ "[paths]\nrun_dir = /a/../b\n", "is not a valid path" },
	{ "[jail]\nuid_base = -1\n", "is not a valid count" },
	{ "[daemon]\nuser = ba/nger\n", "is not a valid name" },
	{ "[image]\nsystem_overlay_size = 0\n", "is not a valid size" },
	{ "[image]\nwork_size = -1\n", "is not a valid quantity" },
	{ "[vmm]\nvmm = xen\n", "is not a valid vmm_kind" },
	{ "[vmm]\nvmm = Firecracker\n", "is not a valid vmm_kind" },
	{ "[vmm]\ndisk_bandwidth = none\n", "is not a valid rate" },
	{ "[vmm]\nnet_bandwidth = -1\n", "is not a valid rate" },
	{ "no section\n", "line 1" },
};

static void test_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		struct settings s;
		struct err err = ERR_INIT;

		if (load_text(refused[i].text, 0644, &s, &err) == 0)
			fail_msg("accepted: %s", refused[i].text);
		if (!strstr(err.msg, refused[i].message))
			fail_msg("'%s' is not in '%s'", refused[i].message, err.msg);
	}
}

static void test_ownership(void **state)
{
	struct settings s;
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(load_text("", 0666, &s, &err), -1);
	assert_int_equal(load_text("", 0664, &s, &err), -1);
	assert_int_equal(settings_load("/does/not/exist", &s, &err), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_ownership),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
