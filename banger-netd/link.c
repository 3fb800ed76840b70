/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-netd/link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "common/str.h"

struct link {
	struct mnl_socket *nl;
	unsigned portid;
	uint32_t seq;
	char *buf; /* a request, then what is received */
	size_t buf_size;
};

static struct link *new_link(void)
{
	struct link *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->buf_size = 32768; /* rtnetlink(7): one message of a dump may need it */
	l->buf = malloc(l->buf_size);
	if (!l->buf) {
		free(l);
		return NULL;
	}
	return l;
}

int link_open(struct link **ret, struct err *err)
{
	struct link *l = new_link();

	if (l)
		l->nl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (!l || !l->nl || mnl_socket_bind(l->nl, 0, MNL_SOCKET_AUTOPID) < 0) {
		int saved = errno;

		link_close(l);
		return err_sys(err, ERR_operation_failed, saved, "cannot open rtnetlink");
	}
	l->portid = mnl_socket_get_portid(l->nl);
	*ret = l;
	return 0;
}

int link_open_socket(int fd, struct link **ret, struct err *err)
{
	struct link *l = new_link();

	if (l)
		l->nl = mnl_socket_fdopen(fd);
	if (!l || !l->nl) {
		int saved = errno;

		link_close(l);
		return err_sys(err, ERR_operation_failed, saved, "cannot use a rtnetlink socket");
	}
	l->portid = mnl_socket_get_portid(l->nl);
	*ret = l;
	return 0;
}

void link_close(struct link *l)
{
	if (!l)
		return;
	if (l->nl)
		mnl_socket_close(l->nl);
	free(l->buf);
	free(l);
}

static struct nlmsghdr *request(struct link *l, uint16_t type, uint16_t flags)
{
	struct nlmsghdr *h = mnl_nlmsg_put_header(l->buf);

	h->nlmsg_type = type;
	h->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags);
	h->nlmsg_seq = ++l->seq;
	return h;
}

static struct nlmsghdr *link_request(
	struct link *l, uint16_t type, uint16_t flags, unsigned index, bool up)
{
	struct nlmsghdr *h = request(l, type, flags);
	struct ifinfomsg *m = mnl_nlmsg_put_extra_header(h, sizeof(*m));

	m->ifi_family = AF_UNSPEC;
	m->ifi_index = (int)index;
	m->ifi_change = m->ifi_flags = up ? IFF_UP : 0;
	return h;
}

/* Send and wait for the acknowledgement, or a dump's end; 0, or an errno value. */
static int talk(struct link *l, const struct nlmsghdr *h, mnl_cb_t cb, void *data)
{
	uint32_t seq = h->nlmsg_seq;

	if (mnl_socket_sendto(l->nl, h, h->nlmsg_len) < 0)
		return errno;
	for (;;) {
		ssize_t n = mnl_socket_recvfrom(l->nl, l->buf, l->buf_size);
		int r;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno;
		r = mnl_cb_run(l->buf, (size_t)n, seq, l->portid, cb, data);
		if (r == MNL_CB_ERROR)
			return errno;
		if (r == MNL_CB_STOP)
			return 0;
	}
}

static int parse_tun(const struct nlattr *a, void *data)
{
	struct link_info *info = data;

	if (mnl_attr_get_type(a) == IFLA_TUN_OWNER && mnl_attr_validate(a, MNL_TYPE_U32) >= 0) {
		info->has_owner = true;
		info->owner = mnl_attr_get_u32(a);
	}
	return MNL_CB_OK;
}

/* The kind comes before its data. */
static int parse_kind(const struct nlattr *a, void *data)
{
	struct link_info *info = data;

	if (mnl_attr_get_type(a) == IFLA_INFO_DATA && str_eq(info->kind, "tun"))
		mnl_attr_parse_nested(a, parse_tun, info);

	if (mnl_attr_get_type(a) == IFLA_INFO_KIND && mnl_attr_validate(a, MNL_TYPE_STRING) >= 0 &&
		!str_copy(info->kind, sizeof(info->kind), mnl_attr_get_str(a)))
		str_copy(info->kind, sizeof(info->kind), "other");
	return MNL_CB_OK;
}

