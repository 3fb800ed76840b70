/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bangerd/store_vm.h"

#include <stdlib.h>
#include <string.h>

#include "common/str.h"

#define COLUMNS                                                                                    \
	"id, name, owner, image_id, kernel_id, vcpus, memory_mib, disk_size, nat, auto_remove, "   \
	"accel, mode, argv, env, user, directory, subnet, host, mac, state, last_error, boot_id, " \
	"started_at, created_at, vmm, vmm_why, disk, paused_why, disk_lost, "                      \
	"work_size, remake, disk_made, work_made, disk_gone, work_gone"

static const char *const state_names[VM_STATE__count] = {
	[VM_STOPPED] = "stopped",
	[VM_RUNNING] = "running",
	[VM_CREATING] = "creating",
	[VM_DELETING] = "deleting",
	[VM_STARTING] = "starting",
	[VM_STOPPING] = "stopping",
	[VM_PAUSED] = "paused",
};

const char *vm_state_name(enum vm_state s)
{
	return (unsigned)s < VM_STATE__count ? state_names[s] : "?";
}

void vm_row_finish(struct vm_row *r)
{
	strv_free(&r->argv);
	strv_free(&r->env);
}

/* What is known of its disks' files, from that parameter on. */
static void put_files(struct query *q, int at, const struct vm_row *r)
{
	query_int(q, at, (int64_t)r->disk_made);
	query_int(q, at + 1, (int64_t)r->work_made);
	query_int(q, at + 2, r->disk_gone);
	query_int(q, at + 3, r->work_gone);
}

int store_vm_insert(struct store *s, const struct vm_row *r, struct err *err)
{
	_cleanup_(query_end) struct query q = { 0 };

	if (query_begin(&q, s, STORE_WRITE,
		    "INSERT INTO vm (" COLUMNS ") VALUES (?,?,?,?,?,?,?,?,?,?,?,?,"
		    "?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
		    err) < 0)
		return -1;
	query_text(&q, 1, r->id.s);
	query_text(&q, 2, r->name.s);
	query_int(&q, 3, r->owner);
	query_text(&q, 4, r->image_id.s);
	query_text(&q, 5, r->kernel_id.s);
	query_int(&q, 6, r->vcpus);
	query_int(&q, 7, r->memory_mib);
	query_int(&q, 8, (int64_t)r->disk_size);
	query_int(&q, 9, r->nat);
	query_int(&q, 10, r->auto_remove);
	query_int(&q, 11, r->accel);
	query_int(&q, 12, r->mode);
	query_strv(&q, 13, &r->argv);
	query_strv(&q, 14, &r->env);
	query_text(&q, 15, r->user.s);
	query_text(&q, 16, r->directory.s);
	query_int(&q, 17, r->subnet);
	query_int(&q, 18, r->host);
	query_blob(&q, 19, r->mac.b, sizeof(r->mac.b));
	query_text(&q, 20, vm_state_name(r->state));
	query_text(&q, 21, r->last_error.s);
	query_text(&q, 22, r->boot_id.s);
	query_int(&q, 23, r->started_at);
	query_int(&q, 24, r->created_at);
	query_int(&q, 25, r->vmm);
	query_text(&q, 26, r->vmm_why.s);
	query_int(&q, 27, r->disk);
	query_text(&q, 28, r->paused_why.s);
	query_int(&q, 29, r->disk_lost);
	query_int(&q, 30, (int64_t)r->work_size);
	query_int(&q, 31, r->remake);
	put_files(&q, 32, r);
	return query_run(&q, err);
}

int store_vm_delete(struct store *s, const vm_id *id, struct err *err)
{
	_cleanup_(query_end) struct query q = { 0 };

	if (query_begin(&q, s, STORE_WRITE, "DELETE FROM vm WHERE id = ?", err) < 0)
		return -1;
	query_text(&q, 1, id->s);
	return query_run(&q, err);
}

