/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * What is to be done about VMs when the file system below their disks fills up. Arithmetic alone;
 * disk_watch.h looks, and does it.
 *
 * Disks are sparse: together they may be promised more than the host has. When it runs out, a copy
 * gives its guest an error in the middle of a file, and a copy-on-write disk is lost as a whole
 * (the kernel gives up a snapshot whose file of differences cannot be written). So VMs are paused
 * before: what they have not written yet stays in their memory, and is written when they go on.
 *
 * The line is [image] min_free. What a guest may write before the next look, and before it stands
 * still then, has to fit:
 *  - The next look comes before half of what is above the line can be written, at 2 GiB a second
 *    (DISK_RATE: a host's page cache takes no more), but never sooner than DISK_LOOK_MIN_MS, in
 *    which that is 100 MiB.
 *  - A VM is paused when the line is crossed, or would be, at the speed of just now, by the time
 *    that the next look has come and VMs stand still (DISK_PAUSE_MS). So a quick writer is stopped
 *    well above the line (500 MiB a second: 170 MiB), a slow one at it. The worst is one that
 *    begins at the line, with 2 GiB a second: it takes 700 MiB until it stands. At 500 MiB
 *    a second that is 175 MiB; the default line is 512 MiB.
 *  - At the line those are paused that write (DISK_GREW since there was room): others are not to
 *    stand still for one. At half of it all are.
 */
#include <stdbool.h>
#include <stdint.h>

#define DISK_RATE	 (UINT64_C(2) << 30)
#define DISK_LOOK_MIN_MS 50
#define DISK_LOOK_MAX_MS 5000
#define DISK_PAUSE_MS	 300
#define DISK_LINE_MIN	 (UINT64_C(32) << 20)
#define DISK_GREW	 (UINT64_C(1) << 20)

/* The file system with the disks. */
struct disk_space {
	uint64_t free, total; /* bytes */
	uint64_t keep;	      /* [image] min_free */
	uint64_t fall;	      /* bytes a second that `free` became less by, between two looks */
};

enum disk_level {
	DISK_ROOMY,
	DISK_NEAR, /* 80 % of what there is above the line is used */
	DISK_LOW,  /* at the line, or soon */
	DISK_FULL, /* at half of it */
};

const char *disk_level_name(enum disk_level level);

uint64_t disk_rule_line(uint64_t keep);

/* A level that was near is roomy again below 75 %. */
enum disk_level disk_rule_level(const struct disk_space *s, enum disk_level before);

/* Milliseconds until the next look. */
unsigned disk_rule_interval_ms(const struct disk_space *s);

/* What has to become free until VMs go on by themselves; 0: they may. */
uint64_t disk_rule_missing(const struct disk_space *s);

/* Whether a file of differences is to be warned about: from 80 % on, until below 75 %. (It has room
 * for every chunk of its disk, common/cow.h: what can run out is the host.) */
bool disk_rule_cow_warns(uint64_t used, uint64_t total, bool warned);

/* A VM that has a disk. */
struct disk_user {
	bool runs;
	bool starting; /* runs, but cannot be paused yet: its start is cut off instead */
	bool by_watch; /* paused, and not by a user */
	bool rested;   /* paused for some seconds */
	bool grew;     /* by DISK_GREW since there was room */
	bool lost;     /* its disk */
};

enum disk_action { DISK_LEAVE, DISK_PAUSE, DISK_PAUSE_LOST, DISK_RESUME };

enum disk_action disk_rule_action(
	const struct disk_space *s, enum disk_level level, const struct disk_user *u);
