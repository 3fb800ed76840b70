/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * What the stand-in is told to do by 256 bytes of its own data, that a test patches in a copy of
 * the program (tests/lib/fake_firecracker.py): "BANGER-FAKE:" and items `name=value`, parted by
 * blanks. A word without "=" belongs to the value before it.
 *
 *   engine=HOW          what stands for the guest: qemu, kvm (QEMU, which may use KVM), none
 *   version=1.4.0       what --version and the API say
 *   nosocket            run, but never make the API socket
 *   late=MS             make the API socket that late
 *   vsock=HOW           engine none: refuse, junk, close (behind OK), silent, flood
 *   stamps=FILE         when what happened: stamps.h
 *   console=BYTES       engine none: as much on stdout once started
 *
 * and for requests, WHAT being "METHOD /path" (its beginning is enough), "#N" (the Nth request of
 * the process) or "*":
 *   delay=WHAT:MS       before it is done         slow=WHAT:MS    between the bytes of its reply
 *   die=WHAT            instead of doing it       dieafter=WHAT   once it is done and answered
 *   silent=WHAT         never answer              close=WHAT      close instead of an answer
 *   half=WHAT           half a reply, no more     cut=WHAT        half a reply, then close
 *   garbage=WHAT        no HTTP                   badjson=WHAT    200 with half a JSON text
 *   huge=WHAT           a body of 8 MiB           extra=WHAT      bytes behind the reply
 *   status500=WHAT      500 and a fault_message   bare500=WHAT    500 and nothing
 *   fault=WHAT          400 and a fault_message
 */
#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"

enum effect {
	EFFECT_DELAY,
	EFFECT_SLOW,
	EFFECT_DIE,
	EFFECT_DIEAFTER,
	EFFECT_SILENT,
	EFFECT_CLOSE,
	EFFECT_HALF,
	EFFECT_CUT,
	EFFECT_GARBAGE,
	EFFECT_BADJSON,
	EFFECT_HUGE,
	EFFECT_EXTRA,
	EFFECT_STATUS500,
	EFFECT_BARE500,
	EFFECT_FAULT,
	EFFECT__count
};

enum vsock_manner {
	VSOCK_GOOD,
	VSOCK_REFUSE,
	VSOCK_JUNK,
	VSOCK_CLOSE,
	VSOCK_SILENT,
	VSOCK_FLOOD,
	VSOCK__count
};

struct behaviour {
	bool none; /* the engine */
	bool kvm;
	char version[32];
	bool no_socket;
	uint32_t late_ms;
	enum vsock_manner vsock;
	uint64_t console_bytes;
	char stamps[64]; /* "": none */
};

extern struct behaviour behaviour;

/* Read the data. Fails, naming the item, when one is not of the above. */
int behaviour_init(struct err *err);

/* The effects (bit 1 << enum effect) on the nth request of the process, counted from 1; *ret_ms is
 * what delay or slow say. */
uint32_t behaviour_of(const char *method, const char *path, unsigned nth, uint32_t *ret_ms);
