/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "guest/stop.h"

#include <signal.h>

#include "guest/clock.h"
#include "guest/poweroff.h"
#include "guest/session.h"
#include "guest/workload.h"

/* Looked at again this often while something still runs. */
#define LOOK_MS 20

static struct {
	struct loop *loop;
	uint64_t deadline_ms;
	struct timer look;
} stop;

static bool anything_runs(void)
{
	enum main_state m = workload_state();

	for (struct session *s = session_list; s; s = s->next)
		if (!s->ended)
			return true;
	return m == main_state_running || m == main_state_init;
}

static void on_look(struct timer *t)
{
	if (anything_runs() && clock_ms() < stop.deadline_ms) {
		loop_timer_set(stop.loop, &stop.look, LOOK_MS);
		return;
	}
	/* All but this process and process 1 (kill(2)). */
	kill(-1, SIGKILL);
	poweroff_now();
}

void stop_begin(struct loop *loop, uint32_t timeout_ms)
{
	if (stop_begun())
		return;
	stop.loop = loop;
	stop.deadline_ms = clock_ms() + timeout_ms;
	stop.look.fire = on_look;
	workload_stop();
	for (struct session *s = session_list; s; s = s->next)
		session_signal(s, SIGTERM);
	loop_timer_set(loop, &stop.look, 0);
}

bool stop_begun(void)
{
	return stop.loop != NULL;
}
