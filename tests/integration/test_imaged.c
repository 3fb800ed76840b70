/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * banger-imaged as it runs: its own process and workers, confined, fed as bangerd feeds it.
 * usage: test_imaged BANGER_IMAGED [DIR]: with packages of real kernels (linux-image-*.deb).
 */
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <glob.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/confine.h"
#include "common/fd.h"
#include "common/frame.h"
#include "common/ipc.h"
#include "common/proto_imaged.h"
#include "common/proto_job.h"
#include "common/str.h"
#include "tests/common/kernel_fixture.h"

#define NOBODY 65534

/* The sanitizers' own calls are in no profile. */
#ifdef __SANITIZE_ADDRESS__
#define SECCOMP	       "off"
#define SECCOMP_STATUS 0
#else
#define SECCOMP	       "kill"
#define SECCOMP_STATUS 2 /* SECCOMP_MODE_FILTER */
#endif

static const char *program;
static glob_t packages;
static char config[64];

struct suite {
	pid_t pid;
	struct ipc *ch;
	bool ended; /* by the test */
};

static int start(void **state)
{
	struct suite *s = calloc(1, sizeof(*s));
	struct err err = ERR_INIT;
	int sv[2];

	assert_int_equal(frame_pair(sv, &err), 0);
	s->pid = fork();
	if (s->pid == 0) {
		if (dup2(sv[1], 3) < 0 || fd_set_cloexec(3, false) < 0)
			_exit(120);
		/* As bangerd: the helper has no privilege from its first instruction on. */
		if (getuid() == 0 && (setresgid(NOBODY, NOBODY, NOBODY) < 0 ||
					     setresuid(NOBODY, NOBODY, NOBODY) < 0))
			_exit(121);
		execl(program, "banger-imaged", "--config", config, (char *)NULL);
		_exit(122);
	}
	close(sv[1]);
	assert_int_equal(ipc_open(sv[0], &imaged_protocol, &s->ch, &err), 0);
	*state = s;
	return 0;
}

/* Wait for a child's end, 10 s at most; its status, or -1. */
static int wait_for(pid_t pid)
{
	int status;

	for (int i = 0; i < 1000; i++) {
		if (waitpid(pid, &status, WNOHANG) == pid)
			return status;
		usleep(10000);
	}
	return -1;
}

static int stop(void **state)
{
	struct suite *s = *state;
	int status;

	ipc_close(s->ch);
	status = s->ended ? 0 : wait_for(s->pid);
	if (status != 0) {
		kill(s->pid, SIGKILL);
		fprintf(stderr, "banger-imaged ended with status %d\n", status);
	}
	free(s);
	return status == 0 ? 0 : -1;
}

/* A started job's channel. */
static struct ipc *any_job(
	struct suite *s, bool brief, uid_t owner, pid_t *ret_pid, struct err *err)
{
	struct imaged_job_start_in in = { .brief = brief, .owner = owner };
	struct imaged_job_start_out out;
	struct ipc *ch;
	int sv[2], r;

	assert_int_equal(frame_pair(sv, err), 0);
	in.socket = sv[1];
	r = imaged_job_start(s->ch, &in, &out, err);
	close(sv[1]);
	if (r < 0) {
		close(sv[0]);
		return NULL;
	}
	if (ret_pid)
		*ret_pid = (pid_t)out.pid;
	assert_int_equal(ipc_open(sv[0], &job_protocol, &ch, err), 0);
	return ch;
}

static struct ipc *job(struct suite *s, pid_t *ret_pid, struct err *err)
{
	return any_job(s, false, 0, ret_pid, err);
}

static bool is_alive(pid_t pid)
{
	return kill(pid, 0) == 0;
}

/* A worker is its server's child: it is gone once the server reaped it. */
static bool gone_soon(pid_t pid)
{
	for (int i = 0; i < 500 && is_alive(pid); i++)
		usleep(10000);
	return !is_alive(pid);
}

struct notices {
	unsigned n;
	unsigned of[job_stage__count];
};

static void on_notice(void *ctx, uint16_t msg, const void *in)
{
	const struct job_progress_in *p = in;
	struct notices *n = ctx;

	assert_int_equal(msg, job_msg_progress);
	n->n++;
	n->of[p->stage]++;
}

struct files {
	struct job_kernel_import_in in;
};

