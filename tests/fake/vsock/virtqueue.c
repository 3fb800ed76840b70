/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/fake/vsock/virtqueue.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static uint16_t load16(const uint16_t *p)
{
	return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

static void store16(uint16_t *p, uint16_t v)
{
	__atomic_store_n(p, v, __ATOMIC_RELEASE);
}

void virtqueue_update(struct virtqueue *r)
{
	uint64_t n = r->size;

	r->desc = NULL;
	r->avail = NULL;
	r->used_ring = NULL;
	if (!r->located || !r->enabled || r->kick < 0 || n == 0)
		return;
	/* Each with room for its event index, which stands behind it. */
	r->avail = guest_memory_at_user(
		r->memory, r->where.avail_user_addr, sizeof(*r->avail) + (n + 1) * 2);
	r->used_ring = guest_memory_at_user(r->memory, r->where.used_user_addr,
		sizeof(*r->used_ring) + n * sizeof(struct vring_used_elem) + 2);
	r->desc = guest_memory_at_user(
		r->memory, r->where.desc_user_addr, n * sizeof(struct vring_desc));
	if (!r->avail || !r->used_ring || !r->desc || ((uintptr_t)r->avail & 1) ||
		((uintptr_t)r->used_ring & 3) || ((uintptr_t)r->desc & 15)) {
		r->desc = NULL;
		return;
	}
	r->used = r->told = load16(&r->used_ring->idx);
}

bool virtqueue_runs(const struct virtqueue *r)
{
	return r->desc && !r->broken;
}

static int broken(struct virtqueue *r)
{
	r->broken = true;
	return -1;
}

/* Where the driver writes the index of `avail` at which it kicks. */
static uint16_t *avail_event(const struct virtqueue *r)
{
	return (uint16_t *)(void *)&r->used_ring->ring[r->size];
}

static bool has_next(const struct virtqueue *r)
{
	if (load16(&r->avail->idx) != r->next)
		return true;
	if (!r->event_idx)
		return false;
	/* Ask for a kick at the next one, then look again: it may have come in between. */
	store16(avail_event(r), r->next);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return load16(&r->avail->idx) != r->next;
}

static bool add_segment(
	const struct virtqueue *r, const struct vring_desc *d, struct virtqueue_chain *c)
{
	void *p = guest_memory_at(r->memory, d->addr, d->len);

	if (d->len == 0)
		return true;
	if (!p || c->n == VIRTQUEUE_SEGMENTS_MAX)
		return false;
	c->v[c->n++] = (struct iovec){ p, d->len };
	c->bytes += d->len;
	return true;
}

/* Follow a chain in a table of n descriptors. One that leads back into itself is too long. */
static bool follow(const struct virtqueue *r, const struct vring_desc *table, unsigned n,
	unsigned i, bool writable, struct virtqueue_chain *c)
{
	for (unsigned seen = 0; seen < n; seen++) {
		struct vring_desc d;

		if (i >= n)
			return false;
		memcpy(&d, &table[i], sizeof(d));
		if (d.flags & VRING_DESC_F_INDIRECT ||
			!(d.flags & VRING_DESC_F_WRITE) == writable || !add_segment(r, &d, c))
			return false;
		if (!(d.flags & VRING_DESC_F_NEXT))
			return true;
		i = d.next;
	}
	return false;
}

int virtqueue_pop(struct virtqueue *r, bool writable, struct virtqueue_chain *ret)
{
	const struct vring_desc *table = r->desc;
	unsigned n = r->size, first;
	struct vring_desc d;

	if (!virtqueue_runs(r))
		return -1;
	if (!has_next(r))
		return 0;
	if ((uint16_t)(load16(&r->avail->idx) - r->next) > r->size)
		return broken(r);
	first = load16(&r->avail->ring[r->next % r->size]);
	if (first >= r->size)
		return broken(r);
	*ret = (struct virtqueue_chain){ .head = (uint16_t)first };
	memcpy(&d, &r->desc[first], sizeof(d));
	if (d.flags & VRING_DESC_F_INDIRECT) {
		n = d.len / (unsigned)sizeof(d);
		table = guest_memory_at(r->memory, d.addr, d.len);
		first = 0;
		if (!r->indirect || !table || n > VIRTQUEUE_SIZE_MAX ||
			(d.flags & VRING_DESC_F_NEXT))
			return broken(r);
	}
	if (!follow(r, table, n, first, writable, ret))
		return broken(r);
	r->next++;
	return 1;
}

void virtqueue_unpop(struct virtqueue *r)
{
	r->next--;
}

void virtqueue_push(struct virtqueue *r, const struct virtqueue_chain *c, uint32_t written)
{
	struct vring_used_elem e = { c->head, written };

	memcpy(&r->used_ring->ring[r->used % r->size], &e, sizeof(e));
	store16(&r->used_ring->idx, ++r->used);
}

void virtqueue_notify(struct virtqueue *r)
{
	uint16_t old = r->told;
	uint64_t one = 1;

	if (!virtqueue_runs(r) || r->used == old)
		return;
	r->told = r->used;
	/* What we pushed is seen before we look whether it is waited for. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (r->event_idx ? !vring_need_event(load16(&r->avail->ring[r->size]), r->used, old)
			 : load16(&r->avail->flags) & VRING_AVAIL_F_NO_INTERRUPT)
		return;
	/* A counter that is full has been told often enough. */
	if (r->call >= 0 && write(r->call, &one, sizeof(one)) < 0 && errno != EAGAIN)
		r->broken = true;
}

size_t virtqueue_chain_part(const struct virtqueue_chain *c, size_t at, size_t n, struct iovec *ret)
{
	size_t count = 0;

	for (size_t i = 0; i < c->n && n > 0; i++) {
		size_t len = c->v[i].iov_len;

		if (at >= len) {
			at -= len;
			continue;
		}
		len -= at;
		if (len > n)
			len = n;
		ret[count++] = (struct iovec){ (uint8_t *)c->v[i].iov_base + at, len };
		n -= len;
		at = 0;
	}
	return count;
}

bool virtqueue_chain_read(const struct virtqueue_chain *c, size_t at, void *p, size_t n)
{
	struct iovec part[VIRTQUEUE_SEGMENTS_MAX];
	uint8_t *to = p;

	if (at > c->bytes || n > c->bytes - at)
		return false;
	for (size_t i = 0, count = virtqueue_chain_part(c, at, n, part); i < count; i++) {
		memcpy(to, part[i].iov_base, part[i].iov_len);
		to += part[i].iov_len;
	}
	return true;
}

bool virtqueue_chain_write(const struct virtqueue_chain *c, size_t at, const void *p, size_t n)
{
	struct iovec part[VIRTQUEUE_SEGMENTS_MAX];
	const uint8_t *from = p;

	if (at > c->bytes || n > c->bytes - at)
		return false;
	for (size_t i = 0, count = virtqueue_chain_part(c, at, n, part); i < count; i++) {
		memcpy(part[i].iov_base, from, part[i].iov_len);
		from += part[i].iov_len;
	}
	return true;
}
