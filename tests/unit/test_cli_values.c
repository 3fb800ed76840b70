/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The types of arguments, their bounds and the words they allow; and the table's own sanity. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "banger-cli/commands.h"
#include "banger-cli/values.h"
#include "common/str.h"

union value {
	const char *s;
	uint64_t size;
	uint32_t u32;
	uint8_t u8;
	struct seconds seconds;
	int choice;
};

struct good {
	enum arg_type type;
	const char *text;
	uint64_t value; /* not of texts */
};

static uint64_t number(enum arg_type type, const union value *v)
{
	if (type == ARG_size)
		return v->size;
	if (type == ARG_memory)
		return v->u32;
	if (type == ARG_seconds)
		return v->seconds.given ? v->seconds.n : UINT64_MAX;
	if (type == ARG_vcpus || type == ARG_signal)
		return v->u8;
	return (uint64_t)v->choice;
}

static void test_good_numbers(void **state)
{
	static const struct good rows[] = {
		{ ARG_size, "1", 1 },
		{ ARG_size, "4096K", 4194304 },
		{ ARG_size, "8GiB", (uint64_t)8 << 30 },
		{ ARG_size, "64T", (uint64_t)1 << 46 },
		{ ARG_memory, "64M", 64 },
		{ ARG_memory, "67108865", 65 },
		{ ARG_memory, "1T", 1048576 },
		{ ARG_vcpus, "1", 1 },
		{ ARG_vcpus, "32", 32 },
		{ ARG_seconds, "0", 0 },
		{ ARG_seconds, "1", 1 },
		{ ARG_seconds, "1000000", 1000000 },
		{ ARG_signal, "TERM", 15 },
		{ ARG_signal, "SIGKILL", 9 },
		{ ARG_signal, "term", 15 },
		{ ARG_signal, "sigHup", 1 },
		{ ARG_signal, "64", 64 },
		{ ARG_accel, "kvm", accel_kvm },
		{ ARG_vmm, "firecracker", vmm_kind_firecracker },
		{ ARG_image_kind, "docker-archive", image_kind_docker_archive },
		{ ARG_format, "json", format_json },
		{ ARG_shell, "bash", shell_bash },
		{ ARG_shell, "fish", shell_fish },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		union value v = { 0 };
		struct err err = ERR_INIT;

		if (value_parse(rows[i].type, rows[i].text, &v, &err) < 0)
			fail_msg("%s: %s", rows[i].text, err.msg);
		assert_int_equal(number(rows[i].type, &v), rows[i].value);
	}
}

