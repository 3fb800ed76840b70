/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * One connection between a Unix socket of the host's and a stream socket of the guest's: who of the
 * two is gone, what the guest is owed, and how much each side may send (virtio 1.2, 5.10.6.3).
 */
#include <linux/virtio_vsock.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/fake/vsock/virtqueue.h"

/* What of the guest's waits for the host; also what it is told it may send. */
#define VSOCK_CONN_BUFFER 65536U
/* The CONNECT line, its end not counted. */
#define VSOCK_CONN_LINE 31
/* How long a side that must answer may take; Firecracker gives 2 s to guests that are not emulated.
 */
#define VSOCK_CONN_ANSWER_MS 10000
/* How long an end may take once one side has closed. */
#define VSOCK_CONN_END_MS 2000

enum vsock_conn_state {
	VSOCK_CONN_FREE,
	VSOCK_CONN_GREETING, /* the host's CONNECT line is awaited */
	VSOCK_CONN_ASKED,    /* the guest's answer is */
	VSOCK_CONN_UP,
	VSOCK_CONN_HOST_GONE,  /* the guest was told so, or is yet to be */
	VSOCK_CONN_GUEST_GONE, /* what it sent is still on its way to the host */
	VSOCK_CONN_RESET,      /* over; the guest is yet to be told */
};

struct vsock_conn {
	enum vsock_conn_state state;
	int fd; /* O_NONBLOCK */
	bool of_guest;
	uint32_t host_port, guest_port;
	unsigned owed; /* what the guest is to be sent, as bits of packet operations */
	char line[VSOCK_CONN_LINE + 1];
	size_t line_len;
	/* Of the Unix socket, edges: as epoll says, until EAGAIN. */
	bool readable, writable;
	bool guest_deaf, guest_mute; /* it receives, sends no more */
	bool credit_asked;
	/* Guest to host: a ring of VSOCK_CONN_BUFFER bytes. */
	uint8_t *buffer;
	uint32_t at, len;
	uint32_t forwarded, forwarded_told;
	/* Host to guest. */
	uint32_t sent, guest_room, guest_forwarded;
	uint64_t deadline_ms; /* CLOCK_MONOTONIC; 0: none */
};

uint64_t vsock_conn_now_ms(void);

/* Begin one with a client of the host's, or (asked for by a REQUEST of the guest's) one that is up
 * already. fd becomes the connection's. -1 with errno: there is no memory. */
int vsock_conn_begin(struct vsock_conn *c, int fd);
int vsock_conn_accept(
	struct vsock_conn *c, int fd, const struct virtio_vsock_hdr *request, uint32_t host_port);
/* Free it, whatever its state. */
void vsock_conn_end(struct vsock_conn *c);

/* Read what there is of the CONNECT line. 1: c->guest_port was asked for; 0: it is not all there;
 * -1: it is no such line, or the client went. */
int vsock_conn_greet(struct vsock_conn *c);
/* Ask the guest, as host_port. */
void vsock_conn_ask(struct vsock_conn *c, uint32_t host_port);

/* Take a packet that the guest sent; its payload lies in the chain behind the header. */
void vsock_conn_take(struct vsock_conn *c, const struct virtio_vsock_hdr *h,
	const struct virtqueue_chain *chain);

/* Move what waits for the host. */
void vsock_conn_flush(struct vsock_conn *c);
/* The client hung up, both ways. */
void vsock_conn_hung_up(struct vsock_conn *c);
/* Its time is over. */
void vsock_conn_expire(struct vsock_conn *c);

/* Is there something to send to the guest? If so, the next packet into h (op, len, flags, credit)
 * and its payload into the chain behind the header: its op, or 0 when after all there is none. */
bool vsock_conn_wants(const struct vsock_conn *c);
uint16_t vsock_conn_next(
	struct vsock_conn *c, struct virtio_vsock_hdr *h, const struct virtqueue_chain *chain);
