/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * No name service in a root helper: libnftables looks users, groups, protocols and services up by
 * name before it takes a number for a number, and so would load whatever modules nsswitch.conf
 * names. An executable's symbols come before a library's: here nobody has a name. (It asks for
 * hosts too; but all of netd's rules have addresses, which getaddrinfo(3) reads by itself.)
 */
#include <grp.h>
#include <netdb.h>
#include <pwd.h>
#include <stddef.h>

#define EXPORTED __attribute__((visibility("default")))

EXPORTED struct passwd *getpwnam(const char *name)
{
	return NULL;
}

EXPORTED struct passwd *getpwuid(uid_t uid)
{
	return NULL;
}

EXPORTED struct group *getgrnam(const char *name)
{
	return NULL;
}

EXPORTED struct group *getgrgid(gid_t gid)
{
	return NULL;
}

EXPORTED struct protoent *getprotobyname(const char *name)
{
	return NULL;
}

EXPORTED struct protoent *getprotobynumber(int number)
{
	return NULL;
}

EXPORTED struct servent *getservbyport(int port, const char *protocol)
{
	return NULL;
}
