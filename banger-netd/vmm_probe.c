/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-netd/vmm_probe.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "banger-netd/jail.h"
#include "common/fd.h"
#include "common/str.h"

#define LIMIT_MS 5000

/* The first Firecracker whose API is what bangerd speaks. */
#define FIRECRACKER_MAJOR 1
#define FIRECRACKER_MINOR 5

#define FIRECRACKER_DEFAULT "/usr/bin/firecracker" /* as settings.tbl.h has it */
#define FIRECRACKER_LOCAL   "/usr/local/bin/firecracker"

static _Noreturn void ask_version(int binary, const char *path, uid_t uid, int writer)
{
	char *const argv[] = { (char *)(uintptr_t)path, (char *)(uintptr_t) "--version", NULL };
	char *const no_environment[] = { NULL };
	const struct rlimit no_core = { 0, 0 };
	int keep[] = { 0, 1, 2, binary };
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0 || dup2(null, 0) < 0 || dup2(null, 2) < 0 || dup2(writer, 1) < 0)
		_exit(126);
	fd_close_all_but(keep, ARRAY_SIZE(keep));
	if (setrlimit(RLIMIT_CORE, &no_core) < 0 || jail_drop(uid) < 0)
		_exit(126);
	syscall(SYS_execveat, binary, "", argv, no_environment, AT_EMPTY_PATH);
	_exit(127);
}

/* Without a child its version stays unknown. */
static void ask(struct vmm_probe *p, const char *path, uid_t uid)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return;
	p->pid = fork();
	if (p->pid == 0)
		ask_version(p->binary.fd, path, uid, fds[1]);
	fd_closep(&fds[1]);
	p->pipe = fds[0];
	if (p->pid < 0) {
		p->pid = 0;
		fd_closep(&p->pipe);
	}
}

static void end_child(struct vmm_probe *p)
{
	kill(p->pid, SIGKILL);
	while (waitpid(p->pid, NULL, 0) < 0 && errno == EINTR)
		;
	fd_closep(&p->pipe);
	p->pid = 0;
}

/* Its first line, which its first write has, behind `intro`; "" when it is another. */
static void answer(struct vmm_probe *p, const char *intro, char *ret, size_t cap)
{
	struct pollfd pfd = { .fd = p->pipe, .events = POLLIN };
	char s[256];
	ssize_t n = 0;

	ret[0] = '\0';
	if (p->pid == 0)
		return;
	if (poll(&pfd, 1, LIMIT_MS) == 1)
		n = read(p->pipe, s, sizeof(s) - 1);
	end_child(p);
	s[n > 0 ? n : 0] = '\0';
	s[strcspn(s, "\n")] = '\0';
	if (str_starts(s, intro))
		str_copy(ret, cap, s + strlen(intro));
}

static void unfit(struct vmm_probe *p, const struct err *err)
{
	vmm_binary_close(&p->binary);
	if (!text_parse(err->msg, &p->problem))
		text_parse("it is not fit to be used", &p->problem);
}

void qemu_probe_start(struct vmm_probe *p, const char *path, uid_t uid)
{
	struct err err = ERR_INIT;

	*p = (struct vmm_probe)VMM_PROBE_INIT;
	if (vmm_binary_open(path, &p->binary, &err) == 0) {
		ask(p, path, uid);
		return;
	}
	if (err.code == ERR_not_found)
		err_set(&err, ERR_not_found, "there is no %s: install the package qemu-system-x86",
			path);
	unfit(p, &err);
}

void qemu_probe_finish(struct vmm_probe *p)
{
	char s[256];

	/* "QEMU emulator version 7.2.22 (Debian …)" */
	answer(p, "QEMU emulator version ", s, sizeof(s));
	if (s[0])
		text_parse(s, &p->version);
}

void firecracker_probe_start(struct vmm_probe *p, const char *path, uid_t uid)
{
	bool anywhere = str_eq(path, FIRECRACKER_DEFAULT);
	struct err err = ERR_INIT;
	int r;

	*p = (struct vmm_probe)VMM_PROBE_INIT;
	r = vmm_binary_open(path, &p->binary, &err);
	if (r < 0 && err.code == ERR_not_found && anywhere) {
		path = FIRECRACKER_LOCAL;
		r = vmm_binary_open(path, &p->binary, &err);
	}
	if (r == 0) {
		ask(p, path, uid);
		return;
	}
	if (err.code == ERR_not_found)
		err_set(&err, ERR_not_found,
			"there is no %s: install Firecracker there, or say where it is "
			"([vmm] firecracker)",
			anywhere ? FIRECRACKER_DEFAULT " or " FIRECRACKER_LOCAL : path);
	unfit(p, &err);
}

/* "1.16.1", whatever may follow. */
static bool parse_version(const char *s, unsigned *major, unsigned *minor, text *ret)
{
	char whole[24];
	size_t n = strspn(s, "0123456789.");
	unsigned patch;
	int used = 0;

	if (n >= sizeof(whole))
		return false;
	memcpy(whole, s, n);
	whole[n] = '\0';
	if (sscanf(whole, "%4u.%4u.%4u%n", major, minor, &patch, &used) != 3 || whole[used])
		return false;
	return text_parse(whole, ret);
}

void firecracker_probe_finish(struct vmm_probe *p)
{
	unsigned major, minor;
	struct err err = ERR_INIT;
	char s[256];

	if (p->binary.fd < 0 || p->version.s[0])
		return;
	answer(p, "Firecracker v", s, sizeof(s));
	if (!parse_version(s, &major, &minor, &p->version)) {
		err_set(&err, ERR_unavailable,
			"firecracker does not say its version (--version): is it one?");
		unfit(p, &err);
	} else if (major < FIRECRACKER_MAJOR ||
		   (major == FIRECRACKER_MAJOR && minor < FIRECRACKER_MINOR)) {
		err_set(&err, ERR_unavailable, "firecracker %s is too old: install %d.%d or later",
			p->version.s, FIRECRACKER_MAJOR, FIRECRACKER_MINOR);
		unfit(p, &err);
	}
}

void vmm_probe_cancel(struct vmm_probe *p)
{
	if (p->pid > 0)
		end_child(p);
	vmm_binary_close(&p->binary);
}
