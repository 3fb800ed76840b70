/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-imaged/fetch_serve.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "banger-imaged/fetch_document.h"
#include "banger-imaged/fetch_queue.h"
#include "common/fd.h"
#include "common/json.h"
#include "common/proto_source.h"
#include "common/str.h"

struct served {
	const struct fetch_job *j;
	struct queue *queue;
	int asker_fd;
	struct document manifest;
};

#define PROTO	    source
#define PROTO_TABLE "common/proto/source.tbl.h"
#define PROTO_CTX   struct served
#include "common/ipc_serve.h"

/* A text as a file without a name. */
static int text_file(const char *s, size_t n, int *ret_fd, uint64_t *ret_size, struct err *err)
{
	_cleanup_fd_ int fd = memfd_create("banger-layout", MFD_CLOEXEC);

	if (fd < 0 || fd_write_full(fd, s, n) < 0 || lseek(fd, 0, SEEK_SET) < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot hand a document out");
	*ret_fd = TAKE_FD(fd);
	*ret_size = n;
	return 0;
}

/* One image, under its reference. */
static struct json_object *make_index(const struct fetch_job *j)
{
	struct json_object *o = json_object_new_object(), *list = json_object_new_array();
	struct json_object *one = json_object_new_object(), *notes = json_object_new_object();
	char name[REFERENCE_MAX + 1];

	json_object_object_add(o, "schemaVersion", json_object_new_int(2));
	json_object_object_add(one, "mediaType", json_object_new_string(j->manifest.type));
	json_object_object_add(one, "digest", json_object_new_string(j->manifest.digest.s));
	json_object_object_add(one, "size", json_object_new_uint64(j->manifest.size));
	/* A name in a layout has at most 255 characters for us: what is longer has none. */
	reference_format(&j->reference, name);
	if (strlen(name) < sizeof(j->manifest.reference))
		json_object_object_add(
			notes, "org.opencontainers.image.ref.name", json_object_new_string(name));
	json_object_object_add(one, "annotations", notes);
	json_object_array_add(list, one);
	json_object_object_add(o, "manifests", list);
	return o;
}

static int open_index(struct served *s, struct source_file_open_out *out, struct err *err)
{
	_cleanup_json_ struct json_object *o = make_index(s->j);
	const char *t = json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN);

	if (!t)
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot write index.json");
	return text_file(t, strlen(t), &out->file, &out->size, err);
}

/* "blobs/sha256/HEX" */
static bool parse_path(const char *path, digest *ret)
{
	char s[DIGEST_MAX + 2];
	char *slash;

	if (!str_starts(path, "blobs/") || !str_copy(s, sizeof(s), path + strlen("blobs/")))
		return false;
	slash = strchr(s, '/');
	if (!slash)
		return false;
	*slash = ':';
	return digest_parse(s, ret);
}

int on_file_open(struct served *s, struct source_file_open_in *in, struct source_file_open_out *out,
	struct err *err)
{
	static const char layout[] = "{\"imageLayoutVersion\":\"1.0.0\"}";
	digest d;

	if (str_eq(in->path.s, "oci-layout"))
		return text_file(layout, sizeof(layout) - 1, &out->file, &out->size, err);
	if (str_eq(in->path.s, "index.json"))
		return open_index(s, out, err);
	if (!parse_path(in->path.s, &d))
		return err_set(err, ERR_not_found, "the image has no file '%s'", in->path.s);
	if (strcmp(d.s, s->manifest.digest.s) == 0)
		return text_file(s->manifest.text, s->manifest.n, &out->file, &out->size, err);
	return queue_wait(s->queue, &d, s->asker_fd, &out->file, &out->size, err);
}

/* Until the other end closes. */
static int answer(struct served *s, int *source, struct err *err)
{
	struct ipc *ch;
	int r;

	if (ipc_open(TAKE_FD(*source), &source_protocol, &ch, err) < 0)
		return -1;
	s->asker_fd = ipc_fd(ch);
	do
		r = ipc_serve(ch, source_handlers, s, NULL, err);
	while (r > 0);
	ipc_close(ch);
	return r;
}

static int load_manifest(struct fetch_job *j, struct http *h, struct document *d,
	struct manifest *m, struct err *err)
{
	static const struct image_limits limits = IMAGE_LIMITS_DEFAULT;
	struct document_wanted w = { .reference = j->manifest.digest.s,
		.digest = &j->manifest.digest,
		.size = j->manifest.size,
		.type = j->manifest.type };

	if (document_get(j, h, &w, d, err) < 0)
		return -1;
	if (manifest_parse(d->text, d->n, d->type, &limits, m, err) < 0) {
		document_finish(d);
		return -1;
	}
	return 0;
}

int fetch_serve_run(struct fetch_job *j, struct http *h, int *source, struct serve_figures *ret,
	struct err *err)
{
	struct served s = { .j = j };
	struct queue_end end = { 0 };
	struct manifest m = { 0 };
	struct err why = ERR_INIT;
	int r, answered = 0;

	if (load_manifest(j, h, &s.manifest, &m, err) < 0)
		return -1;
	r = queue_start(j, &m, &s.queue, err);
	manifest_finish(&m);
	if (r == 0) {
		answered = answer(&s, source, &why);
		r = queue_end(s.queue, &end, err);
	}
	document_finish(&s.manifest);
	if (r == 0 && answered < 0)
		*err = why;
	if (r < 0 || answered < 0)
		return -1;
	*ret = (struct serve_figures){ .fetched = end.fetched + j->fetched, .reused = end.reused };
	return 0;
}
