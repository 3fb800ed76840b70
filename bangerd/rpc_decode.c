/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bangerd/rpc_decode.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "common/codec.h"
#include "common/fd.h"
#include "common/json.h"
#include "common/str.h"

#define OBJECT_REF_MAX 255
#define ARGV_COUNT_MAX 4096
#define ARGV_BYTES_MAX 65536
#define COUNT_MAX      1000000
#define BYTES_MAX      (1ULL << 46)
/* Whole numbers that every JSON library keeps (RFC 8259, section 6). */
#define ID_INT_MAX (1LL << 53)

static const struct {
	uint64_t min, max;
} ranges[FT__count] = {
#define RANGED(t, ctype, min, max) [FT_##t] = { min, max },
#include "common/proto/ranges.tbl.h"
};

/* ---- the envelope ---- */

static int envelope_id(struct json_object *id, const char **ret, struct err *err)
{
	int64_t v;

	switch (json_object_get_type(id)) {
	case json_type_null:
		break;
	case json_type_string:
		if (json_object_get_string_len(id) > RPC_ID_MAX)
			return err_set(
				err, ERR_bad_request, "`id` is longer than %d bytes", RPC_ID_MAX);
		break;
	case json_type_int:
		v = json_object_get_int64(id);
		if (v < -ID_INT_MAX || v > ID_INT_MAX)
			return err_set(err, ERR_bad_request, "`id` is beyond 2^53");
		break;
	case json_type_boolean:
	case json_type_double:
	case json_type_object:
	case json_type_array:
		return err_set(
			err, ERR_bad_request, "`id` must be a string, a whole number or null");
	}
	*ret = json_object_to_json_string_ext(
		id, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
	return 0;
}

/* The version comes first, so that a client of another one is told that, and not about members
 * which its version has. */
static int envelope_version(struct json_object *root, struct err *err)
{
	struct json_object *v;

	if (json_object_object_get_ex(root, "v", &v) &&
		(!json_object_is_type(v, json_type_int) || json_object_get_int64(v) != 1))
		return err_set(
			err, ERR_bad_version, "this daemon speaks version 1 of the protocol alone");
	return 0;
}

static int envelope_member(
	const char *key, struct json_object *o, struct rpc_envelope *e, struct err *err)
{
	uint64_t n;
	const char *s;

	if (str_eq(key, "v") || str_eq(key, "id"))
		return 0; /* looked at before */
	if (str_eq(key, "jsonrpc")) {
		s = json_text(o, 8);
		if (!str_eq(s, "2.0"))
			return err_set(err, ERR_bad_request, "`jsonrpc` must be \"2.0\"");
	} else if (str_eq(key, "method")) {
		e->method = json_text(o, 64);
		if (!e->method)
			return err_set(err, ERR_bad_request, "`method` must be a method's name");
	} else if (str_eq(key, "params")) {
		if (!json_object_is_type(o, json_type_object))
			return err_set(err, ERR_bad_request,
				"`params` must be an object: parameters go by name");
		e->params = o;
	} else if (str_eq(key, "fds")) {
		if (!json_get_u64(e->root, "fds", 0, RPC_FDS_MAX, &n))
			return err_set(err, ERR_bad_request, "`fds` must be a number up to %d",
				RPC_FDS_MAX);
		e->n_fds = n;
	} else if (str_eq(key, "progress")) {
		if (!json_get_bool(e->root, "progress", &e->progress))
			return err_set(err, ERR_bad_request, "`progress` must be true or false");
	} else {
		return err_set(err, ERR_bad_request,
			"a request has no member '%.64s'; parameters go into `params`",
			str_printable(key, true) ? key : "?");
	}
	return 0;
}

int rpc_envelope_parse(const char *line, size_t len, struct rpc_envelope *ret, struct err *err)
{
	struct json_object *id;

	*ret = (struct rpc_envelope){ .id = "null" };
	if (json_parse(line, len, RPC_DEPTH_MAX, &ret->root, err) < 0)
		return -1;
	if (json_object_is_type(ret->root, json_type_array))
		return err_set(
			err, ERR_bad_request, "batches are not served: send one request a line");
	if (!json_object_is_type(ret->root, json_type_object))
		return err_set(err, ERR_bad_request, "a request must be a JSON object");
	if (!json_object_object_get_ex(ret->root, "id", &id))
		err_set(err, ERR_bad_request, "`id` is missing: notifications are not served");
	else
		envelope_id(id, &ret->id, err);
	if (envelope_version(ret->root, err) < 0 || err->code != ERR_none)
		return -1;
	json_object_object_foreach(ret->root, key, value)
	{
		if (envelope_member(key, value, ret, err) < 0)
			return -1;
	}
	if (!ret->method || !json_object_object_get_ex(ret->root, "jsonrpc", &id))
		return err_set(err, ERR_bad_request, "`%s` is missing",
			ret->method ? "jsonrpc" : "method");
	return 0;
}

void rpc_envelope_finish(struct rpc_envelope *e)
{
	json_object_put(TAKE_PTR(e->root));
	*e = (struct rpc_envelope){ .id = "null" };
}

/* ---- parameters ---- */

static bool get_u64(struct json_object *o, uint64_t min, uint64_t max, uint64_t *ret)
{
	if (!json_object_is_type(o, json_type_int) ||
		(json_object_get_int64(o) < 0 && json_object_get_uint64(o) == 0))
		return false;
	*ret = json_object_get_uint64(o);
	return *ret >= min && *ret <= max;
}

static bool get_vm_ref(const char *s)
{
	size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-");

	return n > 0 && n <= VM_NAME_MAX && s[n] == '\0' && s[0] != '-';
}

/* A digest is one too: its characters are a name's. */
static bool get_object_ref(const char *s)
{
	size_t n = strlen(s);

	if (n == 0 || n > OBJECT_REF_MAX || strchr("._/:@+-", s[0]))
		return false;
	for (; *s; s++)
		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._/:@+-",
			    *s))
			return false;
	return true;
}

