/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-imaged/tar.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "banger-imaged/tar_acl.h"
#include "common/str.h"

#define BLOCK	   512	       /* of tar */
#define PIECE	   (512 << 10) /* the most that libarchive gets at once */
#define XATTRS	   256	       /* of one file; ext4 has room for far fewer */
#define XATTR_NAME 255
#define NS_PER_S   1000000000

struct tar {
	struct flow *s;
	const struct image_limits *limits;
	struct archive *a;
	locale_t plain; /* "C" */

	const uint8_t *p; /* what is left of the flow's piece */
	size_t n;
	bool flow_ended;
	bool zeros; /* the last block that was given, or as much as there was of it, was zeros */
	bool failed;
	struct err failure; /* the flow's */
	bool in_header;
	uint64_t header; /* bytes that were given for the headers of one entry */

	bool begun, ended, marked;
	uint64_t got;			     /* bytes of the entry's data … */
	uint64_t got_to;		     /* … and where in the file they end */
	struct tar_xattr xattrs[XATTRS + 2]; /* two may be ACLs that came as text */
	struct tar_acl acls[2];
	struct tar_entry entry;
};

/* ---- libarchive's source ---- */

static bool all_zeros(const uint8_t *p, size_t n)
{
	while (n > 0 && p[n - 1] == 0)
		n--;
	return n == 0;
}

static la_ssize_t refuse(struct tar *t)
{
	t->failed = true;
	archive_set_error(t->a, EIO, "%s", "cannot read");
	return ARCHIVE_FATAL;
}

static la_ssize_t give(struct archive *a, void *ctx, const void **ret)
{
	struct tar *t = ctx;
	size_t n;

	if (t->failed)
		return refuse(t);
	if (t->n == 0 && !t->flow_ended) {
		if (t->s->next(t->s, &t->p, &t->n, &t->failure) < 0)
			return refuse(t);
		t->flow_ended = t->n == 0;
	}
	/* libarchive bounds one extended header, but neither how many there are nor a sparse map,
	 * which it keeps in memory. */
	if (t->in_header && t->header > t->limits->tar_headers) {
		err_set(&t->failure, ERR_bad_input,
			"the headers of a tar entry are larger than %u MiB",
			t->limits->tar_headers >> 20);
		return refuse(t);
	}
	n = t->n < PIECE ? t->n : PIECE;
	*ret = t->p;
	t->p += n;
	t->n -= n;
	t->header += n;
	if (n > 0)
		t->zeros = n < BLOCK ? all_zeros(t->p - n, n) : all_zeros(t->p - BLOCK, BLOCK);
	return (la_ssize_t)n;
}

/* Never negative: libarchive 3.6 would count that as progress. give() tells of the failure. */
static la_int64_t pass_over(struct archive *a, void *ctx, la_int64_t request)
{
	struct tar *t = ctx;
	uint64_t want = (uint64_t)request, n = t->n < want ? t->n : want;

	t->p += n;
	t->n -= n;
	if (n == want || !t->s->skip || t->flow_ended)
		return (la_int64_t)n;
	if (t->s->skip(t->s, want - n, &t->failure) < 0) {
		t->failed = true;
		return (la_int64_t)n;
	}
	return request;
}

/* From the flow's failure or libarchive's; always -1. */
static int fail(struct tar *t, struct err *err)
{
	const char *text = archive_error_string(t->a);
	char line[160];

	if (t->failed) {
		*err = t->failure;
		return -1;
	}
	str_format(line, sizeof(line), "%.150s", text ? text : "damaged, or cut short");
	str_sanitize(line);
	return err_set(err, archive_errno(t->a) == ENOMEM ? ERR_operation_failed : ERR_bad_input,
		"the tar archive: %s", line);
}

int tar_open(struct flow *s, const struct image_limits *limits, struct tar **ret, struct err *err)
{
	_cleanup_(tar_closep) struct tar *t = calloc(1, sizeof(*t));

	if (!t)
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot read a tar stream");
	t->s = s;
	t->limits = limits;
	t->failure = (struct err)ERR_INIT;
	t->a = archive_read_new();
	t->plain = newlocale(LC_CTYPE_MASK, "C", (locale_t)0);
	if (!t->a || !t->plain)
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot read a tar stream");
	if (archive_read_support_format_tar(t->a) != ARCHIVE_OK ||
		archive_read_set_read_callback(t->a, give) != ARCHIVE_OK ||
		archive_read_set_skip_callback(t->a, pass_over) != ARCHIVE_OK ||
		archive_read_set_callback_data(t->a, t) != ARCHIVE_OK)
		return fail(t, err);
	*ret = TAKE_PTR(t);
	return 0;
}

