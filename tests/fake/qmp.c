/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/fake/qmp.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "common/fd.h"
#include "common/json.h"
#include "common/str.h"

#define DEPTH	   32
#define TIMEOUT_MS 60000

static int gone(struct err *err)
{
	return err_set(err, ERR_unavailable, "QEMU is gone");
}

/* Read once, waiting for it when `wait`. 1: something came; 0: nothing is there. */
static int feed(struct qmp *q, bool wait, struct err *err)
{
	struct pollfd p = { .fd = q->source.fd, .events = POLLIN };
	ssize_t n;

	if (q->len == sizeof(q->buf))
		return err_set(err, ERR_protocol, "QEMU says too much at once");
	if (wait && poll(&p, 1, TIMEOUT_MS) == 0)
		return err_set(err, ERR_timeout, "QEMU is silent");
	n = recv(q->source.fd, q->buf + q->len, sizeof(q->buf) - q->len, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0)
		return gone(err);
	q->len += (size_t)n;
	return 1;
}

/* The next line that is there as an object, the caller's; NULL when none is. */
static struct json_object *next(struct qmp *q)
{
	struct json_object *o = NULL;
	struct err err = ERR_INIT;
	char *end = memchr(q->buf, '\n', q->len);
	size_t n;

	if (!end)
		return NULL;
	n = (size_t)(end - q->buf);
	if (n > 0 && q->buf[n - 1] == '\r')
		n--;
	/* What is no object is for nobody. */
	if (json_parse(q->buf, n, DEPTH, &o, &err) < 0 || !o)
		o = json_object_new_object();
	q->len -= (size_t)(end + 1 - q->buf);
	memmove(q->buf, end + 1, q->len);
	return o;
}

static bool take_event(struct qmp *q, struct json_object *o)
{
	struct json_object *name, *data = NULL;

	if (!json_object_object_get_ex(o, "event", &name))
		return false;
	json_object_object_get_ex(o, "data", &data);
	if (q->event)
		q->event(json_object_get_string(name), data);
	return true;
}

/* Wait for an object that has the member; others are events, or an error. */
static int await(struct qmp *q, const char *member, struct err *err)
{
	for (;;) {
		_cleanup_json_ struct json_object *o = next(q);
		struct json_object *why;

		if (!o) {
			if (feed(q, true, err) < 0)
				return -1;
			continue;
		}
		if (json_object_object_get_ex(o, member, NULL))
			return 0;
		if (json_object_object_get_ex(o, "error", &why))
			return err_set(err, ERR_operation_failed, "QEMU: %s",
				json_object_to_json_string(why));
		take_event(q, o);
	}
}

int qmp_execute(struct qmp *q, const char *command, struct err *err)
{
	size_t n = strlen(command);

	if (send(q->source.fd, command, n, MSG_NOSIGNAL) != (ssize_t)n ||
		send(q->source.fd, "\n", 1, MSG_NOSIGNAL) != 1)
		return gone(err);
	return await(q, "return", err);
}

int qmp_open(struct qmp *q, int fd, struct err *err)
{
	q->source.fd = fd;
	q->len = 0;
	if (await(q, "QMP", err) < 0 ||
		qmp_execute(q, "{\"execute\": \"qmp_capabilities\"}", err) < 0) {
		qmp_close(q);
		return -1;
	}
	return 0;
}

void qmp_close(struct qmp *q)
{
	loop_close(&q->source);
}

int qmp_move(struct qmp *q)
{
	struct err err = ERR_INIT;
	int r;

	while ((r = feed(q, false, &err)) == 1) {
		struct json_object *o;

		while ((o = next(q))) {
			take_event(q, o);
			json_object_put(o);
		}
	}
	return r;
}
