/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * banger-netd/limits_scope and limits_bus against service managers that are slow, silent, lie, or
 * go away. What a real one does with a real process is seen in tests/lab.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <systemd/sd-bus.h>
#include <time.h>
#include <unistd.h>

#include "banger-netd/limits_bus.h"
#include "banger-netd/limits_scope.h"
#include "common/fd.h"
#include "common/str.h"

#define ID	   "0123456789ab"
#define UNIT	   "banger-vm-" ID ".scope"
#define TIMEOUT_MS 3000
#define SHORT_MS   400
#define OBJECT	   "/org/freedesktop/systemd1"
#define MANAGER	   "org.freedesktop.systemd1.Manager"
#define JOB	   OBJECT "/job/7"
#define UNIT_PATH  OBJECT "/unit/x"

enum manner {
	MANNER_DONE,	   /* the job is done, the process where it was */
	MANNER_FAILED,	   /* the job fails */
	MANNER_REFUSES,	   /* there is no job */
	MANNER_EXISTS,	   /* the unit of an earlier life is there; it ends when asked about */
	MANNER_STAYS,	   /* the same, but it does not end */
	MANNER_NO_SIGNAL,  /* a job without an end */
	MANNER_OTHER_JOB,  /* only other jobs end */
	MANNER_BAD_SIGNAL, /* a JobRemoved that is none */
	MANNER_BAD_REPLY,  /* no job's path */
	MANNER_HANGS_UP,   /* each connection closes at the first call */
	MANNER_SILENT,	   /* takes connections, says nothing */
	MANNER_GARBAGE,	   /* does not speak D-Bus */
};

/* What the manager saw. */
struct seen {
	unsigned connections, starts, resets;
	char unit[64], mode[16], slice[32], collect[32], policy[16];
	uint64_t memory, swap, tasks, cpu, stop, pid;
};

struct fixture {
	char folder[32], socket[64];
	struct limits_manager managers[2];
	struct seen *seen;
	enum manner manner;
	pid_t pid;
	bool exists; /* in the manager: the unit of an earlier life */
};

/* --- the manager, in a process of its own ---------------------------------------------------- */

static void take_value(struct seen *s, const char *name, sd_bus_message *m)
{
	const struct {
		const char *name;
		uint64_t *to;
	} numbers[] = { { "MemoryMax", &s->memory }, { "MemorySwapMax", &s->swap },
		{ "TasksMax", &s->tasks }, { "CPUQuotaPerSecUSec", &s->cpu },
		{ "TimeoutStopUSec", &s->stop } };
	const char *string = NULL;
	uint32_t pid = 0;

	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		if (str_eq(name, numbers[i].name)) {
			sd_bus_message_read(m, "v", "t", numbers[i].to);
			return;
		}
	if (str_eq(name, "PIDs")) {
		sd_bus_message_read(m, "v", "au", 1, &pid);
		s->pid = pid;
	} else if (str_eq(name, "Slice") && sd_bus_message_read(m, "v", "s", &string) > 0)
		str_copy(s->slice, sizeof(s->slice), string);
	else if (str_eq(name, "CollectMode") && sd_bus_message_read(m, "v", "s", &string) > 0)
		str_copy(s->collect, sizeof(s->collect), string);
	else if (str_eq(name, "DevicePolicy") && sd_bus_message_read(m, "v", "s", &string) > 0)
		str_copy(s->policy, sizeof(s->policy), string);
	else
		sd_bus_message_skip(m, "v");
}

static void take_unit(struct seen *s, sd_bus_message *m)
{
	const char *unit, *mode, *name;

	if (sd_bus_message_read(m, "ss", &unit, &mode) < 0)
		return;
	str_copy(s->unit, sizeof(s->unit), unit);
	str_copy(s->mode, sizeof(s->mode), mode);
	sd_bus_message_enter_container(m, 'a', "(sv)");
	while (sd_bus_message_enter_container(m, 'r', "sv") > 0) {
		if (sd_bus_message_read(m, "s", &name) < 0)
			return;
		take_value(s, name, m);
		sd_bus_message_exit_container(m);
	}
}

