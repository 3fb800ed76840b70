/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Decompression, and the pipeline that it is a stage of. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include <isa-l/igzip_lib.h>

#include "banger-imaged/decode.h"
#include "banger-imaged/pipeline.h"
#include "common/fd.h"
#include "common/str.h"

#define SIZE (3U << 20)

static const struct image_limits limits = IMAGE_LIMITS_DEFAULT;
static uint8_t *plain, *packed;
static size_t n_packed;

/* Some text, in two gzip members. */
static int setup(void **state)
{
	plain = malloc(SIZE);
	packed = malloc(SIZE + 65536);
	if (!plain || !packed)
		return -1;
	for (size_t i = 0; i < SIZE; i++)
		plain[i] = (uint8_t)((i * i) >> 7 ^ i >> 3);
	for (size_t from = 0, to = 100; from < SIZE; from = to, to = SIZE) {
		struct isal_zstream z;

		isal_deflate_init(&z);
		z.gzip_flag = IGZIP_GZIP;
		z.end_of_stream = 1;
		z.next_in = plain + from;
		z.avail_in = (uint32_t)(to - from);
		z.next_out = packed + n_packed;
		z.avail_out = (uint32_t)(SIZE + 65536 - n_packed);
		if (isal_deflate(&z) != COMP_OK || z.avail_in > 0)
			return -1;
		n_packed += z.total_out;
	}
	return 0;
}

static int teardown(void **state)
{
	free(plain);
	free(packed);
	return 0;
}

static int file_of(const uint8_t *p, size_t n)
{
	int fd = memfd_create("test", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(fd_pwrite_full(fd, p, n, 0), 0);
	return fd;
}

static digest digest_of(const uint8_t *p, size_t n)
{
	struct hash h = { 0 };
	struct err err = ERR_INIT;
	digest d = { 0 };

	assert_int_equal(hash_init(&h, NULL, &err), 0);
	assert_int_equal(hash_update(&h, p, n, &err), 0);
	assert_int_equal(hash_digest(&h, &d, &err), 0);
	hash_finish(&h);
	return d;
}

/* All of the decoder's bytes, `step` at a time; -1 when it fails. */
static ssize_t decode(
	const uint8_t *p, size_t n, enum compression c, size_t step, uint8_t *out, struct err *err)
{
	_cleanup_(decoder_closep) struct decoder *d = NULL;
	_cleanup_fd_ int fd = file_of(p, n);
	size_t got = 0, k;
	struct input in;

	input_range(&in, fd, 0, n);
	if (decoder_open(&in, c, &d, err) < 0)
		return -1;
	do {
		size_t room = SIZE + 1 - got < step ? SIZE + 1 - got : step;

		if (decoder_read(d, out + got, room, &k, err) < 0)
			return -1;
		got += k;
		if (k < room)
			break;
	} while (got <= SIZE);
	return (ssize_t)got;
}

static void members_and_steps(void **state)
{
	static const size_t steps[] = { 1000, 4096, 65537, SIZE + 1 };
	uint8_t *out = malloc(SIZE + 1);

	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		struct err err = ERR_INIT;

		assert_int_equal(
			decode(packed, n_packed, COMPRESSION_ANY, steps[i], out, &err), SIZE);
		assert_memory_equal(out, plain, SIZE);
	}
	free(out);
}

static void damage(void **state)
{
	uint8_t *out = malloc(SIZE + 1), *bad = malloc(n_packed + 1);
	struct err err = ERR_INIT;

	for (size_t cut = 1; cut < 20; cut++)
		assert_int_equal(
			decode(packed, n_packed - cut, COMPRESSION_GZIP, 65536, out, &err), -1);
	memcpy(bad, packed, n_packed);
	bad[n_packed] = 'x';
	assert_int_equal(decode(bad, n_packed + 1, COMPRESSION_GZIP, 65536, out, &err), -1);
	assert_non_null(strstr(err.msg, "follow"));
	bad[n_packed - 6] ^= 1; /* of the check sum */
	assert_int_equal(decode(bad, n_packed, COMPRESSION_GZIP, 65536, out, &err), -1);
	assert_int_equal(decode(packed, n_packed, COMPRESSION_ZSTD, 65536, out, &err), -1);
	assert_non_null(strstr(err.msg, "zstd-compressed, and it is gzip"));
	assert_int_equal(decode(packed, n_packed, COMPRESSION_NONE, 65536, out, &err), -1);
	free(out);
	free(bad);
}

