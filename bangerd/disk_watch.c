/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bangerd/disk_watch.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include "bangerd/call.h"
#include "bangerd/disk_rule.h"
#include "bangerd/loop.h"
#include "bangerd/reply.h"
#include "bangerd/room.h"
#include "bangerd/vm_files.h"
#include "bangerd/vm_hold.h"
#include "common/fd.h"
#include "common/log.h"
#include "common/proto_netd.h"
#include "common/settings.h"
#include "common/str.h"

/* Between two walks: when all is well, and when it is not, or VMs wait for room. */
#define WALK_MS	      5000
#define WALK_CLOSE_MS 1000
#define CALM_MS	      10000
#define WARNING_MAX   320

/* Main thread's, but what says otherwise. */
struct disk_watch {
	struct vms *vms;
	void (*act)(struct work_item *item);
	sd_event_source *timer;
	uint64_t looked_ms, walked_ms;
	uint64_t walked_free; /* at the last walk */
	bool walking, failed;
	enum disk_level said; /* last in the log */
	uint64_t said_ms;
	struct work_item walk;

	/* Under vms->lock. */
	struct disk_space space;
	enum disk_level level;
};

static unsigned long long mib(uint64_t n)
{
	return (unsigned long long)(n >> 20);
}

static const char *state_dir(const struct vms *vms)
{
	return vms->services->settings->paths_state_dir.s;
}

/* ---- the look ---- */

/* What gets worse is said at once; that it got better only when it stays so. */
static void log_level_change(struct disk_watch *w)
{
	static const char *const texts[] = { "has room again", "is filling up",
		"is nearly full, and VMs that write are paused (delete VMs or images)",
		"is full, and all VMs are paused (delete VMs or images)" };
	struct disk_space standing = w->space;
	const struct disk_space *s = &w->space;
	enum disk_level level;

	standing.fall = 0; /* what is so, and not what may be soon */
	level = disk_rule_level(&standing, w->level);
	if (level == w->said || (level < w->said && w->looked_ms - w->said_ms < CALM_MS))
		return;
	log_at(level > w->said ? LOG_WARNING : LOG_NOTICE,
		"the file system of %s %s: %llu of %llu MiB are free, %llu are to stay free "
		"([image] min_free)",
		state_dir(w->vms), texts[level], mib(s->free), mib(s->total), mib(s->keep));
	w->said = level;
	w->said_ms = w->looked_ms;
}

/* Fresh figures in `space`; false when there are none. */
static bool look(struct disk_watch *w)
{
	uint64_t now = wait_now_ms(), ms = now - w->looked_ms;
	struct err err = ERR_INIT;
	struct room room;

	if (room_look(w->vms->dir_fd, &room, &err) < 0) {
		if (!w->failed)
			log_error("%s", err.msg);
		w->failed = true;
		return false;
	}
	w->failed = false;
	pthread_mutex_lock(&w->vms->lock);
	if (w->looked_ms == 0 || ms == 0 || room.free >= w->space.free)
		w->space.fall = 0;
	else
		w->space.fall = (w->space.free - room.free) / ms * 1000;
	w->space.free = room.free;
	w->space.total = room.total;
	w->level = disk_rule_level(&w->space, w->level);
	pthread_mutex_unlock(&w->vms->lock);
	w->looked_ms = now;
	log_level_change(w);
	return true;
}

/* VMs that write, or wait for room. */
static void count(struct vms *vms, unsigned *ret_active, unsigned *ret_waiting)
{
	unsigned active = 0, waiting = 0;

	pthread_mutex_lock(&vms->lock);
	for (const struct vm *vm = vms->first; vm; vm = vm->next) {
		enum vm_state s = vm->row.state;

		active += s != VM_STOPPED && s != VM_DELETING && s != VM_PAUSED;
		waiting += s == VM_PAUSED && vm->row.paused_why.s[0];
	}
	pthread_mutex_unlock(&vms->lock);
	*ret_active = active;
	*ret_waiting = waiting;
}

