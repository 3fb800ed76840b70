/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Each profile for real, in a fork: what it needs works, what it forbids kills (or fails). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/confine.h"
#include "common/str.h"

/* What a compromised process would try first. */
static void try_exec(void)
{
	execl("/bin/true", "true", (char *)NULL);
}
static void try_inet(void)
{
	/* A raw one: no profile has a reason. */
	syscall(SYS_socket, AF_INET6, SOCK_RAW, 0);
}
static void try_ptrace(void)
{
	syscall(SYS_ptrace, PTRACE_TRACEME, 0, 0, 0);
}
static void try_mount(void)
{
	syscall(SYS_mount, "none", "/mnt", "tmpfs", 0, NULL);
}
static void try_unshare(void)
{
	syscall(SYS_unshare, CLONE_NEWUSER);
}
static void try_mmap_exec(void)
{
	syscall(SYS_mmap, NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}
static void try_kill(void)
{
	syscall(SYS_kill, getppid(), 0);
}
static void try_setuid(void)
{
	syscall(SYS_setuid, 0);
}
static void try_chmod(void)
{
	syscall(SYS_chmod, "/tmp", 0777);
}
static void try_bpf(void)
{
	syscall(SYS_bpf, 0, NULL, 0);
}
static void try_io_uring(void)
{
	syscall(SYS_io_uring_setup, 1, NULL);
}
static void try_fork(void)
{
	/* clone(2) without CLONE_THREAD */
	if (syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL) == 0)
		_exit(0);
}

static const struct {
	const char *name;
	void (*attempt)(void);
	bool imaged_may; /* the job servers fork their children */
} attempts[] = {
	{ "exec", try_exec, false },
	{ "inet6 raw", try_inet, false },
	{ "ptrace", try_ptrace, false },
	{ "mount", try_mount, false },
	{ "unshare", try_unshare, false },
	{ "mmap exec", try_mmap_exec, false },
	{ "kill", try_kill, false },
	{ "setuid", try_setuid, false },
	{ "chmod", try_chmod, false },
	{ "bpf", try_bpf, false },
	{ "io_uring", try_io_uring, false },
	{ "fork", try_fork, true },
};

/* Run `attempt` confined in a fork; the wait status. */
static int confined(enum confine_profile profile, enum confine_mode mode, void (*attempt)(void))
{
	static const unsigned admin[] = { CAP_SYS_ADMIN };
	struct confine c = { .profile = profile,
		.mode = mode,
		.capabilities = admin,
		.n_capabilities = profile == CONFINE_launch };
	struct err err = ERR_INIT;
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		if (confine_apply(&c, &err) < 0) {
			fprintf(stderr, "%s\n", err.msg);
			_exit(3);
		}
		if (attempt)
			attempt();
		_exit(0);
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void test_forbidden_calls_die(void **state)
{
	(void)state;
	for (unsigned p = 0; p < CONFINE_launch; p++) {
		int status = confined(p, CONFINE_KILL, NULL);

		if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
			fail_msg("profile %s cannot even exit (%x)", confine_profile_name(p),
				status);
		for (size_t i = 0; i < ARRAY_SIZE(attempts); i++) {
			if ((p == CONFINE_imaged || p == CONFINE_fetch_server) &&
				attempts[i].imaged_may)
				continue;
			status = confined(p, CONFINE_KILL, attempts[i].attempt);
			if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS)
				fail_msg("profile %s survived %s (%x)", confine_profile_name(p),
					attempts[i].name, status);
		}
	}
}

