/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-netd/dm_disk.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "banger-netd/loop.h"
#include "common/cow.h"
#include "common/failpoint.h"
#include "common/fd.h"
#include "common/str.h"

#define PREFIX	    "banger-"
#define BASE_PREFIX PREFIX "base-"

#define CHUNK_SECTORS (COW_CHUNK / DM_SECTOR)

/* A base may vanish between two looks at it: its last disk was just taken away. */
#define ATTEMPTS 3

/* Their modules are not always there with device-mapper's own. "linear" is part of that. */
static const char *const targets[] = { "snapshot", "zero" };

struct name {
	char s[DM_NAME_MAX];
};

int dm_disk_check(const struct dm *dm, struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(targets); i++)
		if (dm_check_target(dm, targets[i], err) < 0)
			return -1;
	return loop_check(err);
}

static struct name disk_name(const vm_id *vm)
{
	struct name n;

	str_format(n.s, sizeof(n.s), PREFIX "%s", vm->s);
	return n;
}

/* While the base is there its file is, and so are the numbers that make the name. */
static struct name base_name(const struct stat *image)
{
	struct name n;

	str_format(n.s, sizeof(n.s), BASE_PREFIX "%u-%u-%llu", major(image->st_dev),
		minor(image->st_dev), (unsigned long long)image->st_ino);
	return n;
}

static struct dm_table base_table(uint64_t image_size, dev_t loop)
{
	uint64_t n = image_size / DM_SECTOR;
	struct dm_table t = { .n = 2,
		.target = { { .start = 0, .length = n, .type = "linear" },
			{ .start = n, .length = COW_DISK_MAX / DM_SECTOR - n, .type = "zero" } } };

	str_format(t.target[0].params, DM_PARAMS_MAX, "%u:%u 0", major(loop), minor(loop));
	return t;
}

static int base_make(const struct dm *dm, const char *name, int image, uint64_t size, dev_t *ret,
	struct err *err)
{
	_cleanup_fd_ int loop = -1;
	struct dm_table table;
	dev_t dev;

	if (loop_attach(image, true, &loop, &dev, err) < 0)
		return -1;
	table = base_table(size, dev);
	return dm_create(dm, name, &table, true, ret, err);
}

static int base_ensure(const struct dm *dm, int image, const struct stat *st, struct name *ret_name,
	dev_t *ret, struct err *err)
{
	struct dm_info info;
	int found;

	*ret_name = base_name(st);
	found = dm_find(dm, ret_name->s, &info, err);
	if (found < 0)
		return -1;
	/* Without a table it is what a crash left half made. */
	if (found && !info.live && dm_remove(dm, ret_name->s, err) < 0)
		return -1;
	if (found && info.live) {
		*ret = info.dev;
		return 0;
	}
	return base_make(dm, ret_name->s, image, (uint64_t)st->st_size, ret, err);
}

static int snapshot_make(const struct dm *dm, const char *name, dev_t base, int cow, uint64_t size,
	dev_t *ret, struct err *err)
{
	struct dm_table table = { .n = 1,
		.target = { { .start = 0, .length = size / DM_SECTOR, .type = "snapshot" } } };
	_cleanup_fd_ int loop = -1;
	dev_t dev;

	if (loop_attach(cow, false, &loop, &dev, err) < 0)
		return -1;
	/* Persistent, and an overflow is reported (PO). */
	str_format(table.target[0].params, DM_PARAMS_MAX, "%u:%u %u:%u PO %d", major(base),
		minor(base), major(dev), minor(dev), CHUNK_SECTORS);
	return dm_create(dm, name, &table, false, ret, err);
}

/* What the kernel would believe of it. */
static int check_cow(const vm_id *vm, int cow, struct err *err)
{
	const char *broken;

	if (cow_look(cow, false, &broken) < 0)
		return err_sys(err, ERR_operation_failed, errno,
			"cannot read the differences of VM %s", vm->s);
	return broken ? err_set(err, ERR_bad_input,
				"the disk of VM %s is lost: its file of differences %s", vm->s,
				broken)
		      : 0;
}

/* The files are bangerd's: they may be others by now than when netd looked. */
static int check_image(const struct stat *image, uint64_t size, struct err *err)
{
	if (image->st_size <= 0 || image->st_size % COW_CHUNK != 0 ||
		(uint64_t)image->st_size > size || size > COW_DISK_MAX)
		return err_set(err, ERR_bad_request,
			"a disk of %llu bytes does not fit an image of %lld",
			(unsigned long long)size, (long long)image->st_size);
	return 0;
}

