/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What image import and kernel import have in common. */
#include "banger-cli/cli.h"
#include "banger-cli/client.h"
#include "banger-cli/params.h"
#include "banger-cli/source.h"

/* Something of the user's on its way to the daemon: an fd and, for a directory, its server. */
struct offer {
	int fd;
	struct source *source; /* NULL: a file or a pipe */
};
#define OFFER_INIT       \
	{                \
		.fd = -1 \
	}
void offer_finish(struct offer *o);
#define _cleanup_offer_ __attribute__((cleanup(offer_finish)))

/* A regular file or pipe, read-only, by its path. */
int offer_file(const char *path, struct offer *ret, struct err *err);
/* A directory. */
int offer_directory(const char *path, struct offer *ret, struct err *err);
/* What `path` is: a directory or a file; "-" is standard input. */
int offer_any(const char *path, struct offer *ret, struct err *err);

/* Say of what was imported, where the daemon's refusal `err` is about that. Always -1. */
int import_failed(const char *source, struct err *err);

/*
 * Send the request with the offers' fds (absent ones left out) and wait for its end, showing
 * progress and serving directories. A signal that ends banger fails with cancelled, and
 * cli->failure is 128 + the signal's number; the daemon undoes the import when the connection
 * closes. Takes the params.
 */
int import_run(struct cli *cli, enum rpc_method method, struct params *p, struct offer *offers,
	size_t n_offers, bool quiet, struct reply *ret, struct err *err);
