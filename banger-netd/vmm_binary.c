/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-netd/vmm_binary.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/str.h"

#define LINKS_MAX   16
#define HEADERS_MAX 64

#if defined(__x86_64__)
#define MACHINE	     EM_X86_64
#define MACHINE_NAME "x86-64"
#elif defined(__aarch64__)
#define MACHINE	     EM_AARCH64
#define MACHINE_NAME "aarch64"
#else
#error "which machine is this?"
#endif

/* The way to a file, a name at a time. */
struct walk {
	const char *path; /* as it was asked for */
	char rest[PATH_MAX];
	int at; /* O_PATH: the directory, at last the file */
	unsigned links;
};

static const char *name_of(int fd, char buf[PATH_MAX])
{
	char link[32];
	ssize_t n;

	str_format(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, buf, PATH_MAX - 1);
	if (n <= 0)
		return "?";
	buf[n] = '\0';
	return buf;
}

/* Others can put nothing into the directory; or nothing that takes root's away. */
static int check_directory(const struct walk *w, struct err *err)
{
	char name[PATH_MAX];
	struct stat st;

	if (fstat(w->at, &st) < 0)
		return err_sys(
			err, ERR_unavailable, errno, "cannot look at the way to %s", w->path);
	if (st.st_uid != 0)
		return err_set(err, ERR_unavailable,
			"%s: its directory %s is of user %u: chown root it, or put the program "
			"elsewhere",
			w->path, name_of(w->at, name), st.st_uid);
	if ((st.st_mode & 022) && !(st.st_mode & S_ISVTX))
		return err_set(err, ERR_unavailable,
			"%s: others can write its directory %s: chmod go-w it, or put the program "
			"elsewhere",
			w->path, name_of(w->at, name));
	return 0;
}

/* The next name of the way; false when there is none. */
static bool next_name(struct walk *w, char name[NAME_MAX + 1])
{
	size_t skip = strspn(w->rest, "/"), n = strcspn(w->rest + skip, "/");

	if (n == 0 || n > NAME_MAX)
		return false;
	memcpy(name, w->rest + skip, n);
	name[n] = '\0';
	skip += n;
	skip += strspn(w->rest + skip, "/");
	memmove(w->rest, w->rest + skip, strlen(w->rest + skip) + 1);
	return true;
}

static int follow(struct walk *w, int link, const struct stat *st, struct err *err)
{
	char target[PATH_MAX], whole[PATH_MAX];
	ssize_t n;

	/* In a sticky directory a link may be anybody's. */
	if (st->st_uid != 0)
		return err_set(err, ERR_unavailable,
			"%s: a link on the way is of user %u, not root's: remove it", w->path,
			st->st_uid);
	if (++w->links > LINKS_MAX)
		return err_set(err, ERR_unavailable, "%s: too many links", w->path);
	n = readlinkat(link, "", target, sizeof(target) - 1);
	if (n <= 0)
		return err_sys(err, ERR_unavailable, errno, "%s: cannot read a link", w->path);
	target[n] = '\0';
	if (!str_format(whole, sizeof(whole), "%s/%s", target, w->rest))
		return err_set(err, ERR_unavailable, "%s: its links are too long", w->path);
	str_copy(w->rest, sizeof(w->rest), whole);
	if (target[0] != '/')
		return 0;
	fd_closep(&w->at);
	w->at = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return w->at < 0 ? err_sys(err, ERR_unavailable, errno, "cannot open /") : 0;
}

