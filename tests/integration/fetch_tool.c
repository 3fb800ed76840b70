/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fetch-tool [OPTION…] PROGRAM CACHE [REFERENCE [TARGET]]
 *
 * Runs the confined banger-imaged-fetch for one job, as bangerd does, and prints what came of it as
 * one JSON object. Without a REFERENCE the cache is asked, or pruned (--prune). With a TARGET, a
 * directory, all that the served layout has is copied there, as the worker would read it.
 * --endpoint HOST begins one, which --prefix, --plain, --insecure, --ca FILE, --user, --secret
 * and --identity then say more of. --platform, --stall S, --parallel N. An error goes to stderr as
 * "CODE: MESSAGE", with exit status 1.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <json-c/json.h>

#include "banger-imaged/child.h"
#include "banger-imaged/manifest.h"
#include "common/fd.h"
#include "common/frame.h"
#include "common/ipc.h"
#include "common/proto_fetch.h"
#include "common/proto_source.h"
#include "common/str.h"

#define NOBODY 65534

/* The sanitizers' own calls are in no profile. */
#ifdef __SANITIZE_ADDRESS__
#define SECCOMP "off"
#else
#define SECCOMP "kill"
#endif

struct options {
	struct fetch_endpoint_in endpoints[8];
	unsigned n_endpoints;
	struct fetch_resolve_in resolve;
	bool prune, dry_run;
	const char *program, *cache, *reference, *target;
};

static struct json_object *answer, *notes, *told;
static pid_t fetcher = -1;

/* In the layout's reader: where its error goes. The fetcher's own, if there is one, says more. */
static struct err *reader_err;

static void die(const struct err *err)
{
	if (reader_err) {
		*reader_err = *err;
		exit(1);
	}
	fprintf(stderr, "%s: %s\n", err_code_name(err->code), err->msg);
	exit(1);
}

static void usage(void)
{
	fprintf(stderr, "fetch-tool [OPTION…] PROGRAM CACHE [REFERENCE [TARGET]]\n");
	exit(2);
}

static bytes file_bytes(const char *path)
{
	struct err err = ERR_INIT;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t n = 0;
	char *s;

	if (fd < 0 || fd_read_text(fd, 1 << 20, &s, &n, &err) < 0)
		usage();
	close(fd);
	return (bytes){ s, (uint32_t)n };
}

static bytes text_bytes(const char *s)
{
	return (bytes){ s, (uint32_t)strlen(s) };
}

/* Options that say more of the endpoint `e` (NULL: none was begun). */
static bool endpoint_option(struct fetch_endpoint_in *e, char ***argv)
{
	const char *name = **argv, *value = (*argv)[1];

	if (!e)
		return false;
	if (str_eq(name, "--plain"))
		return e->plain_http = true;
	if (str_eq(name, "--insecure"))
		return e->insecure = true;
	if (!value)
		return false;
	(*argv)++;
	if (str_eq(name, "--prefix"))
		return text_parse(value, &e->prefix);
	if (str_eq(name, "--user"))
		return text_parse(value, &e->username);
	if (str_eq(name, "--ca"))
		e->ca = file_bytes(value);
	else if (str_eq(name, "--secret"))
		e->secret = text_bytes(value);
	else if (str_eq(name, "--identity"))
		e->identity_token = text_bytes(value);
	else
		return false;
	return true;
}

static bool number(const char *s, uint16_t *ret)
{
	uint64_t n;

	if (!s || !str_to_u64(s, 0, UINT16_MAX, &n))
		return false;
	*ret = (uint16_t)n;
	return true;
}

static void parse(char **argv, struct options *o)
{
	struct fetch_endpoint_in *e = NULL;
	bool good = true;

	for (argv++; good && *argv && str_starts(*argv, "--"); argv++) {
		if (str_eq(*argv, "--prune")) {
			o->prune = true;
		} else if (str_eq(*argv, "--dry-run")) {
			o->dry_run = true;
		} else if (str_eq(*argv, "--endpoint") && argv[1] && o->n_endpoints < 8) {
			e = &o->endpoints[o->n_endpoints++];
			good = text_parse(*++argv, &e->host);
		} else if (str_eq(*argv, "--platform") && argv[1]) {
			good = text_parse(*++argv, &o->resolve.platform);
		} else if (str_eq(*argv, "--stall")) {
			good = number(*++argv, &o->resolve.stall_s);
		} else if (str_eq(*argv, "--parallel")) {
			good = number(*++argv, &o->resolve.parallel);
		} else {
			good = endpoint_option(e, &argv);
		}
	}
	if (!good || !argv[0] || !argv[1])
		usage();
	o->program = argv[0];
	o->cache = argv[1];
	o->reference = argv[2];
	o->target = argv[2] ? argv[3] : NULL;
}