/* Run two items through; 0, or the first failure. */
static int flow_through(
	struct pipeline_item items[2], const struct image_limits *l, struct err *err)
{
	_cleanup_(pipeline_closep) struct pipeline *p = NULL;
	const uint8_t *piece;
	size_t n, total;

	assert_int_equal(pipeline_open(items, 2, l, &p, err), 0);
	for (int i = 0; i < 2; i++) {
		total = 0;
		do {
			if (pipeline_flow(p)->next(pipeline_flow(p), &piece, &n, err) < 0)
				return -1;
			if (total + n > SIZE || memcmp(piece, plain + total, n) != 0)
				return err_set(err, ERR_operation_failed, "other bytes");
			total += n;
		} while (n > 0);
		assert_int_equal(total, SIZE);
		if (pipeline_next(p, err) < 0)
			return -1;
	}
	return 0;
}

static void stages(void **state)
{
	digest stored = digest_of(packed, n_packed), out = digest_of(plain, SIZE), other = stored;
	_cleanup_fd_ int fd = file_of(packed, n_packed);
	struct image_limits small = limits;
	struct pipeline_item items[2];
	struct err err = ERR_INIT;

	for (int round = 0; round < 6; round++) {
		for (int i = 0; i < 2; i++) {
			items[i] = (struct pipeline_item){ .compression = COMPRESSION_GZIP,
				.name = i ? "second" : "first",
				.stored = &stored,
				.plain = round == 1 ? NULL : &out };
			input_range(&items[i].input, fd, 0, n_packed);
		}
		other.s[10] = other.s[10] == '0' ? '1' : '0';
		if (round == 2)
			items[1].stored = &other;
		if (round == 3)
			items[0].plain = &other;
		if (round == 4)
			items[1].input.end++;
		small.expanded = round == 5 ? SIZE + 1 : SIZE * 4;
		assert_int_equal(flow_through(items, &small, &err), round < 2 ? 0 : -1);
		if (round == 2 || round == 4)
			assert_non_null(strstr(err.msg, "second"));
		if (round == 3)
			assert_non_null(strstr(err.msg, "first: its diff_id"));
		if (round == 5)
			assert_non_null(strstr(err.msg, "expands"));
	}
}

static void left_in_the_middle(void **state)
{
	_cleanup_fd_ int fd = file_of(packed, n_packed);
	struct pipeline_item item = { .compression = COMPRESSION_ANY, .name = "x" };
	struct err err = ERR_INIT;
	struct pipeline *p = NULL;
	const uint8_t *piece;
	int pipe_fds[2];
	size_t n;

	input_range(&item.input, fd, 0, n_packed);
	assert_int_equal(pipeline_open(&item, 1, &limits, &p, &err), 0);
	assert_int_equal(pipeline_flow(p)->next(pipeline_flow(p), &piece, &n, &err), 0);
	pipeline_close(p);
	/* A pipe on which nothing ever comes does not hold it up. */
	assert_int_equal(pipe(pipe_fds), 0);
	input_pipe(&item.input, pipe_fds[0], -1);
	assert_int_equal(pipeline_open(&item, 1, &limits, &p, &err), 0);
	pipeline_close(p);
	fd_close_many(pipe_fds, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(members_and_steps),
		cmocka_unit_test(damage),
		cmocka_unit_test(stages),
		cmocka_unit_test(left_in_the_middle),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
