/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "guest/root.h"

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
#include "common/str.h"
#include "guest/bind.h"

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

bool root_disk_present(void *ctx)
{
	return access(ROOT_DISK, F_OK) == 0;
}

static uint32_t le32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return le32toh(v);
}

/* How large the file system is and how large the disk lets it be, in blocks. */
static int measure(uint64_t *ret_have, uint64_t *ret_can, struct err *err)
{
	_cleanup_fd_ int fd = open(ROOT_DISK, O_RDONLY | O_CLOEXEC);
	uint8_t s[SUPER_SIZE];
	uint64_t bytes, have;

	if (fd < 0 || ioctl(fd, BLKGETSIZE64, &bytes) < 0 ||
		fd_pread_full(fd, s, sizeof(s), SUPER_OFFSET) != sizeof(s))
		return err_sys(err, ERR_operation_failed, errno, "cannot read the disk");
	if ((s[SUPER_MAGIC] | s[SUPER_MAGIC + 1] << 8) != SUPER_MAGIC_VALUE ||
		le32(s + SUPER_LOG_BLOCK) > 6)
		return err_set(err, ERR_bad_input, "the disk holds no ext4 file system");
	have = le32(s + SUPER_BLOCKS_LO);
	if (le32(s + SUPER_INCOMPAT) & INCOMPAT_64BIT)
		have |= (uint64_t)le32(s + SUPER_BLOCKS_HI) << 32;
	*ret_have = have;
	*ret_can = bytes >> (10 + le32(s + SUPER_LOG_BLOCK));
	return 0;
}

static int grow(uint64_t blocks, struct err *err)
{
	_cleanup_fd_ int fd = open(ROOT_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || ioctl(fd, EXT4_IOC_RESIZE_FS, &blocks) < 0)
		return err_sys(err, ERR_operation_failed, errno,
			"cannot grow the file system to its disk");
	/* A superblock that is on the disk ahead of its group descriptors mounts no more: a VM that
	 * is killed early would never start again. */
	if (syncfs(fd) < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot sync the root disk");
	return 0;
}

int root_mount(struct err *err)
{
	uint64_t have, can;

	if (measure(&have, &can, err) < 0)
		return -1;
	if (mkdir(ROOT_DIR, 0755) < 0 && errno != EEXIST)
		return err_sys(err, ERR_operation_failed, errno, "cannot make " ROOT_DIR);
	if (mount(ROOT_DISK, ROOT_DIR, "ext4", MS_RELATIME, NULL) < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot mount the root disk");
	return can > have ? grow(can, err) : 0;
}

int root_bind(int tree, struct err *err)
{
	static const char *const dirs[] = { "proc", "sys", "dev" };
	_cleanup_fd_ int root = open(ROOT_DIR, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (root < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot open " ROOT_DIR);
	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++)
		if (bind_dir(tree, root, dirs[i], err) < 0)
			return -1;
	return 0;
}

int root_switch(struct err *err)
{
	if (chdir(ROOT_DIR) < 0 || mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0 ||
		chdir("/") < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot switch to the root disk");
	return 0;
}
