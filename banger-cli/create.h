/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Making a VM: what vm run and vm create have in common. */
#include <stdbool.h>

#include "banger-cli/cli.h"
#include "banger-cli/client.h"
#include "banger-cli/params.h"
#include "common/types.h"

/* What is to be made. */
struct plan {
	const struct args_machine *machine;
	const struct args_process *process;
	enum guest_mode mode;
	const char *const *argv; /* of the main workload */
	size_t n_argv;
	int image_file; /* of an image that is a file of the user's; else -1 */
	bool no_start;
	bool auto_remove;
	bool quiet;
};

/* The VM that was made. */
struct created {
	char id[64];
	char name[TEXT_MAX + 1];
};

/* Refuse a plan without an image, telling which there are. */
int create_check(struct cli *cli, const struct args_machine *machine, struct err *err);

/* The file of an image that has a path (`image register`); -1 for others. */
int create_open_image(struct client *c, const char *image, int *ret_fd, struct err *err);

/* The plan in one line for people, with what the daemon gives a VM that does not say: "image
 * debian, 2 vCPUs, …". */
int create_describe(
	struct client *c, const struct plan *plan, char *buf, size_t cap, struct err *err);

/* `entrypoint`, or the image's when that is NULL, then `command`, as a list whose words live as
 * long as *ret_image (the caller finishes it). The array is the caller's to free. */
int create_argv(struct client *c, const char *image, const char *entrypoint,
	const struct words *command, struct words *ret, struct reply *ret_image, struct err *err);

/*
 * Make the VM and wait until it is ready, showing progress. A signal that ends banger cancels the
 * creation and waits until nothing of it is left; a second one does not wait (the daemon goes on
 * undoing). It fails with cancelled then, and cli->failure is 128 + the signal's number.
 */
int create_vm(struct cli *cli, struct client *c, const struct plan *plan, int signals,
	struct created *ret, struct err *err);

/* Whether the VM's own command could not be started; what else it does now is not asked here, nor
 * whether it still runs at all. */
bool create_has_failed_command(struct client *c, const char *id);

/* Stop a VM that is to be deleted, where the image's own command runs in it: that has its stop
 * signal, and 10 s. Any other VM (an image's init among them) has nothing to end. A signal ends the
 * wait. Fails also when the guest does not answer: what to do then is to delete it. */
int create_stop(struct client *c, const char *id, int signals, struct err *err);

/* Delete the VM though it runs; that it is gone already is fine. A signal ends the wait. */
int create_remove(struct client *c, const char *id, int signals, struct err *err);
