/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-imaged/ext4_io.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/fd.h"
#include "common/str.h"

struct io {
	struct struct_io_channel channel;
	int fd;
	int failure;
};

static struct io *io_of(io_channel ch)
{
	return (struct io *)ch; /* its first member */
}

static errcode_t io_open(const char *name, int flags, io_channel *ret)
{
	struct struct_io_channel *ch;
	struct io *io;
	uint64_t fd;

	if (!str_to_u64(name, 0, INT32_MAX, &fd))
		return EXT2_ET_BAD_DEVICE_NAME;
	io = calloc(1, sizeof(*io));
	if (!io)
		return EXT2_ET_NO_MEMORY;
	ch = &io->channel;
	ch->magic = EXT2_ET_MAGIC_IO_CHANNEL;
	ch->manager = ext4_io_manager;
	ch->name = strdup(name);
	ch->block_size = 1024;
	ch->refcount = 1;
	io->fd = (int)fd;
	if (!ch->name) {
		free(io);
		return EXT2_ET_NO_MEMORY;
	}
	*ret = ch;
	return 0;
}

static errcode_t io_close(io_channel ch)
{
	if (--ch->refcount > 0)
		return 0;
	free(ch->name);
	free(io_of(ch));
	return 0;
}

int ext4_io_failure(io_channel ch)
{
	return io_of(ch)->failure;
}

static errcode_t io_set_blksize(io_channel ch, int size)
{
	ch->block_size = size;
	return 0;
}

/* A negative count is one of bytes. */
static size_t bytes_of(const struct struct_io_channel *ch, int count)
{
	return count < 0 ? (size_t) - (int64_t)count : (size_t)count * (size_t)ch->block_size;
}

static errcode_t io_read64(io_channel ch, unsigned long long block, int count, void *data)
{
	size_t n = bytes_of(ch, count);
	ssize_t r = fd_pread_full(io_of(ch)->fd, data, n, block * (unsigned)ch->block_size);

	if (r < 0)
		return errno;
	memset((char *)data + r, 0, n - (size_t)r);
	return 0;
}

static errcode_t io_write64(io_channel ch, unsigned long long block, int count, const void *data)
{
	if (fd_pwrite_full(io_of(ch)->fd, data, bytes_of(ch, count),
		    block * (unsigned)ch->block_size) == 0)
		return 0;
	io_of(ch)->failure = errno;
	return io_of(ch)->failure;
}

static errcode_t io_read(io_channel ch, unsigned long block, int count, void *data)
{
	return io_read64(ch, block, count, data);
}

static errcode_t io_write(io_channel ch, unsigned long block, int count, const void *data)
{
	return io_write64(ch, block, count, data);
}

static errcode_t io_flush(io_channel ch)
{
	return 0;
}

static struct struct_io_manager manager = {
	.magic = EXT2_ET_MAGIC_IO_MANAGER,
	.name = "banger",
	.open = io_open,
	.close = io_close,
	.set_blksize = io_set_blksize,
	.read_blk = io_read,
	.write_blk = io_write,
	.flush = io_flush,
	.read_blk64 = io_read64,
	.write_blk64 = io_write64,
};
io_manager ext4_io_manager = &manager;
