/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * flatten-tool [--kind K] [--ref R] [--no-diff-ids] [--fsize BYTES] [--peak] SOURCE TARGET
 *
 * Imports an image in this process, as a worker of banger-imaged would, and prints what it answers
 * as one JSON object. SOURCE: a file, a directory (served from a child, as by the CLI), or "-" for
 * a pipe on stdin. An error goes to stderr as "CODE: MESSAGE", with exit status 1. --peak: the most
 * memory that was resident, in KiB, is stdout's last line.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <json-c/json.h>

#include "banger-imaged/image_import.h"
#include "common/fd.h"
#include "common/frame.h"
#include "common/ipc.h"
#include "common/proto_source.h"
#include "common/str.h"
#include "tests/integration/full_disk.h"

struct served {
	int dir;
};

#define PROTO	    source
#define PROTO_TABLE "common/proto/source.tbl.h"
#define PROTO_CTX   struct served
#include "common/ipc_serve.h"

int on_file_open(struct served *s, struct source_file_open_in *in, struct source_file_open_out *out,
	struct err *err)
{
	struct stat st;

	out->file = fd_open_beneath(s->dir, in->path.s, O_RDONLY | O_NONBLOCK, 0);
	if (out->file < 0)
		return err_sys(err, ERR_not_found, errno, "cannot open '%s'", in->path.s);
	out->size = fstat(out->file, &st) == 0 ? (uint64_t)st.st_size : 0;
	return 0;
}

/* A child that serves the directory until its socket closes; the other end. */
static int serve_directory(int dir, pid_t *ret_pid, struct err *err)
{
	int pair[2];

	if (frame_pair(pair, err) < 0)
		return -1;
	*ret_pid = fork();
	if (*ret_pid == 0) {
		struct served s = { dir };
		struct ipc *ch;

		close(pair[0]);
		if (ipc_open(pair[1], &source_protocol, &ch, err) < 0)
			_exit(1);
		while (ipc_serve(ch, source_handlers, &s, NULL, err) > 0)
			;
		_exit(0);
	}
	close(pair[1]);
	return pair[0];
}

static int open_source(const char *path, pid_t *ret_pid, struct err *err)
{
	struct stat st;
	int fd;

	if (str_eq(path, "-"))
		return dup(0);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(err, ERR_not_found, errno, "cannot open '%s'", path);
	return S_ISDIR(st.st_mode) ? serve_directory(fd, ret_pid, err) : fd;
}

static struct json_object *list(const strv *v)
{
	struct json_object *a = json_object_new_array();

	for (const char *s = strv_next(v, NULL); s; s = strv_next(v, s))
		json_object_array_add(a, json_object_new_string(s));
	return a;
}

static void print(const struct job_image_import_out *out)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "id", json_object_new_string(out->id.s));
	json_object_object_add(o, "size", json_object_new_uint64(out->size));
	json_object_object_add(o, "entries", json_object_new_uint64(out->entries));
	json_object_object_add(o, "reference", json_object_new_string(out->reference.s));
	json_object_object_add(o, "user", json_object_new_string(out->user.s));
	json_object_object_add(o, "directory", json_object_new_string(out->directory.s));
	json_object_object_add(o, "stop_signal", json_object_new_string(out->stop_signal.s));
	json_object_object_add(o, "entrypoint", list(&out->entrypoint));
	json_object_object_add(o, "command", list(&out->command));
	json_object_object_add(o, "environment", list(&out->environment));
	json_object_object_add(o, "exposed_ports", list(&out->exposed_ports));
	json_object_object_add(o, "config", json_object_new_string(out->config.s));
	json_object_object_add(o, "layers", list(&out->layers));
	puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
	json_object_put(o);
}

static void usage(void)
{
	fprintf(stderr,
		"flatten-tool [--kind K] [--ref R] [--no-diff-ids] [--fsize BYTES] [--full-at N] "
		"[--peak] SOURCE TARGET\n");
	exit(2);
}

static void limit_size(const char *s)
{
	struct rlimit l;
	uint64_t n;

	if (!str_to_size(s, &n))
		usage();
	signal(SIGXFSZ, SIG_IGN);
	l.rlim_cur = l.rlim_max = n;
	if (setrlimit(RLIMIT_FSIZE, &l) < 0)
		exit(2);
}

/* Of this program: what getrusage(2) tells is that of who started it, too. */
static void print_peak(void)
{
	FILE *f = fopen("/proc/self/status", "re");
	char line[256];

	while (f && fgets(line, sizeof(line), f))
		if (str_starts(line, "VmHWM:"))
			printf("%lu\n", strtoul(line + strlen("VmHWM:"), NULL, 10));
	if (f)
		fclose(f);
}

static char **parse(char **argv, struct job_image_import_in *in, bool *ret_peak)
{
	uint64_t n;

	in->verify_diff_ids = true;
	for (argv++; *argv && str_starts(*argv, "--"); argv++) {
		if (str_eq(*argv, "--no-diff-ids"))
			in->verify_diff_ids = false;
		else if (str_eq(*argv, "--peak"))
			*ret_peak = true;
		else if (!argv[1])
			usage();
		else if (str_eq(*argv, "--kind") && image_kind_from_name(argv[1], &in->kind))
			argv++;
		else if (str_eq(*argv, "--ref") && text_parse(argv[1], &in->reference))
			argv++;
		else if (str_eq(*argv, "--full-at") && str_to_u64(argv[1], 0, UINT_MAX, &n))
			full_disk_at((unsigned)n), argv++;
		else if (str_eq(*argv, "--fsize"))
			limit_size(*++argv);
		else
			usage();
	}
	return argv[0] && argv[1] && !argv[2] ? argv : NULL;
}

int main(int argc, char **argv)
{
	struct job_image_import_in in = { .source = -1, .target = -1, .spool = -1 };
	struct job_image_import_out out = { 0 };
	struct image_answer *answer = NULL;
	struct err err = ERR_INIT;
	pid_t child = -1;
	bool peak = false;
	int r = -1;

	argv = parse(argv, &in, &peak);
	if (!argv)
		usage();
	in.source = open_source(argv[0], &child, &err);
	in.target = open(argv[1], O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	in.spool = open("/var/tmp", O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
	if (in.source >= 0 && (in.target < 0 || in.spool < 0))
		err_sys(&err, ERR_operation_failed, errno, "cannot open '%s'", argv[1]);
	else if (in.source >= 0)
		r = image_import(NULL, &in, NULL, &out, &answer, &err);
	fd_closep(&in.source);
	if (child > 0)
		waitpid(child, NULL, 0);
	if (r < 0)
		fprintf(stderr, "%s: %s\n", err_code_name(err.code), err.msg);
	else
		print(&out);
	image_answer_destroy(answer);
	if (peak)
		print_peak();
	return r < 0;
}