static void files_open(struct files *f, int kernel)
{
	struct blob init = fixture_program(1), agent = fixture_program(2);

	f->in = (struct job_kernel_import_in){ .spool = -1,
		.kernel = kernel,
		.modules = -1,
		.init = fixture_fd(&init),
		.agent = fixture_fd(&agent),
		.vmlinux = fixture_fd(NULL),
		.initramfs = fixture_fd(NULL) };
	free(init.p);
	free(agent.p);
}

static void files_close(struct files *f)
{
	fd_closep(&f->in.kernel);
	fd_closep(&f->in.init);
	fd_closep(&f->in.agent);
	fd_closep(&f->in.vmlinux);
	fd_closep(&f->in.initramfs);
}

static void test_import(void **state)
{
	struct blob deb = fixture_kernel_deb();
	struct job_kernel_import_out out;
	struct notices notices = { 0 };
	struct err err = ERR_INIT;
	struct files f;
	struct ipc *ch;
	pid_t pid;

	files_open(&f, fixture_fd(&deb));
	ch = job(*state, &pid, &err);
	assert_non_null(ch);
	if (ipc_call_long(ch, job_msg_kernel_import, &f.in, &out, on_notice, &notices, -1, 60000,
		    &err) < 0)
		fail_msg("%s", err.msg);
	assert_string_equal(out.version.s, FIXTURE_RELEASE);
	assert_string_equal(out.arch.s, "x86_64");
	assert_int_equal(out.n_modules, 7);
	assert_true(notices.n >= 3 && notices.of[job_stage_initramfs] == 1);
	/* One request a worker. */
	assert_true(gone_soon(pid));
	ipc_close(ch);
	files_close(&f);
	free(deb.p);
}

static void test_real_packages(void **state)
{
	if (packages.gl_pathc == 0) {
		printf("skipped: no package is there; scripts/kernel-deb downloads one\n");
		skip();
	}
	for (char **p = packages.gl_pathv; *p; p++) {
		struct job_kernel_import_out out;
		struct notices notices = { 0 };
		struct err err = ERR_INIT;
		struct timespec a, b;
		struct files f;
		struct ipc *ch;

		files_open(&f, open(*p, O_RDONLY | O_CLOEXEC));
		assert_true(f.in.kernel >= 0);
		ch = job(*state, NULL, &err);
		assert_non_null(ch);
		clock_gettime(CLOCK_MONOTONIC, &a);
		if (ipc_call_long(ch, job_msg_kernel_import, &f.in, &out, on_notice, &notices, -1,
			    120000, &err) < 0)
			fail_msg("%s: %s", *p, err.msg);
		clock_gettime(CLOCK_MONOTONIC, &b);
		printf("%s: %u modules, %llu bytes, %u notices, %lld ms\n", out.version.s,
			out.n_modules, (unsigned long long)out.size, notices.n,
			(long long)(b.tv_sec - a.tv_sec) * 1000 +
				(b.tv_nsec - a.tv_nsec) / 1000000);
		assert_true(out.n_modules >= 10);
		ipc_close(ch);
		files_close(&f);
	}
}

/* Import an image from `source` (taken): 0, or the error's code. */
static enum err_code import_image(struct suite *s, int source, struct job_image_import_out *out)
{
	struct job_image_import_in in = {
		.verify_diff_ids = true,
		.source = source,
		.target = fixture_fd(NULL),
		.spool = fixture_fd(NULL),
	};
	struct notices notices = { 0 };
	struct err err = ERR_INIT;
	struct ipc *ch;
	int r;

	ch = job(s, NULL, &err);
	assert_non_null(ch);
	r = ipc_call_long(ch, job_msg_image_import, &in, out, on_notice, &notices, -1, 60000, &err);
	/* The views in `out` ended with the channel; the rest stays. */
	ipc_close(ch);
	close(in.source);
	close(in.target);
	close(in.spool);
	return r < 0 ? err.code : ERR_none;
}

