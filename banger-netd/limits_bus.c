/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-netd/limits_bus.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/str.h"

#define DESTINATION "org.freedesktop.systemd1"
#define OBJECT	    "/org/freedesktop/systemd1"
#define INTERFACE   "org.freedesktop.systemd1.Manager"
#define NO_UNIT	    "org.freedesktop.systemd1.NoSuchUnit"

const struct limits_manager limits_managers[] = {
	{ "/run/systemd/private", false, 1 },
	{ "/run/dbus/system_bus_socket", true, 0 },
	{ NULL, false, 0 },
};

static uint64_t now_usec(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000U + (uint64_t)t.tv_nsec / 1000U;
}

/* What is left of the time, at least 1: for sd-bus 0 is its own default of 25 s. */
static uint64_t left_usec(const struct limits_bus *b)
{
	uint64_t now = now_usec();

	return b->end > now ? b->end - now : 1;
}

bool limits_bus_is_lost(int r)
{
	return r == -ECONNRESET || r == -ENOTCONN || r == -EPIPE || r == -ESHUTDOWN ||
	       r == -ECONNABORTED;
}

/*
 * A socket that is connected to who is meant. The peer's process id is 0 when it is out of sight,
 * in another pid namespace: it would take the ids that we say for other processes.
 */
static int connect_to(const struct limits_manager *m, int *ret)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	_cleanup_fd_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (fd < 0)
		return -errno;
	if (!str_copy(a.sun_path, sizeof(a.sun_path), m->socket))
		return -ENAMETOOLONG;
	if (connect(fd, (const struct sockaddr *)&a, sizeof(a)) < 0)
		return -errno;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return -errno;
	if (peer.pid == 0 || (m->peer != 0 && peer.pid != m->peer))
		return -EXDEV;
	*ret = TAKE_FD(fd);
	return 0;
}

/* Let sd-bus do what there is to do, or wait for it. */
static int go_on(struct limits_bus *b)
{
	int r = sd_bus_process(b->bus, NULL);

	if (r != 0)
		return r;
	if (now_usec() >= b->end)
		return -ETIMEDOUT;
	return sd_bus_wait(b->bus, left_usec(b));
}

static int on_job_removed(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct limits_bus *b = userdata;
	const char *job, *unit, *result;
	uint32_t id;

	if (sd_bus_message_read(m, "uoss", &id, &job, &unit, &result) < 0)
		b->malformed = true;
	else if (str_eq(job, b->job)) {
		b->job_removed = true;
		if (!str_copy(b->result, sizeof(b->result), result))
			b->malformed = true;
		str_sanitize(b->result);
	}
	return 0;
}

static int on_unit_removed(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct limits_bus *b = userdata;
	const char *unit, *path;

	if (sd_bus_message_read(m, "so", &unit, &path) < 0)
		b->malformed = true;
	else if (b->unit && str_eq(unit, b->unit))
		b->unit_removed = true;
	return 0;
}

static int call_simple(
	struct limits_bus *b, const char *method, const char *argument, sd_bus_error *error)
{
	__attribute__((cleanup(sd_bus_message_unrefp))) sd_bus_message *m = NULL;
	int r = limits_bus_message(b, method, &m);

	if (r >= 0 && argument)
		r = sd_bus_message_append(m, "s", argument);
	return r < 0 ? r : limits_bus_call(b, m, error, NULL);
}

/* On the private socket every signal comes; a bus carries those that were asked for. */
static int watch_signals(struct limits_bus *b)
{
	__attribute__((cleanup(sd_bus_error_free))) sd_bus_error error = SD_BUS_ERROR_NULL;
	const char *sender = b->by_bus ? DESTINATION : NULL;
	int r;

	r = sd_bus_match_signal(
		b->bus, NULL, sender, OBJECT, INTERFACE, "JobRemoved", on_job_removed, b);
	if (r >= 0)
		r = sd_bus_match_signal(
			b->bus, NULL, sender, OBJECT, INTERFACE, "UnitRemoved", on_unit_removed, b);
	if (r >= 0 && b->by_bus)
		r = call_simple(b, "Subscribe", NULL, &error);
	return r;
}

static int start_bus(struct limits_bus *b, int fd)
{
	int r = sd_bus_new(&b->bus);

	if (r >= 0)
		r = sd_bus_set_fd(b->bus, fd, fd);
	if (r < 0) {
		close(fd);
		return r;
	}
	r = sd_bus_set_bus_client(b->bus, b->by_bus);
	if (r >= 0)
		r = sd_bus_set_method_call_timeout(b->bus, left_usec(b));
	if (r >= 0)
		r = sd_bus_start(b->bus);
	while (r >= 0 && sd_bus_is_ready(b->bus) == 0)
		r = go_on(b);
	return r < 0 ? r : watch_signals(b);
}

static const char *reason(int r)
{
	if (r == -EXDEV)
		return "who listens there is in another process id namespace, or not the manager";
	return strerror(-r);
}

int limits_bus_open(const struct limits_manager *managers, int timeout_ms, struct limits_bus *ret,
	struct err *err)
{
	const char *socket = "any socket";
	int r = -ENOENT;

	*ret = (struct limits_bus){ .end = now_usec() + (uint64_t)timeout_ms * 1000U };
	for (const struct limits_manager *m = managers; m->socket; m++) {
		int fd = -1;

		socket = m->socket;
		ret->by_bus = m->bus;
		r = connect_to(m, &fd);
		if (r == 0)
			r = start_bus(ret, fd);
		if (r >= 0)
			return 0;
		limits_bus_close(ret);
	}
	return err_set(
		err, ERR_unavailable, "systemd does not answer on %s: %s", socket, reason(r));
}

void limits_bus_close(struct limits_bus *b)
{
	b->bus = sd_bus_close_unref(b->bus);
}

int limits_bus_message(struct limits_bus *b, const char *method, sd_bus_message **ret)
{
	return sd_bus_message_new_method_call(b->bus, ret, DESTINATION, OBJECT, INTERFACE, method);
}

int limits_bus_call(
	struct limits_bus *b, sd_bus_message *m, sd_bus_error *error, sd_bus_message **ret_reply)
{
	int r = sd_bus_call(b->bus, m, left_usec(b), error, ret_reply);

	return r < 0 ? r : 0;
}

int limits_bus_await_job(struct limits_bus *b)
{
	while (!b->job_removed) {
		int r = go_on(b);

		if (r < 0)
			return r;
		if (b->malformed)
			return -EBADMSG;
	}
	return 0;
}

int limits_bus_forget_unit(struct limits_bus *b, const char *unit)
{
	b->unit = unit;
	b->unit_removed = false;
	for (;;) {
		__attribute__((cleanup(sd_bus_error_free))) sd_bus_error error = SD_BUS_ERROR_NULL;
		/* Fails for one that is not loaded; nothing is done to one that has not failed. */
		int r = call_simple(b, "ResetFailedUnit", unit, &error);

		if (sd_bus_error_has_name(&error, NO_UNIT))
			return 0;
		while (r >= 0 && !b->unit_removed && !b->malformed)
			r = go_on(b);
		if (r < 0)
			return r;
		if (b->malformed)
			return -EBADMSG;
		b->unit_removed = false;
	}
}
