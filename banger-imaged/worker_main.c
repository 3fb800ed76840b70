/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * banger-imaged-worker: one job. It reads what users bring, so it can do nothing but that: no file
 * by name, no network, no program, a few dozen system calls on the fds that came with the job.
 */
#include <locale.h>
#include <openssl/crypto.h>

#include "banger-imaged/child.h"
#include "banger-imaged/job.h"
#include "common/confine.h"
#include "common/failpoint.h"
#include "common/log.h"
#include "common/proto_job.h"
#include "common/str.h"

/* Bounds for one job: beyond what any input within its limits takes. */
static const struct confine_rlimit rlimits[] = {
#ifndef __SANITIZE_ADDRESS__ /* whose shadow is terabytes of address space */
	{ RLIMIT_AS, (rlim_t)4 << 30 },
#endif
	{ RLIMIT_CPU, 3600 },
	{ RLIMIT_FSIZE, (rlim_t)1 << 40 },
	{ RLIMIT_NOFILE, 256 }, /* an OCI layout's layers, 128, are open at once */
	{ RLIMIT_CORE, 0 },
};

/* What libraries would read from files once they are used. */
static int warm_up(struct err *err)
{
	/* libarchive reads pax names, which are UTF-8, by the locale. It converts even in "C"
	 * (tar.c), by iconv, whose configuration is read along with this locale. */
	if (!setlocale(LC_CTYPE, "C.UTF-8"))
		return err_set(err, ERR_operation_failed, "the locale C.UTF-8 is not there");
	/* Digests need nothing of the host's OpenSSL configuration. */
	if (OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) != 1)
		return err_set(err, ERR_operation_failed, "cannot start libcrypto");
	return 0;
}

static int confine(enum confine_mode mode, struct err *err)
{
	struct confine c = {
		.profile = CONFINE_worker,
		.mode = mode,
		.landlock = true, /* and no path */
		.rlimits = rlimits,
		.n_rlimits = ARRAY_SIZE(rlimits),
	};

	return confine_apply(&c, err);
}

static int serve(struct err *err)
{
	struct ipc *ch;
	int r;

	if (child_watch(err) < 0 || ipc_open(CHILD_FD, &job_protocol, &ch, err) < 0)
		return -1;
	r = job_serve(ch, err);
	ipc_close(ch);
	return r < 0 ? -1 : 0;
}

int main(int argc, char **argv)
{
	struct err err = ERR_INIT;
	enum confine_mode mode;

	FAILPOINT_INIT();
	if (child_begin(argc, argv, CHILD_WORKER, 1, &mode) < 0)
		return 2;
	if (warm_up(&err) < 0 || confine(mode, &err) < 0 || serve(&err) < 0) {
		log_error("%s", err.msg);
		return 1;
	}
	return 0;
}
