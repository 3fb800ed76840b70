/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
#include <stdint.h>
#include <sys/types.h>

#include "common/enums.h"
#include "common/err.h"

/*
 * The truth about /dev/kvm: a child runs some 100,000 instructions in long mode with paging, as a
 * kernel does, and the time counts. A nested or paravirtual /dev/kvm can take every ioctl and yet
 * emulate that, thousands of times too slow.
 */
struct kvm_probe {
	pid_t pid;	/* the child at work; 0: the result is there */
	int pipe;	/* it answers here, or -1 */
	uint64_t since; /* CLOCK_MONOTONIC, ns */
	enum kvm_state state;
	uint64_t us; /* what the loop took; the time limit when it did not end */
};

/* Start it; it runs on while the caller does other things. */
int kvm_probe_start(struct kvm_probe *p, struct err *err);

/* Wait for the result, at most until the time limit; then the child is gone. */
void kvm_probe_finish(struct kvm_probe *p);

/* What a probe of a moment ago found stands for this one's result: slow, and how slow. */
void kvm_probe_take(struct kvm_probe *p, uint64_t us);

/* End it without a result. */
void kvm_probe_cancel(struct kvm_probe *p);
