/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-netd/dm.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/dm-ioctl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>

#include "common/failpoint.h"
#include "common/fd.h"
#include "common/str.h"

#define REQUEST_SIZE 4096
#define LIST_MAX     (4 * 1024 * 1024)

/* A request with room for its data behind it. */
union request {
	struct dm_ioctl head;
	char bytes[REQUEST_SIZE];
};

static void begin(union request *r, const char *name)
{
	memset(r, 0, sizeof(*r));
	/* The oldest interface that has all that is asked for (a target's version: 4.41, of Linux
	 * 5.4). */
	r->head.version[0] = DM_VERSION_MAJOR;
	r->head.version[1] = 41;
	r->head.data_size = sizeof(*r);
	r->head.data_start = sizeof(r->head);
	str_copy(r->head.name, sizeof(r->head.name), name);
}

static void put_uuid(const struct dm *dm, const char *name, char uuid[DM_UUID_LEN])
{
	str_format(uuid, DM_UUID_LEN, "BANGER-%u-%s", dm->suite, name);
}

static bool is_ours(const struct dm *dm, const union request *r, const char *name)
{
	char uuid[DM_UUID_LEN];

	put_uuid(dm, name, uuid);
	return str_eq(r->head.uuid, uuid);
}

static int failed(const char *what, const char *name, struct err *err)
{
	return err_sys(err, ERR_operation_failed, errno, "device-mapper: cannot %s %s", what, name);
}

int dm_open(uint32_t suite, struct dm *ret, struct err *err)
{
	_cleanup_fd_ int fd = open("/dev/mapper/control", O_RDWR | O_CLOEXEC);
	union request r;

	begin(&r, "");
	if (fd < 0 || ioctl(fd, DM_VERSION, &r) < 0)
		return err_sys(err, ERR_unavailable, errno,
			"device-mapper is not there (modprobe dm-mod)");
	*ret = (struct dm){ .control = TAKE_FD(fd), .suite = suite };
	return 0;
}

int dm_check_target(const struct dm *dm, const char *target, struct err *err)
{
	union request r;

	begin(&r, target);
	if (ioctl(dm->control, DM_GET_TARGET_VERSION, &r) < 0)
		return err_sys(err, ERR_unavailable, errno,
			"device-mapper has no target '%s' (modprobe dm-%s)", target, target);
	return 0;
}

void dm_close(struct dm *dm)
{
	fd_closep(&dm->control);
}

static int put_table(union request *r, const struct dm_table *table, struct err *err)
{
	size_t used = sizeof(r->head);

	for (size_t i = 0; i < table->n; i++) {
		const struct dm_target *t = &table->target[i];
		/* The next specification must be aligned to 8 bytes. */
		size_t size = (sizeof(struct dm_target_spec) + strlen(t->params) + 1 + 7) & ~7UL;
		struct dm_target_spec spec = {
			.sector_start = t->start, .length = t->length, .next = (uint32_t)size
		};

		if (size > sizeof(*r) - used)
			return err_set(err, ERR_operation_failed, "a table is too long");
		str_copy(spec.target_type, sizeof(spec.target_type), t->type);
		memcpy(r->bytes + used, &spec, sizeof(spec));
		memcpy(r->bytes + used + sizeof(spec), t->params, strlen(t->params));
		used += size;
	}
	r->head.target_count = (uint32_t)table->n;
	return 0;
}

static int load(const struct dm *dm, const char *name, const struct dm_table *table, bool read_only,
	struct err *err)
{
	union request r;

	begin(&r, name);
	if (put_table(&r, table, err) < 0)
		return -1;
	if (read_only)
		r.head.flags |= DM_READONLY_FLAG;
	return ioctl(dm->control, DM_TABLE_LOAD, &r) < 0 ? failed("load the table of", name, err)
							 : 0;
}

/* Put the loaded table into use. */
static int resume(const struct dm *dm, const char *name, bool read_only, struct err *err)
{
	union request r;

	begin(&r, name);
	if (read_only)
		r.head.flags |= DM_READONLY_FLAG;
	return ioctl(dm->control, DM_DEV_SUSPEND, &r) < 0 ? failed("start", name, err) : 0;
}

int dm_create(const struct dm *dm, const char *name, const struct dm_table *table, bool read_only,
	dev_t *ret_dev, struct err *err)
{
	struct err undo = ERR_INIT;
	union request r;
	dev_t dev;

	begin(&r, name);
	put_uuid(dm, name, r.head.uuid);
	if (ioctl(dm->control, DM_DEV_CREATE, &r) < 0)
		return err_sys(err, errno == EBUSY ? ERR_already_exists : ERR_operation_failed,
			errno, "device-mapper: cannot make %s", name);
	dev = (dev_t)r.head.dev;
	if (FAILPOINT(dm_bare, err) < 0 || load(dm, name, table, read_only, err) < 0 ||
		FAILPOINT(dm_loaded, err) < 0 || resume(dm, name, read_only, err) < 0) {
		dm_remove(dm, name, &undo);
		return -1;
	}
	*ret_dev = dev;
	return 0;
}

