/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "guest/dns.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/str.h"

#define DNS_PORT    53
#define HEADER_SIZE 12 /* RFC 1035, section 4.1.1: the id is its first two bytes */
#define MESSAGE_MAX 4096
#define PENDING_MAX 64 /* a newer question takes the place of the oldest */

struct question {
	struct sockaddr_in from;
	uint16_t theirs, ours; /* ids, in wire order */
	bool waits;
};

static struct {
	struct loop *loop;
	struct source client, server[2];
	struct question pending[PENDING_MAX];
	size_t next;
} dns;

/* A question asked again, by the same client under the same id, goes to the second server. */
static struct question *pending_for(const struct sockaddr_in *from, uint16_t id, bool *ret_again)
{
	struct question *q;

	for (size_t i = 0; i < PENDING_MAX; i++) {
		q = &dns.pending[i];
		if (q->waits && q->theirs == id && q->from.sin_port == from->sin_port &&
			q->from.sin_addr.s_addr == from->sin_addr.s_addr) {
			*ret_again = true;
			return q;
		}
	}
	q = &dns.pending[dns.next++ % PENDING_MAX];
	*q = (struct question){ .from = *from, .theirs = id, .waits = true };
	if (getrandom(&q->ours, sizeof(q->ours), GRND_NONBLOCK) != sizeof(q->ours))
		q->ours = id;
	*ret_again = false;
	return q;
}

static void on_client(struct source *s, uint32_t events)
{
	uint8_t m[MESSAGE_MAX];
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	ssize_t n;

	while ((n = recvfrom(s->fd, m, sizeof(m), 0, (struct sockaddr *)&from, &len)) >= 0) {
		const struct question *q;
		uint16_t id;
		bool again;

		len = sizeof(from);
		if (n < HEADER_SIZE)
			continue;
		memcpy(&id, m, sizeof(id));
		q = pending_for(&from, id, &again);
		memcpy(m, &q->ours, sizeof(q->ours));
		/* A datagram that cannot be sent is one that is lost: the client asks again. */
		(void)!send(dns.server[again && dns.server[1].fd >= 0].fd, m, (size_t)n, 0);
	}
}

static void on_server(struct source *s, uint32_t events)
{
	uint8_t m[MESSAGE_MAX];

	for (;;) {
		ssize_t n = recv(s->fd, m, sizeof(m), 0);

		/* Of an earlier datagram (ICMP), told once. */
		if (n < 0 && errno == ECONNREFUSED)
			continue;
		if (n < 0)
			return;
		for (size_t i = 0; n >= HEADER_SIZE && i < PENDING_MAX; i++) {
			struct question *q = &dns.pending[i];

			if (!q->waits || memcmp(m, &q->ours, sizeof(q->ours)) != 0)
				continue;
			memcpy(m, &q->theirs, sizeof(q->theirs));
			(void)!sendto(dns.client.fd, m, (size_t)n, 0, (struct sockaddr *)&q->from,
				sizeof(q->from));
			q->waits = false;
			break;
		}
	}
}

/* A UDP socket at (`serve`) or to port 53 of an address. */
static int open_socket(ipv4 address, bool serve, struct source *s, struct err *err)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_port = htons(DNS_PORT),
		.sin_addr.s_addr = htonl(address.v) };
	_cleanup_fd_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int one = 1, r;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot open a socket");
	r = serve ? bind(fd, (struct sockaddr *)&a, sizeof(a))
		  : connect(fd, (struct sockaddr *)&a, sizeof(a));
	if (r < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot relay names");
	s->fd = TAKE_FD(fd);
	return loop_watch(dns.loop, s, EPOLLIN, err);
}

int dns_start(struct loop *loop, ipv4 dns1, ipv4 dns2, struct err *err)
{
	const ipv4 loopback = { INADDR_LOOPBACK };
	struct stat st;

	if ((dns1.v == 0 && dns2.v == 0) || stat("/etc/resolv.conf", &st) == 0)
		return 0;
	dns.loop = loop;
	dns.client = (struct source){ -1, on_client };
	dns.server[0] = (struct source){ -1, on_server };
	dns.server[1] = (struct source){ -1, on_server };
	if (open_socket(dns1.v ? dns1 : dns2, false, &dns.server[0], err) == 0 &&
		(!dns1.v || !dns2.v || open_socket(dns2, false, &dns.server[1], err) == 0) &&
		open_socket(loopback, true, &dns.client, err) == 0)
		return 0;
	loop_close(loop, &dns.server[0]);
	loop_close(loop, &dns.server[1]);
	return -1;
}