static int save_state(struct store *s, const struct vm_row *r, struct err *err)
{
	_cleanup_(query_end) struct query q = { 0 };

	if (query_begin(&q, s, STORE_WRITE,
		    "UPDATE vm SET state = ?, last_error = ?, boot_id = ?, started_at = ?, "
		    "vmm_why = ?, paused_why = ?, disk_lost = ?, remake = ?, disk_made = ?, "
		    "work_made = ?, disk_gone = ?, work_gone = ? WHERE id = ?",
		    err) < 0)
		return -1;
	query_text(&q, 1, vm_state_name(r->state));
	query_text(&q, 2, r->last_error.s);
	query_text(&q, 3, r->boot_id.s);
	query_int(&q, 4, r->started_at);
	query_text(&q, 5, r->vmm_why.s);
	query_text(&q, 6, r->paused_why.s);
	query_int(&q, 7, r->disk_lost);
	query_int(&q, 8, r->remake);
	put_files(&q, 9, r);
	query_text(&q, 13, r->id.s);
	return query_run(&q, err);
}

int store_vm_save_state(struct store *s, const struct vm_row *r, struct err *err)
{
	_cleanup_(store_tx_end) struct store *tx = NULL;

	if (store_begin(s, err) < 0)
		return -1;
	tx = s;
	if (save_state(s, r, err) < 0)
		return -1;
	return store_tx_commit(&tx, err);
}

static int save_machine(struct store *s, const struct vm_row *r, struct err *err)
{
	_cleanup_(query_end) struct query q = { 0 };

	if (query_begin(&q, s, STORE_WRITE,
		    "UPDATE vm SET vcpus = ?, memory_mib = ?, disk_size = ?, work_size = ?, "
		    "nat = ?, image_id = ?, kernel_id = ?, remake = ?, disk_lost = ?, "
		    "disk_made = ?, work_made = ?, disk_gone = ?, work_gone = ? WHERE id = ?",
		    err) < 0)
		return -1;
	query_int(&q, 1, r->vcpus);
	query_int(&q, 2, r->memory_mib);
	query_int(&q, 3, (int64_t)r->disk_size);
	query_int(&q, 4, (int64_t)r->work_size);
	query_int(&q, 5, r->nat);
	query_text(&q, 6, r->image_id.s);
	query_text(&q, 7, r->kernel_id.s);
	query_int(&q, 8, r->remake);
	query_int(&q, 9, r->disk_lost);
	put_files(&q, 10, r);
	query_text(&q, 14, r->id.s);
	return query_run(&q, err);
}

int store_vm_save_machine(struct store *s, const struct vm_row *r, struct err *err)
{
	_cleanup_(store_tx_end) struct store *tx = NULL;

	if (store_begin(s, err) < 0)
		return -1;
	tx = s;
	if (save_machine(s, r, err) < 0)
		return -1;
	return store_tx_commit(&tx, err);
}

/* ---- reading ---- */

static int damaged(const struct vm_row *r, const char *what, struct err *err)
{
	return err_set(err, ERR_operation_failed, "the database is damaged: the %s of VM %s", what,
		r->id.s);
}

static int read_state(struct query *q, int col, struct vm_row *r, struct err *err)
{
	char name[16];

	if (query_col_text(q, col, name, sizeof(name), err) < 0)
		return -1;
	for (unsigned i = 0; i < VM_STATE__count; i++)
		if (str_eq(name, state_names[i])) {
			r->state = (enum vm_state)i;
			return 0;
		}
	return damaged(r, "state", err);
}