static void test_image(void **state)
{
	struct fixture_file files[] = {
		{ "a", { (uint8_t *)"hello", 5 }, NULL },
		{ "dir/\xc3\xa4", { (uint8_t *)"world", 5 }, NULL },
		{ "link", { NULL, 0 }, "a" },
		{ NULL, { NULL, 0 }, NULL },
	};
	struct blob tar = fixture_tar(files), packed = fixture_compress(&tar, "gzip");
	struct job_image_import_out file, pipe_, gzip;
	int p[2];

	/* A name in a pax header, which the worker must not need a file to convert. */
	assert_non_null(memmem(tar.p, tar.n, "path=dir/\xc3\xa4\n", 12));
	assert_null(memmem(tar.p, tar.n, "hdrcharset", 10));
	assert_int_equal(import_image(*state, fixture_fd(&tar), &file), ERR_none);
	assert_int_equal(file.entries, 4);
	assert_int_equal(import_image(*state, fixture_fd(&packed), &gzip), ERR_none);
	assert_string_not_equal(file.id.s, gzip.id.s);
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	assert_true(tar.n <= 131072 && fcntl(p[1], F_SETPIPE_SZ, 1 << 17) >= 0);
	assert_int_equal(fd_write_full(p[1], tar.p, tar.n), 0);
	close(p[1]);
	assert_int_equal(import_image(*state, p[0], &pipe_), ERR_none);
	assert_string_equal(file.id.s, pipe_.id.s);
	assert_int_equal(file.size, pipe_.size);
	free(tar.p);
	free(packed.p);
}

/* A directory that nobody serves, and bytes that are no image. */
static void test_bad_image(void **state)
{
	struct blob junk = { (uint8_t *)"no image at all", 15 };
	struct job_image_import_out out;
	struct err err = ERR_INIT;
	int sv[2];

	assert_int_equal(frame_pair(sv, &err), 0);
	close(sv[1]);
	assert_int_equal(import_image(*state, sv[0], &out), ERR_unavailable);
	assert_int_equal(import_image(*state, fixture_fd(&junk), &out), ERR_bad_input);
}

static void test_bad_kernel(void **state)
{
	struct job_kernel_import_out out;
	struct err err = ERR_INIT;
	struct notices notices = { 0 };
	struct blob junk = { (uint8_t *)"no kernel at all", 16 };
	struct files f;
	struct ipc *ch;

	files_open(&f, fixture_fd(&junk));
	ch = job(*state, NULL, &err);
	assert_non_null(ch);
	assert_int_equal(ipc_call_long(ch, job_msg_kernel_import, &f.in, &out, on_notice, &notices,
				 -1, 60000, &err),
		-1);
	assert_int_equal(err.code, ERR_bad_input);
	ipc_close(ch);
	files_close(&f);
}

/* The client serves no modules and never answers: closing the job's socket ends the worker, and the
 * worker's end is seen by who serves them. */
static void test_cancel(void **state)
{
	struct blob vmlinux = fixture_vmlinux(FIXTURE_RELEASE, 4096);
	struct job_kernel_import_out out;
	struct err err = ERR_INIT;
	struct notices notices = { 0 };
	struct pollfd modules;
	struct files f;
	struct ipc *ch;
	int sv[2], expired[2];
	pid_t pid;

	assert_int_equal(frame_pair(sv, &err), 0);
	assert_int_equal(pipe2(expired, O_CLOEXEC), 0);
	files_open(&f, fixture_fd(&vmlinux));
	f.in.modules = sv[1];
	ch = job(*state, &pid, &err);
	assert_non_null(ch);
	/* A cancel that comes when the worker is certainly at work: it has asked for modules.dep.
	 */
	if (fork() == 0) {
		char buf[4096];

		if (recv(sv[0], buf, sizeof(buf), 0) <= 0)
			_exit(1);
		_exit(write(expired[1], "x", 1) == 1 ? 0 : 1);
	}
	assert_int_equal(ipc_call_long(ch, job_msg_kernel_import, &f.in, &out, on_notice, &notices,
				 expired[0], 20000, &err),
		-1);
	if (err.code != ERR_cancelled)
		fail_msg("%s", err.msg);
	ipc_close(ch);
	close(sv[1]);
	assert_true(gone_soon(pid));
	modules = (struct pollfd){ .fd = sv[0], .events = POLLRDHUP };
	assert_int_equal(poll(&modules, 1, 5000), 1);
	close(sv[0]);
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	close(expired[0]);
	close(expired[1]);
	files_close(&f);
	free(vmlinux.p);
}

static int make_work_disk(struct suite *s, int fd, uint64_t size)
{
	struct job_work_disk_make_in in = { .size = size, .target = fd };
	struct job_work_disk_make_out out;
	struct err err = ERR_INIT;
	struct ipc *ch = any_job(s, true, 0, NULL, &err);

	assert_non_null(ch);
	if (ipc_call(ch, job_msg_work_disk_make, &in, &out, &err) < 0)
		assert_int_not_equal(err.code, ERR_none);
	ipc_close(ch);
	return err.code;
}

