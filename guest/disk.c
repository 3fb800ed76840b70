/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "guest/disk.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fd.h"

/* Kernel: fs/ext4/ext4.h; the new number of blocks. */
#define EXT4_IOC_RESIZE_FS _IOW('f', 16, uint64_t)

/* Kernel: Documentation/filesystems/ext4/super.rst. */
#define SUPER_OFFSET	  1024
#define SUPER_BLOCKS_LO	  0x04
#define SUPER_LOG_BLOCK	  0x18
#define SUPER_MAGIC	  0x38
#define SUPER_INCOMPAT	  0x60
#define SUPER_BLOCKS_HI	  0x150
#define SUPER_SIZE	  1024
#define SUPER_MAGIC_VALUE 0xef53
#define INCOMPAT_64BIT	  0x80

bool disk_present(void *ctx)
{
	return access(ctx, F_OK) == 0;
}

static uint32_t le32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return le32toh(v);
}

/* How large the file system is and how large the disk lets it be, in blocks. */
static int measure(const char *device, const char *what, uint64_t *ret_have, uint64_t *ret_can,
	struct err *err)
{
	_cleanup_fd_ int fd = open(device, O_RDONLY | O_CLOEXEC);
	uint8_t s[SUPER_SIZE];
	uint64_t bytes, have;

	if (fd < 0 || ioctl(fd, BLKGETSIZE64, &bytes) < 0 ||
		fd_pread_full(fd, s, sizeof(s), SUPER_OFFSET) != sizeof(s))
		return err_sys(err, ERR_operation_failed, errno, "cannot read the %s disk", what);
	if ((s[SUPER_MAGIC] | s[SUPER_MAGIC + 1] << 8) != SUPER_MAGIC_VALUE ||
		le32(s + SUPER_LOG_BLOCK) > 6)
		return err_set(err, ERR_bad_input, "the %s disk holds no ext4 file system", what);
	have = le32(s + SUPER_BLOCKS_LO);
	if (le32(s + SUPER_INCOMPAT) & INCOMPAT_64BIT)
		have |= (uint64_t)le32(s + SUPER_BLOCKS_HI) << 32;
	*ret_have = have;
	*ret_can = bytes >> (10 + le32(s + SUPER_LOG_BLOCK));
	return 0;
}

static int grow(const char *dir, const char *what, uint64_t blocks, struct err *err)
{
	_cleanup_fd_ int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || ioctl(fd, EXT4_IOC_RESIZE_FS, &blocks) < 0)
		return err_sys(err, ERR_operation_failed, errno,
			"cannot grow the file system of the %s disk", what);
	/* A superblock that is on the disk ahead of its group descriptors mounts no more: a VM that
	 * is killed early would never start again. */
	if (syncfs(fd) < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot sync the %s disk", what);
	return 0;
}

int disk_mount(const char *device, const char *dir, const char *what, struct err *err)
{
	uint64_t have, can;

	if (measure(device, what, &have, &can, err) < 0)
		return -1;
	if (mkdir(dir, 0755) < 0 && errno != EEXIST)
		return err_sys(err, ERR_operation_failed, errno, "cannot make %s", dir);
	if (mount(device, dir, "ext4", MS_RELATIME, NULL) < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot mount the %s disk", what);
	return can > have ? grow(dir, what, can, err) : 0;
}
