/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bangerd/boot_args.h"
#include "common/str.h"

/* Whether `word` is one of the words of s, just once. */
static bool has(const char *s, const char *word)
{
	size_t n = strlen(word), found = 0;

	for (const char *p = s; (p = strstr(p, word)); p += n)
		if ((p == s || p[-1] == ' ') && (p[n] == ' ' || p[n] == '\0'))
			found++;
	return found == 1;
}

static void words(void **state)
{
	/* A guest that reboots or panics ends its VMM; its console is quiet; nobody looks for a
	 * mouse; the initramfs' init is the first program. */
	static const char *const always[] = { "console=ttyS0", "8250.nr_uarts=1", "quiet",
		"reboot=k", "panic=-1", "i8042.noaux", "i8042.nomux", "i8042.nopnp",
		"i8042.dumbkbd", "cryptomgr.notests", "rdinit=/init" };

	(void)state;
	for (unsigned vcpus = 1; vcpus <= 32; vcpus++) {
		char args[BOOT_ARGS_MAX + 1];
		struct err err = ERR_INIT;

		assert_int_equal(boot_args(vcpus, args, sizeof(args), &err), 0);
		for (size_t i = 0; i < ARRAY_SIZE(always); i++)
			assert_true(has(args, always[i]));
		assert_int_equal(has(args, "noreplace-smp"), vcpus == 1);
		assert_true(str_printable(args, false));
		assert_null(strstr(args, "  "));
		/* Firecracker says these itself, and knows better. */
		assert_null(strstr(args, "pci="));
		assert_null(strstr(args, "root="));
		assert_null(strstr(args, "nomodule"));
	}
}

static void too_small(void **state)
{
	struct err err = ERR_INIT;
	char args[16];

	(void)state;
	assert_int_equal(boot_args(1, args, sizeof(args), &err), -1);
	assert_int_equal(err.code, ERR_operation_failed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words),
		cmocka_unit_test(too_small),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