static void test_log_mode_lets_live(void **state)
{
	int status = confined(CONFINE_worker, CONFINE_LOG, try_ptrace);

	(void)state;
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void expect_eperm(void)
{
	if (syscall(SYS_bpf, 0, NULL, 0) != -1 || errno != EPERM)
		_exit(4);
	if (syscall(SYS_ptrace, PTRACE_TRACEME, 0, 0, 0) != -1 || errno != EPERM)
		_exit(5);
	if (unshare(CLONE_NEWNS) != 0)
		_exit(6);
}

static void test_launch_denies(void **state)
{
	int status = confined(CONFINE_launch, CONFINE_KILL, expect_eperm);

	(void)state;
	if (geteuid() != 0)
		skip();
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void expect_vmm_denied(void)
{
	if (unshare(CLONE_NEWUSER) != -1 || errno != EPERM)
		_exit(4);
	if (kill(getpid(), 0) != -1 || errno != EPERM)
		_exit(5);
}

static void expect_qemu_denied(void)
{
	expect_vmm_denied();
	if (socket(AF_UNIX, SOCK_STREAM, 0) != -1 || errno != EPERM)
		_exit(3);
	if (bind(-1, NULL, 0) != -1 || errno != EPERM)
		_exit(6);
	if (connect(-1, NULL, 0) != -1 || errno != EPERM)
		_exit(7);
}

/* It has an API and a vsock. */
static void expect_firecracker_denied(void)
{
	expect_vmm_denied();
	if (socket(AF_UNIX, SOCK_STREAM, 0) < 0)
		_exit(3);
	if (bind(-1, NULL, 0) != -1 || errno != EBADF)
		_exit(6);
	if (connect(-1, NULL, 0) != -1 || errno != EBADF)
		_exit(7);
}

static void test_vmms_deny(void **state)
{
	int qemu = confined(CONFINE_qemu, CONFINE_KILL, expect_qemu_denied);
	int firecracker = confined(CONFINE_firecracker, CONFINE_KILL, expect_firecracker_denied);

	(void)state;
	assert_true(WIFEXITED(qemu) && WIFEXITED(firecracker));
	assert_int_equal(WEXITSTATUS(qemu), 0);
	assert_int_equal(WEXITSTATUS(firecracker), 0);
	assert_int_equal(confine_count(CONFINE_qemu), confine_count(CONFINE_firecracker) + 3);
}

/* Landlock: what is listed works, its sibling does not. */
static void test_landlock(void **state)
{
	struct confine_path paths[] = { { "/usr", CONFINE_READ },
		{ "/does/not/exist", CONFINE_READ } };
	struct confine c = { .profile = CONFINE_bangerd,
		.mode = CONFINE_KILL,
		.landlock = true,
		.paths = paths,
		.n_paths = 2 };
	struct err err = ERR_INIT;
	pid_t pid = fork();
	int status;

	(void)state;
	if (pid == 0) {
		if (confine_apply(&c, &err) < 0)
			_exit(3);
		if (open("/usr/bin/env", O_RDONLY) < 0)
			_exit(4);
		if (open("/etc/passwd", O_RDONLY) >= 0 || errno != EACCES)
			_exit(5);
		if (open("/usr/banger-test", O_WRONLY | O_CREAT, 0600) >= 0)
			_exit(6);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_counts(void **state)
{
	static const size_t aim[] = { [CONFINE_bangerd] = 80,
		[CONFINE_imaged] = 60,
		[CONFINE_fetch_server] = 90,
		[CONFINE_fetch] = 75,
		[CONFINE_worker] = 60,
		[CONFINE_netd] = 60 };

	(void)state;
	for (unsigned p = 0; p < CONFINE_launch; p++) {
		printf("seccomp %s: %zu system calls allowed (aim: %zu)\n", confine_profile_name(p),
			confine_count(p), aim[p]);
		assert_true(confine_count(p) > 10);
	}
	for (unsigned p = CONFINE_launch; p < CONFINE__profiles; p++) {
		printf("seccomp %s: %zu system calls denied\n", confine_profile_name(p),
			confine_count(p));
		assert_true(confine_count(p) > 10);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forbidden_calls_die),
		cmocka_unit_test(test_log_mode_lets_live),
		cmocka_unit_test(test_launch_denies),
		cmocka_unit_test(test_vmms_deny),
		cmocka_unit_test(test_landlock),
		cmocka_unit_test(test_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
