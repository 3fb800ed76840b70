/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/failpoint.h"

#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/str.h"

#define CRASHED 86 /* exit status */
#define LOOK_MS 5
#define STAY_MS 300 /* where nobody can cancel */
#define NO_END	-2

static const char *const names[] = {
#define POINT(process, name, text) [failpoint_##name] = #process "/" #name,
#include "common/proto/failpoints.tbl.h"
};

static struct failpoint_page *page;

void failpoint_init(void)
{
	struct stat st;
	void *p;

	if (fstat(FAILPOINT_FD, &st) < 0 || st.st_size != (off_t)sizeof(*page))
		return;
	p = mmap(NULL, sizeof(*page), PROT_READ | PROT_WRITE, MAP_SHARED, FAILPOINT_FD, 0);
	page = p == MAP_FAILED ? NULL : p;
}

unsigned failpoint_patience(void)
{
	uint32_t n = page ? __atomic_load_n(&page->patience, __ATOMIC_ACQUIRE) : 0;

	return n ? n : 1;
}

static void note(const char *name)
{
	uint32_t i = __atomic_fetch_add(&page->n_passed, 1, __ATOMIC_ACQ_REL);

	if (i < FAILPOINT_NAMES)
		str_copy(page->passed[i], FAILPOINT_NAME, name);
}

static int stay(const char *name, int cancel_fd, struct err *err)
{
	struct pollfd p = { .fd = cancel_fd, .events = POLLIN };

	for (int ms = 0; !__atomic_load_n(&page->released, __ATOMIC_ACQUIRE); ms += LOOK_MS) {
		if (cancel_fd >= 0 && poll(&p, 1, LOOK_MS) > 0)
			return err_set(err, ERR_cancelled, "cancelled at failpoint %s", name);
		if (cancel_fd < 0)
			nanosleep(&(struct timespec){ .tv_nsec = LOOK_MS * 1000000L }, NULL);
		if (cancel_fd == -1 && ms >= STAY_MS)
			return err_set(err, ERR_timeout, "failpoint %s takes too long", name);
	}
	return 0;
}

static int pass(const char *name, int cancel_fd, struct err *err)
{
	if (!page)
		return 0;
	note(name);
	for (size_t i = 0; i < FAILPOINT_ARMS; i++) {
		struct failpoint_arm *arm = &page->arms[i];
		uint32_t fault = __atomic_load_n(&arm->fault, __ATOMIC_ACQUIRE);

		if (fault == FAILPOINT_NONE || strncmp(arm->name, name, FAILPOINT_NAME) != 0 ||
			!__atomic_compare_exchange_n(&arm->fault, &fault, FAILPOINT_NONE, false,
				__ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
			continue;
		__atomic_store_n(&arm->met, 1, __ATOMIC_RELEASE);
		if (fault == FAILPOINT_CRASH)
			_exit(CRASHED);
		if (fault == FAILPOINT_HANG)
			return stay(name, cancel_fd, err);
		return err_set(err, ERR_operation_failed, "failpoint %s", name);
	}
	return 0;
}

int failpoint_pass(enum failpoint point, struct err *err)
{
	return pass(names[point], NO_END, err);
}

int failpoint_pass_name(const char *name, int cancel_fd, struct err *err)
{
	return pass(name, cancel_fd, err);
}
