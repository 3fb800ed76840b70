/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
	const char *name;
	int rpc;
	const char *text;
} codes[] = {
#define ERR(name, rpc, text) { #name, rpc, text },
#include "common/proto/errors.tbl.h"
};

static void set_default(struct err *err, enum err_code code)
{
	if (err->msg[0] == '\0')
		snprintf(err->msg, sizeof(err->msg), "%s", codes[code].text);
}

int err_set_(struct err *err, enum err_code code, const char *fmt, ...)
{
	va_list ap;

	err->code = code;
	err->sys = 0;
	va_start(ap, fmt);
	vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
	va_end(ap);
	set_default(err, code);
	return -1;
}

int err_sys_(struct err *err, enum err_code code, int sys, const char *fmt, ...)
{
	va_list ap;
	size_t used;

	err->code = code;
	err->sys = sys;
	va_start(ap, fmt);
	vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
	va_end(ap);
	used = strlen(err->msg);
	snprintf(err->msg + used, sizeof(err->msg) - used, ": %s", strerror(sys));
	return -1;
}

int err_wrap_(struct err *err, const char *fmt, ...)
{
	char old[ERR_MSG_MAX];
	va_list ap;
	size_t used;

	memcpy(old, err->msg, sizeof(old));
	va_start(ap, fmt);
	vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
	va_end(ap);
	used = strlen(err->msg);
	snprintf(err->msg + used, sizeof(err->msg) - used, ": %s", old);
	return -1;
}

const char *err_code_name(enum err_code code)
{
	return (unsigned)code < ERR__count ? codes[code].name : "operation_failed";
}

int err_code_rpc(enum err_code code)
{
	return (unsigned)code < ERR__count ? codes[code].rpc : -32000;
}

enum err_code err_code_from_name(const char *name)
{
	for (unsigned i = 0; i < ERR__count; i++)
		if (strcmp(codes[i].name, name) == 0)
			return (enum err_code)i;
	return ERR__count;
}
