/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "guest/reaper.h"

#include <signal.h>
#include <sys/wait.h>

#include "common/log.h"
#include "guest/poweroff.h"

static void reap(pid_t agent)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid != agent)
			continue;
		log_error("the agent died (status %#x): the machine ends", (unsigned)status);
		poweroff_now();
	}
}

void reaper_run(pid_t agent)
{
	sigset_t all;

	sigfillset(&all);
	for (;;) {
		int signo = sigwaitinfo(&all, NULL);

		if (signo == SIGCHLD)
			reap(agent);
		else if (signo == SIGTERM || signo == SIGINT || signo == SIGPWR ||
			 signo == SIGUSR1 || signo == SIGUSR2)
			kill(agent, SIGTERM);
	}
}