static int step(struct walk *w, const char *name, struct stat *st, struct err *err)
{
	_cleanup_fd_ int fd = -1;

	if (check_directory(w, err) < 0)
		return -1;
	fd = openat(w->at, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return err_set(err, ERR_not_found, "there is no %s", w->path);
	if (fd < 0 || fstat(fd, st) < 0)
		return err_sys(err, ERR_unavailable, errno, "cannot open %s", w->path);
	if (S_ISLNK(st->st_mode))
		return follow(w, fd, st, err);
	fd_closep(&w->at);
	w->at = TAKE_FD(fd);
	return 0;
}

static int walk(struct walk *w, struct stat *st, struct err *err)
{
	char name[NAME_MAX + 1];

	if (w->path[0] != '/' || !str_copy(w->rest, sizeof(w->rest), w->path))
		return err_set(err, ERR_unavailable, "%s is no absolute path", w->path);
	w->at = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (w->at < 0 || fstat(w->at, st) < 0)
		return err_sys(err, ERR_unavailable, errno, "cannot open /");
	while (next_name(w, name))
		if (step(w, name, st, err) < 0)
			return -1;
	if (w->rest[0])
		return err_set(err, ERR_unavailable, "%s: a name is too long", w->path);
	return 0;
}

static int check_file(const char *path, const struct stat *st, struct err *err)
{
	if (!S_ISREG(st->st_mode))
		return err_set(err, ERR_unavailable, "%s is no program: no regular file", path);
	if (st->st_uid != 0)
		return err_set(err, ERR_unavailable, "%s is of user %u, not root's: chown root it",
			path, st->st_uid);
	if (st->st_mode & 022)
		return err_set(err, ERR_unavailable,
			"%s is writable by others (mode %04o): chmod go-w it", path,
			(unsigned)st->st_mode & 07777);
	/* A VMM has a uid of its own. */
	if (!(st->st_mode & S_IXOTH))
		return err_set(err, ERR_unavailable,
			"%s is not for others to execute (mode %04o): chmod a+rx it", path,
			(unsigned)st->st_mode & 07777);
	return 0;
}

static int check_elf(int fd, const char *path, bool *ret_interpreted, struct err *err)
{
	Elf64_Ehdr e;
	Elf64_Phdr p;

	if (fd_pread_full(fd, &e, sizeof(e), 0) != (ssize_t)sizeof(e) ||
		memcmp(e.e_ident, ELFMAG, SELFMAG) != 0)
		return err_set(err, ERR_unavailable, "%s is no ELF program", path);
	if (e.e_ident[EI_CLASS] != ELFCLASS64 || e.e_ident[EI_DATA] != ELFDATA2LSB ||
		e.e_machine != MACHINE)
		return err_set(err, ERR_unavailable,
			"%s is for another machine (class %u, ELF machine %u), this one is "
			"a " MACHINE_NAME ": install the one that fits",
			path, e.e_ident[EI_CLASS], e.e_machine);
	if (e.e_phentsize != sizeof(p) || e.e_phnum == 0 || e.e_phnum > HEADERS_MAX)
		return err_set(err, ERR_unavailable, "%s is a damaged ELF program", path);
	*ret_interpreted = false;
	for (unsigned i = 0; i < e.e_phnum; i++) {
		if (fd_pread_full(fd, &p, sizeof(p), e.e_phoff + i * sizeof(p)) !=
			(ssize_t)sizeof(p))
			return err_set(err, ERR_unavailable, "%s is cut off", path);
		if (p.p_type == PT_INTERP)
			*ret_interpreted = true;
	}
	return 0;
}

int vmm_binary_open(const char *path, struct vmm_binary *ret, struct err *err)
{
	struct walk w = { .path = path, .at = -1 };
	_cleanup_fd_ int fd = -1;
	bool interpreted;
	char again[32];
	struct stat st;
	int r;

	r = walk(&w, &st, err);
	if (r == 0)
		r = check_file(path, &st, err);
	if (r == 0) {
		str_format(again, sizeof(again), "/proc/self/fd/%d", w.at);
		fd = open(again, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			r = err_sys(err, ERR_unavailable, errno, "cannot read %s", path);
	}
	if (r == 0)
		r = check_elf(fd, path, &interpreted, err);
	fd_closep(&w.at);
	if (r < 0)
		return -1;
	*ret = (struct vmm_binary){ TAKE_FD(fd), interpreted };
	return 0;
}

void vmm_binary_close(struct vmm_binary *b)
{
	fd_closep(&b->fd);
}