static bool get_text(enum rpc_type type, struct json_object *o, const char **ret)
{
	const char *s = json_text(o, TEXT_MAX);
	bool ok = s != NULL;
	vm_name name;
	ref_name ref;

	if (ok && type == RPC_string)
		ok = s[0] != '\0' && str_printable(s, true);
	else if (ok && type == RPC_vm_ref)
		ok = get_vm_ref(s);
	else if (ok && type == RPC_vm_name)
		ok = vm_name_parse(s, &name);
	else if (ok && type == RPC_object_ref)
		ok = get_object_ref(s);
	else if (ok && type == RPC_ref_name)
		ok = ref_name_parse(s, &ref);
	else if (ok)
		ok = strlen(s) == 16 && strspn(s, "0123456789abcdef") == 16;
	if (ok)
		*ret = s;
	return ok;
}

/* The strings, one behind the other, in a buffer that rpc_params_free() frees. */
static bool get_strv(enum rpc_type type, struct json_object *o, strv *ret)
{
	size_t count, total = 0;
	strv v = { 0 };
	char *buf;

	if (!json_object_is_type(o, json_type_array) ||
		(count = json_object_array_length(o)) > ARGV_COUNT_MAX)
		return false;
	for (size_t i = 0; i < count; i++) {
		const char *s = json_text(json_object_array_get_idx(o, i), ARGV_BYTES_MAX);
		const char *equals = s ? strchr(s, '=') : NULL;

		if (!s || (type == RPC_env && (!equals || equals == s)) ||
			(type == RPC_argv && i == 0 && s[0] == '\0'))
			return false;
		total += strlen(s) + 1;
	}
	if (total > ARGV_BYTES_MAX)
		return false;
	if (count == 0)
		return true;
	buf = malloc(total);
	if (!buf)
		return false;
	v.p = buf;
	for (size_t i = 0; i < count; i++)
		strv_add(&v, buf, (uint32_t)total,
			json_text(json_object_array_get_idx(o, i), ARGV_BYTES_MAX));
	*ret = v;
	return true;
}

static bool get_enum(enum rpc_type type, struct json_object *o, void *dst)
{
	const char *s = json_text(o, 32);

	if (!s)
		return false;
	if (type == RPC_accel)
		return accel_from_name(s, dst);
	if (type == RPC_vmm_kind)
		return vmm_kind_from_name(s, dst);
	if (type == RPC_guest_mode)
		return guest_mode_from_name(s, dst);
	if (type == RPC_pull_policy)
		return pull_policy_from_name(s, dst);
	return image_kind_from_name(s, dst);
}

