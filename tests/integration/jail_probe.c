/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A VMM that has been taken over: executed by banger-netd in Firecracker's place, it does what it
 * is told by lines on stdin, and answers each by lines on stdout and an empty one. For tests.
 *
 *   fds           the open file descriptors
 *   ls PATH       a directory's entries, "kind mode uid path", with what is beneath
 *   read PATH, write PATH    open it: "0" or the error
 *   grow PATH SIZE    write a byte behind SIZE
 *   call NAME     try a way out: "0" or the error
 *   tap NAME      open it as Firecracker does; kept open
 *   tap-persist N, tap-owner N, tap-close    what the holder of a TAP may do to it
 *   mess          make of /run what a cleaner would not like
 *   exit N
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#define DEPTH	   300
#define FILES	   3000
#define FDS_MAX	   1024
#define TREE_DEPTH 8

static int tap = -1;

/* stdout is a FIFO that may be full for a moment. */
static void say(const char *s)
{
	size_t n = strlen(s);

	while (n > 0) {
		ssize_t w = write(1, s, n);

		if (w < 0 && errno != EAGAIN)
			exit(9);
		if (w < 0) {
			poll(&(struct pollfd){ .fd = 1, .events = POLLOUT }, 1, -1);
			continue;
		}
		s += w;
		n -= (size_t)w;
	}
}

static void say_result(long r)
{
	say(r < 0 ? strerror(errno) : "0");
	say("\n");
}

static void do_fds(void)
{
	char line[16];

	for (int fd = 0; fd < FDS_MAX; fd++)
		if (fcntl(fd, F_GETFD) >= 0) {
			snprintf(line, sizeof(line), "%d\n", fd);
			say(line);
		}
}

static void list(const char *path, int depth)
{
	DIR *d = opendir(path);
	struct dirent *e;

	while (d && depth < TREE_DEPTH && (e = readdir(d))) {
		char full[512], line[600];
		struct stat st;

		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		snprintf(
			full, sizeof(full), "%s/%s", strcmp(path, "/") == 0 ? "" : path, e->d_name);
		if (lstat(full, &st) < 0)
			continue;
		snprintf(line, sizeof(line), "%o %o %u %s\n", (st.st_mode & S_IFMT) >> 12,
			st.st_mode & 07777, st.st_uid, full);
		say(line);
		if (S_ISDIR(st.st_mode))
			list(full, depth + 1);
	}
	if (d)
		closedir(d);
}

static long grow(const char *path, const char *size)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	signal(SIGXFSZ, SIG_IGN);
	return fd < 0 ? -1 : pwrite(fd, "x", 1, (off_t)strtoull(size, NULL, 10));
}

static long try_call(const char *name)
{
	static const struct sockaddr_un host = { AF_UNIX, "/run/banger/bangerd.sock" };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	if (strcmp(name, "mount") == 0)
		return mount("none", "/run", "tmpfs", 0, NULL);
	if (strcmp(name, "unshare") == 0)
		return unshare(CLONE_NEWUSER);
	if (strcmp(name, "chroot") == 0)
		return chroot("/run");
	if (strcmp(name, "mknod") == 0)
		return mknodat(AT_FDCWD, "/run/disk", S_IFBLK | 0600, 0xfe00);
	if (strcmp(name, "kill") == 0)
		return kill(-1, 0);
	if (strcmp(name, "setuid") == 0)
		return syscall(SYS_setuid, 0);
	if (strcmp(name, "fork") == 0)
		return syscall(SYS_fork);
	if (strcmp(name, "execve") == 0)
		return syscall(SYS_execve, "/usr/bin/true", NULL, NULL);
	if (strcmp(name, "remount") == 0)
		return mount(NULL, "/kernel", NULL, MS_REMOUNT | MS_BIND, NULL);
	if (strcmp(name, "connect") == 0)
		return connect(fd, (const struct sockaddr *)&host, sizeof(host));
	if (strcmp(name, "link") == 0)
		return link("/disk", "/run/disk");
	if (strcmp(name, "rename") == 0)
		return rename("/kernel", "/run/kernel");
	errno = EINVAL;
	return -1;
}

