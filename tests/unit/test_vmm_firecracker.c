/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bangerd/vmm_firecracker: what is said in which order, and a VMM that is late, silent, another's
 * or dead. The API, banger-netd and the process are this test's. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "bangerd/vmm.h"
#include "common/fd.h"
#include "common/frame.h"
#include "common/ipc.h"
#include "common/proto_netd.h"
#include "common/str.h"

struct world {
	char dir[64];
	struct vmm v;
	pid_t process;
	struct ipc *netd, *netd_end;
	pthread_t api_thread, netd_thread;
	bool serving;

	/* The API's or the vsock's socket: how it is. */
	const char *name;
	unsigned late_ms;
	const char *version, *state;
	const char *silent_at, *refuse_at, *die_at; /* "METHOD /path" */
	unsigned deaf; /* connects that find no listener in the guest */
	bool netd_refuses;

	pthread_mutex_t lock;
	char log[2048]; /* what was asked, in order, a line each */
	int listen_fd;
};

static void note(struct world *w, const char *line, size_t n)
{
	size_t used;

	pthread_mutex_lock(&w->lock);
	used = strlen(w->log);
	snprintf(w->log + used, sizeof(w->log) - used, "%.*s\n", (int)n, line);
	pthread_mutex_unlock(&w->lock);
}

static void say(int fd, const char *s)
{
	size_t n = strlen(s);

	while (n > 0) {
		ssize_t r = send(fd, s, n, MSG_NOSIGNAL);

		if (r <= 0)
			return;
		s += r;
		n -= (size_t)r;
	}
}

static void answer_body(int fd, unsigned status, const char *body)
{
	char reply[256];

	snprintf(reply, sizeof(reply), "HTTP/1.1 %u \r\nContent-Length: %zu\r\n\r\n%s", status,
		strlen(body), body);
	say(fd, reply);
}

/* False: say nothing more on this connection. */
static bool answer(struct world *w, int fd, const char *request)
{
	char body[128];

	if (w->silent_at && str_starts(request, w->silent_at))
		return true;
	if (w->die_at && str_starts(request, w->die_at)) {
		kill(w->process, SIGKILL);
		return false;
	}
	if (w->refuse_at && str_starts(request, w->refuse_at)) {
		answer_body(fd, 400, "{\"fault_message\":\"because\"}");
	} else if (str_starts(request, "GET /version ")) {
		snprintf(body, sizeof(body), "{\"firecracker_version\":\"%s\"}", w->version);
		answer_body(fd, 200, body);
	} else if (str_starts(request, "GET / ")) {
		snprintf(body, sizeof(body), "{\"state\":\"%s\"}", w->state);
		answer_body(fd, 200, body);
	} else {
		say(fd, "HTTP/1.1 204 \r\n\r\n");
	}
	return true;
}

/* One connection of the API: a request comes in one piece here, or in two at its empty line. */
static void serve_api(struct world *w, int fd)
{
	char buf[8192];
	size_t n = 0;

	for (;;) {
		ssize_t r = read(fd, buf + n, sizeof(buf) - 1 - n);
		char *end, *length;

		if (r <= 0)
			return;
		n += (size_t)r;
		buf[n] = '\0';
		end = strstr(buf, "\r\n\r\n");
		length = strstr(buf, "Content-Length: ");
		if (!end || (length && strlen(end + 4) < strtoul(length + 16, NULL, 10)))
			continue;
		note(w, buf, strcspn(buf, "\r") - strlen(" HTTP/1.1"));
		if (!answer(w, fd, buf))
			return;
		n = 0;
	}
}

static void serve_vsock(struct world *w, int fd)
{
	char line[64] = "";

	if (read(fd, line, sizeof(line) - 1) <= 0)
		return;
	note(w, line, strcspn(line, "\n"));
	if (w->deaf > 0) {
		w->deaf--;
		return;
	}
	say(fd, "OK 1073741824\nhello");
	while (read(fd, line, sizeof(line)) > 0)
		;
}

