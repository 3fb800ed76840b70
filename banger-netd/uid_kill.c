/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-netd/uid_kill.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "banger-netd/jail.h"
#include "common/fd.h"
#include "common/str.h"

#define ROUND_NS 5000000L
#define ROUNDS	 2000 /* ten seconds: a VMM that is inside a slow disk's write dies late */

enum { EXIT_NONE_LEFT = 0, EXIT_LIVES = 1, EXIT_FAILED = 2 };

/* "State:" and "Uid:" of /proc/PID/status (proc(5)): a live process of that uid? A process may
 * hide the owner of its /proc entries (prctl(2), PR_SET_DUMPABLE), but not this. */
static bool lives_as(const char *pid, uid_t uid)
{
	char path[288], buf[1024], *state, *uids;
	_cleanup_fd_ int fd = -1;
	ssize_t n;

	str_format(path, sizeof(path), "/proc/%s/status", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : fd_read_full(fd, buf, sizeof(buf) - 1);
	if (n <= 0) /* it is gone */
		return false;
	buf[n] = '\0';
	state = strstr(buf, "\nState:\t");
	uids = strstr(buf, "\nUid:\t");
	if (!state || !uids || state[8] == 'Z' || state[8] == 'X')
		return false;
	return strtoul(uids + 6, NULL, 10) == uid;
}

static bool any_lives_as(uid_t uid)
{
	DIR *d = opendir("/proc");
	bool found = false;
	struct dirent *e;
	char self[16];

	if (!d)
		return true;
	str_format(self, sizeof(self), "%d", getpid());
	while (!found && (e = readdir(d)))
		if (e->d_name[0] >= '1' && e->d_name[0] <= '9' && strcmp(e->d_name, self) != 0)
			found = lives_as(e->d_name, uid);
	closedir(d);
	return found;
}

static _Noreturn void kill_all_as(uid_t uid)
{
	static const struct timespec round = { .tv_nsec = ROUND_NS };

	fd_close_all_but(NULL, 0);
	if (jail_drop(uid) < 0)
		_exit(EXIT_FAILED);
	for (int i = 0; i < ROUNDS; i++) {
		/* kill(2): to all that may be signalled but the caller; ESRCH: there are none.
		 * Zombies that their parent did not reap are signalled for ever. */
		if (kill(-1, SIGKILL) < 0)
			_exit(errno == ESRCH ? EXIT_NONE_LEFT : EXIT_FAILED);
		nanosleep(&round, NULL);
		if (i % 8 == 1 && !any_lives_as(uid))
			_exit(EXIT_NONE_LEFT);
	}
	_exit(EXIT_LIVES);
}

int uid_kill(uid_t uid, struct err *err)
{
	int status;
	pid_t pid;

	if (uid == 0) /* the ledger and the configuration rule it out; so does this */
		return err_set(err, ERR_protocol, "root is no jail's uid");
	pid = fork();
	if (pid < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot fork");
	if (pid == 0)
		kill_all_as(uid);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return err_sys(err, ERR_operation_failed, errno, "cannot wait for a child");
	if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_NONE_LEFT)
		return 0;
	if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_LIVES)
		return err_set(err, ERR_timeout,
			"processes of jail uid %u do not die: look at them with ps -u %u", uid,
			uid);
	return err_set(err, ERR_operation_failed, "cannot kill the processes of jail uid %u", uid);
}
