/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bangerd/qmp.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/json.h"
#include "common/str.h"

#define QMP_DEPTH_MAX 16

struct qmp {
	int fd;
	int64_t id; /* of the last command */
	bool broken;
	size_t len, line; /* bytes in buf; length of the line taken last, newline included */
	char buf[QMP_LINE_MAX];
};

static int parse_object(const char *line, size_t n, struct json_object **ret, struct err *err)
{
	struct err why = ERR_INIT;
	struct json_object *o;

	if (n > QMP_LINE_MAX)
		return err_set(err, ERR_protocol, "QEMU sent too long a line");
	if (json_parse(line, n, QMP_DEPTH_MAX, &o, &why) < 0)
		return err_set(err, ERR_protocol, "QEMU sent a line that is %s", why.msg);
	if (!json_object_is_type(o, json_type_object)) {
		json_object_put(o);
		return err_set(err, ERR_protocol, "QEMU sent what is not a JSON object");
	}
	*ret = o;
	return 0;
}

/* The id of an answer: ours are numbers. */
static int64_t answer_id(struct json_object *o)
{
	struct json_object *id;

	if (!json_object_object_get_ex(o, "id", &id) || !json_object_is_type(id, json_type_int))
		return -1;
	return json_object_get_int64(id);
}

int qmp_parse(const char *line, size_t n, struct qmp_message *ret, struct err *err)
{
	static const struct {
		const char *member;
		enum json_type type; /* json_type_null: any */
	} kinds[] = {
		[QMP_GREETING] = { "QMP", json_type_object },
		[QMP_RETURN] = { "return", json_type_null },
		[QMP_ERROR] = { "error", json_type_object },
		[QMP_EVENT] = { "event", json_type_string },
	};
	struct json_object *o, *member;
	size_t found = 0;

	if (parse_object(line, n, &o, err) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (!json_object_object_get_ex(o, kinds[i].member, &member))
			continue;
		if (kinds[i].type != json_type_null && !json_object_is_type(member, kinds[i].type))
			found += 2;
		found++;
		ret->kind = (enum qmp_kind)i;
	}
	if (found != 1) {
		json_object_put(o);
		return err_set(err, ERR_protocol, "QEMU sent an object that is no QMP message");
	}
	ret->id = answer_id(o);
	ret->object = o;
	return 0;
}

static int fail(struct qmp *q)
{
	q->broken = true;
	return -1;
}

/* The next line: *ret points into the buffer until the next call. */
static int read_line(
	struct qmp *q, const struct wait *w, const char **ret, size_t *ret_n, struct err *err)
{
	size_t seen = 0;

	memmove(q->buf, q->buf + q->line, q->len - q->line);
	q->len -= q->line;
	q->line = 0;
	for (;;) {
		char *nl = memchr(q->buf + seen, '\n', q->len - seen);
		ssize_t r;

		if (nl) {
			q->line = (size_t)(nl - q->buf) + 1;
			*ret_n = q->line - 1;
			if (*ret_n > 0 && q->buf[*ret_n - 1] == '\r')
				--*ret_n;
			*ret = q->buf;
			return 0;
		}
		seen = q->len;
		if (q->len == sizeof(q->buf))
			return err_set(err, ERR_protocol, "QEMU sent too long a line");
		if (wait_ready(q->fd, POLLIN, w, "QEMU", err) < 0)
			return -1;
		r = read(q->fd, q->buf + q->len, sizeof(q->buf) - q->len);
		if (r < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (r < 0)
			return err_sys(err, ERR_unavailable, errno, "cannot read from QEMU");
		if (r == 0)
			return err_set(err, ERR_unavailable, "QEMU ended");
		q->len += (size_t)r;
	}
}

static int read_message(
	struct qmp *q, const struct wait *w, struct qmp_message *ret, struct err *err)
{
	const char *line;
	size_t n;

	if (read_line(q, w, &line, &n, err) < 0)
		return -1;
	return qmp_parse(line, n, ret, err);
}

static int send_all(
	struct qmp *q, const char *text, size_t n, const struct wait *w, struct err *err)
{
	while (n > 0) {
		ssize_t r = send(q->fd, text, n, MSG_NOSIGNAL);

		if (r < 0 && errno == EAGAIN) {
			if (wait_ready(q->fd, POLLOUT, w, "QEMU", err) < 0)
				return -1;
			continue;
		}
		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return err_sys(err, ERR_unavailable, errno, "cannot write to QEMU");
		text += r;
		n -= (size_t)r;
	}
	return 0;
}

/* What QEMU says about a command that it refused, as text for a message. */
static int refused(const char *command, struct json_object *o, struct err *err)
{
	struct json_object *error, *desc;
	char text[200] = "no reason given";

	if (json_object_object_get_ex(o, "error", &error) &&
		json_object_object_get_ex(error, "desc", &desc) &&
		json_object_is_type(desc, json_type_string)) {
		str_format(text, sizeof(text), "%.150s", json_object_get_string(desc));
		str_sanitize(text);
	}
	return err_set(err, ERR_operation_failed, "QEMU refused '%s': %s", command, text);
}

/* Skip events until the answer to command q->id has come. */
static int read_answer(
	struct qmp *q, const struct wait *w, struct qmp_message *ret, struct err *err)
{
	for (unsigned i = 0; i < QMP_EVENTS_MAX; i++) {
		struct qmp_message m;

		if (read_message(q, w, &m, err) < 0)
			return -1;
		if (m.kind == QMP_EVENT) {
			json_object_put(m.object);
			continue;
		}
		if (m.kind == QMP_GREETING || m.id != q->id) {
			json_object_put(m.object);
			return err_set(err, ERR_protocol, "QEMU answered another question");
		}
		*ret = m;
		return 0;
	}
	return err_set(err, ERR_protocol, "QEMU sends events without end");
}

int qmp_command(struct qmp *q, const char *command, const struct wait *w,
	struct json_object **ret_result, struct err *err)
{
	struct qmp_message m = { 0 };
	char text[128];

	if (q->broken)
		return err_set(err, ERR_unavailable, "the connection to QEMU is broken");
	if (!str_format(text, sizeof(text), "{\"execute\":\"%s\",\"id\":%lld}\n", command,
		    (long long)++q->id))
		return err_set(err, ERR_bad_request, "too long a QMP command");
	if (send_all(q, text, strlen(text), w, err) < 0 || read_answer(q, w, &m, err) < 0)
		return fail(q);
	if (m.kind == QMP_ERROR) {
		refused(command, m.object, err);
		json_object_put(m.object);
		return -1;
	}
	if (ret_result)
		*ret_result = json_object_get(json_object_object_get(m.object, "return"));
	json_object_put(m.object);
	return 0;
}

int qmp_open(int fd, const struct wait *w, struct qmp **ret, struct err *err)
{
	struct qmp *q = calloc(1, sizeof(*q));
	struct qmp_message m = { 0 };

	if (!q) {
		fd_closep(&fd);
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot speak to QEMU");
	}
	q->fd = fd;
	if (read_message(q, w, &m, err) < 0)
		goto fail;
	json_object_put(m.object);
	if (m.kind != QMP_GREETING) {
		err_set(err, ERR_protocol, "QEMU did not greet");
		goto fail;
	}
	if (qmp_command(q, "qmp_capabilities", w, NULL, err) < 0)
		goto fail;
	*ret = q;
	return 0;
fail:
	qmp_close(q);
	return -1;
}

void qmp_close(struct qmp *q)
{
	if (!q)
		return;
	fd_closep(&q->fd);
	free(q);
}
