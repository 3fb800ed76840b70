/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/str.h"

/* Rights that came after this build's kernel headers (Documentation/userspace-api/landlock.rst). */
#define RIGHT_REFER	(1ULL << 13) /* ABI 2 */
#define RIGHT_TRUNCATE	(1ULL << 14) /* ABI 3 */
#define RIGHT_IOCTL_DEV (1ULL << 15) /* ABI 5 */
#define RIGHTS_ABI_1	((1ULL << 13) - 1)
#define RIGHTS_TCP	3ULL /* ABI 4: bind and connect */

/* struct landlock_ruleset_attr as of ABI 4. */
struct ruleset_attr {
	uint64_t fs, net;
};

#define RIGHTS_READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define RIGHTS_WRITE                                                                   \
	(RIGHTS_READ | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR | \
		LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR |         \
		LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK |           \
		LANDLOCK_ACCESS_FS_MAKE_FIFO | RIGHT_REFER | RIGHT_TRUNCATE | RIGHT_IOCTL_DEV)
/* What may be said of a file that is no directory. */
#define RIGHTS_FILE                                                  \
	(LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | \
		LANDLOCK_ACCESS_FS_WRITE_FILE | RIGHT_TRUNCATE | RIGHT_IOCTL_DEV)

static uint64_t handled_rights(int abi)
{
	uint64_t rights = RIGHTS_ABI_1;

	if (abi >= 2)
		rights |= RIGHT_REFER;
	if (abi >= 3)
		rights |= RIGHT_TRUNCATE;
	if (abi >= 5)
		rights |= RIGHT_IOCTL_DEV;
	return rights;
}

static uint64_t rights_of(enum confine_access access)
{
	switch (access) {
	case CONFINE_WRITE:
		return RIGHTS_WRITE;
	case CONFINE_EXEC:
		return RIGHTS_READ | LANDLOCK_ACCESS_FS_EXECUTE;
	case CONFINE_READ:
		break;
	}
	return RIGHTS_READ;
}

static int add_path(int ruleset, const struct confine_path *p, uint64_t handled, struct err *err)
{
	struct landlock_path_beneath_attr rule = { 0 };
	_cleanup_fd_ int fd = open(p->path, O_PATH | O_CLOEXEC);
	struct stat st;

	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(
			err, ERR_operation_failed, errno, "Landlock: cannot open %s", p->path);
	rule.parent_fd = fd;
	rule.allowed_access = rights_of(p->access) & handled;
	if (!S_ISDIR(st.st_mode))
		rule.allowed_access &= RIGHTS_FILE;
	if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0)
		return err_sys(
			err, ERR_operation_failed, errno, "Landlock: cannot allow %s", p->path);
	return 0;
}

int landlock_restrict(
	const struct confine_path *paths, size_t n, bool network, int *ret_abi, struct err *err)
{
	struct ruleset_attr attr = { 0 };
	_cleanup_fd_ int ruleset = -1;
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

	if (abi < 0 && (errno == ENOSYS || errno == EOPNOTSUPP)) {
		*ret_abi = 0;
		return 0;
	}
	if (abi < 0)
		return err_sys(err, ERR_operation_failed, errno, "Landlock: no version");
	attr.fs = handled_rights((int)abi);
	attr.net = abi >= 4 && !network ? RIGHTS_TCP : 0;
	ruleset = (int)syscall(
		SYS_landlock_create_ruleset, &attr, abi >= 4 ? sizeof(attr) : sizeof(attr.fs), 0);
	if (ruleset < 0)
		return err_sys(err, ERR_operation_failed, errno, "Landlock: no ruleset");
	for (size_t i = 0; i < n; i++)
		if (add_path(ruleset, &paths[i], attr.fs, err) < 0)
			return -1;
	if (syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
		return err_sys(err, ERR_operation_failed, errno, "Landlock: cannot restrict");
	*ret_abi = (int)abi;
	return 0;
}
