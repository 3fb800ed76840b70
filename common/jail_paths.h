/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Where things are in Firecracker's jail: launch puts them there, bangerd names them to Firecracker
 * by its API. What is in JAIL_RUN is, on the host, in the VM's run directory beneath JAIL_RUN_HOST.
 */
#define JAIL_KERNEL    "/kernel"
#define JAIL_INITRAMFS "/initramfs"
#define JAIL_DISK      "/disk"
#define JAIL_WORK      "/work" /* the work disk, where the VM has one */
#define JAIL_RUN       "/run"

#define JAIL_RUN_HOST  "fc"
#define JAIL_RUN_API   "api"   /* the API's socket */
#define JAIL_RUN_VSOCK "vsock" /* the vsock's socket */
#define JAIL_RUN_LOG   "log"   /* a FIFO, one pipe with the VMM's stderr */

/* FIFOs in the VM's run directory itself, the VMM's stdin and stdout. */
#define JAIL_CONSOLE_IN	 "console.in"
#define JAIL_CONSOLE_OUT "console.out"

/* The name of a VM's TAP is this and the VM's id, in the VMM's namespace and in the host's. */
#define JAIL_TAP_PREFIX "bt"