/* The number of a field of its superblock, and that it is whole. */
static uint32_t field(int fd, off_t at)
{
	uint8_t b[4];

	assert_int_equal(fd_pread_full(fd, b, 4, 1024 + (uint64_t)at), 4);
	return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

static void assert_whole(const char *path)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		int null = open("/dev/null", O_RDWR | O_CLOEXEC);

		if (dup2(null, 1) < 0 || dup2(null, 2) < 0)
			_exit(126);
		execlp("e2fsck", "e2fsck", "-fn", path, (char *)NULL);
		_exit(127);
	}
	status = wait_for(pid);
	if (status != 0)
		fail_msg("e2fsck says %d of a work disk", status);
}

/* Whatever its size, it takes a few MiB; beyond 64 GiB the rest is for the guest to take. */
static void test_work_disk(void **state)
{
	static const uint64_t mib[] = { 128, 200, 8192, 65536, 100000 };
	char path[] = "/tmp/banger-work-XXXXXX";
	int fd = mkstemp(path);
	struct stat st;

	assert_true(fd >= 0);
	for (size_t i = 0; i < ARRAY_SIZE(mib); i++) {
		uint64_t size = mib[i] << 20, made = mib[i] > 65536 ? 65536 : mib[i];
		uint64_t compat, incompat;

		assert_int_equal(ftruncate(fd, 0), 0);
		assert_int_equal(ftruncate(fd, (off_t)size), 0);
		assert_int_equal(make_work_disk(*state, fd, size), ERR_none);
		assert_int_equal(fstat(fd, &st), 0);
		assert_int_equal(st.st_size, size);
		assert_true(st.st_blocks < 16384);
		/* s_blocks_count_lo; s_feature_compat, _incompat: dir_index, resize_inode,
		 * has_journal; filetype, extents, 64bit, flex_bg. */
		assert_int_equal(field(fd, 0x04), made / 128 * 32768);
		compat = field(fd, 0x5c);
		incompat = field(fd, 0x60);
		assert_int_equal(compat & 0x34, 0x34);
		assert_int_equal(incompat & 0x2c2, 0x2c2);
		assert_whole(path);
	}
	assert_int_equal(make_work_disk(*state, fd, 127 << 20), ERR_bad_input);
	unlink(path);
	close(fd);
}

static void test_busy(void **state)
{
	struct ipc *jobs[8] = { NULL };
	struct err err = ERR_INIT;
	size_t n = 0;

	/* Half of them are one owner's. */
	for (uid_t owner = 0; owner < 3; owner++) {
		while (n < ARRAY_SIZE(jobs) &&
			(jobs[n] = any_job(*state, false, owner, NULL, &err)))
			n++;
		assert_int_equal(n, owner == 0 ? 2 : 4);
		assert_int_equal(err.code, ERR_busy);
		err.code = ERR_none;
	}
	/* Those that are brief do not wait for them. */
	while (n < ARRAY_SIZE(jobs) && (jobs[n] = any_job(*state, true, 0, NULL, &err)))
		n++;
	assert_int_equal(n, 8);
	err.code = ERR_none;
	assert_null(any_job(*state, true, 0, NULL, &err));
	assert_int_equal(err.code, ERR_busy);
	for (size_t i = 0; i < n; i++)
		ipc_close(jobs[i]);
	/* A slot is free again soon after its job's socket closed. */
	for (int i = 0; i < 500 && !(jobs[0] = job(*state, NULL, &err)); i++)
		usleep(10000);
	assert_non_null(jobs[0]);
	ipc_close(jobs[0]);
}

static void test_not_a_job_socket(void **state)
{
	struct imaged_job_start_in in = { .socket = fixture_fd(NULL) };
	struct imaged_job_start_out out;
	struct err err = ERR_INIT;
	struct suite *s = *state;

	assert_int_equal(imaged_job_start(s->ch, &in, &out, &err), -1);
	assert_int_equal(err.code, ERR_bad_request);
	close(in.socket);
}

