/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Frames of common/codec.h over a byte stream (a virtio-serial port, a stream socket): each frame
 * begins with its own length, so nothing is put around it. The fd is the caller's and must be
 * O_NONBLOCK; a stream holds only what was read and not yet taken, and what was put and not yet
 * written, both in bounded buffers. What arrives is hostile input.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/codec.h"
#include "common/err.h"

#define STREAM_NONCE 16
/* What an earlier session may have left in front of the nonce (common/proto/agent.tbl.h). */
#define STREAM_STALE_MAX 65536

struct stream;

/* An empty stream for frames of `p`. stream_destroy() takes NULL. */
int stream_create(const struct protocol *p, struct stream **ret, struct err *err);
void stream_destroy(struct stream *s);
void stream_destroyp(struct stream **s);
#define _cleanup_stream_ __attribute__((cleanup(stream_destroyp)))

/* Forget everything read, put and expected: a new peer is at the other end. */
void stream_reset(struct stream *s);

/* ---- the handshake of a leased port, the same at both ends ---- */

/* A fresh nonce, from getrandom(2). */
void stream_nonce(uint8_t ret[STREAM_NONCE]);

/* Reset, put the nonce, and expect it: until it has come, whatever comes is dropped, and
 * stream_next() fails with protocol once that is more than STREAM_STALE_MAX bytes. */
void stream_begin(struct stream *s, const uint8_t nonce[STREAM_NONCE]);

/* True when no nonce is expected (any more). Moves with stream_next(). */
bool stream_begun(const struct stream *s);

/* ---- without waiting ---- */

/* Read what is there, as far as there is room. 1: bytes came. 0: none now (or the buffer is full:
 * take frames first). -1: unavailable when the peer closed or reading failed, protocol when it
 * closed inside a frame. Ends the life of views into the frame of the last stream_next(). */
int stream_feed(struct stream *s, int fd, struct err *err);

/* The next whole frame: 1 and its header; 0 when it has not all come; -1 with protocol, after
 * which the stream is of no use. The frame before is dropped, views into it end. */
int stream_next(struct stream *s, struct header *ret, struct err *err);

/* The body of the frame that stream_next() gave, into the struct that its message and kind have
 * (codec_decode); bytes and strv are views that live until the next stream_next()/_feed(). */
int stream_decode(struct stream *s, void *st, struct err *err);
/* The error that a FRAME_ERROR carries. */
int stream_decode_error(struct stream *s, struct err *ret, struct err *err);

/* What was read and not dropped yet: the frame of the last stream_next() and all behind it, for
 * handing a stream on to another process. */
size_t stream_unread(const struct stream *s, const void **ret);

/* Queue a frame. Fails with busy when there is no room, bad_request when it cannot be encoded. */
int stream_put(struct stream *s, uint16_t msg, enum frame_kind kind, uint32_t seq, const void *st,
	struct err *err);
int stream_put_error(
	struct stream *s, uint16_t msg, uint32_t seq, const struct err *e, struct err *err);

/* Bytes that a frame put now may have, header included; bytes put and not yet written. */
size_t stream_room(const struct stream *s);
size_t stream_pending(const struct stream *s);

/* Write what is queued. 1: all of it; 0: the fd takes no more now; -1: unavailable. No SIGPIPE
 * where fd is a socket. */
int stream_flush(struct stream *s, int fd, struct err *err);

/* ---- waiting ---- */

/* How long a call may wait in all (-1: for ever), and an fd that cancels it by becoming readable
 * (-1: none). They fail with timeout, cancelled, or as above. */
struct stream_wait {
	int timeout_ms;
	int cancel_fd;
};

/* Write all that is queued. */
int stream_drain(struct stream *s, int fd, const struct stream_wait *w, struct err *err);

/* Put one frame and write it, all of it. */
int stream_send(struct stream *s, int fd, uint16_t msg, enum frame_kind kind, uint32_t seq,
	const void *st, const struct stream_wait *w, struct err *err);

/* Wait for the next whole frame (0; never 1). */
int stream_recv(
	struct stream *s, int fd, struct header *ret, const struct stream_wait *w, struct err *err);

/* Send a request, wait for its reply, decode that into `out` (its views live as stream_decode()
 * says). An error frame in reply fails with the error it carries; anything else in its place, a
 * reply to an earlier request given up apart, fails with protocol. */
int stream_call(struct stream *s, int fd, uint16_t msg, const void *in, void *out,
	const struct stream_wait *w, struct err *err);

/* Wait until what stream_begin() put is written and the peer's nonce has come. Bytes behind it
 * stay for stream_next(). */
int stream_handshake(struct stream *s, int fd, const struct stream_wait *w, struct err *err);
