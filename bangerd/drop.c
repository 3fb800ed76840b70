/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bangerd/drop.h"

#include <errno.h>
#include <grp.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "common/confine.h"
#include "common/settings.h"
#include "common/str.h"

/* What no program started from here, setuid or not, can ever have. */
static int drop_bounding_set(void)
{
	for (unsigned long cap = 0; prctl(PR_CAPBSET_READ, cap) >= 0; cap++)
		if (prctl(PR_CAPBSET_DROP, cap) < 0)
			return -1;
	return 0;
}

int drop_to(uid_t uid, gid_t gid, struct err *err)
{
	if (drop_bounding_set() < 0 || setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 ||
		setresuid(uid, uid, uid) < 0)
		return err_sys(
			err, ERR_operation_failed, errno, "cannot become uid %u", (unsigned)uid);
	/* With ids of its own a process that could come back would, here. */
	if (uid == 0 || setresuid(0, 0, 0) == 0 || setresgid(0, 0, 0) == 0)
		return err_set(err, ERR_operation_failed, "root's rights would not go away");
	return 0;
}

int drop_confine(const struct settings *settings, struct err *err)
{
	/* Whole directories where files are replaced by renaming: a rule is for one inode. What is
	 * not readable for everybody stays closed to the daemon's user anyhow. */
	const struct confine_path paths[] = {
		{ settings->paths_state_dir.s, CONFINE_WRITE },
		{ settings->paths_run_dir.s, CONFINE_WRITE },
		{ settings->paths_libexec_dir.s, CONFINE_READ },
		{ "/etc", CONFINE_READ }, /* resolv.conf, passwd, registries.conf */
		{ settings->image_registries.s, CONFINE_READ },
		{ settings->paths_catalog_dir.s, CONFINE_READ },
		{ settings->paths_vendor_catalog_dir.s, CONFINE_READ },
		{ "/run/systemd/resolve", CONFINE_READ }, /* where the former may point to */
		{ "/proc/meminfo", CONFINE_READ },
		{ "/proc/sys/kernel/random/boot_id", CONFINE_READ },
#ifdef __SANITIZE_ADDRESS__ /* which reads its own maps */
		{ "/proc", CONFINE_READ },
#endif
	};
	const struct confine_rlimit rlimits[] = {
		{ RLIMIT_CORE, 0 },
		{ RLIMIT_NOFILE, 16384 },
	};
	const struct confine c = {
		.profile = CONFINE_bangerd,
		.mode = settings->daemon_seccomp,
		.landlock = true,
		.paths = paths,
		.n_paths = ARRAY_SIZE(paths),
		.rlimits = rlimits,
		.n_rlimits = ARRAY_SIZE(rlimits),
	};

	return confine_apply(&c, err);
}