/* Garbage for a worker ends that worker alone. */
static void test_garbage_to_worker(void **state)
{
	struct err err = ERR_INIT;
	struct ipc *ch;
	pid_t pid;

	ch = job(*state, &pid, &err);
	assert_non_null(ch);
	assert_int_equal(
		frame_send(ipc_fd(ch), "garbage garbage garbage garbage", 31, NULL, 0, &err), 0);
	assert_true(gone_soon(pid));
	ipc_close(ch);
	test_import(state);
}

/* A server that dies takes no job with it: a worker ends by its own socket. */
static void test_server_killed(void **state)
{
	struct suite *s = *state;
	struct err err = ERR_INIT;
	struct ipc *ch;
	pid_t pid;

	ch = job(s, &pid, &err);
	assert_non_null(ch);
	kill(s->pid, SIGKILL);
	assert_int_equal(wait_for(s->pid), SIGKILL);
	assert_true(is_alive(pid));
	ipc_close(ch);
	assert_true(gone_soon(pid));
	s->ended = true;
}

static void test_garbage_to_server(void **state)
{
	struct suite *s = *state;
	struct err err = ERR_INIT;
	int status;

	assert_int_equal(frame_send(ipc_fd(s->ch), "garbage", 7, NULL, 0, &err), 0);
	status = wait_for(s->pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
	s->ended = true;
}

/* The value of a line of /proc/PID/FILE. */
static long proc_value(pid_t pid, const char *file, const char *key)
{
	char path[64], line[256];
	long v = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	f = fopen(path, "re");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		if (str_starts(line, key))
			v = strtol(line + strlen(key), NULL, 0);
	fclose(f);
	return v;
}

static void assert_confined(pid_t pid)
{
	assert_int_equal(proc_value(pid, "status", "NoNewPrivs:"), 1);
	assert_int_equal(proc_value(pid, "status", "Seccomp:"), SECCOMP_STATUS);
	assert_int_equal(proc_value(pid, "status", "CapEff:"), 0);
	assert_int_equal(proc_value(pid, "status", "CapPrm:"), 0);
}

static void test_confined(void **state)
{
	struct suite *s = *state;
	struct err err = ERR_INIT;
	struct ipc *ch;
	pid_t pid;

	ch = job(s, &pid, &err);
	assert_non_null(ch);
	assert_confined(s->pid);
	for (int i = 0; i < 500 && proc_value(pid, "status", "Threads:") < 2; i++)
		usleep(10000);
	assert_confined(pid);
	/* The server's, and its own: two. */
	assert_int_equal(proc_value(pid, "status", "Seccomp_filters:"), SECCOMP_STATUS);
	printf("system calls: imaged %zu, worker %zu; idle server: %ld KiB PSS, worker: %ld KiB\n",
		confine_count(CONFINE_imaged), confine_count(CONFINE_worker),
		proc_value(s->pid, "smaps_rollup", "Pss:"),
		proc_value(pid, "smaps_rollup", "Pss:"));
	ipc_close(ch);
}

static void write_config(void)
{
	static const char lines[] = "[daemon]\nseccomp = " SECCOMP "\nlog_level = warning\n";
	int fd;

	snprintf(config, sizeof(config), "/tmp/banger-test-imaged.XXXXXX");
	fd = mkstemp(config);
	if (fd < 0 || fd_write_full(fd, lines, sizeof(lines) - 1) < 0 || fchmod(fd, 0644) < 0)
		abort();
	close(fd);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, start, stop)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(test_confined),
		TEST(test_import),
		TEST(test_real_packages),
		TEST(test_bad_kernel),
		TEST(test_image),
		TEST(test_bad_image),
		TEST(test_cancel),
		TEST(test_work_disk),
		TEST(test_busy),
		TEST(test_not_a_job_socket),
		TEST(test_garbage_to_worker),
		TEST(test_server_killed),
		TEST(test_garbage_to_server),
	};
	char pattern[4096];
	int r;

	if (argc < 2) {
		fprintf(stderr, "usage: test_imaged BANGER_IMAGED [DIR]\n");
		return 2;
	}
	program = argv[1];
	setlocale(LC_CTYPE, "C.UTF-8"); /* libarchive writes names of pax headers by it */
	snprintf(pattern, sizeof(pattern), "%s/linux-image-*.deb", argc > 2 ? argv[2] : ".");
	if (glob(pattern, 0, NULL, &packages) != 0)
		packages.gl_pathc = 0;
	write_config();
	r = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(config);
	globfree(&packages);
	return r;
}
