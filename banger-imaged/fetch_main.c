/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * banger-imaged-fetch: one job with registries. It speaks with whom a user named, and holds that
 * user's secrets while it does: a process of its own for each job, with the user's cache, the
 * resolver's and TLS' files to read, and the network. Of what it fetches it reads manifests alone.
 */
#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <nss.h>
#include <signal.h>
#include <sys/prctl.h>

#include "banger-imaged/cache.h"
#include "banger-imaged/child.h"
#include "banger-imaged/fetch_requests.h"
#include "common/confine.h"
#include "common/failpoint.h"
#include "common/ipc.h"
#include "common/log.h"
#include "common/proto_fetch.h"
#include "common/str.h"

static const struct confine_path paths[] = {
	{ "/proc/self/fd/4", CONFINE_WRITE }, /* CHILD_CACHE_FD */
	/* The resolver's. resolv.conf is often a link to another place. */
	{ "/etc/resolv.conf", CONFINE_READ },
	{ "/etc/hosts", CONFINE_READ },
	{ "/etc/host.conf", CONFINE_READ },
	{ "/etc/nsswitch.conf", CONFINE_READ },
	{ "/etc/gai.conf", CONFINE_READ },
	/* The host's certificates, and what they are links to. */
	{ "/etc/ssl", CONFINE_READ },
	{ "/usr/lib/ssl", CONFINE_READ },
	{ "/usr/share/ca-certificates", CONFINE_READ },
	{ "/usr/local/share/ca-certificates", CONFINE_READ },
};

/* Bounds for one job: beyond what any image within its limits takes. */
static const struct confine_rlimit rlimits[] = {
#ifndef __SANITIZE_ADDRESS__ /* whose shadow is terabytes of address space */
	{ RLIMIT_AS, (rlim_t)4 << 30 },
#endif
	{ RLIMIT_CPU, 3600 },
	{ RLIMIT_FSIZE, (rlim_t)64 << 30 },
	{ RLIMIT_NOFILE, 256 }, /* 129 blobs of an image are open at once */
	{ RLIMIT_CORE, 0 },
};

/* What libraries would load once they are used. */
static int warm_up(struct err *err)
{
	/* Names come from /etc/hosts and DNS, for which the C library needs no module. */
	if (__nss_configure_lookup("hosts", "files dns") < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot set the resolver up");
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return err_set(err, ERR_operation_failed, "cannot start libcurl");
	return 0;
}

static int confine(enum confine_mode mode, struct err *err)
{
	struct confine c = {
		.profile = CONFINE_fetch,
		.mode = mode,
		.landlock = true,
		.network = true,
		.paths = paths,
		.n_paths = ARRAY_SIZE(paths),
		.rlimits = rlimits,
		.n_rlimits = ARRAY_SIZE(rlimits),
	};

	/* It holds secrets: nobody of the same user looks in. */
	if (prctl(PR_SET_DUMPABLE, 0) < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot hide its memory");
	return confine_apply(&c, err);
}

static int serve(struct err *err)
{
	struct cache *cache;
	struct ipc *ch;
	int dir, r;

	dir = fcntl(CHILD_CACHE_FD, F_DUPFD_CLOEXEC, 0);
	if (dir < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot open the cache");
	if (child_watch(err) < 0 || cache_open(CHILD_CACHE_FD, &cache, err) < 0)
		return -1;
	if (ipc_open(CHILD_FD, &fetch_protocol, &ch, err) < 0)
		return -1;
	r = fetch_requests_serve(ch, cache, dir, err);
	ipc_close(ch);
	cache_close(cache);
	return r;
}

int main(int argc, char **argv)
{
	struct err err = ERR_INIT;
	enum confine_mode mode;

	FAILPOINT_INIT();
	if (child_begin(argc, argv, CHILD_FETCHER, 2, &mode) < 0)
		return 2;
	/* A peer that hangs up is an error of that connection's. */
	signal(SIGPIPE, SIG_IGN);
	if (warm_up(&err) < 0 || confine(mode, &err) < 0 || serve(&err) < 0) {
		log_error("%s", err.msg);
		return 1;
	}
	return 0;
}
