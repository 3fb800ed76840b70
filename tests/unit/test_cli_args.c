/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command line: what is taken, what is refused, and what the refusal says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "banger-cli/args.h"
#include "common/str.h"

#define WORDS_MAX 16

static struct parsed parsed;
static struct err failure;

/* Parse "banger" and the words; 0 or -1. */
static int parse(const char *const *words, size_t n)
{
	char *argv[WORDS_MAX + 1] = { (char *)(uintptr_t) "banger" };

	assert_true(n <= WORDS_MAX);
	for (size_t i = 0; i < n; i++)
		argv[1 + i] = (char *)(uintptr_t)words[i];
	parsed_finish(&parsed);
	failure = (struct err)ERR_INIT;
	return args_parse((int)n + 1, argv, &parsed, &failure);
}

#define PARSE(...)                                  \
	parse((const char *const[]){ __VA_ARGS__ }, \
		ARRAY_SIZE(((const char *const[]){ __VA_ARGS__ })))

#define assert_refused(text, ...)                                              \
	do {                                                                   \
		assert_int_equal(PARSE(__VA_ARGS__), -1);                      \
		assert_int_equal(failure.code, ERR_bad_request);               \
		if (!strstr(failure.msg, text))                                \
			fail_msg("'%s' does not say '%s'", failure.msg, text); \
	} while (0)

static int teardown(void **state)
{
	parsed_finish(&parsed);
	return 0;
}

static void test_run_with_all(void **state)
{
	struct args_vm_run *a;

	assert_int_equal(
		PARSE("--socket", "/s", "vm", "run", "--image=debian", "--vcpu", "4", "--memory=1G",
			"-it", "-e", "A=1", "-eB=2", "--rm", "-uroot", "--nat", "--"),
		0);
	assert_int_equal(parsed.command->id, COMMAND_vm_run);
	assert_string_equal(parsed.global.socket, "/s");
	a = parsed.args;
	assert_string_equal(a->machine.image, "debian");
	assert_int_equal(a->machine.vcpus, 4);
	assert_int_equal(a->machine.memory, 1024);
	assert_true(a->terminal.interactive && a->terminal.tty && a->remove && a->machine.nat);
	assert_false(a->detach);
	assert_int_equal(a->process.env.n, 2);
	assert_string_equal(a->process.env.items[0], "A=1");
	assert_string_equal(a->process.env.items[1], "B=2");
	assert_string_equal(a->process.user, "root");
	assert_int_equal(a->command.n, 0);
}

static void test_command_behind_dashes(void **state)
{
	struct args_vm_run *a;

	assert_int_equal(PARSE("vm", "run", "--image", "x", "--", "ls", "-l", "--", "--rm"), 0);
	a = parsed.args;
	assert_int_equal(a->command.n, 4);
	assert_string_equal(a->command.items[1], "-l");
	assert_string_equal(a->command.items[2], "--");
	assert_string_equal(a->command.items[3], "--rm");
	assert_false(a->remove);
	assert_refused("behind \"--\"", "vm", "run", "--image", "x", "ls");
	assert_refused("an image is named by --image", "vm", "run", "debian");
	assert_refused("its first word is empty", "vm", "run", "--image", "x", "--", "");
	assert_refused("its first word is empty", "vm", "exec", "web", "", "ls");
}

static void test_command_behind_an_operand(void **state)
{
	struct args_vm_exec *a;

	assert_int_equal(PARSE("vm", "exec", "-w", "/tmp", "web", "-u", "me", "ls", "-u", "x"), 0);
	a = parsed.args;
	assert_string_equal(a->vm, "web");
	assert_string_equal(a->process.user, "me");
	assert_string_equal(a->process.directory, "/tmp");
	assert_int_equal(a->command.n, 3);
	assert_string_equal(a->command.items[1], "-u");

	assert_int_equal(PARSE("vm", "exec", "web", "--", "-x", "--", ""), 0);
	a = parsed.args;
	assert_int_equal(a->command.n, 3);
	assert_string_equal(a->command.items[0], "-x");
	assert_string_equal(a->command.items[2], "");

	assert_int_equal(PARSE("vm", "exec", "--", "web", "-x"), 0);
	a = parsed.args;
	assert_string_equal(a->vm, "web");
	assert_string_equal(a->command.items[0], "-x");
}

static void test_missing_operands(void **state)
{
	assert_refused("VM is missing", "vm", "exec");
	assert_refused("COMMAND is missing", "vm", "exec", "web");
	assert_refused("COMMAND is missing", "vm", "exec", "web", "--");
	assert_refused("VM is missing", "vm", "stop");
	assert_refused("SOURCE is missing", "image", "import", "debian");
	assert_int_equal(PARSE("kernel", "import"), 0);
	assert_int_equal(PARSE("vm", "exec", "--help"), 0);
	assert_true(parsed.global.help);
}

static void test_too_many_operands(void **state)
{
	assert_refused("one word too many", "vm", "show", "a", "b");
	assert_refused("one word too many", "vm", "list", "a");
	assert_refused("one word too many", "kernel", "import", "a", "b");
}

