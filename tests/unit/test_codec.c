/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Every message of every table, round and hostile; the inputs follow from the tables. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/proto_agent.h"
#include "common/proto_fetch.h"
#include "common/proto_imaged.h"
#include "common/proto_job.h"
#include "common/proto_launch.h"
#include "common/proto_netd.h"
#include "common/proto_source.h"
#include "common/str.h"

static const struct protocol *const protocols[] = { &netd_protocol, &launch_protocol,
	&imaged_protocol, &job_protocol, &source_protocol, &fetch_protocol, &agent_protocol };

#define STRUCT_MAX 8192
static _Alignas(16) uint8_t st[STRUCT_MAX], back[STRUCT_MAX];
static uint8_t frame[FRAME_MAX], again[FRAME_MAX];

/* Lay a valid value of its type into each field, by writing the smallest valid wire form and
 * decoding it: the codec's own view of what is valid. */
static size_t fill_wire(const struct message *m, enum field_dir dir, uint8_t *p, size_t *n_fds)
{
	size_t at = FRAME_HEADER;

	*n_fds = 0;
	for (size_t i = 0; i < m->n_fields; i++) {
		const char *t = field_type_name(m->fields[i].type);

		if (m->fields[i].dir != dir)
			continue;
		if (str_eq(t, "vm_id")) {
			memcpy(p + at, "0123456789ab", 12);
			at += 12;
		} else if (str_eq(t, "mac")) {
			memcpy(p + at, "\x02\0\0\0\0\1", 6);
			at += 6;
		} else if (str_eq(t, "vm_name") || str_eq(t, "text")) {
			memcpy(p + at, "\2\0ab", 4);
			at += 4;
		} else if (str_eq(t, "digest")) {
			memcpy(p + at, "\0\0", 2);
			at += 2;
		} else if (str_eq(t, "bytes") || str_eq(t, "strv")) {
			memcpy(p + at, "\2\0\0\0x\0", 6);
			at += 6;
		} else if (str_eq(t, "fd")) {
			(*n_fds)++;
		} else if (str_eq(t, "fd_opt")) {
			p[at++] = 1;
			(*n_fds)++;
		} else {
			static const struct {
				const char *name;
				uint8_t size, value;
			} ints[] = { { "u16", 2, 9 }, { "u32", 4, 9 }, { "u64", 8, 9 },
				{ "ipv4", 4, 9 }, { "mib", 4, 200 }, { "subnet", 2, 9 },
				{ "uid", 4, 9 }, { "prefix", 1, 24 } };
			uint8_t size = 1, value = str_eq(t, "host_octet") ? 9 : 1;

			for (size_t k = 0; k < ARRAY_SIZE(ints); k++)
				if (str_eq(t, ints[k].name)) {
					size = ints[k].size;
					value = ints[k].value;
				}
			memset(p + at, 0, size);
			p[at] = value;
			at += size;
		}
	}
	return at;
}

static struct header make(
	const struct protocol *p, uint16_t msg, enum frame_kind kind, size_t *ret_n_fds)
{
	enum field_dir dir = kind == FRAME_REPLY ? DIR_OUT : DIR_IN;
	size_t n_fds;
	struct header h = { .message = msg, .kind = kind, .seq = 5, .op = 77 };

	h.length = (uint32_t)fill_wire(&p->messages[msg], dir, frame, &n_fds);
	h.n_fds = (uint8_t)n_fds;
	*ret_n_fds = n_fds;
	return h;
}

static void each(void (*check)(const struct protocol *, uint16_t, enum frame_kind))
{
	for (size_t i = 0; i < ARRAY_SIZE(protocols); i++)
		for (uint16_t m = 0; m < protocols[i]->n_messages; m++) {
			check(protocols[i], m, FRAME_REQUEST);
			check(protocols[i], m, FRAME_REPLY);
		}
}