int dm_find(const struct dm *dm, const char *name, struct dm_info *ret, struct err *err)
{
	union request r;

	begin(&r, name);
	if (ioctl(dm->control, DM_DEV_STATUS, &r) < 0)
		return errno == ENXIO ? 0 : failed("look at", name, err);
	if (!is_ours(dm, &r, name))
		return err_set(err, ERR_already_exists,
			"the device-mapper device %s is not banger's: rename or remove it", name);
	*ret = (struct dm_info){ .dev = (dev_t)r.head.dev,
		.open_count = (uint32_t)r.head.open_count,
		.live = r.head.flags & DM_ACTIVE_PRESENT_FLAG };
	return 1;
}

int dm_remove(const struct dm *dm, const char *name, struct err *err)
{
	struct dm_info info;
	union request r;
	int found = dm_find(dm, name, &info, err);

	if (found <= 0)
		return found;
	begin(&r, name);
	r.head.flags = DM_DEFERRED_REMOVE;
	if (ioctl(dm->control, DM_DEV_REMOVE, &r) < 0 && errno != ENXIO)
		return failed("remove", name, err);
	return 0;
}

int dm_status(const struct dm *dm, const char *name, char *dst, size_t cap, struct err *err)
{
	struct dm_target_spec spec;
	struct dm_info info;
	union request r;
	int found = dm_find(dm, name, &info, err);
	size_t at;

	if (found <= 0)
		return found < 0 ? -1 : err_set(err, ERR_not_found, "%s is not there", name);
	begin(&r, name);
	if (ioctl(dm->control, DM_TABLE_STATUS, &r) < 0)
		return failed("ask after", name, err);
	at = r.head.data_start;
	if (r.head.target_count == 0 || (r.head.flags & DM_BUFFER_FULL_FLAG) ||
		at > sizeof(r) - sizeof(spec) - 1)
		return err_set(
			err, ERR_operation_failed, "device-mapper says nothing about %s", name);
	r.bytes[sizeof(r.bytes) - 1] = '\0';
	str_copy(dst, cap, r.bytes + at + sizeof(spec));
	return 0;
}

/* One record of DM_LIST_DEVICES; false when it is not whole. */
static bool next_name(
	const char *list, size_t size, size_t at, struct dm_name_list *ret, const char **ret_name)
{
	const char *name = list + at + offsetof(struct dm_name_list, name);

	if (at > size || size - at < sizeof(*ret))
		return false;
	memcpy(ret, list + at, sizeof(*ret));
	*ret_name = name;
	return memchr(name, '\0', size - (size_t)(name - list)) != NULL;
}

static int walk(const struct dm *dm, const char *list, size_t size, size_t at,
	int (*f)(void *ctx, const char *name, struct err *err), void *ctx, struct err *err)
{
	struct dm_name_list entry;
	const char *name;

	while (next_name(list, size, at, &entry, &name)) {
		struct err foreign = ERR_INIT;
		struct dm_info info;

		if (entry.dev != 0 && dm_find(dm, name, &info, &foreign) == 1 &&
			f(ctx, name, err) < 0)
			return -1;
		if (entry.next == 0)
			break;
		at += entry.next;
	}
	return 0;
}

int dm_each(const struct dm *dm, int (*f)(void *ctx, const char *name, struct err *err), void *ctx,
	struct err *err)
{
	for (size_t size = 16 * 1024; size <= LIST_MAX; size *= 2) {
		_cleanup_free_ char *bytes = calloc(1, size);
		struct dm_ioctl *head = (struct dm_ioctl *)(void *)bytes;
		union request r;

		if (!bytes)
			return err_sys(err, ERR_operation_failed, ENOMEM, "device-mapper's list");
		begin(&r, "");
		memcpy(head, &r.head, sizeof(r.head));
		head->data_size = (uint32_t)size;
		if (ioctl(dm->control, DM_LIST_DEVICES, head) < 0)
			return failed("list", "its devices", err);
		if (!(head->flags & DM_BUFFER_FULL_FLAG))
			return walk(dm, bytes, size, head->data_start, f, ctx, err);
	}
	return err_set(err, ERR_operation_failed, "device-mapper has too many devices");
}
