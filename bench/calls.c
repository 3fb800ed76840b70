/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * calls SOCKET METHOD COUNT DEPTH
 *
 * COUNT requests without parameters from one client, DEPTH of them on their way at a time. Prints
 * requests a second and the median time of one in milliseconds (of a burst, when DEPTH > 1).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static char answers[4 << 20];

static double now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Read until `n` lines have come; each must be a result. */
static int read_lines(int fd, unsigned n)
{
	size_t used = 0;

	while (n > 0) {
		ssize_t got = read(fd, answers + used, sizeof(answers) - 1 - used);
		char *line, *end;

		if (got <= 0)
			return -1;
		used += (size_t)got;
		answers[used] = '\0';
		for (line = answers; n > 0 && (end = strchr(line, '\n')) != NULL; line = end + 1) {
			*end = '\0';
			if (!strstr(line, "\"result\""))
				return -1;
			n--;
		}
		used -= (size_t)(line - answers);
		memmove(answers, line, used);
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	unsigned count, depth, bursts;
	char request[65536];
	size_t length = 0;
	double begin, *times;
	int fd;

	if (argc != 5)
		return 2;
	count = (unsigned)strtoul(argv[3], NULL, 10);
	depth = (unsigned)strtoul(argv[4], NULL, 10);
	if (depth < 1 || depth > 256 || count < depth)
		return 2;
	for (unsigned i = 0; i < depth; i++)
		length += (size_t)snprintf(request + length, sizeof(request) - length,
			"{\"jsonrpc\":\"2.0\",\"id\":%u,\"method\":\"%s\"}\n", i, argv[2]);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", argv[1]);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bursts = count / depth;
	times = calloc(bursts, sizeof(*times));
	if (fd < 0 || !times || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		perror(argv[1]);
		return 1;
	}
	begin = now_ms();
	for (unsigned i = 0; i < bursts; i++) {
		double t = now_ms();

		if (write(fd, request, length) != (ssize_t)length || read_lines(fd, depth) < 0) {
			fprintf(stderr, "the daemon gave no result\n");
			return 1;
		}
		times[i] = now_ms() - t;
	}
	begin = now_ms() - begin;
	qsort(times, bursts, sizeof(*times), compare);
	printf("%.0f %.4f\n", (double)bursts * depth / begin * 1e3, times[bursts / 2]);
	free(times);
	close(fd);
	return 0;
}
