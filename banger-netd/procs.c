/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-netd/procs.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "banger-netd/procfs.h"
#include "common/fd.h"
#include "common/str.h"

void proc_finish(struct proc *p)
{
	fd_closep(&p->pidfd);
	fd_closep(&p->gate);
	vmm_log_finish(&p->log);
}

struct proc *procs_find(struct procs *ps, vm_id vm)
{
	for (size_t i = 0; i < ps->n; i++)
		if (strcmp(ps->p[i].vm.s, vm.s) == 0)
			return &ps->p[i];
	return NULL;
}

void procs_remove(struct procs *ps, vm_id vm)
{
	struct proc *p = procs_find(ps, vm);

	if (!p)
		return;
	proc_finish(p);
	*p = ps->p[--ps->n];
}

int procs_add(struct procs *ps, const struct proc *p, struct err *err)
{
	procs_remove(ps, p->vm);
	if (ps->n == ps->cap) {
		size_t cap = ps->cap ? 2 * ps->cap : 16;
		struct proc *more = reallocarray(ps->p, cap, sizeof(*more));

		if (!more)
			return err_sys(
				err, ERR_operation_failed, ENOMEM, "cannot keep one more VMM");
		ps->p = more;
		ps->cap = cap;
	}
	ps->p[ps->n++] = *p;
	return 0;
}

void procs_finish(struct procs *ps)
{
	for (size_t i = 0; i < ps->n; i++)
		proc_finish(&ps->p[i]);
	free(ps->p);
	*ps = (struct procs){ 0 };
}

/* The name, field 2, may hold blanks and parentheses: fields are counted from its last one. */
static bool parse_stat(const char *s, uint64_t *ret)
{
	const char *p = strrchr(s, ')');
	char *end;

	for (int field = 2; p && field < 22; field++) {
		p = strchr(p, ' ');
		p = p ? p + 1 : NULL;
	}
	if (!p || *p < '0' || *p > '9')
		return false;
	errno = 0;
	*ret = strtoull(p, &end, 10);
	return errno == 0 && *end == ' ';
}

int proc_start_time(pid_t pid, uint64_t *ret, struct err *err)
{
	_cleanup_free_ char *s = NULL;
	_cleanup_fd_ int fd = -1;
	char path[32];

	str_format(path, sizeof(path), "%d/stat", pid);
	fd = procfs_open(path, O_RDONLY);
	if (fd < 0)
		return err_sys(err, ERR_not_found, errno, "process %d is gone", pid);
	if (fd_read_text(fd, 4096, &s, NULL, err) < 0)
		return -1;
	if (!parse_stat(s, ret))
		return err_set(err, ERR_operation_failed, "/proc/%s is not as expected", path);
	return 0;
}

bool proc_dead(int pidfd)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

void proc_reap(struct proc *p)
{
	int status;

	if (p->child && !p->reaped && waitpid(p->pid, &status, WNOHANG) == p->pid) {
		p->reaped = true;
		p->status = (uint32_t)status;
		vmm_log_save(&p->log);
	}
}
