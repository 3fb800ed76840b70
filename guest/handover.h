/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * What init gives the agent when the root is ready: these fds, by number.
 *
 * HANDOVER_PORT   port 0, or the host's connection over vsock, O_NONBLOCK. A host that connects
 * over vsock may have gone: then it is not there. HANDOVER_SETUP  a memfd: the setup request as it
 * came, then what was read behind it. HANDOVER_TREE   the initramfs's root directory, with /dev,
 * /dev/pts, /proc and /sys of its own and /modules. Nothing the agent needs is looked for inside
 * the image. HANDOVER_PID1   a pipe on which init says who process 1 is from now on: end of file is
 * the image's own init; an int is init itself, 0 because there was no other to run, else the errno
 * for which the image's could not be. HANDOVER_LISTENER   where the host connects over vsock; not
 * there on virtio-serial.
 */
#define HANDOVER_PORT	  3
#define HANDOVER_SETUP	  4
#define HANDOVER_TREE	  5
#define HANDOVER_PID1	  6
#define HANDOVER_LISTENER 7
#define HANDOVER_END	  8

/* Not one that begins with '@': systemd would spare the process when it kills everybody at the end
 * of a shutdown (https://systemd.io/ROOT_STORAGE_DAEMONS), and that is when we reset the machine.
 */
#define AGENT_ARGV0 "banger-agent"