static void *serve(void *arg)
{
	struct world *w = arg;
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	usleep(w->late_ms * 1000);
	snprintf(a.sun_path, sizeof(a.sun_path), "%s/fc/%s", w->dir, w->name);
	if (bind(w->listen_fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		abort();
	usleep(w->late_ms * 1000); /* bound, and not yet listening */
	if (listen(w->listen_fd, 8) < 0)
		abort();
	for (;;) {
		int fd = accept(w->listen_fd, NULL, NULL);

		if (fd < 0)
			return NULL;
		if (str_eq(w->name, "api"))
			serve_api(w, fd);
		else
			serve_vsock(w, fd);
		close(fd);
	}
}

static int on_tap_attach(void *ctx, void *in, void *out, struct err *err)
{
	struct world *w = ctx;
	const struct netd_tap_attach_in *i = in;

	(void)out;
	note(w, "tap_attach", 10);
	if (!str_eq(i->vm.s, "0123456789ab") || w->netd_refuses)
		return err_set(err, ERR_operation_failed, "no such TAP");
	return 0;
}

static void *serve_netd(void *arg)
{
	static const ipc_handler handlers[netd_msg__count] = {
		[netd_msg_tap_attach] = on_tap_attach,
	};
	struct world *w = arg;
	struct err err = ERR_INIT;

	while (ipc_serve(w->netd_end, handlers, w, NULL, &err) > 0)
		;
	return NULL;
}

/* With `serves`, something listens at fc/NAME. */
static void begin(struct world *w, const char *name, bool serves)
{
	struct err err = ERR_INIT;
	char path[128];
	int sv[2];

	w->name = name;
	w->version = w->version ? w->version : "1.16.1";
	pthread_mutex_init(&w->lock, NULL);
	str_copy(w->dir, sizeof(w->dir), "/tmp/test_vmm_firecracker-XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	snprintf(path, sizeof(path), "%s/fc", w->dir);
	assert_int_equal(mkdir(path, 0700), 0);
	w->process = fork();
	if (w->process == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL); /* also when a test fails */
		for (;;)
			pause();
	}
	w->v = (struct vmm){ .ops = &vmm_firecracker,
		.pid = (uint32_t)w->process,
		.pidfd = pidfd_open(w->process, 0),
		.rundir = open(w->dir, O_PATH | O_DIRECTORY | O_CLOEXEC),
		.jail_uid = getuid() };
	assert_true(w->v.pidfd >= 0 && w->v.rundir >= 0);
	assert_int_equal(frame_pair(sv, &err), 0);
	assert_int_equal(ipc_open(sv[0], &netd_protocol, &w->netd, &err), 0);
	assert_int_equal(ipc_open(sv[1], &netd_protocol, &w->netd_end, &err), 0);
	assert_int_equal(pthread_create(&w->netd_thread, NULL, serve_netd, w), 0);
	w->serving = serves;
	w->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (serves)
		assert_int_equal(pthread_create(&w->api_thread, NULL, serve, w), 0);
}

static void end(struct world *w)
{
	static const char *const names[] = { "fc/api", "fc/vsock", "fc", "console.in",
		"console.out" };
	char path[128];

	shutdown(w->listen_fd, SHUT_RDWR);
	if (w->serving)
		pthread_join(w->api_thread, NULL);
	close(w->listen_fd);
	ipc_close(w->netd);
	pthread_join(w->netd_thread, NULL);
	ipc_close(w->netd_end);
	kill(w->process, SIGKILL);
	waitpid(w->process, NULL, 0);
	vmm_close(&w->v);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(path, sizeof(path), "%s/%s", w->dir, names[i]);
		if (unlink(path) < 0)
			rmdir(path);
	}
	assert_int_equal(rmdir(w->dir), 0);
	pthread_mutex_destroy(&w->lock);
}

static struct vmm_machine machine(const struct world *w)
{
	struct vmm_machine m = { .vcpus = 1,
		.work = -1,
		.memory_mib = 256,
		.mac = { { 0x52, 0x54, 0, 0, 0, 1 } },
		.firecracker_version = w->version,
		.console_rate = 1000 };

	assert_true(vm_id_parse("0123456789ab", &m.vm));
	return m;
}

static int configure(struct world *w, unsigned ms, struct err *err)
{
	const struct vmm_machine m = machine(w);
	const struct wait wait = wait_ms(-1, ms);

	return vmm_firecracker.configure(&w->v, &m, &wait, err);
}

static void fails(struct world *w, unsigned ms, enum err_code code, const char *part)
{
	struct err err = ERR_INIT;

	assert_int_equal(configure(w, ms, &err), -1);
	if (err.code != code || !strstr(err.msg, part))
		fail_msg("%s: %s", err_code_name(err.code), err.msg);
}

#define ALL                                                                  \
	"GET /version\nPUT /logger\nPUT /machine-config\nPUT /boot-source\n" \
	"PUT /drives/root\nPUT /network-interfaces/eth0\nPUT /vsock\n"       \
	"PUT /entropy\nPUT /balloon\n"

static void says_all_in_order(void **state)
{
	static const char *const versions[] = { "1.5.0", "1.15.9", "1.16.0", "1.17.2" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(versions); i++) {
		struct world w = { .version = versions[i] };
		struct err err = ERR_INIT;

		begin(&w, "api", true);
		assert_int_equal(configure(&w, 30000, &err), 0);
		end(&w);
		/* The console's rate is known since 1.16. */
		assert_string_equal(w.log, i < 2 ? ALL : ALL "PUT /serial\n");
	}
}

static void waits_for_the_socket(void **state)
{
	struct world w = { .late_ms = 150 };
	struct err err = ERR_INIT;

	(void)state;
	begin(&w, "api", true);
	assert_int_equal(configure(&w, 30000, &err), 0);
	end(&w);
}

static void no_socket(void **state)
{
	struct world w = { 0 };
	struct wait cancelled = wait_ms(-1, 30000);
	struct vmm_machine m;
	struct err err = ERR_INIT;

	(void)state;
	begin(&w, "api", false);
	m = machine(&w);
	fails(&w, 100, ERR_timeout, "did not open its API's socket");
	fails(&w, 100, ERR_timeout, "it is killed");
	/* poll() finds it ready. */
	cancelled.cancel_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_int_equal(vmm_firecracker.configure(&w.v, &m, &cancelled, &err), -1);
	assert_int_equal(err.code, ERR_cancelled);
	fd_closep(&cancelled.cancel_fd);
	kill(w.process, SIGKILL);
	fails(&w, 30000, ERR_unavailable, "Firecracker ended before it opened its API's socket");
	end(&w);
}

static void not_its_socket(void **state)
{
	struct world w = { 0 }, other = { 0 }, link = { 0 };
	char path[128], target[128];
	int fd;

	(void)state;
	begin(&w, "api", false);
	snprintf(path, sizeof(path), "%s/fc/api", w.dir);
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
	fails(&w, 30000, ERR_protocol, "no socket");
	end(&w);

	begin(&other, "api", true);
	other.v.jail_uid = getuid() + 1;
	fails(&other, 30000, ERR_protocol, "not of its jail's");
	end(&other);

	begin(&link, "vsock", true);
	snprintf(target, sizeof(target), "%s/fc/vsock", link.dir);
	snprintf(path, sizeof(path), "%s/fc/api", link.dir);
	assert_int_equal(symlink(target, path), 0);
	fails(&link, 30000, ERR_protocol, "no socket");
	end(&link);
}

static void version_is_checked(void **state)
{
	struct world w = { 0 };
	struct vmm_machine m;
	struct wait wait = wait_ms(-1, 30000);
	struct err err = ERR_INIT;

	(void)state;
	begin(&w, "api", true);
	m = machine(&w);
	m.firecracker_version = "1.16.0";
	assert_int_equal(vmm_firecracker.configure(&w.v, &m, &wait, &err), -1);
	assert_int_equal(err.code, ERR_bad_version);
	assert_non_null(strstr(err.msg, "1.16.1"));
	assert_non_null(strstr(err.msg, "'1.16.0'"));
	end(&w);
	assert_string_equal(w.log, "GET /version\n");
}

static void stops_at_a_refusal(void **state)
{
	struct world w = { .refuse_at = "PUT /boot-source" };

	(void)state;
	begin(&w, "api", true);
	fails(&w, 30000, ERR_operation_failed, "Firecracker refused the kernel: because");
	end(&w);
	assert_true(str_ends(w.log, "PUT /boot-source\n"));
}

static void silent(void **state)
{
	struct world w = { .silent_at = "PUT /drives/root" };

	(void)state;
	begin(&w, "api", true);
	fails(&w, 30000, ERR_timeout,
		"Firecracker does not answer (PUT /drives/root, 5 s): it is killed");
	end(&w);
}

/* Once the failure is told, the death behind it can be seen. */
static void dies(void **state)
{
	struct world w = { .die_at = "PUT /network-interfaces/eth0" };

	(void)state;
	begin(&w, "api", true);
	fails(&w, 30000, ERR_unavailable, "Firecracker closed its connection");
	assert_int_equal(
		waitid(P_PIDFD, (id_t)w.v.pidfd, &(siginfo_t){ 0 }, WEXITED | WNOHANG | WNOWAIT),
		0);
	end(&w);
	assert_true(str_ends(w.log, "PUT /network-interfaces/eth0\n"));
}

static void runs(void **state)
{
	struct world w = { .state = "Running" };
	struct wait wait = wait_ms(-1, 30000);
	struct err err = ERR_INIT;
	bool paused = true;

	(void)state;
	begin(&w, "api", true);
	assert_int_equal(configure(&w, 30000, &err), 0);
	w.log[0] = '\0';
	assert_int_equal(vmm_firecracker.start(&w.v, &wait, &err), 0);
	assert_int_equal(vmm_firecracker.paused(&w.v, &wait, &paused, &err), 0);
	assert_false(paused);
	assert_int_equal(vmm_firecracker.pause(&w.v, &wait, &err), 0);
	w.state = "Paused";
	assert_int_equal(vmm_firecracker.paused(&w.v, &wait, &paused, &err), 0);
	assert_true(paused);
	assert_int_equal(vmm_firecracker.resume(&w.v, &wait, &err), 0);
	assert_int_equal(vmm_firecracker.quit(&w.v, &wait, &err), -1);
	assert_int_equal(err.code, ERR_unavailable);
	end(&w);
	assert_string_equal(w.log, "PUT /actions\nGET /\nPATCH /vm\nGET /\nPATCH /vm\n");
}

static void attaches_its_tap(void **state)
{
	struct world w = { 0 };
	struct vmm_machine m;
	struct err err = ERR_INIT;

	(void)state;
	begin(&w, "api", false);
	m = machine(&w);
	assert_int_equal(vmm_firecracker.attach(&w.v, w.netd, &m, &err), 0);
	w.netd_refuses = true;
	assert_int_equal(vmm_firecracker.attach(&w.v, w.netd, &m, &err), -1);
	assert_int_equal(err.code, ERR_operation_failed);
	end(&w);
	assert_string_equal(w.log, "tap_attach\ntap_attach\n");
}

static void console(void **state)
{
	struct world w = { 0 };
	struct err err = ERR_INIT;
	char in[128], out[128], byte;
	int guest_in, guest_out, ret_out, ret_in;

	(void)state;
	begin(&w, "api", false);
	snprintf(in, sizeof(in), "%s/console.in", w.dir);
	snprintf(out, sizeof(out), "%s/console.out", w.dir);
	assert_int_equal(vmm_firecracker.console(&w.v, &ret_out, &ret_in, &err), -1);
	assert_int_equal(err.code, ERR_unavailable);
	assert_int_equal(mkfifo(in, 0600), 0);
	assert_int_equal(mkfifo(out, 0600), 0);
	/* Nobody has it open: the VMM is gone. */
	assert_int_equal(vmm_firecracker.console(&w.v, &ret_out, &ret_in, &err), -1);
	assert_int_equal(err.code, ERR_unavailable);
	guest_in = open(in, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	guest_out = open(out, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	assert_int_equal(vmm_firecracker.console(&w.v, &ret_out, &ret_in, &err), 0);
	assert_int_equal(write(guest_out, "o", 1), 1);
	assert_int_equal(read(ret_out, &byte, 1), 1);
	assert_int_equal(byte, 'o');
	assert_int_equal(write(ret_in, "i", 1), 1);
	assert_int_equal(read(guest_in, &byte, 1), 1);
	assert_int_equal(byte, 'i');
	/* Neither blocks. */
	assert_int_equal(read(ret_out, &byte, 1), -1);
	assert_int_equal(errno, EAGAIN);
	close(ret_in);
	close(ret_out);
	close(guest_out);
	unlink(out);
	assert_int_equal(symlink(in, out), 0);
	assert_int_equal(vmm_firecracker.console(&w.v, &ret_out, &ret_in, &err), -1);
	assert_int_equal(err.code, ERR_unavailable);
	unlink(out);
	close(open(out, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	assert_int_equal(vmm_firecracker.console(&w.v, &ret_out, &ret_in, &err), -1);
	assert_int_equal(err.code, ERR_protocol);
	close(guest_in);
	end(&w);
}

static void agent(void **state)
{
	struct world w = { .deaf = 5, .late_ms = 50 };
	struct wait wait = wait_ms(-1, 30000);
	struct err err = ERR_INIT;
	char heard[6] = "";
	int fd;

	(void)state;
	begin(&w, "vsock", true);
	assert_int_equal(vmm_firecracker.control(&w.v, &wait, &fd, &err), 0);
	assert_int_equal(fcntl(fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
	assert_int_equal(fd_set_nonblock(fd, false), 0);
	assert_int_equal(fd_read_full(fd, heard, 5), 5);
	assert_string_equal(heard, "hello");
	close(fd);
	assert_string_equal(w.log, "CONNECT 1024\nCONNECT 1024\nCONNECT 1024\nCONNECT 1024\n"
				   "CONNECT 1024\nCONNECT 1024\n");
	/* A session is asked for once. */
	w.deaf = 1;
	w.log[0] = '\0';
	assert_int_equal(vmm_firecracker.stream(&w.v, &wait, &fd, &err), -1);
	assert_int_equal(err.code, ERR_unavailable);
	assert_int_equal(vmm_firecracker.stream(&w.v, &wait, &fd, &err), 0);
	close(fd);
	assert_string_equal(w.log, "CONNECT 1025\nCONNECT 1025\n");
	/* Nobody, for as long as is waited. */
	w.deaf = 100000;
	wait = wait_ms(-1, 100);
	assert_int_equal(vmm_firecracker.control(&w.v, &wait, &fd, &err), -1);
	assert_int_equal(err.code, ERR_timeout);
	assert_non_null(strstr(err.msg, "nobody listens on port 1024"));
	kill(w.process, SIGKILL);
	wait = wait_ms(-1, 30000);
	assert_int_equal(vmm_firecracker.control(&w.v, &wait, &fd, &err), -1);
	assert_int_equal(err.code, ERR_unavailable);
	assert_non_null(strstr(err.msg, "ended"));
	end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(says_all_in_order),
		cmocka_unit_test(waits_for_the_socket),
		cmocka_unit_test(no_socket),
		cmocka_unit_test(not_its_socket),
		cmocka_unit_test(version_is_checked),
		cmocka_unit_test(stops_at_a_refusal),
		cmocka_unit_test(silent),
		cmocka_unit_test(dies),
		cmocka_unit_test(runs),
		cmocka_unit_test(attaches_its_tap),
		cmocka_unit_test(console),
		cmocka_unit_test(agent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