static struct ipc *start(const struct options *o)
{
	struct err err = ERR_INIT;
	int pair[2], dir = open(o->cache, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct ipc *ch;

	if (dir < 0 || frame_pair(pair, &err) < 0)
		usage();
	fetcher = fork();
	if (fetcher == 0) {
		/* Out of the way of the fds that it will have. */
		int job = fcntl(pair[1], F_DUPFD, 10), cache = fcntl(dir, F_DUPFD, 10);

		if (dup2(job, CHILD_FD) < 0 || dup2(cache, CHILD_CACHE_FD) < 0)
			_exit(120);
		if (getuid() == 0 && (setresgid(NOBODY, NOBODY, NOBODY) < 0 ||
					     setresuid(NOBODY, NOBODY, NOBODY) < 0))
			_exit(121);
		execl(o->program, CHILD_FETCHER, SECCOMP, "6", (char *)NULL);
		_exit(122);
	}
	close(pair[1]);
	close(dir);
	fprintf(stderr, "pid %d\n", (int)fetcher);
	if (ipc_open(pair[0], &fetch_protocol, &ch, &err) < 0)
		die(&err);
	return ch;
}

static void on_notice(void *ctx, uint16_t msg, const void *in)
{
	const struct fetch_progress_in *p = in;
	const struct fetch_note_in *n = in;
	struct json_object *list;

	if (msg == fetch_msg_note) {
		json_object_array_add(notes, json_object_new_string(n->text.s));
		return;
	}
	if (!json_object_object_get_ex(told, p->blob.s, &list)) {
		list = json_object_new_array();
		json_object_object_add(told, p->blob.s, list);
	}
	json_object_array_add(list, json_object_new_uint64(p->done));
	json_object_object_add(answer, "total", json_object_new_uint64(p->total));
}

/* ---- the layout's reader, a process of its own ---- */

static int copy(struct ipc *ch, int target, const char *path, struct err *err)
{
	struct source_file_open_in in;
	struct source_file_open_out out;
	char buf[65536], name[512];
	ssize_t n;
	int fd;

	text_parse(path, &in.path);
	if (source_file_open(ch, &in, &out, err) < 0)
		return -1;
	(void)str_format(name, sizeof(name), "%s", path);
	for (char *c = name; *c; c++)
		*c = *c == '/' ? ':' : *c; /* a flat directory */
	fd = openat(target, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot create '%s'", name);
	for (uint64_t at = 0; (n = pread(out.file, buf, sizeof(buf), (off_t)at)) > 0;
		at += (uint64_t)n)
		if (fd_write_full(fd, buf, (size_t)n) < 0)
			return err_sys(err, ERR_operation_failed, errno, "cannot write '%s'", name);
	close(fd);
	close(out.file);
	return 0;
}

static void copy_blob(struct ipc *ch, int target, const digest *d, struct err *err)
{
	char path[8 + DIGEST_MAX];

	(void)str_format(path, sizeof(path), "blobs/%s", d->s);
	*strchr(path, ':') = '/';
	if (faccessat(target, d->s, F_OK, 0) != 0 && copy(ch, target, path, err) < 0)
		die(err);
}

static _Noreturn void read_layout(int source, const char *path, const digest *manifest)
{
	static const struct image_limits limits = IMAGE_LIMITS_DEFAULT;
	int target = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd;
	char name[8 + DIGEST_MAX], *s;
	struct err err = ERR_INIT;
	struct manifest m = { 0 };
	struct ipc *ch;
	size_t n = 0;

	if (target < 0 || ipc_open(source, &source_protocol, &ch, &err) < 0)
		exit(1);
	if (copy(ch, target, "oci-layout", &err) < 0 || copy(ch, target, "index.json", &err) < 0)
		die(&err);
	copy_blob(ch, target, manifest, &err);
	(void)str_format(name, sizeof(name), "blobs:%s", manifest->s);
	fd = openat(target, name, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fd_read_text(fd, limits.manifest, &s, &n, &err) < 0 ||
		manifest_parse(s, n, "", &limits, &m, &err) < 0)
		die(&err);
	copy_blob(ch, target, &m.config.digest, &err);
	for (uint32_t i = 0; i < m.n_layers; i++) {
		(void)str_format(name, sizeof(name), "blobs:%s", m.layers[i].digest.s);
		if (faccessat(target, name, F_OK, 0) != 0)
			copy_blob(ch, target, &m.layers[i].digest, &err);
	}
	exit(0);
}

static void serve(struct ipc *ch, const struct options *o, const digest *manifest)
{
	struct fetch_serve_in in;
	struct fetch_serve_out out;
	struct err err = ERR_INIT, *shared;
	int pair[2], status = 0, r;
	pid_t reader;

	if (frame_pair(pair, &err) < 0)
		die(&err);
	shared = mmap(
		NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	reader = shared == MAP_FAILED ? -1 : fork();
	if (reader < 0)
		usage();
	if (reader == 0) {
		reader_err = shared;
		close(pair[1]);
		close(ipc_fd(ch));
		read_layout(pair[0], o->target, manifest);
	}
	close(pair[0]);
	in.source = pair[1];
	r = ipc_call_long(ch, fetch_msg_serve, &in, &out, on_notice, NULL, -1, 60000, &err);
	close(pair[1]);
	if (r < 0)
		die(&err);
	if (waitpid(reader, &status, 0) != reader || status != 0)
		die(shared);
	json_object_object_add(answer, "fetched", json_object_new_uint64(out.fetched));
	json_object_object_add(answer, "reused", json_object_new_uint64(out.reused));
}

static void pull(struct ipc *ch, struct options *o)
{
	struct fetch_resolve_out out;
	struct err err = ERR_INIT;

	for (unsigned i = 0; i < o->n_endpoints; i++) {
		struct fetch_endpoint_out none;

		if (fetch_endpoint(ch, &o->endpoints[i], &none, &err) < 0)
			die(&err);
	}
	if (!text_parse(o->reference, &o->resolve.reference))
		usage();
	if (ipc_call_long(
		    ch, fetch_msg_resolve, &o->resolve, &out, on_notice, NULL, -1, 60000, &err) < 0)
		die(&err);
	json_object_object_add(answer, "digest", json_object_new_string(out.digest.s));
	json_object_object_add(answer, "top", json_object_new_string(out.top.s));
	json_object_object_add(answer, "size", json_object_new_uint64(out.size));
	json_object_object_add(answer, "type", json_object_new_string(out.media_type.s));
	json_object_object_add(answer, "cached", json_object_new_boolean(out.cached));
	if (o->target)
		serve(ch, o, &out.digest);
}

static void ask_cache(struct ipc *ch, const struct options *o)
{
	struct fetch_cache_prune_in in = { .dry_run = !o->prune || o->dry_run };
	struct fetch_cache_prune_out used;
	struct err err = ERR_INIT;

	if (fetch_cache_prune(ch, &in, &used, &err) < 0)
		die(&err);
	json_object_object_add(answer, "bytes", json_object_new_uint64(used.bytes));
	json_object_object_add(answer, "blobs", json_object_new_uint64(used.blobs));
}

int main(int argc, char **argv)
{
	static struct options o;
	struct ipc *ch;
	int status;

	parse(argv, &o);
	signal(SIGPIPE, SIG_IGN);
	answer = json_object_new_object();
	notes = json_object_new_array();
	told = json_object_new_object();
	json_object_object_add(answer, "notes", notes);
	json_object_object_add(answer, "progress", told);
	ch = start(&o);
	if (o.reference)
		pull(ch, &o);
	else
		ask_cache(ch, &o);
	ipc_close(ch);
	if (waitpid(fetcher, &status, 0) != fetcher || !WIFEXITED(status) ||
		(WEXITSTATUS(status) != 0 && WEXITSTATUS(status) != CHILD_EXIT_CLOSED)) {
		fprintf(stderr, "the fetcher ended with status %d\n", status);
		return 1;
	}
	puts(json_object_to_json_string_ext(answer, JSON_C_TO_STRING_PLAIN));
	return 0;
}