static bool get_number(enum rpc_type type, struct json_object *o, void *dst)
{
	uint64_t v;

	switch ((int)type) {
	case RPC_vcpus:
		if (!get_u64(o, ranges[FT_vcpus].min, ranges[FT_vcpus].max, &v))
			return false;
		*(uint8_t *)dst = (uint8_t)v;
		return true;
	case RPC_signo:
		if (!get_u64(o, ranges[FT_signo].min, ranges[FT_signo].max, &v))
			return false;
		*(uint8_t *)dst = (uint8_t)v;
		return true;
	case RPC_mib:
		if (!get_u64(o, ranges[FT_mib].min, ranges[FT_mib].max, &v))
			return false;
		*(uint32_t *)dst = (uint32_t)v;
		return true;
	case RPC_count:
		if (!get_u64(o, 0, COUNT_MAX, &v))
			return false;
		*(uint32_t *)dst = (uint32_t)v;
		return true;
	case RPC_seconds:
		if (!get_u64(o, 0, COUNT_MAX, &v))
			return false;
		*(struct seconds *)dst = (struct seconds){ .given = true, .n = (uint32_t)v };
		return true;
	default:
		if (!get_u64(o, 1, BYTES_MAX, &v))
			return false;
		*(uint64_t *)dst = v;
		return true;
	}
}

static bool get_value(enum rpc_type type, struct json_object *o, void *dst)
{
	switch (type) {
	case RPC_string:
	case RPC_vm_ref:
	case RPC_vm_name:
	case RPC_object_ref:
	case RPC_ref_name:
	case RPC_operation:
		return get_text(type, o, dst);
	case RPC_boolean:
		if (!json_object_is_type(o, json_type_boolean))
			return false;
		*(bool *)dst = json_object_get_boolean(o);
		return true;
	case RPC_vcpus:
	case RPC_mib:
	case RPC_size:
	case RPC_count:
	case RPC_seconds:
	case RPC_signo:
		return get_number(type, o, dst);
	case RPC_argv:
	case RPC_env:
		return get_strv(type, o, dst);
	case RPC_accel:
	case RPC_vmm_kind:
	case RPC_guest_mode:
	case RPC_image_kind:
	case RPC_pull_policy:
		return get_enum(type, o, dst);
	case RPC_fd:
	case RPC_fd_opt:
	case RPC__type_count:
		break;
	}
	return false;
}

/* What a value of the type is, for the message. */
static const char *expected(enum rpc_type type)
{
	switch (type) {
	case RPC_string:
		return "a printable line of 1 to 511 bytes";
	case RPC_vm_ref:
		return "the id or name of a VM (a-z, 0-9, -), or the beginning of one";
	case RPC_vm_name:
		return "a name of up to 63 letters a-z, digits and inner hyphens";
	case RPC_object_ref:
		return "an id or name, or the beginning of one";
	case RPC_ref_name:
		return "a name of letters, digits and ._/:@+-, a letter or digit first";
	case RPC_operation:
		return "16 hexadecimal digits";
	case RPC_boolean:
		return "true or false";
	case RPC_vcpus:
		return "a number from 1 to 32";
	case RPC_mib:
		return "a number of MiB from 64 to 1048576";
	case RPC_size:
		return "a number of bytes from 1 to 2^46";
	case RPC_count:
		return "a number from 0 to 1000000";
	case RPC_seconds:
		return "a number of seconds from 0 to 1000000";
	case RPC_signo:
		return "a signal number from 1 to 64";
	case RPC_argv:
		return "an array of strings, the first not empty, 64 KiB at most";
	case RPC_env:
		return "an array of NAME=value strings, 64 KiB at most";
	case RPC_accel:
		return "auto, kvm or tcg";
	case RPC_vmm_kind:
		return "auto, firecracker or qemu";
	case RPC_guest_mode:
		return "auto, command or idle";
	case RPC_image_kind:
		return "auto, oci_layout, oci_archive, docker_archive or rootfs";
	case RPC_pull_policy:
		return "always, missing or never";
	case RPC_fd:
	case RPC_fd_opt:
	case RPC__type_count:
		break;
	}
	return "a file descriptor";
}

