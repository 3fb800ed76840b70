/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-cli/doctor.h"

const struct check checks[CHECK__count] = {
#define CHECK(ident, name, what, fix) { name, what, fix, check_##ident },
#include "banger-cli/doctor.tbl.h"
};

const char *health_name(enum health h)
{
	static const char *const names[] = { "PASS", "WARN", "FAIL" };

	return names[h];
}
