/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * What a VM was given and has no more. Its row says which disks it has had, and how large
 * (disk_made, work_made); whoever finds one gone, cut short or emptied notes it there (disk_gone,
 * work_gone), and nothing is made in its place unless its owner asks for that (vm_set.h). Looked at
 * when the daemon starts, when the VM starts, and for 'banger doctor'.
 *
 * All of this under the VM's own lock, or before requests are served.
 */
#include "bangerd/vm.h"

struct reply;

/* Whether its disks' files are there as they were left. Fails with bad_input when not, and says
 * what is lost of which disk; with another code when they cannot be looked at. What changed is in
 * the row then, and saved. */
int vm_lost_look(struct vm *vm, struct err *err);

/* `err` says what of it is lost: say also that it cannot start, and what can be done. Returns -1.
 */
int vm_lost_say(const struct vm *vm, struct err *err);

/* What it has now is what it is to have from now on; in the row, for the next save. Its files are
 * on the host's disk by then. Without `runs` nobody has written to them yet. */
void vm_lost_note_made(struct vm *vm, bool runs);

/* A row of a banger that did not note that: by the files that are there now. Saved. */
int vm_lost_settle(struct vm *vm, struct err *err);

/* Look at all of uid's VMs (0: all), but those that somebody works on: an array, `key`, with a
 * sentence for each that lost something. */
void vms_lost_describe(struct vms *vms, uid_t uid, const char *key, struct reply *r);
