/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <sys/stat.h>

#include "banger-netd/fd_check.h"
#include "banger-netd/netd.h"
#include "common/failpoint.h"
#include "common/fd.h"
#include "common/log.h"

int netd_disk_down(struct netd *n, vm_id vm, struct err *err)
{
	const struct launch_dm_detach_in in = { .vm = vm };
	struct launch_dm_detach_out out;

	return launch_dm_detach(n->launch, &in, &out, err);
}

/* The node that launch made, as the ledger is to know it. */
static int note_disk(struct netd *n, const struct ledger_row *row, int disk, struct err *err)
{
	struct ledger_row with_disk = *row;
	struct stat st;

	if (fstat(disk, &st) < 0 || !S_ISBLK(st.st_mode))
		return err_sys(
			err, ERR_operation_failed, errno, "the disk of VM %s is none", row->vm.s);
	with_disk.disk = st.st_rdev;
	return ledger_put(n->ledger, &with_disk, err);
}

int on_disk_attach(struct netd *n, struct netd_disk_attach_in *in, struct netd_disk_attach_out *out,
	struct err *err)
{
	const struct launch_dm_attach_in launch_in = {
		.vm = in->vm, .size = in->size, .image = in->image, .cow = in->cow
	};
	struct launch_dm_attach_out made;
	_cleanup_fd_ int disk = -1;
	struct err undo = ERR_INIT;
	struct ledger_row *row;

	if (netd_gate(n, netd_msg_disk_attach, in->vm, &row, err) < 0)
		return -1;
	if (row->disk)
		return err_set(err, ERR_protocol, "VM %s has its disk", in->vm.s);
	if (fd_check_cow(in->image, in->cow, in->size, n->config.group, err) < 0 ||
		FAILPOINT(disk_begin, err) < 0 ||
		launch_dm_attach(n->launch, &launch_in, &made, err) < 0)
		return -1;
	disk = made.disk;
	if (FAILPOINT(disk_attached, err) < 0 || note_disk(n, row, disk, err) < 0) {
		fd_closep(&disk);
		netd_disk_down(n, in->vm, &undo);
		return -1;
	}
	if (FAILPOINT(disk_row, err) < 0)
		return -1;
	out->disk = TAKE_FD(disk);
	return 0;
}

int on_disk_usage(struct netd *n, struct netd_disk_usage_in *in, struct netd_disk_usage_out *out,
	struct err *err)
{
	const struct launch_dm_usage_in launch_in = { .vm = in->vm };
	struct launch_dm_usage_out usage;
	struct ledger_row *row;

	if (netd_gate(n, netd_msg_disk_usage, in->vm, &row, err) < 0)
		return -1;
	if (!row->disk)
		return err_set(err, ERR_bad_request, "VM %s has no copy-on-write disk", in->vm.s);
	if (launch_dm_usage(n->launch, &launch_in, &usage, err) < 0)
		return -1;
	out->lost = usage.lost;
	out->used = usage.used;
	out->total = usage.total;
	return 0;
}

int netd_disk_sweep(struct netd *n, unsigned *ret, struct err *err)
{
	struct launch_dm_next_in in;
	struct launch_dm_next_out next;
	const struct ledger_row *row;

	if (!vm_id_parse("000000000000", &in.after))
		return err_set(err, ERR_operation_failed, "the first id is none");
	for (;;) {
		if (launch_dm_next(n->launch, &in, &next, err) < 0)
			return -1;
		if (!next.found)
			return 0;
		in.after = next.vm;
		row = ledger_find(n->ledger, next.vm);
		if (row && row->disk)
			continue;
		/* A row without it: a crash came between, and nobody could take it away later. */
		log_notice("discarding the disk of VM %s, which %s", next.vm.s,
			row ? "never was told of it" : "is no more");
		if (netd_disk_down(n, next.vm, err) < 0)
			return -1;
		(*ret)++;
	}
}
