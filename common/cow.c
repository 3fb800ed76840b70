/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/cow.h"

#include <endian.h>
#include <errno.h>
#include <sys/stat.h>

#include "common/fd.h"

#define ENTRIES (COW_CHUNK / 16)

uint64_t cow_size(uint64_t size)
{
	uint64_t chunks = (size + COW_CHUNK - 1) / COW_CHUNK;

	/* The header; a chunk of metadata for each area of data, the last one begun; and as many
	 * chunks as one area has to spare, since the kernel calls a disk full a little early. */
	return (chunks + chunks / ENTRIES + 2 + ENTRIES) * COW_CHUNK;
}

/* How a file of differences begins; little-endian, chunk in sectors. */
struct head {
	uint32_t magic, valid, version, chunk;
};

#define MAGIC	0x70416e53
#define VERSION 1
#define SECTOR	512

/* What a disk that was attached, and not written to, has in its file at most. */
#define UNUSED (64 * 1024)

static const char *broken(const struct head *head, bool empty)
{
	if (head->magic == 0)
		return empty ? NULL : "has lost its head";
	if (le32toh(head->magic) != MAGIC || le32toh(head->version) != VERSION)
		return "is of another kind";
	if (le32toh(head->chunk) != COW_CHUNK / SECTOR)
		return "is in chunks of another size";
	return le32toh(head->valid) ? NULL : "is marked as incomplete";
}

int cow_look(int fd, bool used, const char **ret_broken)
{
	struct head head;
	struct stat st;
	ssize_t n = fd_pread_full(fd, &head, sizeof(head), 0);

	if (n < 0 || fstat(fd, &st) < 0)
		return -1;
	if (n != sizeof(head)) {
		errno = EIO;
		return -1;
	}
	*ret_broken = broken(&head, !used && st.st_blocks * 512 <= UNUSED);
	return 0;
}