void tar_close(struct tar *t)
{
	if (!t)
		return;
	archive_read_free(t->a);
	if (t->plain)
		freelocale(t->plain);
	free(t);
}

/* ---- entries ---- */

static int set_type(struct tar_entry *e, struct archive_entry *ae, struct err *err)
{
	size_t n = strlen(e->name);

	switch (archive_entry_filetype(ae)) {
	case AE_IFREG:
		/* So are directories in the oldest archives. */
		e->type = n > 0 && e->name[n - 1] == '/' ? TAR_DIRECTORY : TAR_FILE;
		return 0;
	case AE_IFLNK:
		e->type = TAR_SYMLINK;
		return 0;
	case AE_IFCHR:
		e->type = TAR_CHAR_DEVICE;
		return 0;
	case AE_IFBLK:
		e->type = TAR_BLOCK_DEVICE;
		return 0;
	case AE_IFDIR:
		e->type = TAR_DIRECTORY;
		return 0;
	case AE_IFIFO:
		e->type = TAR_FIFO;
		return 0;
	default:
		return err_set(err, ERR_bad_input, "'%s': a tar entry of an unknown type", e->name);
	}
}

static int set_names(struct tar_entry *e, struct archive_entry *ae, struct err *err)
{
	const char *name = archive_entry_pathname(ae), *link = archive_entry_hardlink(ae);

	if (!name || name[0] == '\0')
		return err_set(err, ERR_bad_input, "a tar entry has no name");
	if (!str_copy(e->name, sizeof(e->name), name))
		return err_set(
			err, ERR_bad_input, "a tar name is longer than %d bytes", TAR_PATH_MAX - 1);
	if (link)
		e->type = TAR_HARDLINK;
	else if (set_type(e, ae, err) < 0)
		return -1;
	if (e->type == TAR_SYMLINK) {
		link = archive_entry_symlink(ae);
		if (!link)
			return err_set(err, ERR_bad_input,
				"'%s': a symlink whose target cannot be read (it stands in a pax "
				"header alone)",
				e->name);
	}
	if (!str_copy(e->link, sizeof(e->link), link ? link : ""))
		return err_set(err, ERR_bad_input, "'%s': its link is longer than %d bytes",
			e->name, TAR_PATH_MAX - 1);
	return 0;
}

static int set_numbers(struct tar_entry *e, struct archive_entry *ae, struct err *err)
{
	int64_t uid = archive_entry_uid(ae), gid = archive_entry_gid(ae);
	dev_t major = archive_entry_rdevmajor(ae), minor = archive_entry_rdevminor(ae);

	if (uid < 0 || uid >= UINT32_MAX || gid < 0 || gid >= UINT32_MAX)
		return err_set(err, ERR_bad_input, "'%s': its owner %lld:%lld is out of range",
			e->name, (long long)uid, (long long)gid);
	if (e->type == TAR_CHAR_DEVICE || e->type == TAR_BLOCK_DEVICE) {
		if (major > 0xfff || minor > 0xfffff)
			return err_set(err, ERR_bad_input,
				"'%s': the device %lld:%lld is none of Linux", e->name,
				(long long)major, (long long)minor);
		e->major = (uint32_t)major;
		e->minor = (uint32_t)minor;
	}
	e->mode = archive_entry_perm(ae) & 07777;
	e->uid = (uint32_t)uid;
	e->gid = (uint32_t)gid;
	e->mtime = archive_entry_mtime(ae);
	e->mtime_ns = (uint32_t)archive_entry_mtime_nsec(ae);
	/* "-1.5" comes as second -1 and half a second towards the past. */
	if (e->mtime < 0 && e->mtime_ns > 0) {
		e->mtime--;
		e->mtime_ns = NS_PER_S - e->mtime_ns;
	}
	return 0;
}

/* Of the namespaces that Linux has (xattr(7)). What else a tar brings (macOS writes "com.apple.…")
 * no file system here takes, and container engines leave it out, too. */
