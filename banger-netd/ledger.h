/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * What each VM has on this host, and so what may be asked next. One small file a row in a
 * root-owned directory, written before what it speaks of is made and removed after that is gone;
 * it holds until the next boot (each row names its boot).
 */
#include <stddef.h>

#include "banger-netd/ledger_row.h"

#define LEDGER_ROWS_MAX 4096

struct ledger;

/*
 * Open run_dirfd/ledger, made when absent, and read it. Rows of another boot and rows that cannot
 * be read are not loaded: `on_stale` is told their VM, and when it returns 0 the row is removed.
 * Fails when the directory is not root's alone, or (after two seconds) another netd has it.
 */
typedef int (*ledger_stale)(void *ctx, vm_id vm, const char *why);
int ledger_open(int run_dirfd, const char *boot_id, ledger_stale on_stale, void *ctx,
	struct ledger **ret, struct err *err);
void ledger_close(struct ledger *l); /* NULL is allowed; closes the rows' fds */

/* The row of a VM, the ledger's own until the next put or remove; NULL when there is none. */
struct ledger_row *ledger_find(struct ledger *l, vm_id vm);

/* Rows in id order: the first behind `after`; and by position, NULL at the end. */
struct ledger_row *ledger_after(struct ledger *l, vm_id after);
const struct ledger_row *ledger_at(const struct ledger *l, size_t i);

/* Write a row (its boot id is set here): on disk first, then in memory; takes the row's
 * fds on success. On failure the old row stands. */
int ledger_put(struct ledger *l, const struct ledger_row *row, struct err *err);

/* Take a row away, its fds closed; a VM without one is fine. */
int ledger_remove(struct ledger *l, vm_id vm, struct err *err);

/* A note of netd's own beside the rows ("forwarding"): text of less than 4 KiB. Empty text removes
 * it; an absent note, or one of another boot, reads as empty (the caller frees). */
int ledger_note_write(struct ledger *l, const char *name, const char *s, struct err *err);
int ledger_note_read(struct ledger *l, const char *name, char **ret, struct err *err);