static int open_node(dev_t dev, int *ret, struct err *err)
{
	_cleanup_fd_ int fd = -1;
	char path[32];
	struct stat st;

	str_format(path, sizeof(path), "/dev/dm-%u", minor(dev));
	fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot open %s", path);
	if (!S_ISBLK(st.st_mode) || st.st_rdev != dev)
		return err_set(err, ERR_operation_failed, "%s is another device", path);
	*ret = TAKE_FD(fd);
	return 0;
}

static int attach(const struct dm *dm, const char *name, int image, const struct stat *st, int cow,
	uint64_t size, int *ret_fd, struct err *err)
{
	struct err undo = ERR_INIT;
	struct name base_called;
	dev_t base, dev;
	int r;

	if (base_ensure(dm, image, st, &base_called, &base, err) < 0)
		return -1;
	r = FAILPOINT(dm_base, err) < 0 ? -1 : snapshot_make(dm, name, base, cow, size, &dev, err);
	if (r == 0)
		r = FAILPOINT(dm_snapshot, err);
	/* From now on the base goes when the last disk that has it open goes. */
	if (dm_remove(dm, base_called.s, r < 0 ? &undo : err) < 0 || r < 0)
		r = -1;
	else
		r = FAILPOINT(dm_marked, err) < 0 ? -1 : open_node(dev, ret_fd, err);
	if (r < 0)
		dm_remove(dm, name, &undo);
	return r;
}

int dm_disk_attach(const struct dm *dm, const vm_id *vm, int image, int cow, uint64_t size,
	int *ret_fd, struct err *err)
{
	struct name name = disk_name(vm);
	struct stat st;
	int r = -1;

	if (fstat(image, &st) < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot look at the image");
	if (check_image(&st, size, err) < 0 || check_cow(vm, cow, err) < 0)
		return -1;
	/* What a crash left. */
	if (dm_remove(dm, name.s, err) < 0)
		return -1;
	for (int i = 0; r < 0 && i < ATTEMPTS; i++) {
		*err = (struct err)ERR_INIT;
		r = attach(dm, name.s, image, &st, cow, size, ret_fd, err);
		if (r < 0 && err->sys != ENXIO && err->sys != ENODEV)
			break;
	}
	return r;
}

int dm_disk_detach(const struct dm *dm, const vm_id *vm, struct err *err)
{
	return dm_remove(dm, disk_name(vm).s, err) < 0 ? -1 : FAILPOINT(dm_removed, err);
}

int dm_disk_usage(const struct dm *dm, const vm_id *vm, uint64_t *ret_used, uint64_t *ret_total,
	struct err *err)
{
	uint64_t used, total;
	char status[128];

	if (dm_status(dm, disk_name(vm).s, status, sizeof(status), err) < 0)
		return -1;
	/* "used/total metadata", in sectors; or "Invalid", "Overflow". */
	if (sscanf(status, "%" SCNu64 "/%" SCNu64, &used, &total) != 2 ||
		used > UINT64_MAX / DM_SECTOR || total > UINT64_MAX / DM_SECTOR)
		return err_set(err, ERR_bad_input,
			"the disk of VM %s is lost: its file of differences is broken or could "
			"not be written (%.32s)",
			vm->s, status);
	*ret_used = used * DM_SECTOR;
	*ret_total = total * DM_SECTOR;
	return 0;
}

struct tidying {
	const struct dm *dm;
};

static int tidy(void *ctx, const char *name, struct err *err)
{
	const struct tidying *t = ctx;

	return str_starts(name, BASE_PREFIX) ? dm_remove(t->dm, name, err) : 0;
}

int dm_disk_tidy(const struct dm *dm, struct err *err)
{
	struct tidying t = { .dm = dm };

	return dm_each(dm, tidy, &t, err);
}

struct search {
	vm_id after, best;
	bool found;
};

static int consider(void *ctx, const char *name, struct err *err)
{
	struct search *s = ctx;
	vm_id vm;

	/* A base is not named by an id. */
	if (strncmp(name, PREFIX, strlen(PREFIX)) != 0 ||
		!vm_id_parse(name + strlen(PREFIX), &vm) || strcmp(vm.s, s->after.s) <= 0 ||
		(s->found && strcmp(vm.s, s->best.s) >= 0))
		return 0;
	s->best = vm;
	s->found = true;
	return 0;
}

int dm_disk_next(const struct dm *dm, const vm_id *after, vm_id *ret, struct err *err)
{
	struct search s = { .after = *after };

	if (dm_each(dm, consider, &s, err) < 0)
		return -1;
	if (s.found)
		*ret = s.best;
	return s.found;
}
