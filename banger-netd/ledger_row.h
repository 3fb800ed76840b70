/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* One VM of the ledger, and its text: "key=value" lines, one file a row. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/enums.h"
#include "common/err.h"
#include "common/types.h"

#define LEDGER_BOOT_ID_LEN 36
#define LEDGER_ROW_MAX	   1024

struct ledger_row {
	vm_id vm;
	char boot_id[LEDGER_BOOT_ID_LEN + 1];
	enum ledger_state state; /* none: an empty row */
	uid_t owner;
	uid_t jail_uid;

	dev_t disk; /* its copy-on-write disk, or 0 */

	/* from `network` on */
	uint16_t subnet; /* which /24 of the pool */
	uint8_t host;	 /* the last octet */
	mac mac;
	bool nat;
	enum vmm_kind vmm; /* not auto */

	/* from `running` on */
	pid_t pid;
	uint64_t start_time; /* field 22 of /proc/PID/stat: clock ticks since boot */
	bool attached;	     /* the TAP is on its bridge: QEMU's always, Firecracker's once told */

	/* In memory alone, or -1: QEMU's TAP between tap_create and qemu_launch; a rtnetlink socket
	 * of the VMM's network namespace between firecracker_launch and tap_attach. */
	int tap, inside;
};

/* True from the state on in which the VM has an address, a TAP and its share of the bridge. */
bool ledger_row_has_network(const struct ledger_row *row);

/* The row as text into buf; its length. LEDGER_ROW_MAX is always enough. */
size_t ledger_row_format(const struct ledger_row *row, char buf[LEDGER_ROW_MAX]);

/* A row's text, each key of its state exactly once and no other. `vm` is the file's name. Fails
 * with bad_input. */
int ledger_row_parse(vm_id vm, const char *s, struct ledger_row *ret, struct err *err);
