/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-imaged/work_disk.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "banger-imaged/ext4_finish.h"
#include "banger-imaged/image_limits.h"
#include "common/disk_sizes.h"
#include "common/str.h"

/* Each has an identity of its own. */
static int make_id(digest *ret, struct err *err)
{
	uint8_t raw[32];
	char name[7 + 2 * sizeof(raw) + 1] = "sha256:";

	if (getrandom(raw, sizeof(raw), 0) != (ssize_t)sizeof(raw))
		return err_sys(err, ERR_operation_failed, errno, "no random bytes for a work disk");
	for (size_t i = 0; i < sizeof(raw); i++)
		snprintf(name + 7 + 2 * i, 3, "%02x", raw[i]);
	if (!digest_parse(name, ret))
		return err_set(err, ERR_operation_failed, "a work disk's id is none");
	return 0;
}

int work_disk_make(int fd, uint64_t size, struct err *err)
{
	static const struct image_limits limits = IMAGE_LIMITS_DEFAULT;
	_cleanup_(tree_destroyp) struct tree *tree = NULL;
	_cleanup_(ext4_data_closep) struct ext4_data *data = NULL;
	uint64_t made;
	digest id;

	if (size < WORK_DISK_MIN)
		return err_set(err, ERR_bad_input, "a work disk has at least %llu MiB",
			(unsigned long long)(WORK_DISK_MIN >> 20));
	if (size > WORK_DISK_MAKE_MAX)
		size = WORK_DISK_MAKE_MAX;
	if (make_id(&id, err) < 0 || tree_create(&limits, &tree, err) < 0 ||
		ext4_data_open(fd, &data, err) < 0)
		return -1;
	return ext4_finish(fd, tree, data, &id, size, &made, err);
}