static void check_round(const struct protocol *p, uint16_t msg, enum frame_kind kind)
{
	int fds[FRAME_FDS] = { 100, 101, 102, 103, 104, 105, 106, 107 }, out_fds[FRAME_FDS];
	size_t n_fds, len, n_out;
	struct header h = make(p, msg, kind, &n_fds), h2;
	struct err err = ERR_INIT;

	if (codec_decode(p, &h, frame, fds, n_fds, st, &err) < 0)
		fail_msg("%s", err.msg);
	for (size_t i = 0; i < n_fds; i++)
		assert_int_equal(fds[i], -1);
	if (codec_encode(
		    p, msg, kind, 5, 77, st, again, sizeof(again), &len, out_fds, &n_out, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(len, h.length);
	assert_int_equal(n_out, n_fds);
	assert_memory_equal(again + FRAME_HEADER, frame + FRAME_HEADER, len - FRAME_HEADER);
	for (size_t i = 0; i < n_fds; i++)
		assert_int_equal(out_fds[i], 100 + (int)i);
	assert_int_equal(codec_header(p, again, len, &h2, &err), 0);
	assert_int_equal(h2.seq, 5);
	assert_int_equal(h2.op, 77);
}

static void refuse(
	const struct protocol *p, struct header *h, int *fds, size_t n_fds, const char *what)
{
	struct err err = ERR_INIT;

	if (codec_decode(p, h, frame, fds, n_fds, back, &err) == 0)
		fail_msg("%s %s: accepted %s", p->name, p->messages[h->message].name, what);
	assert_int_equal(err.code, ERR_protocol);
	for (size_t i = 0; i < n_fds; i++)
		assert_int_not_equal(fds[i], -1);
}

/* Cut at every length, one byte more, one fd more or less, and each byte set to 0xff. */
static void check_hostile(const struct protocol *p, uint16_t msg, enum frame_kind kind)
{
	int fds[FRAME_FDS] = { 100, 101, 102, 103, 104, 105, 106, 107 };
	size_t n_fds;
	struct header h = make(p, msg, kind, &n_fds), cut = h;
	struct err err = ERR_INIT;

	for (cut.length = FRAME_HEADER; cut.length < h.length; cut.length++)
		refuse(p, &cut, fds, n_fds, "a frame cut short");
	frame[h.length] = 0;
	cut.length = h.length + 1;
	refuse(p, &cut, fds, n_fds, "a frame with a byte more");
	cut = h;
	cut.n_fds = (uint8_t)(n_fds + 1);
	if (n_fds < FRAME_FDS)
		refuse(p, &cut, fds, n_fds + 1, "an fd more");
	refuse(p, &cut, fds, n_fds, "an fd less than said");
	for (size_t i = FRAME_HEADER; i < h.length; i++) {
		uint8_t was = frame[i];
		int copy[FRAME_FDS];

		memcpy(copy, fds, sizeof(copy));
		frame[i] = 0xff;
		/* Whether it is valid depends on the field; that memory is safe does not. */
		(void)codec_decode(p, &h, frame, copy, n_fds, back, &err);
		frame[i] = was;
	}
}

static void test_round(void **state)
{
	(void)state;
	each(check_round);
}

static void test_hostile(void **state)
{
	(void)state;
	each(check_hostile);
}

static void test_ranges(void **state)
{
	static const struct netd_qemu_launch_in good = { .vm.s = "0123456789ab",
		.vcpus = 1,
		.memory = 256,
		.kernel = 5,
		.initramfs = 6,
		.disk = 7,
		.work = -1 };
	struct netd_qemu_launch_in in = good;
	struct err err = ERR_INIT;
	int fds[FRAME_FDS];
	size_t len, n;

	(void)state;
#define ENCODE()                                                                            \
	codec_encode(&netd_protocol, netd_msg_qemu_launch, FRAME_REQUEST, 1, 0, &in, frame, \
		sizeof(frame), &len, fds, &n, &err)
	assert_int_equal(ENCODE(), 0);
	in.vcpus = 33;
	assert_int_equal(ENCODE(), -1);
	in = good;
	in.memory = 63;
	assert_int_equal(ENCODE(), -1);
	in = good;
	in.accel = accel__count;
	assert_int_equal(ENCODE(), -1);
	in = good;
	in.disk = -1;
	assert_int_equal(ENCODE(), -1);
	assert_int_equal(err.code, ERR_bad_request);
}

static void test_errors(void **state)
{
	struct err e = ERR_INIT, got = ERR_INIT, err = ERR_INIT;
	struct header h;
	size_t len;

	(void)state;
	err_sys(&e, ERR_no_space, 28, "disk of\nVM");
	assert_int_equal(codec_encode_error(1, 9, 3, &e, frame, sizeof(frame), &len, &err), 0);
	assert_int_equal(codec_header(&netd_protocol, frame, len, &h, &err), 0);
	assert_int_equal(h.kind, FRAME_ERROR);
	assert_int_equal(codec_decode_error(&h, frame, &got, &err), 0);
	assert_int_equal(got.code, ERR_no_space);
	assert_int_equal(got.sys, 28);
	assert_string_equal(got.msg, "disk of?VM: No space left on device");
	for (uint32_t cut = FRAME_HEADER; cut < len; cut++) {
		h.length = cut;
		assert_int_equal(codec_decode_error(&h, frame, &got, &err), -1);
	}
}

static void test_header(void **state)
{
	struct err err = ERR_INIT;
	struct header h;

	(void)state;
	for (size_t i = 0; i < FRAME_HEADER; i++) {
		memset(frame, 0, FRAME_HEADER);
		frame[0] = FRAME_HEADER;
		assert_int_equal(codec_header(&netd_protocol, frame, i, &h, &err), -1);
	}
	assert_int_equal(codec_header(&netd_protocol, frame, FRAME_HEADER, &h, &err), 0);
	frame[4] = 0xff; /* message */
	assert_int_equal(codec_header(&netd_protocol, frame, FRAME_HEADER, &h, &err), -1);
	frame[4] = 0;
	frame[6] = 4; /* kind */
	assert_int_equal(codec_header(&netd_protocol, frame, FRAME_HEADER, &h, &err), -1);
	frame[6] = 0;
	frame[7] = FRAME_FDS + 1;
	assert_int_equal(codec_header(&netd_protocol, frame, FRAME_HEADER, &h, &err), -1);
	frame[7] = 0;
	frame[12] = 1; /* reserved */
	assert_int_equal(codec_header(&netd_protocol, frame, FRAME_HEADER, &h, &err), -1);
	frame[12] = 0;
	frame[0] = FRAME_HEADER - 1;
	assert_int_equal(codec_header(&netd_protocol, frame, FRAME_HEADER, &h, &err), -1);
	frame[0] = 1;
	frame[2] = 2; /* 131073 bytes */
	assert_int_equal(codec_header(&netd_protocol, frame, FRAME_HEADER, &h, &err), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_header),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