static int parse_link_attr(const struct nlattr *a, void *data)
{
	struct link_info *info = data;

	if (mnl_attr_get_type(a) == IFLA_MASTER && mnl_attr_validate(a, MNL_TYPE_U32) >= 0)
		info->master = mnl_attr_get_u32(a);
	if (mnl_attr_get_type(a) == IFLA_ADDRESS &&
		mnl_attr_get_payload_len(a) == sizeof(info->address))
		memcpy(&info->address, mnl_attr_get_payload(a), sizeof(info->address));
	if (mnl_attr_get_type(a) == IFLA_LINKINFO)
		mnl_attr_parse_nested(a, parse_kind, info);
	return MNL_CB_OK;
}

static int parse_link(const struct nlmsghdr *h, void *data)
{
	const struct ifinfomsg *m = mnl_nlmsg_get_payload(h);
	struct link_info *info = data;

	info->index = (unsigned)m->ifi_index;
	mnl_attr_parse(h, sizeof(*m), parse_link_attr, info);
	return MNL_CB_OK;
}

int link_find(struct link *l, const char *name, struct link_info *ret, struct err *err)
{
	struct nlmsghdr *h = link_request(l, RTM_GETLINK, 0, 0, false);
	struct link_info info = { 0 };
	int e;

	mnl_attr_put_strz(h, IFLA_IFNAME, name);
	e = talk(l, h, parse_link, &info);
	if (e == ENODEV)
		return 0;
	if (e)
		return err_sys(err, ERR_operation_failed, e, "cannot look for interface %s", name);
	*ret = info;
	return 1;
}

int link_add_bridge(struct link *l, const char *name, mac address, struct err *err)
{
	struct nlmsghdr *h = link_request(l, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, 0, false);
	struct nlattr *info, *data;
	int e;

	mnl_attr_put_strz(h, IFLA_IFNAME, name);
	mnl_attr_put(h, IFLA_ADDRESS, sizeof(address.b), address.b);
	info = mnl_attr_nest_start(h, IFLA_LINKINFO);
	mnl_attr_put_strz(h, IFLA_INFO_KIND, "bridge");
	data = mnl_attr_nest_start(h, IFLA_INFO_DATA);
	mnl_attr_put_u32(h, IFLA_BR_STP_STATE, 0);
	mnl_attr_put_u32(h, IFLA_BR_FORWARD_DELAY, 0);
	mnl_attr_put_u8(h, IFLA_BR_MCAST_SNOOPING, 0);
	mnl_attr_nest_end(h, data);
	mnl_attr_nest_end(h, info);
	e = talk(l, h, NULL, NULL);
	if (e == EOPNOTSUPP)
		return err_set(err, ERR_unavailable,
			"this kernel has no bridges: load the module 'bridge'");
	if (e)
		return err_sys(err, ERR_operation_failed, e, "cannot make bridge %s", name);
	return 0;
}

int link_set_up(struct link *l, unsigned index, struct err *err)
{
	int e = talk(l, link_request(l, RTM_NEWLINK, 0, index, true), NULL, NULL);

	return e ? err_sys(err, ERR_operation_failed, e, "cannot bring interface %u up", index) : 0;
}

int link_set_master(struct link *l, unsigned index, unsigned master, struct err *err)
{
	struct nlmsghdr *h = link_request(l, RTM_NEWLINK, 0, index, false);
	int e;

	mnl_attr_put_u32(h, IFLA_MASTER, master);
	e = talk(l, h, NULL, NULL);
	return e ? err_sys(err, ERR_operation_failed, e, "cannot put interface %u on its bridge",
			   index)
		 : 0;
}

int link_add_address(struct link *l, unsigned index, ipv4 address, uint8_t prefix, struct err *err)
{
	struct nlmsghdr *h = request(l, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE);
	struct ifaddrmsg *m = mnl_nlmsg_put_extra_header(h, sizeof(*m));
	uint32_t mask = prefix ? ~0U << (32 - prefix) : 0;
	int e;

	m->ifa_family = AF_INET;
	m->ifa_prefixlen = prefix;
	m->ifa_scope = RT_SCOPE_UNIVERSE;
	m->ifa_index = index;
	mnl_attr_put_u32(h, IFA_LOCAL, htonl(address.v));
	mnl_attr_put_u32(h, IFA_ADDRESS, htonl(address.v));
	mnl_attr_put_u32(h, IFA_BROADCAST, htonl(address.v | ~mask));
	e = talk(l, h, NULL, NULL);
	return e ? err_sys(err, ERR_operation_failed, e, "cannot give interface %u its address",
			   index)
		 : 0;
}

