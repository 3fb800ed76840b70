/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bangerd/vm_entry, vm_check, resolvers: what a guest is told and given. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bangerd/resolvers.h"
#include "bangerd/vm_check.h"
#include "bangerd/vm_entry.h"
#include "common/str.h"

#define STRV(s, c)              \
	{                       \
		s, sizeof(s), c \
	}

static void assert_strv(const strv *v, const char *const *want)
{
	const char *at = NULL;
	size_t n = 0;

	for (; want[n]; n++) {
		at = strv_next(v, at);
		assert_non_null(at);
		assert_string_equal(at, want[n]);
	}
	assert_int_equal(v->count, n);
	assert_null(n == 0 ? strv_next(v, NULL) : strv_next(v, at));
}

static void entry_points(void **state)
{
	static const strv entrypoint = STRV("/entry\0--flag", 2), command = STRV("serve", 1),
			  given = STRV("sh\0-c\0exit 42", 3), none = { 0 };
	static const struct {
		const strv *entrypoint, *command, *argv;
		enum guest_mode mode, want_mode;
		const char *want[6];
	} cases[] = {
		{ &entrypoint, &command, &none, guest_mode_auto, guest_mode_auto,
			{ "/entry", "--flag", "serve" } },
		{ &entrypoint, &command, &given, guest_mode_auto, guest_mode_command,
			{ "/entry", "--flag", "sh", "-c", "exit 42" } },
		{ &none, &command, &given, guest_mode_idle, guest_mode_idle,
			{ "sh", "-c", "exit 42" } },
		{ &none, &command, &none, guest_mode_command, guest_mode_command, { "serve" } },
		{ &none, &none, &none, guest_mode_auto, guest_mode_auto, { NULL } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct image_row image = { .entrypoint = *cases[i].entrypoint,
			.command = *cases[i].command };
		const struct vm_row row = { .argv = *cases[i].argv, .mode = cases[i].mode };
		_cleanup_free_ char *joined = NULL;
		struct agent_setup_in in = { 0 };
		struct err err = ERR_INIT;

		assert_int_equal(vm_entry(&row, &image, &in, &joined, &err), 0);
		assert_strv(&in.argv, cases[i].want);
		assert_int_equal(in.mode, cases[i].want_mode);
	}
}

static void environment_and_user(void **state)
{
	static const char *const want[] = { "PATH=/bin", "A=image", "A=vm", NULL };
	const struct image_row image = { .env = STRV("PATH=/bin\0A=image", 2),
		.user = { "web" },
		.directory = { "/srv" },
		.stop_signal = { "SIGQUIT" } };
	const struct vm_row row = { .env = STRV("A=vm", 1), .directory = { "/tmp" } };
	_cleanup_free_ char *joined = NULL;
	struct agent_setup_in in = { 0 };
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(vm_entry(&row, &image, &in, &joined, &err), 0);
	assert_strv(&in.environment, want);
	assert_string_equal(in.user.s, "web");
	assert_string_equal(in.directory.s, "/tmp");
	assert_string_equal(in.stop_signal.s, "SIGQUIT");
}

static void defaults(void **state)
{
	(void)state;
	assert_int_equal(vm_default_vcpus(-1), 1);
	assert_int_equal(vm_default_vcpus(2), 1);
	assert_int_equal(vm_default_vcpus(8), 2);
	assert_int_equal(vm_default_vcpus(256), 4);
	assert_int_equal(vm_default_memory_mib(512), 256);
	assert_int_equal(vm_default_memory_mib(24000), 3000);
	assert_int_equal(vm_default_memory_mib(1000000), 8192);
}

static void meminfo(void **state)
{
	uint64_t total = 0, available = 0;

	(void)state;
	assert_true(vm_parse_meminfo("MemTotal:       24652012 kB\nMemFree:  1 kB\n"
				     "MemAvailable:   20971520 kB\n",
		&total, &available));
	assert_int_equal(total, 24074);
	assert_int_equal(available, 20480);
	assert_false(vm_parse_meminfo("MemTotal: 1 kB\n", &total, &available));
	assert_false(vm_parse_meminfo("", &total, &available));
	assert_false(vm_parse_meminfo("MemTotal: x kB\nMemAvailable: 1 kB", &total, &available));
	assert_false(vm_parse_meminfo(
		"MemTotal: 99999999999999999999999 kB\nMemAvailable: 1 kB", &total, &available));
}

static void name_servers(void **state)
{
	ipv4 dns[2];

	(void)state;
	resolvers_parse("# nameserver 9.9.9.9\nnameserver 127.0.0.53\nnameserver\t10.0.0.1  # x\n"
			"nameserver fe80::1\nnameserver 10.0.0.2\nnameserver 10.0.0.3",
		dns);
	assert_int_equal(dns[0].v, 0x0a000001);
	assert_int_equal(dns[1].v, 0x0a000002);
	resolvers_parse(
		"nameserver 127.0.0.1\nnameserver 0.0.0.0\nnameservers 10.0.0.1\n"
		"nameserver 10.0.0.1.2.3.4.5.6.7.8.9\nsearch nameserver 10.0.0.1\nnameserver",
		dns);
	assert_int_equal(dns[0].v, 0);
	resolvers_parse("", dns);
	assert_int_equal(dns[1].v, 0);
	resolvers_parse("nameserver 10.0.0.1", dns);
	assert_int_equal(dns[0].v, 0x0a000001);
	assert_int_equal(dns[1].v, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(entry_points),
		cmocka_unit_test(environment_and_user),
		cmocka_unit_test(defaults),
		cmocka_unit_test(meminfo),
		cmocka_unit_test(name_servers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
