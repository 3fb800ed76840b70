/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/fake/vsock/guest_memory.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/stat.h>

void guest_memory_finish(struct guest_memory *m)
{
	for (size_t i = 0; i < m->n; i++)
		munmap(m->v[i].map, m->v[i].where.offset + m->v[i].where.size);
	m->n = 0;
}

static int add(struct guest_memory *m, const struct guest_memory_region *r, int fd)
{
	uint64_t end, unused;
	struct stat st;
	void *map;

	if (r->size == 0 || __builtin_add_overflow(r->offset, r->size, &end) ||
		__builtin_add_overflow(r->guest, r->size, &unused) ||
		__builtin_add_overflow(r->user, r->size, &unused)) {
		errno = EINVAL;
		return -1;
	}
	if (fstat(fd, &st) < 0)
		return -1;
	if (st.st_size < 0 || end > (uint64_t)st.st_size) {
		errno = EINVAL;
		return -1;
	}
	/* From the file's beginning: offsets need not be those of pages. */
	map = mmap(NULL, end, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return -1;
	m->v[m->n].where = *r;
	m->v[m->n++].map = map;
	return 0;
}

int guest_memory_set(
	struct guest_memory *m, const struct guest_memory_region *v, const int *fds, size_t n)
{
	guest_memory_finish(m);
	if (n > GUEST_MEMORY_REGIONS) {
		errno = EINVAL;
		return -1;
	}
	for (size_t i = 0; i < n; i++)
		if (add(m, &v[i], fds[i]) < 0) {
			int why = errno;

			guest_memory_finish(m);
			errno = why;
			return -1;
		}
	return 0;
}

static void *find(const struct guest_memory *m, uint64_t address, uint64_t n, int by_user)
{
	for (size_t i = 0; i < m->n; i++) {
		const struct guest_memory_region *r = &m->v[i].where;
		uint64_t from = by_user ? r->user : r->guest;

		if (address >= from && address - from < r->size && n <= r->size - (address - from))
			return m->v[i].map + r->offset + (address - from);
	}
	return NULL;
}

void *guest_memory_at(const struct guest_memory *m, uint64_t guest, uint64_t n)
{
	return find(m, guest, n, 0);
}

void *guest_memory_at_user(const struct guest_memory *m, uint64_t user, uint64_t n)
{
	return find(m, user, n, 1);
}