static bool wants_walk(const struct disk_watch *w, unsigned active, unsigned waiting)
{
	uint64_t ms = w->looked_ms - w->walked_ms;
	uint64_t fell = w->walked_free > w->space.free ? w->walked_free - w->space.free : 0;

	if (w->walking || active + waiting == 0)
		return false;
	if (ms >= WALK_MS || w->walked_ms == 0)
		return true;
	if (w->level >= DISK_LOW)
		return active > 0 && (fell >= DISK_GREW || ms >= WALK_CLOSE_MS);
	return waiting > 0 && ms >= WALK_CLOSE_MS;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *ctx)
{
	struct disk_watch *w = ctx;
	unsigned ms = WALK_CLOSE_MS, active, waiting;
	int r;

	if (look(w)) {
		ms = disk_rule_interval_ms(&w->space);
		count(w->vms, &active, &waiting);
		if (wants_walk(w, active, waiting)) {
			w->walking = true;
			w->walked_ms = w->looked_ms;
			w->walked_free = w->space.free;
			work_submit_duty(w->vms->services->work, &w->walk);
		}
		if (waiting > 0 && ms > WALK_CLOSE_MS)
			ms = WALK_CLOSE_MS;
	}
	r = sd_event_source_set_time_relative(source, (uint64_t)ms * 1000);
	return r < 0 ? r : sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

/* ---- the walk ---- */

static void log_cow(const struct vm *vm, const struct netd_disk_usage_out *u)
{
	log_warning("VM %s '%s': its disk differs from its image in %llu of %llu MiB: more than "
		    "80 %% of what it can take on the host",
		vm->row.id.s, vm->row.name.s, mib(u->used), mib(u->total));
}

/* Under the VM's own lock. */
static void note_lost(struct vm *vm)
{
	struct err err = ERR_INIT;

	log_error("VM %s '%s': its disk is lost: its file of differences could not be written, or "
		  "is not to be read any more",
		vm->row.id.s, vm->row.name.s);
	pthread_mutex_lock(&vm->vms->lock);
	vm->row.disk_lost = true;
	pthread_mutex_unlock(&vm->vms->lock);
	if (store_vm_save_state(vm->vms->services->store, &vm->row, &err) < 0)
		log_error("VM %s: %s", vm->row.id.s, err.msg);
}

/* What device-mapper says, now and then: nothing of it is urgent. netd is asked only of VMs that
 * surely run: under their lock, and not at all when somebody has it. */
static void ask_usage(struct vm *vm)
{
	_cleanup_(vm_hold_drop) struct vm_hold hold = VM_HOLD_INIT;
	const struct netd_disk_usage_in in = { .vm = vm->row.id };
	struct disk_seen *seen = &vm->disk;
	struct netd_disk_usage_out u;
	struct err err = ERR_INIT;
	uint64_t now = wait_now_ms();
	bool warned, due;

	pthread_mutex_lock(&vm->vms->lock);
	due = now - seen->asked_ms >= WALK_MS / 2;
	pthread_mutex_unlock(&vm->vms->lock);
	if (!due)
		return;
	if (vm_hold_take(&hold, vm, VM_HOLD_TRY, false, -1, &err) < 0 || !vm->vmm.ops ||
		(vm_state(vm) != VM_RUNNING && vm_state(vm) != VM_PAUSED))
		return;
	if (netd_disk_usage(vm->vms->services->netd, &in, &u, &err) < 0) {
		log_warning("VM %s: %s", vm->row.id.s, err.msg);
		return;
	}
	if (u.lost && !vm->row.disk_lost)
		note_lost(vm);
	pthread_mutex_lock(&vm->vms->lock);
	seen->asked_ms = now;
	warned = seen->cow_warned;
	if (!u.lost) {
		seen->cow_used = u.used;
		seen->cow_total = u.total;
		seen->cow_warned = disk_rule_cow_warns(u.used, u.total, warned);
	}
	warned = seen->cow_warned && !warned;
	pthread_mutex_unlock(&vm->vms->lock);
	if (warned)
		log_cow(vm, &u);
}

/* Under vms->lock. */
static void note_taken(struct vm *vm, uint64_t taken, enum disk_level level)
{
	struct disk_seen *seen = &vm->disk;

	seen->taken = taken;
	seen->seen = true;
	if (level < DISK_LOW || !seen->based)
		seen->base = taken;
	seen->based = true;
	seen->grew = taken >= seen->base && taken - seen->base >= DISK_GREW;
}

/* Under vms->lock. */
static enum disk_action decide(
	const struct disk_space *space, enum disk_level level, const struct vm *vm)
{
	enum vm_state s = vm->row.state;
	const struct disk_user u = {
		.runs = s == VM_RUNNING || s == VM_STOPPING,
		.starting = s == VM_STARTING || s == VM_CREATING,
		.by_watch = s == VM_PAUSED && vm->row.paused_why.s[0],
		.rested = wait_now_ms() - vm->disk.paused_ms >= WALK_MS,
		.grew = vm->disk.grew,
		.lost = vm->row.disk_lost,
	};

	return disk_rule_action(space, level, &u);
}

static void see(struct disk_watch *w, struct vm *vm)
{
	struct err err = ERR_INIT;
	uint64_t taken;
	bool submit;

	if (vm->row.disk == disk_kind_dm)
		ask_usage(vm);
	if (vm_dir_taken(w->vms, &vm->row.id, &taken, &err) < 0)
		return; /* it is being deleted, or made */
	pthread_mutex_lock(&w->vms->lock);
	note_taken(vm, taken, w->level);
	submit = !vm->space_queued && decide(&w->space, w->level, vm) != DISK_LEAVE;
	if (submit) {
		vm->space_queued = true;
		vm->space = (struct work_item){ .run = w->act, .uid = getuid(), .class = WORK_OWN };
		vm->refs++;
	}
	pthread_mutex_unlock(&w->vms->lock);
	if (submit)
		work_submit_duty(w->vms->services->work, &vm->space);
}

static void walk(struct work_item *item)
{
	struct disk_watch *w =
		(struct disk_watch *)(void *)((char *)item - offsetof(struct disk_watch, walk));
	struct vm **all;
	size_t n = vms_collect(w->vms, 0, &all);

	for (size_t i = 0; i < n; i++) {
		enum vm_state state = vm_state(all[i]);

		if (state != VM_STOPPED && state != VM_DELETING)
			see(w, all[i]);
		vm_unref(all[i]);
	}
	free(all);
}

static void on_walked(struct work_item *item)
{
	struct disk_watch *w =
		(struct disk_watch *)(void *)((char *)item - offsetof(struct disk_watch, walk));

	w->walking = false;
}

/* ---- what others ask ---- */

enum disk_action disk_watch_decide(struct vm *vm, struct disk_space *ret)
{
	const struct disk_watch *w = vm->vms->disks;
	enum disk_action action;
	struct disk_space space;
	struct err err = ERR_INIT;
	struct room room;

	pthread_mutex_lock(&vm->vms->lock);
	space = w->space;
	if (room_look(vm->vms->dir_fd, &room, &err) == 0)
		space.free = room.free;
	action = decide(&space, disk_rule_level(&space, w->level), vm);
	pthread_mutex_unlock(&vm->vms->lock);
	*ret = space;
	return action;
}

void disk_watch_renew(struct vm *vm)
{
	pthread_mutex_lock(&vm->vms->lock);
	vm->disk = (struct disk_seen){ 0 };
	pthread_mutex_unlock(&vm->vms->lock);
}

int disk_watch_may_run(struct vm *vm, struct err *err)
{
	struct vms *vms = vm->vms;
	uint64_t keep = vms->services->settings->image_min_free, line = disk_rule_line(keep);
	struct room room;

	if (vm->row.disk_lost)
		return err_set(err, ERR_operation_failed,
			"the disk of VM '%s' is lost: what was written to it cannot be read any "
			"more; once it is stopped, banger vm set --image IMAGE %s makes a new one",
			vm->row.name.s, vm->row.name.s);
	if (room_look(vms->dir_fd, &room, err) < 0)
		return -1;
	if (room.free > line)
		return 0;
	return err_set(err, ERR_no_space,
		"no space for VM '%s' to run: %llu MiB are free on the file system of %s, where "
		"%llu "
		"MiB are to stay free ([image] min_free); delete VMs or images, or make it larger",
		vm->row.name.s, mib(room.free), state_dir(vms), mib(line));
}

/* What there is to say about a VM's disk, "" for nothing. Under vms->lock. */
static void say_warnings(const struct vm *vm, bool cow, char dst[WARNING_MAX])
{
	const struct disk_watch *w = vm->vms->disks;
	const struct disk_seen *seen = &vm->disk;
	const char *root = vm->row.disk_lost   ? "what was written to it cannot be read any more"
			   : vm->row.disk_gone ? "its file is not there, or not what it was"
					       : NULL;
	char of_cow[WARNING_MAX / 2] = "", of_host[WARNING_MAX / 2] = "";

	if (root || vm->row.work_gone) {
		str_format(dst, WARNING_MAX, "%s%s%s%s", root ? "it is lost: " : "",
			root ? root : "", vm->row.work_gone ? root ? "; " : "" : "",
			vm->row.work_gone ? "the work disk is lost: its file is not there, or not "
					    "what it was"
					  : "");
		return;
	}
	if (cow && seen->cow_warned)
		str_format(of_cow, sizeof(of_cow), "it differs from its image in %llu of %llu MiB",
			mib(seen->cow_used), mib(seen->cow_total));
	if (w->level != DISK_ROOMY)
		str_format(of_host, sizeof(of_host),
			"the host is filling up: %llu MiB are free, %llu are to stay free",
			mib(w->space.free), mib(w->space.keep));
	str_format(dst, WARNING_MAX, "%s%s%s", of_host, *of_host && *of_cow ? "; " : "", of_cow);
}

void disk_watch_describe(const struct vm *vm, struct reply *r)
{
	const struct disk_seen *seen = &vm->disk;
	bool active = vm->row.state != VM_STOPPED && seen->seen, cow = active && seen->cow_total;
	char warning[WARNING_MAX];

	if (active)
		reply_int(r, "disk_used", (int64_t)seen->taken);
	else
		reply_null(r, "disk_used");
	reply_int(r, "cow_used", cow ? (int64_t)seen->cow_used : 0);
	reply_int(r, "cow_total", cow ? (int64_t)seen->cow_total : 0);
	say_warnings(vm, cow, warning);
	reply_string(r, "disk_warning", warning[0] ? warning : NULL);
}

void disk_watch_describe_host(struct vms *vms, struct reply *r)
{
	const struct disk_watch *w = vms->disks;

	pthread_mutex_lock(&vms->lock);
	reply_int(r, "state_free", (int64_t)w->space.free);
	reply_int(r, "state_total", (int64_t)w->space.total);
	reply_int(r, "min_free", (int64_t)w->space.keep);
	reply_string(r, "space", disk_level_name(w->level));
	pthread_mutex_unlock(&vms->lock);
}

/* ---- life ---- */

int disk_watch_begin(struct vms *vms, void (*act)(struct work_item *item), struct err *err)
{
	struct disk_watch *w = calloc(1, sizeof(*w));
	int r;

	if (!w)
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot watch disks");
	w->vms = vms;
	w->act = act;
	w->space.keep = vms->services->settings->image_min_free;
	w->walk = (struct work_item){
		.run = walk, .done = on_walked, .uid = getuid(), .class = WORK_OWN
	};
	r = sd_event_add_time_relative(loop_event(vms->services->loop), &w->timer, CLOCK_MONOTONIC,
		0, DISK_LOOK_MIN_MS * 1000 / 5, on_timer, w);
	if (r < 0) {
		free(w);
		return err_sys(err, ERR_operation_failed, -r, "cannot watch disks");
	}
	look(w);
	vms->disks = w;
	return 0;
}

void disk_watch_stop(struct vms *vms)
{
	if (vms && vms->disks)
		vms->disks->timer = sd_event_source_disable_unref(vms->disks->timer);
}

void disk_watch_end(struct vms *vms)
{
	disk_watch_stop(vms);
	if (vms)
		free(TAKE_PTR(vms->disks));
}
