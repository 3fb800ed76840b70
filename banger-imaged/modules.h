/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Which of a kernel's modules a guest needs to boot, and in what order they load.
 *
 * A kernel's modules are known by their paths (a directory's modules.dep, a package's entries);
 * which ones depend on which is read from the modules themselves (.modinfo), so that a package,
 * which has no modules.dep, needs no other way. Names are compared with '-' as '_'.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"

#define MODULE_MAX	    (64U << 20) /* bytes of one, expanded */
#define MODULE_NAME_MAX	    63
#define MODULES_WANTED_MAX  128
#define MODULES_CATALOG_MAX 16384
#define MODULES_ROUNDS_MAX  16 /* the longest chain of dependencies */

/* When the guest's init loads a module: before it can speak to the host, for the network, for the
 * disk (only once the host has the disk ready), or when it has been answered. */
enum module_phase { PHASE_CHANNEL, PHASE_NET, PHASE_DISK, PHASE_LATE, PHASE__COUNT };

/* "channel", "net", "disk", "late". */
const char *module_phase_name(enum module_phase p);

struct module {
	char name[MODULE_NAME_MAX + 1]; /* with '_' */
	char *path;			/* where its source has it */
	bool wanted;
	enum module_phase phase; /* when wanted */
	unsigned device;	 /* when wanted: only for a virtio device of this id; 0: always */
	uint8_t *data;		 /* expanded; NULL until modules_load() */
	size_t size;
	size_t *deps; /* indices, once loaded and resolved */
	size_t n_deps;
	bool resolved, placed;
};

struct modules {
	struct module *v;
	size_t n, cap;
	char (*builtin)[MODULE_NAME_MAX + 1];
	size_t n_builtin, cap_builtin;
	uint64_t loaded; /* bytes of all */
	size_t order[MODULES_WANTED_MAX];
	size_t n_order;
};

void modules_finish(struct modules *m);

/* Add the module at `path` (any path ending in .ko, .ko.xz, .ko.zst or .ko.gz; others are passed
 * over). A name that is there already keeps its first path. The pointer in ret (may be NULL; NULL
 * when passed over) lives until the next addition. */
int modules_add(struct modules *m, const char *path, struct module **ret, struct err *err);

/* Add what the text of a modules.dep lists. Fails with bad_input on absolute paths and "..". */
int modules_parse_dep(struct modules *m, char *list, struct err *err);

/* Note what the text of a modules.builtin lists. */
int modules_parse_builtin(struct modules *m, char *list, struct err *err);

/* Is this one of those that are wanted, or that those are known to need? For sources that are
 * read in one pass. */
bool modules_is_likely(const char *name);

/* Take a module's bytes: expand them if they are compressed, and check that they are a module. */
int modules_load(
	struct modules *m, struct module *mod, const uint8_t *p, size_t n, struct err *err);

/* Must modules_load() each module that is `wanted` and has no `data`. */
typedef int (*modules_fetch)(void *ctx, struct modules *m, struct err *err);

/*
 * Choose what a guest needs, with dependencies, load it by `fetch`, and put it in order[]. What is
 * built in is left out. Fails with bad_input when the guest could not boot without something that
 * is neither built in nor a module (the message names all of it), or when a module is not of the
 * kernel `version`.
 */
int modules_select(
	struct modules *m, const char *version, modules_fetch fetch, void *ctx, struct err *err);
