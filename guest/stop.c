/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "guest/stop.h"

#include <signal.h>

#include "common/log.h"
#include "guest/clock.h"
#include "guest/poweroff.h"
#include "guest/processes.h"
#include "guest/session.h"
#include "guest/workload.h"

/* Looked at again this often while something still runs. */
#define LOOK_MS 20
/* How long a signal to end leaves the workload. */
#define SIGNALLED_MS 10000
/* How long an init may leave everybody between TERM and KILL: a second, where it is not systemd,
 * which waits far longer. */
#define KILLED_MS 500

static struct {
	struct loop *loop;
	int tree;
	bool by_init; /* the image's init ends the system, and has told everybody */
	uint64_t deadline_ms;
	struct timer look;
} stop;

static bool anything_runs(void)
{
	enum main_state m = workload_state();

	if (stop.by_init)
		return processes_any_left(stop.tree);
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
	if (stop.loop)
		return;
	stop.loop = loop;
	stop.deadline_ms = clock_ms() + timeout_ms;
	stop.look.fire = on_look;
	workload_stop();
	for (struct session *s = session_list; s; s = s->next)
		session_signal(s, SIGTERM);
	loop_timer_set(loop, &stop.look, 0);
}

void stop_signalled(struct loop *loop, int tree, uint32_t sender)
{
	uint64_t deadline = clock_ms() + KILLED_MS;

	stop_begin(loop, SIGNALLED_MS);
	if (stop.by_init || workload_state() != main_state_init)
		return;
	log_info("process %u ends the system", sender);
	stop.tree = tree;
	stop.by_init = true;
	if (!processes_init_is_systemd(tree) && deadline < stop.deadline_ms)
		stop.deadline_ms = deadline;
	loop_timer_set(loop, &stop.look, LOOK_MS);
}