/* The socket is not of the namespace that netd is privileged in by birth, but what counts is who
 * sends, when it sends to an address (netlink(7)): libmnl does. */
int link_move(struct link *l, const char *name, int netns, struct err *err)
{
	struct nlmsghdr *h = link_request(l, RTM_NEWLINK, 0, 0, false);
	int e;

	mnl_attr_put_strz(h, IFLA_IFNAME, name);
	mnl_attr_put_u32(h, IFLA_NET_NS_FD, (uint32_t)netns);
	e = talk(l, h, NULL, NULL);
	if (e == ENODEV)
		return err_set(err, ERR_not_found, "there is no interface %s to move", name);
	return e ? err_sys(err, ERR_operation_failed, e, "cannot move interface %s", name) : 0;
}

int link_delete(struct link *l, const char *name, struct err *err)
{
	struct nlmsghdr *h = link_request(l, RTM_DELLINK, 0, 0, false);
	int e;

	mnl_attr_put_strz(h, IFLA_IFNAME, name);
	e = talk(l, h, NULL, NULL);
	if (e && e != ENODEV)
		return err_sys(err, ERR_operation_failed, e, "cannot remove interface %s", name);
	return 0;
}

struct routes {
	unsigned index[16];
	size_t n;
};

static int parse_oif(const struct nlattr *a, void *data)
{
	struct routes *r = data;
	unsigned index;

	if (mnl_attr_get_type(a) != RTA_OIF || mnl_attr_validate(a, MNL_TYPE_U32) < 0)
		return MNL_CB_OK;
	index = mnl_attr_get_u32(a);
	for (size_t i = 0; i < r->n; i++)
		if (r->index[i] == index)
			return MNL_CB_OK;
	if (r->n < ARRAY_SIZE(r->index))
		r->index[r->n++] = index;
	return MNL_CB_OK;
}

/* Multipath default routes name their interfaces in RTA_MULTIPATH: not followed. */
static int parse_route(const struct nlmsghdr *h, void *data)
{
	const struct rtmsg *m = mnl_nlmsg_get_payload(h);

	if (m->rtm_family == AF_INET && m->rtm_dst_len == 0 && m->rtm_type == RTN_UNICAST &&
		m->rtm_table == RT_TABLE_MAIN)
		mnl_attr_parse(h, sizeof(*m), parse_oif, data);
	return MNL_CB_OK;
}

static int parse_name(const struct nlattr *a, void *data)
{
	if (mnl_attr_get_type(a) == IFLA_IFNAME && mnl_attr_validate(a, MNL_TYPE_STRING) >= 0)
		str_copy(data, IF_NAMESIZE, mnl_attr_get_str(a));
	return MNL_CB_OK;
}

static int parse_link_name(const struct nlmsghdr *h, void *data)
{
	mnl_attr_parse(h, sizeof(struct ifinfomsg), parse_name, data);
	return MNL_CB_OK;
}

int link_uplinks(
	struct link *l, char (*names)[IF_NAMESIZE], size_t cap, size_t *ret_n, struct err *err)
{
	struct nlmsghdr *h = request(l, RTM_GETROUTE, NLM_F_DUMP);
	struct rtmsg *m = mnl_nlmsg_put_extra_header(h, sizeof(*m));
	struct routes routes = { .n = 0 };
	size_t n = 0;
	int e;

	m->rtm_family = AF_INET;
	e = talk(l, h, parse_route, &routes);
	if (e)
		return err_sys(err, ERR_operation_failed, e, "cannot read the routes");
	for (size_t i = 0; i < routes.n && n < cap; i++) {
		names[n][0] = '\0';
		h = link_request(l, RTM_GETLINK, 0, routes.index[i], false);
		e = talk(l, h, parse_link_name, names[n]);
		if (e && e != ENODEV)
			return err_sys(err, ERR_operation_failed, e, "cannot look for an uplink");
		n += names[n][0] != '\0';
	}
	*ret_n = n;
	return 0;
}
