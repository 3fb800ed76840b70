/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "guest/entropy.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/random.h>
#include <string.h>
#include <sys/ioctl.h>

#include "common/fd.h"
#include "common/log.h"

#define SEED_MAX 512

void entropy_add(int tree, const bytes *seed)
{
	_Alignas(struct rand_pool_info)
		uint8_t raw[sizeof(struct rand_pool_info) + SEED_MAX] = { 0 };
	struct rand_pool_info *pool = (struct rand_pool_info *)raw;
	_cleanup_fd_ int fd = openat(tree, "dev/urandom", O_WRONLY | O_CLOEXEC);

	if (seed->n == 0 || seed->n > SEED_MAX)
		return;
	pool->entropy_count = (int)seed->n * 8;
	pool->buf_size = (int)seed->n;
	memcpy(pool->buf, seed->p, seed->n);
	if (fd < 0 || ioctl(fd, RNDADDENTROPY, pool) < 0)
		log_warning("cannot seed the random generator: %s", strerror(errno));
	explicit_bzero(raw, sizeof(raw));
}
