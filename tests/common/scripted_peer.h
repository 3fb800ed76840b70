/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The other end of a stream socket: a thread that takes requests and says what its script says. */
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

enum peer_manner {
	PEER_HTTP,    /* a request is a header and the body whose length it says */
	PEER_LINE,    /* a request is a line */
	PEER_UNASKED, /* speaks at once */
};

struct peer_turn {
	enum peer_manner manner;
	const char *says;  /* NULL: nothing, then the connection stays open, silent */
	size_t piece;	   /* bytes at a time; 0: all */
	unsigned pause_ms; /* before each piece */
	bool closes;	   /* afterwards */
};

struct scripted_peer {
	int fd;
	const struct peer_turn *turns;
	size_t n;
	pthread_t thread;
	char heard[65536]; /* all that was read, NUL-terminated */
	size_t heard_len;
};

/* The script's end of a fresh socket pair; the other one is returned, O_NONBLOCK. */
int scripted_peer_start(struct scripted_peer *p, const struct peer_turn *turns, size_t n);

/* After the returned fd was closed: wait for the thread. */
void scripted_peer_join(struct scripted_peer *p);

/* A reply as Firecracker's: with a body of that text, or 204 for NULL. The caller frees. */
char *scripted_reply(unsigned status, const char *body);
