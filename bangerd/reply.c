/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bangerd/reply.h"

#include <errno.h>
#include <json-c/json.h>
#include <pthread.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bangerd/utf8.h"
#include "common/str.h"

void reply_begin(struct reply *r)
{
	r->object = json_object_new_object();
	r->failed = r->object == NULL;
}

void reply_begin_array(struct reply *r)
{
	r->object = json_object_new_array();
	r->failed = r->object == NULL;
}

/* `value` NULL is JSON's null, to json-c; `missing` says that it is a failed allocation. */
static void put(struct reply *r, const char *key, struct json_object *value, bool missing)
{
	int bad;

	if (r->failed || missing) {
		r->failed = true;
		json_object_put(value);
		return;
	}
	if (key)
		bad = json_object_object_add_ex(r->object, key, value,
			JSON_C_OBJECT_ADD_CONSTANT_KEY | JSON_C_OBJECT_ADD_KEY_IS_NEW);
	else
		bad = json_object_array_add(r->object, value);
	if (bad) {
		r->failed = true;
		json_object_put(value);
	}
}

/* A string object of v, its bad bytes replaced. */
static struct json_object *new_string(const char *v)
{
	size_t n = strlen(v);
	struct json_object *o;
	char *fixed;

	if (n < INT32_MAX && utf8_valid(v, n))
		return json_object_new_string_len(v, (int)n);
	fixed = utf8_repair(v, n);
	if (!fixed)
		return NULL;
	o = json_object_new_string(fixed);
	free(fixed);
	return o;
}

void reply_string(struct reply *r, const char *key, const char *v)
{
	struct json_object *o = v ? new_string(v) : NULL;

	put(r, key, o, v && !o);
}

void reply_int(struct reply *r, const char *key, int64_t v)
{
	struct json_object *o = json_object_new_int64(v);

	put(r, key, o, !o);
}

void reply_bool(struct reply *r, const char *key, bool v)
{
	struct json_object *o = json_object_new_boolean(v);

	put(r, key, o, !o);
}

void reply_null(struct reply *r, const char *key)
{
	put(r, key, NULL, false);
}

void reply_time(struct reply *r, const char *key, int64_t v)
{
	time_t t = (time_t)v;
	struct tm tm;
	char s[32];

	if (v == 0 || !gmtime_r(&t, &tm) || strftime(s, sizeof(s), "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		reply_null(r, key);
	else
		reply_string(r, key, s);
}

void reply_strv(struct reply *r, const char *key, const strv *v)
{
	struct reply a;

	reply_begin_array(&a);
	for (const char *s = strv_next(v, NULL); s; s = strv_next(v, s))
		reply_string(&a, NULL, s);
	reply_object(r, key, reply_take(&a));
}

void reply_object(struct reply *r, const char *key, struct json_object *o)
{
	put(r, key, o, !o);
}

struct json_object *reply_take(struct reply *r)
{
	if (r->failed)
		reply_drop(r);
	return TAKE_PTR(r->object);
}

int reply_end(struct reply *r, struct json_object **ret, struct err *err)
{
	struct json_object *o = reply_take(r);

	if (!o)
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot make the answer");
	*ret = o;
	return 0;
}

int reply_single(const char *key, struct json_object *o, struct json_object **ret, struct err *err)
{
	struct reply r;

	reply_begin(&r);
	reply_object(&r, key, o);
	return reply_end(&r, ret, err);
}

void reply_drop(struct reply *r)
{
	json_object_put(TAKE_PTR(r->object));
}

/* The names asked for last: a list of a thousand rows has few owners. A user that is renamed is
 * seen once its entry is old. */
#define OWNERS	  16
#define OWNER_TTL 60

static pthread_mutex_t owners_lock = PTHREAD_MUTEX_INITIALIZER;
static struct owner {
	time_t until;
	uint32_t uid;
	char name[33];
} owners[OWNERS];
static unsigned owners_next;

/* The file alone, not NSS: that would load code into the confined daemon. */
static void find_owner(uint32_t uid, char name[33])
{
	FILE *f = fopen("/etc/passwd", "re");
	struct passwd pw, *p = NULL;
	char buf[1024];

	snprintf(name, 33, "%u", uid);
	while (f && fgetpwent_r(f, &pw, buf, sizeof(buf), &p) == 0)
		if (p->pw_uid == uid) {
			if (strlen(p->pw_name) <= 32)
				snprintf(name, 33, "%s", p->pw_name);
			break;
		}
	if (f)
		fclose(f);
}

static void owner_name(uint32_t uid, char ret[33])
{
	struct timespec now;
	struct owner *o = NULL;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	pthread_mutex_lock(&owners_lock);
	for (unsigned i = 0; i < OWNERS && !o; i++)
		if (owners[i].uid == uid && owners[i].until > now.tv_sec)
			o = &owners[i];
	if (!o) {
		o = &owners[owners_next++ % OWNERS];
		o->uid = uid;
		o->until = now.tv_sec + OWNER_TTL;
		find_owner(uid, o->name);
	}
	memcpy(ret, o->name, sizeof(o->name));
	pthread_mutex_unlock(&owners_lock);
}

void reply_owned(struct reply *r, const char *id, const char *name, uint32_t owner)
{
	char buf[33];

	owner_name(owner, buf);
	reply_string(r, "id", id);
	reply_string(r, "name", name);
	reply_string(r, "owner", buf);
	reply_int(r, "owner_uid", owner);
}
