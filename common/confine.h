/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * How a process gives up what it does not need, as the last step of its start-up: rlimits,
 * capabilities, no_new_privs, Landlock, seccomp, in this order. Before any thread exists, since all
 * but rlimits are per thread.
 */
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>

#include "common/err.h"

enum confine_mode { CONFINE_OFF, CONFINE_LOG, CONFINE_KILL };

/* The profiles of common/proto/syscalls.tbl.h, and its deny-lists. */
enum confine_profile {
#define PROFILE(name) CONFINE_##name,
#include "common/proto/syscalls.tbl.h"
	CONFINE_launch,
	CONFINE_firecracker,
	CONFINE_qemu,
	CONFINE__profiles
};

enum confine_access {
	CONFINE_READ,  /* files and directories beneath */
	CONFINE_WRITE, /* besides reading: write, make, remove, rename beneath */
	CONFINE_EXEC,  /* besides reading: execute beneath */
};

struct confine_path {
	const char *path; /* one that does not exist is passed over: nothing to allow */
	enum confine_access access;
};

struct confine_rlimit {
	int resource; /* RLIMIT_… */
	rlim_t value; /* both soft and hard */
};

struct confine {
	enum confine_profile profile;
	enum confine_mode mode; /* of seccomp; the rest is always on */
	/* Capabilities that stay (CAP_…), permitted and effective, never inheritable. */
	const unsigned *capabilities;
	size_t n_capabilities;
	/* What Landlock leaves of the file system; `landlock` false: no Landlock at all. */
	const struct confine_path *paths;
	size_t n_paths;
	_Bool landlock;
	_Bool network; /* Landlock leaves TCP alone; else there is none */
	const struct confine_rlimit *rlimits;
	size_t n_rlimits;
};

int confine_apply(const struct confine *c, struct err *err);

/* How many distinct system calls a profile allows (of `launch`, `firecracker` and `qemu`: denies).
 */
size_t confine_count(enum confine_profile profile);
const char *confine_profile_name(enum confine_profile profile);