static void end_job(sd_bus *bus, const char *job, const char *result)
{
	sd_bus_emit_signal(bus, OBJECT, MANAGER, "JobRemoved", "uoss", 7, job, UNIT, result);
}

static int answer_start(struct fixture *f, sd_bus_message *m)
{
	sd_bus *bus = sd_bus_message_get_bus(m);

	f->seen->starts++;
	take_unit(f->seen, m);
	if (f->manner == MANNER_REFUSES)
		return sd_bus_reply_method_errorf(
			m, "org.freedesktop.systemd1.UnitMasked", "Unit banger.slice is masked.");
	if (f->exists)
		return sd_bus_reply_method_errorf(m, "org.freedesktop.systemd1.UnitExists",
			"Unit " UNIT " was already loaded.");
	if (f->manner == MANNER_BAD_REPLY)
		return sd_bus_reply_method_return(m, "u", 7);
	sd_bus_reply_method_return(m, "o", JOB);
	if (f->manner == MANNER_NO_SIGNAL)
		return 1;
	if (f->manner == MANNER_BAD_SIGNAL)
		return sd_bus_emit_signal(bus, OBJECT, MANAGER, "JobRemoved", "s", JOB);
	end_job(bus, OBJECT "/job/70", "done");
	if (f->manner != MANNER_OTHER_JOB)
		end_job(bus, JOB, f->manner == MANNER_FAILED ? "failed" : "done");
	return 1;
}

static int answer_reset(struct fixture *f, sd_bus_message *m)
{
	sd_bus *bus = sd_bus_message_get_bus(m);

	f->seen->resets++;
	if (!f->exists)
		return sd_bus_reply_method_errorf(
			m, "org.freedesktop.systemd1.NoSuchUnit", "Unit " UNIT " not loaded.");
	sd_bus_reply_method_return(m, NULL);
	if (f->manner == MANNER_EXISTS) {
		f->exists = false;
		sd_bus_emit_signal(bus, OBJECT, MANAGER, "UnitRemoved", "so", "a.scope", UNIT_PATH);
		sd_bus_emit_signal(bus, OBJECT, MANAGER, "UnitRemoved", "so", UNIT, UNIT_PATH);
	}
	return 1;
}

static int on_message(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct fixture *f = userdata;

	if (f->manner == MANNER_HANGS_UP) {
		sd_bus_close(sd_bus_message_get_bus(m));
		return 1;
	}
	if (sd_bus_message_is_method_call(m, MANAGER, "StartTransientUnit"))
		return answer_start(f, m);
	if (sd_bus_message_is_method_call(m, MANAGER, "ResetFailedUnit"))
		return answer_reset(f, m);
	return 0;
}

static void serve(struct fixture *f, int fd)
{
	sd_bus *bus = NULL;
	sd_id128_t id = { 0 };

	if (sd_bus_new(&bus) < 0 || sd_bus_set_fd(bus, fd, fd) < 0 ||
		sd_bus_set_server(bus, 1, id) < 0 ||
		sd_bus_add_filter(bus, NULL, on_message, f) < 0 || sd_bus_start(bus) < 0)
		_exit(4);
	for (;;) {
		int r = sd_bus_process(bus, NULL);

		if (r < 0 || (r == 0 && sd_bus_wait(bus, UINT64_MAX) < 0))
			break;
	}
	sd_bus_close_unref(bus);
}

static _Noreturn void be_manager(struct fixture *f, int listener)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGPIPE, SIG_IGN);
	f->exists = f->manner == MANNER_EXISTS || f->manner == MANNER_STAYS;
	for (;;) {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd < 0)
			_exit(3);
		f->seen->connections++;
		if (f->manner == MANNER_SILENT)
			continue; /* the fd stays open */
		if (f->manner == MANNER_GARBAGE) {
			if (write(fd, "HTTP/1.1 400\r\n\r\n", 16) < 0)
				_exit(5);
			close(fd);
			continue;
		}
		serve(f, fd);
	}
}

/* --- fixture -----------------------------------------------------------------------------------
 */

