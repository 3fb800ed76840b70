/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* One method on many VMs, images or kernels at once. */
#include "banger-cli/cli.h"
#include "common/rpc_types.h"

struct params;

struct bulk {
	enum rpc_method list;	 /* to resolve the references from: one list for all */
	const char *list_member; /* of its result */
	const char *kind;	 /* "VM" */
	enum rpc_method method;
	const char *name;				  /* of the method's parameter: "vm" */
	void (*more)(struct params *p, const void *args); /* the other parameters, or NULL */
	const void *args;
};

/*
 * Resolve all references from one list, each object once; ask for all, several at a time; print the
 * names of those that succeeded on standard output, in the order they were named first, and what is
 * wrong with others on standard error. As JSON: an array of objects with reference, id and name
 * (null when there is none), and error (null, or code and message). Exit status 1 when any failed.
 * -1 when nothing was tried, or when a signal came that ends banger: with the connection the daemon
 * cancels what it has not done by then.
 */
int bulk_run(struct cli *cli, const struct bulk *b, const struct words *references,
	enum format format, struct err *err);
