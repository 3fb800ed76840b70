/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A row of netd's ledger: what is read is what would be written, or it is refused. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "banger-netd/ledger_row.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const vm_id vm = { "0123456789ab" };
	struct ledger_row row, again;
	struct err err = ERR_INIT;
	char written[LEDGER_ROW_MAX], *s = malloc(size + 1);

	if (!s)
		return 0;
	memcpy(s, data, size);
	s[size] = '\0';
	if (ledger_row_parse(vm, s, &row, &err) == 0) {
		ledger_row_format(&row, written);
		if (ledger_row_parse(vm, written, &again, &err) < 0 || again.state != row.state ||
			again.owner != row.owner || again.jail_uid != row.jail_uid ||
			again.vmm != row.vmm || again.pid != row.pid ||
			again.start_time != row.start_time || again.attached != row.attached)
			abort();
	}
	free(s);
	return 0;
}