/* SO_PEERCRED shows who called listen(): the process that is the manager. */
static void start_manager(struct fixture *f, enum manner manner)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), ready[2];
	char c;

	f->manner = manner;
	assert_true(listener >= 0 && pipe2(ready, O_CLOEXEC) == 0);
	assert_true(str_copy(a.sun_path, sizeof(a.sun_path), f->socket));
	assert_int_equal(bind(listener, (const struct sockaddr *)&a, sizeof(a)), 0);
	f->pid = fork();
	if (f->pid == 0) {
		if (listen(listener, 4) < 0 || write(ready[1], "", 1) != 1)
			_exit(2);
		be_manager(f, listener);
	}
	assert_true(f->pid > 0);
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(listener);
	fd_close_many(ready, 2);
	f->managers[0].peer = f->pid;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	str_copy(f->folder, sizeof(f->folder), "/tmp/banger-scope-XXXXXX");
	assert_non_null(mkdtemp(f->folder));
	str_format(f->socket, sizeof(f->socket), "%s/private", f->folder);
	f->managers[0].socket = f->socket;
	f->seen = mmap(
		NULL, sizeof(*f->seen), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(f->seen != MAP_FAILED);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	if (f->pid > 0) {
		kill(f->pid, SIGKILL);
		waitpid(f->pid, NULL, 0);
	}
	unlink(f->socket);
	rmdir(f->folder);
	munmap(f->seen, sizeof(*f->seen));
	free(f);
	return 0;
}

static struct limits_vm a_vm(void)
{
	struct limits_vm vm = {
		.pid = getpid(), .vmm = vmm_kind_firecracker, .kvm = true, .vcpus = 3, .memory = 128
	};

