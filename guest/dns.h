/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
#include "common/err.h"
#include "common/types.h"
#include "guest/loop.h"

/*
 * An image without /etc/resolv.conf has nothing that a file could be bound over, and nothing is
 * made in an image. But then every resolver asks 127.0.0.1 (resolv.conf(5)): there the agent
 * relays, over UDP, to the name servers it was given. Does nothing when the image has the file, or
 * no server was given. A port 53 that somebody else has is not a failure of ours.
 */
int dns_start(struct loop *loop, ipv4 dns1, ipv4 dns2, struct err *err);