static bool is_fd(const struct rpc_param *p)
{
	return p->type == RPC_fd || p->type == RPC_fd_opt;
}

static const struct rpc_param *find_param(
	const struct rpc_param *params, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (!is_fd(&params[i]) && str_eq(params[i].name, name))
			return &params[i];
	return NULL;
}

static int decode_members(
	const struct rpc_method_info *m, struct json_object *o, void *in, struct err *err)
{
	const struct rpc_param *params;
	size_t n = m->params(&params);

	for (size_t i = 0; i < n; i++)
		if (!is_fd(&params[i]) && params[i].need == RPC_NEED_required &&
			!(o && json_object_object_get_ex(o, params[i].name, NULL)))
			return err_set(err, ERR_bad_request, "%s: `%s` is missing: %s", m->name,
				params[i].name, expected(params[i].type));
	if (!o)
		return 0;
	json_object_object_foreach(o, key, value)
	{
		const struct rpc_param *p = find_param(params, n, key);

		if (!p)
			return err_set(err, ERR_bad_request, "%s has no parameter '%.64s'", m->name,
				str_printable(key, true) ? key : "?");
		if (!get_value(p->type, value, (char *)in + p->offset))
			return err_set(err, ERR_bad_request, "%s: `%s` must be %s", m->name, key,
				expected(p->type));
	}
	return 0;
}

/* Taken only when all is right: on failure they stay the caller's. */
static int decode_fds(
	const struct rpc_method_info *m, int *fds, size_t n_fds, void *in, struct err *err)
{
	const struct rpc_param *params;
	size_t n = m->params(&params), most = 0, next = 0;

	for (size_t i = 0; i < n; i++) {
		if (!is_fd(&params[i]))
			continue;
		if (most >= n_fds && params[i].need == RPC_NEED_required)
			return err_set(err, ERR_bad_request,
				"%s: a file descriptor must come with the request (`%s`)", m->name,
				params[i].name);
		most++;
	}
	if (n_fds > most)
		return err_set(err, ERR_bad_request, "%s takes %zu file descriptors, not %zu",
			m->name, most, n_fds);
	for (size_t i = 0; i < n && next < n_fds; i++)
		if (is_fd(&params[i])) {
			*(int *)(void *)((char *)in + params[i].offset) = TAKE_FD(fds[next]);
			next++;
		}
	return 0;
}

int rpc_params_decode(const struct rpc_method_info *m, const struct rpc_envelope *e, int *fds,
	size_t n_fds, void **ret_in, struct err *err)
{
	const struct rpc_param *params;
	size_t n = m->params(&params);
	void *in = calloc(1, m->in_size > 0 ? m->in_size : 1);

	if (!in)
		return err_sys(err, ERR_operation_failed, ENOMEM, "%s", m->name);
	for (size_t i = 0; i < n; i++)
		if (is_fd(&params[i]))
			*(int *)(void *)((char *)in + params[i].offset) = -1;
	if (decode_members(m, e->params, in, err) < 0 || decode_fds(m, fds, n_fds, in, err) < 0) {
		rpc_params_free(m, in);
		return -1;
	}
	*ret_in = in;
	return 0;
}

size_t rpc_params_take_fds(const struct rpc_method_info *m, void *in, int ret[RPC_FDS_MAX])
{
	const struct rpc_param *params;
	size_t n = m->params(&params), taken = 0;

	for (size_t i = 0; i < n && taken < RPC_FDS_MAX; i++)
		if (is_fd(&params[i]))
			ret[taken++] = TAKE_FD(*(int *)(void *)((char *)in + params[i].offset));
	return taken;
}

void rpc_params_free(const struct rpc_method_info *m, void *in)
{
	const struct rpc_param *params;
	size_t n = m->params(&params);

	for (size_t i = 0; in && i < n; i++) {
		void *at = (char *)in + params[i].offset;

		if (is_fd(&params[i]))
			fd_closep(at);
		else if (params[i].type == RPC_argv || params[i].type == RPC_env)
			free((void *)((strv *)at)->p);
	}
	free(in);
}