static bool xattr_is_linux(const char *name)
{
	static const char *const namespaces[] = { "user.", "trusted.", "security." };

	for (size_t i = 0; i < ARRAY_SIZE(namespaces); i++)
		if (str_starts(name, namespaces[i]) && name[strlen(namespaces[i])] != '\0')
			return true;
	return str_eq(name, "system.posix_acl_access") || str_eq(name, "system.posix_acl_default");
}

static bool has_xattr(const struct tar_entry *e, const char *name)
{
	for (uint32_t i = 0; i < e->n_xattrs; i++)
		if (str_eq(e->xattrs[i].name, name))
			return true;
	return false;
}

static int set_xattrs(struct tar *t, struct archive_entry *ae, struct err *err)
{
	struct tar_entry *e = &t->entry;
	const char *name;
	const void *value;
	size_t size;

	e->xattrs = t->xattrs;
	archive_entry_xattr_reset(ae);
	/* The last of a name, which is the one that counts, comes first. */
	while (archive_entry_xattr_next(ae, &name, &value, &size) == ARCHIVE_OK) {
		if (!xattr_is_linux(name) || has_xattr(e, name))
			continue;
		if (size == 0 && str_starts(name, "system."))
			return err_set(
				err, ERR_bad_input, "'%s': its ACL '%s' is empty", e->name, name);
		if (strlen(name) > XATTR_NAME)
			return err_set(err, ERR_bad_input,
				"'%s': an xattr's name is longer than %d bytes", e->name,
				XATTR_NAME);
		if (size > t->limits->xattr)
			return err_set(err, ERR_bad_input,
				"'%s': the xattr '%s' is larger than %u bytes", e->name, name,
				t->limits->xattr);
		if (e->n_xattrs == XATTRS)
			return err_set(err, ERR_bad_input, "'%s': it has more than %d xattrs",
				e->name, XATTRS);
		t->xattrs[e->n_xattrs++] = (struct tar_xattr){ name, value, (uint32_t)size };
	}
	return 0;
}

/* ACLs that came as text, where none came as an xattr. */
static int set_acls(struct tar *t, struct archive_entry *ae, struct err *err)
{
	static const char *const names[] = {
		"system.posix_acl_access",
		"system.posix_acl_default",
	};
	struct tar_entry *e = &t->entry;

	/* Those of macOS and ZFS have no place here. libarchive takes quadratic time for a long
	 * list, so that one must not follow the other. */
	if (archive_entry_acl_count(ae, ARCHIVE_ENTRY_ACL_TYPE_NFS4) > TAR_ACL_MAX)
		return err_set(err, ERR_bad_input, "'%s': an ACL has more than %d entries", e->name,
			TAR_ACL_MAX);
	for (int i = 0; i < 2; i++) {
		struct tar_acl *acl = &t->acls[i];

		if (tar_acl_take(ae, i == 0, acl, err) < 0)
			return err_wrap(err, "'%s'", e->name);
		/* libarchive has put the ACL's group into the mode, where the mask belongs. */
		if (i == 0 && acl->size > 0)
			e->mode = (e->mode & ~070U) | acl->mask << 3;
		if (acl->size > 0 && !has_xattr(e, names[i]))
			t->xattrs[e->n_xattrs++] =
				(struct tar_xattr){ names[i], acl->value, acl->size };
	}
	return 0;
}

static int set_size(struct tar_entry *e, struct archive_entry *ae, struct err *err)
{
	la_int64_t size = archive_entry_size(ae), offset, length;

	if (size < 0 || size == INT64_MAX)
		return err_set(err, ERR_bad_input, "'%s': its size is no size", e->name);
	e->size = e->stored = (uint64_t)size;
	/* A map of a single segment, the whole file, is none for libarchive. */
	e->sparse = archive_entry_sparse_reset(ae) > 0;
	if (!e->sparse)
		return 0;
	e->stored = 0;
	/* libarchive leaves segments out that are out of order or outside of the file, so that the
	 * sum is at most its size: tar_data() finds that more come. */
	while (archive_entry_sparse_next(ae, &offset, &length) == ARCHIVE_OK)
		e->stored += (uint64_t)length;
	return 0;
}