static void test_good_texts(void **state)
{
	static const struct good rows[] = {
		{ ARG_word, "", 0 },
		{ ARG_string, "a b\xc3\xa4", 0 },
		{ ARG_path, " ", 0 },
		{ ARG_vm_ref, "0a1b", 0 },
		{ ARG_vm_ref, "web-1", 0 },
		{ ARG_vm_name, "web-1", 0 },
		{ ARG_ref_name, "registry/Image:1.0@x", 0 },
		{ ARG_image_ref, "sha256:abc", 0 },
		{ ARG_kernel_ref, "6.1.0-13-cloud-amd64", 0 },
		{ ARG_env, "A=", 0 },
		{ ARG_env, "A", 0 },
		{ ARG_env, "A==", 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const char *got = NULL;
		struct err err = ERR_INIT;

		if (value_parse(rows[i].type, rows[i].text, &got, &err) < 0)
			fail_msg("%s: %s", rows[i].text, err.msg);
		assert_ptr_equal(got, rows[i].text);
	}
}

static void test_bad(void **state)
{
	static const struct {
		enum arg_type type;
		const char *text;
	} rows[] = {
		{ ARG_size, "" },
		{ ARG_size, "0" },
		{ ARG_size, "-1" },
		{ ARG_size, "+1" },
		{ ARG_size, " 1" },
		{ ARG_size, "1 G" },
		{ ARG_size, "1.5G" },
		{ ARG_size, "1X" },
		{ ARG_size, "1GG" },
		{ ARG_size, "0x10" },
		{ ARG_size, "65T" },
		{ ARG_size, "99999999999999999999" },
		{ ARG_size, "18446744073709551615T" },
		{ ARG_memory, "512" },
		{ ARG_memory, "63M" },
		{ ARG_memory, "1025G" },
		{ ARG_memory, "0" },
		{ ARG_vcpus, "0" },
		{ ARG_vcpus, "33" },
		{ ARG_vcpus, "-1" },
		{ ARG_vcpus, "two" },
		{ ARG_vcpus, "256" },
		{ ARG_seconds, "-1" },
		{ ARG_seconds, "" },
		{ ARG_seconds, "1000001" },
		{ ARG_seconds, "1s" },
		{ ARG_signal, "0" },
		{ ARG_signal, "65" },
		{ ARG_signal, "SIG" },
		{ ARG_signal, "NOPE" },
		{ ARG_accel, "KVM" },
		{ ARG_vmm, "Firecracker" },
		{ ARG_image_kind, "oci_layout" },
		{ ARG_format, "yaml" },
		{ ARG_shell, "ksh" },
		{ ARG_string, "" },
		{ ARG_string, "a\nb" },
		{ ARG_string, "a\033[31m" },
		{ ARG_path, "" },
		{ ARG_vm_ref, "" },
		{ ARG_vm_ref, "Web" },
		{ ARG_vm_ref, "../x" },
		{ ARG_vm_ref, "-x" },
		{ ARG_vm_ref, "a123456789012345678901234567890123456789012345678901234567890123" },
		{ ARG_vm_name, "web_1" },
		{ ARG_vm_name, "-web" },
		{ ARG_vm_name, "web-" },
		{ ARG_vm_name, "123" },
		{ ARG_vm_name, "Bad Name" },
		{ ARG_ref_name, "../x" },
		{ ARG_ref_name, "/x" },
		{ ARG_ref_name, "a b" },
		{ ARG_ref_name, "a//b" },
		{ ARG_image_ref, "" },
		{ ARG_kernel_ref, ".." },
		{ ARG_env, "" },
		{ ARG_env, "=x" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		union value v = { .size = 0x5a5a5a5a5a5a5a5a }, before = v;
		struct err err = ERR_INIT;

		if (value_parse(rows[i].type, rows[i].text, &v, &err) == 0)
			fail_msg("type %d takes '%s'", rows[i].type, rows[i].text);
		assert_int_equal(err.code, ERR_bad_request);
		assert_true(err.msg[0] != '\0');
		assert_memory_equal(&v, &before, sizeof(v));
	}
}

/* ---- the table ---- */

static void check_unique(const char *where, const struct def *a, const struct def *b)
{
	if (a->kind != DEF_option || b->kind != DEF_option)
		return;
	if (strcmp(a->name, b->name) == 0)
		fail_msg("%s: two options --%s", where, a->name);
	if (a->letter && a->letter == b->letter)
		fail_msg("%s: two options -%c", where, a->letter);
}

static void test_options_are_unique(void **state)
{
	for (size_t i = 0; i < COMMAND__count; i++) {
		struct def defs[2 * DEFS_MAX];
		size_t n = command_defs(&commands[i], defs);

		assert_true(n < DEFS_MAX);
		n += global_defs(defs + n);
		for (size_t j = 0; j < n; j++)
			for (size_t k = j + 1; k < n; k++)
				check_unique(commands[i].verb, &defs[j], &defs[k]);
	}
}

/* An option's letter means the same in every command where docker's habit would hurt: -i -t. */
static void test_flags_that_habit_joins(void **state)
{
	static const enum command_id both[] = { COMMAND_vm_run, COMMAND_vm_exec };

	for (size_t i = 0; i < ARRAY_SIZE(both); i++) {
		struct def defs[DEFS_MAX];
		size_t n = command_defs(&commands[both[i]], defs), flags = 0;

		for (size_t j = 0; j < n; j++)
			flags += defs[j].kind == DEF_option && defs[j].type == ARG_flag &&
				 (defs[j].letter == 'i' || defs[j].letter == 't');
		assert_int_equal(flags, 2);
	}
}

static void test_commands_are_found(void **state)
{
	enum group_id group;

	for (size_t i = 0; i < COMMAND__count; i++) {
		assert_int_equal(commands[i].id, i);
		assert_ptr_equal(command_find(commands[i].group, commands[i].verb), &commands[i]);
	}
	assert_int_equal(command_find(GROUP_vm, "ps")->id, COMMAND_vm_list);
	assert_int_equal(command_find(GROUP_vm, "ls")->id, COMMAND_vm_list);
	assert_null(command_find(GROUP_vm, "s"));
	assert_null(command_find(GROUP_vm, ""));
	assert_null(command_find(GROUP_vm, "ls ps"));
	assert_true(group_find("vm", &group) && group == GROUP_vm);
	assert_false(group_find("", &group));
	assert_false(group_find("top", &group));
}

/* Only the last operand may take several words, and nothing follows an optional one. */
static void test_operands_are_unambiguous(void **state)
{
	for (size_t i = 0; i < COMMAND__count; i++) {
		struct def defs[DEFS_MAX];
		size_t n = command_defs(&commands[i], defs);
		bool last = false;

		for (size_t j = 0; j < n; j++) {
			if (defs[j].kind != DEF_operand)
				continue;
			assert_false(last);
			last = defs[j].arity != ARITY_one;
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good_numbers),
		cmocka_unit_test(test_good_texts),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_options_are_unique),
		cmocka_unit_test(test_flags_that_habit_joins),
		cmocka_unit_test(test_commands_are_found),
		cmocka_unit_test(test_operands_are_unambiguous),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
