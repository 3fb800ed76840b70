/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-imaged/flow.h"

#include <errno.h>

#include "common/fd.h"

static int memory_next(struct flow *s, const uint8_t **ret_p, size_t *ret_n, struct err *err)
{
	struct memory_flow *m = (struct memory_flow *)s;

	*ret_p = m->p;
	*ret_n = m->n;
	m->n = 0;
	return 0;
}

void memory_flow_init(struct memory_flow *m, const void *p, size_t n)
{
	*m = (struct memory_flow){ .flow.next = memory_next, .p = p, .n = n };
}

static int file_next(struct flow *s, const uint8_t **ret_p, size_t *ret_n, struct err *err)
{
	struct file_flow *f = (struct file_flow *)s;
	uint64_t left = f->end - f->at;
	ssize_t n = fd_pread_full(
		f->fd, f->buf, left < sizeof(f->buf) ? (size_t)left : sizeof(f->buf), f->at);

	if (n < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot read the input");
	f->at += (uint64_t)n;
	*ret_p = f->buf;
	*ret_n = (size_t)n;
	return 0;
}

static int file_skip(struct flow *s, uint64_t n, struct err *err)
{
	struct file_flow *f = (struct file_flow *)s;

	if (n > f->end - f->at)
		return err_set(err, ERR_bad_input, "the tar archive ends in the middle");
	f->at += n;
	return 0;
}

void file_flow_init(struct file_flow *f, int fd, uint64_t at, uint64_t n)
{
	f->flow = (struct flow){ .next = file_next, .skip = file_skip };
	f->fd = fd;
	f->at = at;
	f->end = at + n;
}
