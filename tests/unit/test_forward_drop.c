/* SPDX-License-Identifier: GPL-2.0-or-later */
/* banger-netd/forward_drop: whose chain drops what the host forwards. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "banger-netd/forward_drop.h"
#include "common/str.h"

#define OURS                                                                                     \
	"table ip banger {\n\tchain forward {\n\t\ttype filter hook forward priority 0; policy " \
	"drop;\n\t}\n}\n"
#define DOCKER                                                                                     \
	"table ip filter {\n\tchain DOCKER {\n\t}\n\tchain INPUT {\n\t\ttype filter hook input "   \
	"priority 0; policy drop;\n\t}\n\tchain FORWARD {\n\t\ttype filter hook forward priority " \
	"0; policy drop;\n\t}\n}\n"

static void chains(void **state)
{
	static const struct {
		const char *text, *found;
	} cases[] = {
		{ "", NULL },
		{ "table ip nat {\n}\n", NULL },
		{ OURS, NULL },
		{ DOCKER, "table ip filter, chain FORWARD" },
		{ OURS DOCKER, "table ip filter, chain FORWARD" },
		{ DOCKER OURS, "table ip filter, chain FORWARD" },
		{ "table ip filter {\n\tchain FORWARD {\n\t\ttype filter hook forward priority 0; "
		  "policy accept;\n\t}\n}\n",
			NULL },
		/* Another's table whose name begins like ours. */
		{ "table ip banger2 {\n\tchain f {\n\t\ttype filter hook forward priority 0; "
		  "policy drop;\n",
			"table ip banger2, chain f" },
		/* Cut short, and no list at all. */
		{ "table ip filter {\n\tchain FOR", NULL },
		{ "table \nchain \nhook forward policy drop", NULL },
		{ "\n\n{ hook forward policy drop }", NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char dst[100] = "";
		bool found = forward_drop_find(cases[i].text, dst, sizeof(dst));

		if (found != (cases[i].found != NULL) || !str_eq(dst, found ? cases[i].found : ""))
			fail_msg("case %zu: %s", i, dst);
	}
}

/* Names of others are no place for what drives a terminal, and never too long. */
static void names(void **state)
{
	char list[400], dst[100];

	str_format(list, sizeof(list),
		"table ip a\033[2J%0200d {\nchain c {\nhook forward ; policy drop\n", 0);
	assert_true(forward_drop_find(list, dst, sizeof(dst)));
	assert_string_equal(dst, "table ip a?[2J00000000000000000000000000000000, chain c");
	assert_false(forward_drop_find(list, dst, 10));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(chains), cmocka_unit_test(names) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
