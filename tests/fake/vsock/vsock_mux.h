/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The device between its two rings and all connections. Not a thread, not a loop: the backend calls
 * it when something may move.
 */
#include <stdbool.h>
#include <stdint.h>

#include "tests/fake/vsock/vhost_user.h"
#include "tests/fake/vsock/vsock_conn.h"

#define VSOCK_MUX_CONNS 256
/* So many of them may be the guest's, the rest stays for the host. */
#define VSOCK_MUX_OF_GUEST 128
/* Refusals of what is no connection, before the guest's packets must wait for it to read them. */
#define VSOCK_MUX_REFUSALS 256
/* Host ports given to connections of the host's begin here, as Firecracker's do. */
#define VSOCK_MUX_FIRST_PORT (1U << 30)

struct vsock_mux {
	struct virtqueue *rx, *tx;
	uint64_t guest_cid;
	const char *uds_path;
	/* A connection has a socket that must be watched: told once, when it begins. */
	int (*watch)(void *ctx, unsigned conn, int fd);
	void *ctx;
	struct vsock_conn conns[VSOCK_MUX_CONNS];
	uint32_t next_port;
	unsigned turn; /* whose connection's turn it is */
	struct {
		uint32_t host_port, guest_port;
	} refusals[VSOCK_MUX_REFUSALS];
	unsigned n_refusals;
};

void vsock_mux_init(struct vsock_mux *m);
void vsock_mux_finish(struct vsock_mux *m);

/* A client of the host's; with all places taken it is closed. */
void vsock_mux_client(struct vsock_mux *m, int fd);
/* Connection i's socket has these epoll events. */
void vsock_mux_ready(struct vsock_mux *m, unsigned i, uint32_t events);
/* Move packets both ways, a bounded number. True: there may be more to move at once. */
bool vsock_mux_move(struct vsock_mux *m);
/* End what has taken too long; how long until the next may, in ms; -1: nothing waits. */
int vsock_mux_expire(struct vsock_mux *m);
