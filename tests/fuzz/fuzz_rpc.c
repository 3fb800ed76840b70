/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A request's line, from a hostile client: the first byte says how many fds come along. Nothing may
 * crash, what is accepted must be what the table says, and no fd may stay. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bangerd/rpc_decode.h"
#include "common/fd.h"
#include "common/str.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int lowest_fd(void)
{
	int fd = dup(STDERR_FILENO);

	close(fd);
	return fd;
}

static void must(bool held)
{
	if (!held)
		abort();
}

/* What rpc_types.h promises of a list. */
static void check_strv(const strv *v)
{
	uint32_t count = 0;

	for (const char *s = strv_next(v, NULL); s; s = strv_next(v, s))
		count++;
	must(count == v->count && v->count <= 4096 && v->n <= 65536);
}

static void check_text(enum rpc_type type, const char *s)
{
	size_t n = strlen(s);

	must(n > 0 && n <= TEXT_MAX);
	if (type == RPC_vm_ref)
		must(n <= VM_NAME_MAX && s[0] != '-');
	else if (type == RPC_operation)
		must(n == 16);
	else
		must(str_printable(s, true));
}

static void check_param(const struct rpc_param *p, const void *at)
{
	switch (p->type) {
	case RPC_string:
	case RPC_vm_ref:
	case RPC_vm_name:
	case RPC_object_ref:
	case RPC_ref_name:
	case RPC_operation:
		if (*(const char *const *)at)
			check_text(p->type, *(const char *const *)at);
		else
			must(p->need == RPC_NEED_optional);
		break;
	case RPC_vcpus:
		must(*(const uint8_t *)at <= 32);
		break;
	case RPC_signo:
		must(*(const uint8_t *)at <= 64);
		break;
	case RPC_mib:
		must(*(const uint32_t *)at <= 1048576);
		break;
	case RPC_count:
		must(*(const uint32_t *)at <= 1000000);
		break;
	case RPC_seconds:
		must(((const struct seconds *)at)->n <= 1000000);
		break;
	case RPC_size:
		must(*(const uint64_t *)at <= 1ULL << 46);
		break;
	case RPC_argv:
	case RPC_env:
		check_strv(at);
		break;
	case RPC_fd:
		must(*(const int *)at >= 0);
		break;
	case RPC_fd_opt:
	case RPC_boolean:
	case RPC_accel:
	case RPC_vmm_kind:
	case RPC_guest_mode:
	case RPC_image_kind:
	case RPC_pull_policy:
	case RPC__type_count:
		break;
	}
}

static void decode(const struct rpc_envelope *e, int *fds, size_t n_fds)
{
	const struct rpc_method_info *m = rpc_method_find(e->method);
	const struct rpc_param *params;
	struct err err = ERR_INIT;
	void *in;

	if (!m)
		return;
	if (rpc_params_decode(m, e, fds, n_fds, &in, &err) < 0) {
		must(err.code != ERR_none && err.msg[0]);
		return;
	}
	for (size_t i = 0, n = m->params(&params); i < n; i++)
		check_param(&params[i], (const char *)in + params[i].offset);
	rpc_params_free(m, in);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int before = lowest_fd(), fds[RPC_FDS_MAX];
	struct rpc_envelope e;
	struct err err = ERR_INIT;
	size_t n_fds;

	if (size == 0)
		return 0;
	n_fds = data[0] % 4;
	for (size_t i = 0; i < n_fds; i++)
		fds[i] = dup(STDERR_FILENO);
	if (rpc_envelope_parse((const char *)data + 1, size - 1, &e, &err) == 0)
		decode(&e, fds, n_fds);
	else
		must(err.code != ERR_none && err.msg[0]);
	must(e.id != NULL);
	rpc_envelope_finish(&e);
	fd_close_many(fds, n_fds);
	must(lowest_fd() == before);
	return 0;
}
