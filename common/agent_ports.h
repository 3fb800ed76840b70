/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Where the guest's agent listens on a machine with a vsock device: AF_VSOCK stream ports of the
 * guest. Only the host (VMADDR_CID_HOST) is taken for a peer.
 *
 * Control: what virtio-serial's port 0 speaks (common/proto/agent.tbl.h), one stream at a time; a
 * new one replaces the old. Session: each stream is one, its exec request the first frame, with
 * neither lease nor nonce.
 */
#define AGENT_VSOCK_CONTROL 1024
#define AGENT_VSOCK_SESSION 1025

/* Sessions at a time, those included whose stream is gone and whose processes still end; a request
 * for more is refused with busy. */
#define AGENT_VSOCK_SESSIONS_MAX 64