/* The numbers of a row, each in the range of its type. */
static int read_numbers(struct query *q, struct vm_row *r, struct err *err)
{
	int64_t accel = query_col_int(q, 10), mode = query_col_int(q, 11);
	int64_t vmm = query_col_int(q, 24), disk = query_col_int(q, 26);
	const uint8_t *address;
	size_t n;

	r->owner = (uid_t)query_col_int(q, 2);
	r->vcpus = (uint8_t)query_col_int(q, 5);
	r->memory_mib = (uint32_t)query_col_int(q, 6);
	r->disk_size = (uint64_t)query_col_int(q, 7);
	r->nat = query_col_int(q, 8) != 0;
	r->auto_remove = query_col_int(q, 9) != 0;
	if (accel < 0 || accel >= accel__count || mode < 0 || mode >= guest_mode__count ||
		vmm < 0 || vmm >= vmm_kind__count ||
		(disk != disk_kind_dm && disk != disk_kind_clone))
		return damaged(r, "kind", err);
	r->disk_lost = query_col_int(q, 28) != 0;
	r->work_size = (uint64_t)query_col_int(q, 29);
	r->remake = query_col_int(q, 30) != 0;
	r->disk_made = (uint64_t)query_col_int(q, 31);
	r->work_made = (uint64_t)query_col_int(q, 32);
	r->disk_gone = query_col_int(q, 33) != 0;
	r->work_gone = query_col_int(q, 34) != 0;
	r->accel = (enum accel)accel;
	r->mode = (enum guest_mode)mode;
	r->vmm = (enum vmm_kind)vmm;
	r->disk = (enum disk_kind)disk;
	r->subnet = (uint16_t)query_col_int(q, 16);
	r->host = (uint8_t)query_col_int(q, 17);
	r->started_at = query_col_int(q, 22);
	r->created_at = query_col_int(q, 23);
	address = query_col_blob(q, 18, &n);
	if (n != sizeof(r->mac.b) || !mac_parse_bytes(address, &r->mac))
		return damaged(r, "address", err);
	return 0;
}

static int read_texts(struct query *q, struct vm_row *r, struct err *err)
{
	const struct {
		int col;
		char *dst;
		size_t cap;
	} texts[] = {
		{ 0, r->id.s, sizeof(r->id.s) },
		{ 1, r->name.s, sizeof(r->name.s) },
		{ 3, r->image_id.s, sizeof(r->image_id.s) },
		{ 4, r->kernel_id.s, sizeof(r->kernel_id.s) },
		{ 14, r->user.s, sizeof(r->user.s) },
		{ 15, r->directory.s, sizeof(r->directory.s) },
		{ 20, r->last_error.s, sizeof(r->last_error.s) },
		{ 21, r->boot_id.s, sizeof(r->boot_id.s) },
		{ 25, r->vmm_why.s, sizeof(r->vmm_why.s) },
		{ 27, r->paused_why.s, sizeof(r->paused_why.s) },
		{ 35, r->image_name.s, sizeof(r->image_name.s) },
		{ 36, r->kernel_name.s, sizeof(r->kernel_name.s) },
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		if (query_col_text(q, texts[i].col, texts[i].dst, texts[i].cap, err) < 0)
			return -1;
	return 0;
}

static int read_row(struct query *q, struct vm_row *r, struct err *err)
{
	if (read_texts(q, r, err) < 0 || read_numbers(q, r, err) < 0 ||
		read_state(q, 19, r, err) < 0 || query_col_strv(q, 12, &r->argv, err) < 0 ||
		query_col_strv(q, 13, &r->env, err) < 0)
		return -1;
	return 0;
}

int store_vm_list(struct store *s, store_vm_each each, void *ctx, struct err *err)
{
	_cleanup_(query_end) struct query q = { 0 };
	int r;

	if (query_begin(&q, s, STORE_READ,
		    "SELECT " COLUMNS ","
		    " (SELECT name FROM image WHERE image.id = vm.image_id),"
		    " (SELECT name FROM kernel WHERE kernel.id = vm.kernel_id) "
		    "FROM vm ORDER BY created_at, rowid",
		    err) < 0)
		return -1;
	while ((r = query_step(&q, err)) > 0) {
		_cleanup_(vm_row_finish) struct vm_row row = { 0 };

		if (read_row(&q, &row, err) < 0)
			return -1;
		r = each(ctx, &row, err);
		if (r != 0)
			return r;
	}
	return r;
}