	assert_true(vm_id_parse(ID, &vm.vm));
	return vm;
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

/* Placing must fail, say `why`, and take about no longer than it may. */
static void assert_not_placed(struct fixture *f, enum manner manner, int ms, const char *why)
{
	struct limits_vm vm = a_vm();
	struct err err = ERR_INIT;
	int64_t begin;

	start_manager(f, manner);
	begin = now_ms();
	assert_int_equal(limits_scope_place(f->managers, &vm, ms, &err), -1);
	if (!strstr(err.msg, why))
		fail_msg("'%s' does not say '%s'", err.msg, why);
	assert_true(now_ms() - begin < ms + 2000);
}

/* --- tests ---------------------------------------------------------------------------------------
 */

static void test_properties(void **state)
{
	struct fixture *f = *state;

	/* The job is done, but our process is not there: what is said is not believed. */
	assert_not_placed(f, MANNER_DONE, TIMEOUT_MS, "without the VM's process");
	assert_string_equal(f->seen->unit, UNIT);
	assert_string_equal(f->seen->mode, "fail");
	assert_string_equal(f->seen->slice, "banger.slice");
	assert_string_equal(f->seen->collect, "inactive-or-failed");
	assert_string_equal(f->seen->policy, "closed");
	assert_int_equal(f->seen->pid, getpid());
	assert_int_equal(f->seen->memory, (128ULL + 1 + 128) << 20);
	assert_int_equal(f->seen->swap, 0);
	assert_int_equal(f->seen->tasks, 83);
	assert_int_equal(f->seen->cpu, 4000000);
	assert_int_equal(f->seen->stop, 5000000);
	assert_int_equal(f->seen->starts, 1);
}

static void test_job_fails(void **state)
{
	assert_not_placed(*state, MANNER_FAILED, TIMEOUT_MS, "result is 'failed'");
}

static void test_unit_is_refused(void **state)
{
	assert_not_placed(*state, MANNER_REFUSES, TIMEOUT_MS, "banger.slice is masked");
}

static void test_old_unit_goes_first(void **state)
{
	struct fixture *f = *state;

	assert_not_placed(f, MANNER_EXISTS, TIMEOUT_MS, "without the VM's process");
	assert_int_equal(f->seen->starts, 2);
	assert_int_equal(f->seen->resets, 2);
}

static void test_old_unit_stays(void **state)
{
	assert_not_placed(*state, MANNER_STAYS, SHORT_MS, "already loaded");
}

static void test_job_without_end(void **state)
{
	assert_not_placed(*state, MANNER_NO_SIGNAL, SHORT_MS, "timed out");
}

static void test_other_jobs_do_not_count(void **state)
{
	assert_not_placed(*state, MANNER_OTHER_JOB, SHORT_MS, "timed out");
}

static void test_bad_signal(void **state)
{
	assert_not_placed(*state, MANNER_BAD_SIGNAL, TIMEOUT_MS, "Bad message");
}

static void test_bad_reply(void **state)
{
	assert_not_placed(*state, MANNER_BAD_REPLY, TIMEOUT_MS, "does not start");
}

static void test_lost_connection_is_tried_once_more(void **state)
{
	struct fixture *f = *state;

	assert_not_placed(f, MANNER_HANGS_UP, TIMEOUT_MS, "does not start");
	assert_int_equal(f->seen->connections, 2);
}

static void test_silence(void **state)
{
	assert_not_placed(*state, MANNER_SILENT, SHORT_MS, "timed out");
}

static void test_garbage(void **state)
{
	struct fixture *f = *state;

	assert_not_placed(f, MANNER_GARBAGE, TIMEOUT_MS, f->socket);
}

static void test_nobody_there(void **state)
{
	struct fixture *f = *state;
	struct err err = ERR_INIT;

	assert_int_equal(limits_scope_check(f->managers, SHORT_MS, &err), -1);
	assert_int_equal(err.code, ERR_unavailable);
	assert_non_null(strstr(err.msg, f->socket));
}

/* Who is not the process that is meant may live in another pid namespace. */
static void test_another_peer(void **state)
{
	struct fixture *f = *state;
	struct err err = ERR_INIT;

	start_manager(f, MANNER_DONE);
	f->managers[0].peer = f->pid + 1;
	assert_int_equal(limits_scope_check(f->managers, TIMEOUT_MS, &err), -1);
	assert_non_null(strstr(err.msg, "another process id namespace"));
	assert_int_equal(f->seen->starts + f->seen->resets, 0);
}

static void test_check_and_remove(void **state)
{
	struct fixture *f = *state;
	struct limits_vm vm = a_vm();
	struct err err = ERR_INIT;

	start_manager(f, MANNER_DONE);
	assert_int_equal(limits_scope_check(f->managers, TIMEOUT_MS, &err), 0);
	assert_int_equal(limits_scope_remove(f->managers, vm.vm, TIMEOUT_MS, &err), 0);
	assert_int_equal(f->seen->resets, 2);
	assert_int_equal(err.code, ERR_none);
}

static void test_remove_waits(void **state)
{
	struct fixture *f = *state;
	struct limits_vm vm = a_vm();
	struct err err = ERR_INIT;

	start_manager(f, MANNER_EXISTS);
	assert_int_equal(limits_scope_remove(f->managers, vm.vm, TIMEOUT_MS, &err), 0);
	assert_int_equal(f->seen->resets, 2);
}

static void test_remove_of_what_stays(void **state)
{
	struct fixture *f = *state;
	struct limits_vm vm = a_vm();
	struct err err = ERR_INIT;

	start_manager(f, MANNER_STAYS);
	assert_int_equal(limits_scope_remove(f->managers, vm.vm, SHORT_MS, &err), -1);
	assert_int_equal(err.code, ERR_busy);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_properties),
		CASE(test_job_fails),
		CASE(test_unit_is_refused),
		CASE(test_old_unit_goes_first),
		CASE(test_old_unit_stays),
		CASE(test_job_without_end),
		CASE(test_other_jobs_do_not_count),
		CASE(test_bad_signal),
		CASE(test_bad_reply),
		CASE(test_lost_connection_is_tried_once_more),
		CASE(test_silence),
		CASE(test_garbage),
		CASE(test_nobody_there),
		CASE(test_another_peer),
		CASE(test_check_and_remove),
		CASE(test_remove_waits),
		CASE(test_remove_of_what_stays),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
