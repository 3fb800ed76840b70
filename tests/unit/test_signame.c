/* SPDX-License-Identifier: GPL-2.0-or-later */
/* guest/signame: stop signals as images write them. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/str.h"
#include "guest/signame.h"

static void names(void **state)
{
	assert_int_equal(signame_parse("SIGTERM", -1), SIGTERM);
	assert_int_equal(signame_parse("QUIT", -1), SIGQUIT);
	assert_int_equal(signame_parse("SIGWINCH", -1), SIGWINCH);
	assert_int_equal(signame_parse("9", -1), SIGKILL);
	assert_int_equal(signame_parse("37", -1), 37);
	assert_int_equal(signame_parse("SIGRTMIN", -1), SIGRTMIN);
	assert_int_equal(signame_parse("SIGRTMIN+3", -1), SIGRTMIN + 3);
	assert_int_equal(signame_parse("RTMAX-1", -1), SIGRTMAX - 1);
}

static void no_names(void **state)
{
	static const char *const none[] = { "", "SIG", "SIGNOTHING", "0", "-1", "65", "9x",
		"RTMIN+99", "RTMIN-1", "RTMAX+1", "RTMIN+", "RTMINX", "sigterm", "SIGSIGTERM",
		" TERM" };

	for (size_t i = 0; i < ARRAY_SIZE(none); i++)
		assert_int_equal(signame_parse(none[i], 15), 15);
	assert_int_equal(signame_parse("", SIGQUIT), SIGQUIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(names), cmocka_unit_test(no_names) };

	return cmocka_run_group_tests_name("signame", tests, NULL, NULL);
}
