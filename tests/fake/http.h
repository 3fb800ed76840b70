/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * HTTP/1.1 as Firecracker's server speaks it: keep-alive on at most 10 connections; no reason
 * phrase; what cannot be parsed is answered 400 {"error": …}, a text that is no JSON, and takes
 * what came with it along. The behaviour (behaviour.h) has the last word.
 */
#include "common/err.h"
#include "tests/fake/machine.h"

/* Serve the machine on a listening socket, which becomes the server's, in the loop. */
int http_start(int listen_fd, struct machine *m, struct err *err);
