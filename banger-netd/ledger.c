/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-netd/ledger.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "banger-netd/alone.h"
#include "common/fd.h"
#include "common/str.h"

#define NOTE_MAX 4096

struct ledger {
	int dirfd;
	char boot_id[LEDGER_BOOT_ID_LEN + 1];
	struct ledger_row *rows; /* sorted by id */
	size_t n, cap;
};

static int open_dir(int run_dirfd, int *ret, struct err *err)
{
	_cleanup_fd_ int fd = -1;
	struct stat st;

	if (mkdirat(run_dirfd, "ledger", 0700) < 0 && errno != EEXIST)
		return err_sys(err, ERR_operation_failed, errno, "cannot make the ledger");
	fd = fd_open_beneath(run_dirfd, "ledger", O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot open the ledger");
	if (st.st_uid != geteuid() || (st.st_mode & 077))
		return err_set(err, ERR_operation_failed,
			"the ledger's directory is not root's alone: remove it");
	if (alone_lock(fd, "the ledger", err) < 0)
		return -1;
	*ret = TAKE_FD(fd);
	return 0;
}

/* The position of vm, or where it would be. */
static size_t place_of(const struct ledger *l, vm_id vm)
{
	size_t lo = 0, hi = l->n;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (strcmp(l->rows[mid].vm.s, vm.s) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

struct ledger_row *ledger_find(struct ledger *l, vm_id vm)
{
	size_t i = place_of(l, vm);

	return i < l->n && strcmp(l->rows[i].vm.s, vm.s) == 0 ? &l->rows[i] : NULL;
}

struct ledger_row *ledger_after(struct ledger *l, vm_id after)
{
	size_t i = place_of(l, after);

	if (i < l->n && strcmp(l->rows[i].vm.s, after.s) == 0)
		i++;
	return i < l->n ? &l->rows[i] : NULL;
}

const struct ledger_row *ledger_at(const struct ledger *l, size_t i)
{
	return i < l->n ? &l->rows[i] : NULL;
}

static int make_room(struct ledger *l, struct err *err)
{
	size_t cap = l->cap ? 2 * l->cap : 16;
	struct ledger_row *rows;

	if (l->n < l->cap)
		return 0;
	if (l->n >= LEDGER_ROWS_MAX)
		return err_set(err, ERR_quota_exceeded,
			"%zu VMs are on this host, which is the limit: stop one", l->n);
	rows = reallocarray(l->rows, cap, sizeof(*rows));
	if (!rows)
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot grow the ledger");
	l->rows = rows;
	l->cap = cap;
	return 0;
}

/* There is room. */
static void insert(struct ledger *l, const struct ledger_row *row)
{
	size_t i = place_of(l, row->vm);

	memmove(&l->rows[i + 1], &l->rows[i], (l->n - i) * sizeof(l->rows[0]));
	l->rows[i] = *row;
	l->n++;
}

static int write_file(
	struct ledger *l, const char *name, const char *s, size_t len, struct err *err)
{
	_cleanup_fd_ int fd = -1;
	char tmp[80];

	str_format(tmp, sizeof(tmp), ".%s.tmp", name);
	fd = openat(l->dirfd, tmp, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 || fd_write_full(fd, s, len) < 0 ||
		renameat(l->dirfd, tmp, l->dirfd, name) < 0) {
		int saved = errno;

		unlinkat(l->dirfd, tmp, 0);
		return err_sys(err, saved == ENOSPC ? ERR_no_space : ERR_operation_failed, saved,
			"cannot write the ledger");
	}
	return 0;
}

static int remove_file(struct ledger *l, const char *name, struct err *err)
{
	if (unlinkat(l->dirfd, name, 0) < 0 && errno != ENOENT)
		return err_sys(err, ERR_operation_failed, errno, "cannot change the ledger");
	return 0;
}

/* The text of a file of the ledger; *ret stays NULL when there is none. */
static int read_file(struct ledger *l, const char *name, size_t max, char **ret, struct err *err)
{
	_cleanup_fd_ int fd = fd_open_beneath(l->dirfd, name, O_RDONLY, 0);

	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot read the ledger");
	return fd_read_text(fd, max, ret, NULL, err);
}

int ledger_put(struct ledger *l, const struct ledger_row *row, struct err *err)
{
	struct ledger_row copy = *row, *old = ledger_find(l, row->vm);
	char s[LEDGER_ROW_MAX];

	str_copy(copy.boot_id, sizeof(copy.boot_id), l->boot_id);
	if (!old && make_room(l, err) < 0)
		return -1;
	if (write_file(l, row->vm.s, s, ledger_row_format(&copy, s), err) < 0)
		return -1;
	if (!old) {
		insert(l, &copy);
		return 0;
	}
	if (old->tap != copy.tap)
		fd_closep(&old->tap);
	if (old->inside != copy.inside)
		fd_closep(&old->inside);
	*old = copy;
	return 0;
}

int ledger_remove(struct ledger *l, vm_id vm, struct err *err)
{
	struct ledger_row *row = ledger_find(l, vm);
	size_t i;

	if (remove_file(l, vm.s, err) < 0)
		return -1;
	if (!row)
		return 0;
	fd_closep(&row->tap);
	fd_closep(&row->inside);
	i = (size_t)(row - l->rows);
	memmove(row, row + 1, (l->n - i - 1) * sizeof(*row));
	l->n--;
	return 0;
}

static int load_row(struct ledger *l, vm_id vm, ledger_stale on_stale, void *ctx, struct err *err)
{
	_cleanup_free_ char *s = NULL;
	struct err why = ERR_INIT;
	struct ledger_row row;

	if (read_file(l, vm.s, LEDGER_ROW_MAX - 1, &s, &why) < 0 ||
		ledger_row_parse(vm, s ? s : "", &row, &why) < 0)
		return on_stale(ctx, vm, why.msg) == 0 ? remove_file(l, vm.s, err) : 0;
	if (!str_eq(row.boot_id, l->boot_id))
		return on_stale(ctx, vm, "it is from before the last boot") == 0
			       ? remove_file(l, vm.s, err)
			       : 0;
	if (make_room(l, err) < 0)
		return -1;
	insert(l, &row);
	return 0;
}

static int load(struct ledger *l, ledger_stale on_stale, void *ctx, struct err *err)
{
	int fd = openat(l->dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;
	vm_id vm;

	if (!d) {
		int saved = errno;

		fd_closep(&fd);
		return err_sys(err, ERR_operation_failed, saved, "cannot list the ledger");
	}
	while (r == 0 && (e = readdir(d)))
		if (vm_id_parse(e->d_name, &vm))
			r = load_row(l, vm, on_stale, ctx, err);
		else if (str_starts(e->d_name, ".") && str_ends(e->d_name, ".tmp"))
			r = remove_file(l, e->d_name, err);
	closedir(d);
	return r;
}

int ledger_open(int run_dirfd, const char *boot_id, ledger_stale on_stale, void *ctx,
	struct ledger **ret, struct err *err)
{
	struct ledger *l = calloc(1, sizeof(*l));

	if (!l)
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot open the ledger");
	l->dirfd = -1;
	if (!str_copy(l->boot_id, sizeof(l->boot_id), boot_id)) {
		ledger_close(l);
		return err_set(err, ERR_operation_failed, "the boot id is not valid");
	}
	if (open_dir(run_dirfd, &l->dirfd, err) < 0 || load(l, on_stale, ctx, err) < 0) {
		ledger_close(l);
		return -1;
	}
	*ret = l;
	return 0;
}

void ledger_close(struct ledger *l)
{
	if (!l)
		return;
	for (size_t i = 0; i < l->n; i++) {
		fd_closep(&l->rows[i].tap);
		fd_closep(&l->rows[i].inside);
	}
	fd_closep(&l->dirfd);
	free(l->rows);
	free(l);
}

/* A note begins with the boot that it is of, a line. */
int ledger_note_write(struct ledger *l, const char *name, const char *s, struct err *err)
{
	char buf[NOTE_MAX];

	if (!*s)
		return remove_file(l, name, err);
	if (!str_format(buf, sizeof(buf), "%s\n%s", l->boot_id, s))
		return err_set(err, ERR_operation_failed, "the note '%s' is too long", name);
	return write_file(l, name, buf, strlen(buf), err);
}

int ledger_note_read(struct ledger *l, const char *name, char **ret, struct err *err)
{
	_cleanup_free_ char *s = NULL;
	const char *body = "";
	size_t n = strlen(l->boot_id);

	if (read_file(l, name, NOTE_MAX, &s, err) < 0)
		return -1;
	if (s && str_starts(s, l->boot_id) && s[n] == '\n')
		body = s + n + 1;
	*ret = strdup(body);
	return *ret ? 0 : err_sys(err, ERR_operation_failed, ENOMEM, "cannot read the ledger");
}
