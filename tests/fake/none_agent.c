/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/fake/none_agent.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "common/proto_agent.h"
#include "common/str.h"
#include "common/stream.h"
#include "tests/fake/log.h"

struct none_agent {
	struct stream *stream;
	bool control;
};

/* The guest that is not there. */
static struct {
	text boot_id;
	uint64_t booted_ms;
	enum main_state main;
	uint32_t pids;
	bool ready, ending;
} guest;

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void boot(void)
{
	uint64_t a, b;

	if (guest.booted_ms)
		return;
	if (getrandom(&a, sizeof(a), 0) != sizeof(a) || getrandom(&b, sizeof(b), 0) != sizeof(b))
		a = b = now_ms();
	str_format(guest.boot_id.s, sizeof(guest.boot_id.s), "%08x-%04x-4%03x-8%03x-%012llx",
		(unsigned)(a >> 32), (unsigned)(a >> 16) & 0xffff, (unsigned)a & 0xfff,
		(unsigned)(b >> 48) & 0xfff, (unsigned long long)b & 0xffffffffffff);
	guest.booted_ms = now_ms();
	guest.pids = 100;
}

struct none_agent *none_agent_create(bool control)
{
	struct none_agent *a = calloc(1, sizeof(*a));
	struct err err = ERR_INIT;

	boot();
	if (a && stream_create(&agent_protocol, &a->stream, &err) == 0) {
		a->control = control;
		return a;
	}
	free(a);
	return NULL;
}

void none_agent_destroy(struct none_agent *a)
{
	if (!a)
		return;
	stream_destroy(a->stream);
	free(a);
}

static int answer(struct none_agent *a, const struct header *h, const void *out, struct err *err)
{
	return stream_put(a->stream, h->message, FRAME_REPLY, h->seq, out, err);
}

static int on_hello(struct none_agent *a, const struct header *h, struct err *err)
{
	struct agent_hello_out out = { .version = AGENT_VERSION,
		.ready = guest.ready,
		.boot_id = guest.boot_id,
		.kernel = { "0.0-none" } };

	return answer(a, h, &out, err);
}

static int on_setup(struct none_agent *a, const struct header *h, struct err *err)
{
	struct agent_setup_out out = { .boot_id = guest.boot_id, .boot_us = 1000 };
	struct agent_setup_in in;

	if (stream_decode(a->stream, &in, err) < 0)
		return -1;
	guest.ready = true;
	guest.main = in.mode == guest_mode_idle ? main_state_none : main_state_running;
	out.main = guest.main;
	return answer(a, h, &out, err);
}

static int on_health(struct none_agent *a, const struct header *h, struct err *err)
{
	struct agent_health_out out = { .uptime_ms = now_ms() - guest.booted_ms,
		.main = guest.main,
		.memory_total = 64 << 20,
		.memory_available = 32 << 20,
		.disk_total = 64 << 20,
		.disk_free = 32 << 20 };

	return answer(a, h, &out, err);
}

static int on_exec(struct none_agent *a, const struct header *h, struct err *err)
{
	struct agent_exec_out out = { .pid = ++guest.pids };
	struct agent_exited_in exited = { .kind = exit_kind_exited };
	struct agent_exec_in in;

	if (stream_decode(a->stream, &in, err) < 0 || answer(a, h, &out, err) < 0)
		return -1;
	return stream_put(a->stream, agent_msg_exited, FRAME_NOTICE, 0, &exited, err);
}

static int on_control(struct none_agent *a, const struct header *h, struct err *err)
{
	static const char nothing; /* a reply without fields */

	switch (h->message) {
	case agent_msg_hello:
		return on_hello(a, h, err);
	case agent_msg_setup:
		return on_setup(a, h, err);
	case agent_msg_health:
		return on_health(a, h, err);
	case agent_msg_shutdown:
		guest.ending = true;
		return answer(a, h, &nothing, err);
	case agent_msg_sync:
	case agent_msg_clock:
		return answer(a, h, &nothing, err);
	default:
		return err_set(err, ERR_protocol, "not for the control port");
	}
}

static int take_frame(struct none_agent *a, const struct header *h, struct err *err)
{
	/* What a command's stdin gets nobody reads. */
	if (!a->control && h->kind == FRAME_NOTICE)
		return 0;
	if (h->kind != FRAME_REQUEST)
		return err_set(err, ERR_protocol, "no request");
	if (a->control)
		return on_control(a, h, err);
	if (h->message != agent_msg_exec)
		return err_set(err, ERR_protocol, "not for a session's port");
	return on_exec(a, h, err);
}

/* -1: the peer is gone or unfit. */
static int take_all(struct none_agent *a, int fd, struct err *err)
{
	struct header h;
	int r;

	do {
		while ((r = stream_next(a->stream, &h, err)) == 1)
			if (take_frame(a, &h, err) < 0)
				return -1;
		if (r == 0)
			r = stream_feed(a->stream, fd, err);
	} while (r == 1);
	return r;
}

enum none_agent_result none_agent_move(struct none_agent *a, int fd)
{
	struct err err = ERR_INIT;
	int taken = take_all(a, fd, &err), r = stream_flush(a->stream, fd, &err);

	if (guest.ending && r != 0) {
		log_line(LOG_LINE_INFO, "Firecracker exiting successfully. exit_code=0");
		exit(0);
	}
	if (taken < 0 || r < 0)
		return NONE_AGENT_OVER;
	return r == 0 ? NONE_AGENT_FULL : NONE_AGENT_IDLE;
}