static void test_many_operands(void **state)
{
	struct args_vm_delete *a;

	assert_int_equal(PARSE("vm", "rm", "a", "-f", "b", "c"), 0);
	assert_int_equal(parsed.command->id, COMMAND_vm_delete);
	a = parsed.args;
	assert_true(a->force);
	assert_int_equal(a->vms.n, 3);
	assert_string_equal(a->vms.items[2], "c");
	assert_refused("no VM's name or id", "vm", "rm", "a", "B C");
}

/* Every option that takes a value says so when it has none, at the end of the line. */
/* A command and an option of it, refused with that text; `top` is a group without a word. */
static void refused_option(const struct command *c, const char *option, const char *text)
{
	const char *group = groups[c->group].name;

	if (group[0] == '\0')
		assert_refused(text, c->verb, option);
	else
		assert_refused(text, group, c->verb, option);
}

static void test_every_option_without_value(void **state)
{
	for (size_t i = 0; i < COMMAND__count; i++) {
		const struct command *c = &commands[i];
		struct def defs[DEFS_MAX];
		size_t n = command_defs(c, defs);

		for (size_t j = 0; j < n; j++) {
			char option[64], assigned[80];

			if (defs[j].kind != DEF_option)
				continue;
			str_format(option, sizeof(option), "--%s", defs[j].name);
			str_format(assigned, sizeof(assigned), "--%s=", defs[j].name);
			if (defs[j].type == ARG_flag) {
				refused_option(c, assigned, "takes no value");
				continue;
			}
			refused_option(c, option, "needs a value");
			/* An empty value is no good value of any type. */
			refused_option(c, assigned, option);
		}
	}
}

static void test_unknown_options(void **state)
{
	assert_refused("did you mean --image", "vm", "run", "--imgae", "x");
	assert_refused("did you mean --system-overlay-size", "vm", "run", "--system", "1G");
	assert_refused("no option '--zzzzzz'", "vm", "run", "--zzzzzz");
	assert_refused("no option '-z'", "vm", "run", "-z");
	assert_refused("no option '-z' in -qz", "vm", "run", "-qz");
	assert_refused("no option '--'", "vm", "run", "--=x");
	assert_refused("no option", "--nonsense");
}

static void test_unknown_commands(void **state)
{
	assert_refused("did you mean 'list'", "vm", "lsit");
	assert_refused("did you mean 'image'", "imag");
	assert_refused("did you mean 'vm run'", "run");
	assert_refused("did you mean 'vm delete'", "rm");
	assert_refused("no command 'vm qqqqqqq'", "vm", "qqqqqqq");
	assert_refused("no group or command ''", "");
	assert_refused("no group or command '--'", "--");
	/* What is known of it then tells where help is. */
	assert_int_equal(PARSE("vm", "qqqqqqq"), -1);
	assert_true(parsed.in_group && parsed.group == GROUP_vm && !parsed.command);
}

static void test_long_words(void **state)
{
	char word[5000];

	memset(word, 'a', sizeof(word) - 1);
	word[sizeof(word) - 1] = '\0';
	assert_refused("no group or command", word);
	assert_refused("no VM's name or id", "vm", "show", word);
	word[0] = word[1] = '-';
	assert_refused("no option", "vm", "show", word);
}

static void test_last_value_counts(void **state)
{
	struct args_vm_run *a;

	assert_int_equal(PARSE("vm", "run", "--memory", "1G", "--image", "x", "--memory", "2G"), 0);
	a = parsed.args;
	assert_int_equal(a->machine.memory, 2048);
}

static void test_help_and_version_anywhere(void **state)
{
	assert_int_equal(PARSE("--version"), 0);
	assert_true(parsed.global.version);
	assert_int_equal(PARSE("vm", "-h"), 0);
	assert_true(parsed.global.help && parsed.in_group);
	assert_int_equal(PARSE("-h", "vm", "show"), 0);
	assert_true(parsed.global.help && parsed.command);
	assert_int_equal(PARSE("help", "vm", "run"), 0);
	assert_int_equal(parsed.command->id, COMMAND_help);
}

static void test_nothing(void **state)
{
	assert_int_equal(parse(NULL, 0), 0);
	assert_null(parsed.command);
	assert_false(parsed.in_group);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_run_with_all),
		cmocka_unit_test(test_command_behind_dashes),
		cmocka_unit_test(test_command_behind_an_operand),
		cmocka_unit_test(test_missing_operands),
		cmocka_unit_test(test_too_many_operands),
		cmocka_unit_test(test_many_operands),
		cmocka_unit_test(test_every_option_without_value),
		cmocka_unit_test(test_unknown_options),
		cmocka_unit_test(test_unknown_commands),
		cmocka_unit_test(test_long_words),
		cmocka_unit_test(test_last_value_counts),
		cmocka_unit_test(test_help_and_version_anywhere),
		cmocka_unit_test(test_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, teardown);
}
