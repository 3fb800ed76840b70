/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-netd/kvm_probe.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "banger-netd/kvm_guest.h"
#include "common/fd.h"

/* Native speed is far below a millisecond; this leaves room for a busy host. The first run also
 * pays for a cold one (page faults, an outer hypervisor's own), and any for losing the processor:
 * so what is beyond is asked again, and often if it is not beyond belief. */
#define GOOD_US	  20000
#define DOUBT_US  150000
#define TRIES	  12
#define TRIES_BAD 3
#define LIMIT_MS  1500

struct answer {
	enum kvm_state state;
	uint64_t us;
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

/* The best of some runs. */
static int measure(int kvm, uint64_t *ret_us)
{
	uint64_t best = UINT64_MAX;

	for (int i = 0; i < TRIES; i++) {
		uint64_t ns;

		if (kvm_guest_run(kvm, &ns) < 0)
			return -1;
		if (ns / 1000 < best)
			best = ns / 1000;
		if (best <= GOOD_US || (best > DOUBT_US && i + 1 >= TRIES_BAD))
			break;
	}
	*ret_us = best;
	return 0;
}

static _Noreturn void child(int writer)
{
	struct answer a = { .state = kvm_state_slow };
	int kvm;

	/* Nobody may wait for an end of file that this process holds back. */
	fd_close_all_but(&writer, 1);
	kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (kvm < 0)
		a.state = errno == ENOENT || errno == ENODEV || errno == ENXIO ? kvm_state_absent
									       : kvm_state_denied;
	else if (measure(kvm, &a.us) < 0)
		a.state = kvm_state_denied;
	else
		a.state = a.us <= GOOD_US ? kvm_state_good : kvm_state_slow;
	_exit(fd_write_full(writer, &a, sizeof(a)) < 0);
}

int kvm_probe_start(struct kvm_probe *p, struct err *err)
{
	int fds[2];
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot make a pipe");
	pid = fork();
	if (pid < 0) {
		int saved = errno;

		fd_close_many(fds, 2);
		return err_sys(err, ERR_operation_failed, saved, "cannot fork");
	}
	if (pid == 0)
		child(fds[1]);
	fd_closep(&fds[1]);
	*p = (struct kvm_probe){ .pid = pid, .pipe = fds[0], .since = now_ns() };
	return 0;
}

void kvm_probe_cancel(struct kvm_probe *p)
{
	if (p->pid == 0)
		return;
	kill(p->pid, SIGKILL);
	while (waitpid(p->pid, NULL, 0) < 0 && errno == EINTR)
		;
	fd_closep(&p->pipe);
	p->pid = 0;
}

void kvm_probe_finish(struct kvm_probe *p)
{
	struct pollfd pfd = { .fd = p->pipe, .events = POLLIN };
	struct answer a = { .state = kvm_state_slow, .us = LIMIT_MS * 1000 };
	int r;

	if (p->pid == 0)
		return;
	do {
		uint64_t gone = (now_ns() - p->since) / 1000000;

		r = poll(&pfd, 1, gone < LIMIT_MS ? (int)(LIMIT_MS - gone) : 0);
	} while (r < 0 && errno == EINTR);
	/* An answer comes whole (pipe(7)); without one the probe failed or was too slow. */
	if (r == 1 && fd_read_full(p->pipe, &a, sizeof(a)) != (ssize_t)sizeof(a))
		a = (struct answer){ .state = kvm_state_denied };
	kvm_probe_cancel(p);
	p->state = a.state;
	p->us = a.us;
}

void kvm_probe_take(struct kvm_probe *p, uint64_t us)
{
	kvm_probe_cancel(p);
	p->state = kvm_state_slow;
	p->us = us;
}