static long open_tap(const char *name)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };

	strncpy(ifr.ifr_name, name, IFNAMSIZ - 1);
	tap = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	return tap < 0 ? -1 : ioctl(tap, TUNSETIFF, &ifr);
}

static long mess_names(void)
{
	static const char *const names[] = { "-rf", "a b", "\n", "\xff\xfe", "*", "$(id)", "..." };
	static const struct sockaddr_un here = { AF_UNIX, "socket" };
	char longest[256];
	long r = 0;

	memset(longest, 'x', 255);
	longest[255] = '\0';
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		close(open(names[i], O_CREAT | O_WRONLY | O_CLOEXEC, 0));
	close(open(longest, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	r |= symlink("/", "root");
	r |= symlink("/disk", "disk");
	r |= symlink("..", "up");
	r |= symlink("loop", "loop");
	r |= bind(socket(AF_UNIX, SOCK_STREAM, 0), (const struct sockaddr *)&here, sizeof(here));
	r |= link("-rf", "hard");
	/* What a cleaner that moves directories about would call them. */
	for (int i = 0; i < 9; i++) {
		char name[16];

		snprintf(name, sizeof(name), "%d", i);
		r |= mkdir(name, 0);
	}
	return r;
}

static long mess(void)
{
	long r;

	if (chdir("/run") < 0)
		return -1;
	r = mess_names();
	for (int i = 0; i < FILES; i++) {
		char name[16];

		snprintf(name, sizeof(name), "f%d", i);
		close(open(name, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	}
	r |= mkdir("closed", 0700);
	r |= mkdir("closed/inner", 0700);
	r |= symlink("/", "closed/inner/root");
	r |= chmod("closed/inner", 0);
	r |= chmod("closed", 0);
	for (int i = 0; i < DEPTH; i++)
		if (mkdir("deep", 0700) < 0 || chdir("deep") < 0)
			return -1;
	r |= symlink("/", "root");
	r |= chmod("/run", 0);
	return r;
}

static void obey(char *line)
{
	char *save = NULL;
	const char *what = strtok_r(line, " \n", &save), *a = strtok_r(NULL, " \n", &save),
		   *b = strtok_r(NULL, " \n", &save);

	what = what ? what : "";
	a = a ? a : "";
	if (strcmp(what, "fds") == 0)
		do_fds();
	else if (strcmp(what, "ls") == 0)
		list(a, 0);
	else if (strcmp(what, "read") == 0)
		say_result(open(a, O_RDONLY | O_CLOEXEC));
	else if (strcmp(what, "write") == 0)
		say_result(open(a, O_RDWR | O_CLOEXEC));
	else if (strcmp(what, "grow") == 0)
		say_result(grow(a, b ? b : "0"));
	else if (strcmp(what, "call") == 0)
		say_result(try_call(a));
	else if (strcmp(what, "tap") == 0)
		say_result(open_tap(a));
	else if (strcmp(what, "tap-persist") == 0)
		say_result(ioctl(tap, TUNSETPERSIST, strtoul(a, NULL, 10)));
	else if (strcmp(what, "tap-owner") == 0)
		say_result(ioctl(tap, TUNSETOWNER, strtoul(a, NULL, 10)));
	else if (strcmp(what, "tap-close") == 0)
		say_result(close(tap));
	else if (strcmp(what, "mess") == 0)
		say_result(mess());
	else if (strcmp(what, "exit") == 0)
		exit(atoi(a));
	else
		say("what?\n");
	say("\n");
}

int main(int argc, char **argv)
{
	char line[512];
	size_t n = 0;

	if (argc == 2 && strcmp(argv[1], "--version") == 0) {
		puts("Firecracker v1.16.1\n");
		return 0;
	}
	for (int i = 0; i < argc; i++) {
		say(argv[i]);
		say("\n");
	}
	say("\n");
	fputs("jail-probe is up\n", stderr);
	while (poll(&(struct pollfd){ .fd = 0, .events = POLLIN }, 1, -1) == 1) {
		ssize_t r = read(0, line + n, 1);

		if (r < 0 && errno == EAGAIN)
			continue;
		if (r <= 0 || n + 2 > sizeof(line))
			return 8;
		if (line[n++] != '\n')
			continue;
		line[n] = '\0';
		n = 0;
		obey(line);
	}
	return 8;
}