static int set_entry(struct tar *t, struct archive_entry *ae, struct err *err)
{
	struct tar_entry *e = &t->entry;

	memset(e, 0, offsetof(struct tar_entry, name));
	memset((uint8_t *)e + offsetof(struct tar_entry, mode), 0,
		sizeof(*e) - offsetof(struct tar_entry, mode));
	if (set_names(e, ae, err) < 0 || set_numbers(e, ae, err) < 0 ||
		set_xattrs(t, ae, err) < 0 || set_acls(t, ae, err) < 0)
		return -1;
	if (e->type == TAR_FILE && set_size(e, ae, err) < 0)
		return -1;
	e->data_at = (uint64_t)archive_filter_bytes(t->a, 0);
	return 0;
}

/* Reads the first header to see that it is one. A stream without a byte libarchive takes for no
 * archive; here it is one without entries. */
static int begin(struct tar *t, struct err *err)
{
	t->begun = true;
	if (archive_read_open1(t->a) == ARCHIVE_OK)
		return 0;
	t->ended = !t->failed && t->flow_ended && t->header == 0;
	return t->ended ? 0 : fail(t, err);
}

/* Names in pax headers are UTF-8, which libarchive turns into the locale's charset and, on the way,
 * into another normal form. To ASCII nothing of that is possible: what is not ASCII it leaves as it
 * is, with a warning, the only one of this errno. Of other warnings (ACLs that it cannot read, …)
 * not each becomes its answer, but each leaves an errno. */
static int next_header(struct tar *t, struct archive_entry **ret)
{
	locale_t old = uselocale(t->plain);
	int r;

	t->in_header = true;
	t->header = 0;
	errno = 0; /* which libarchive takes for a conversion's */
	r = archive_read_next_header(t->a, ret);
	t->in_header = false;
	uselocale(old);
	if (r == ARCHIVE_WARN && archive_errno(t->a) == EILSEQ)
		return ARCHIVE_OK;
	return r == ARCHIVE_OK && archive_errno(t->a) != 0 && archive_errno(t->a) != EILSEQ
		       ? ARCHIVE_WARN
		       : r;
}

int tar_next(struct tar *t, const struct tar_entry **ret, struct err *err)
{
	struct archive_entry *ae;
	int r;

	*ret = NULL;
	if (!t->begun) {
		if (begin(t, err) < 0)
			return -1;
	} else if (!t->ended && archive_read_data_skip(t->a) != ARCHIVE_OK) {
		return fail(t, err);
	}
	if (t->ended)
		return 0;
	t->got = t->got_to = 0;
	r = next_header(t, &ae);
	if (r == ARCHIVE_EOF) {
		t->ended = true;
		t->marked = archive_filter_bytes(t->a, 0) > archive_read_header_position(t->a) &&
			    (!t->flow_ended || t->zeros);
		return 0;
	}
	if (r != ARCHIVE_OK)
		return fail(t, err);
	if (set_entry(t, ae, err) < 0)
		return -1;
	*ret = &t->entry;
	return 0;
}

int tar_data(
	struct tar *t, uint64_t *ret_offset, const uint8_t **ret_p, size_t *ret_n, struct err *err)
{
	const struct tar_entry *e = &t->entry;
	la_int64_t offset;
	const void *p;
	size_t n;
	int r = archive_read_data_block(t->a, &p, &n, &offset);

	if (r == ARCHIVE_EOF) {
		/* Off a block's end when the map leaves some of what is stored out. */
		if (t->got != e->stored || archive_filter_bytes(t->a, 0) % BLOCK != 0)
			return err_set(err, ERR_bad_input,
				"'%s': the %llu bytes of its size or sparse map are not what the "
				"archive has",
				e->name, (unsigned long long)e->stored);
		*ret_n = 0;
		return 0;
	}
	if (r != ARCHIVE_OK) {
		fail(t, err);
		return t->failed ? -1 : err_wrap(err, "'%s'", e->name);
	}
	if ((uint64_t)offset < t->got_to || (uint64_t)offset > e->size ||
		n > e->size - (uint64_t)offset)
		return err_set(err, ERR_bad_input,
			"'%s': its sparse map is out of order, or larger than the file", e->name);
	t->got += n;
	t->got_to = (uint64_t)offset + n;
	*ret_offset = (uint64_t)offset;
	*ret_p = p;
	*ret_n = n;
	return 0;
}

bool tar_has_end(const struct tar *t)
{
	return t->marked;
}

int tar_drain(struct tar *t, struct err *err)
{
	do {
		if (!t->flow_ended && t->s->next(t->s, &t->p, &t->n, err) < 0)
			return -1;
		t->flow_ended = t->flow_ended || t->n == 0;
	} while (!t->flow_ended);
	return 0;
}
