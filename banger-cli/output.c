/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-cli/output.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "banger-cli/object.h"
#include "banger-cli/text.h"
#include "common/str.h"

/* Where values begin, in characters: with short names at the first, with longer ones behind them.
 */
#define COLUMN_MIN 19
#define COLUMN_MAX 32

int output_json(struct json_object *o, struct err *err)
{
	const char *text = o ? json_object_to_json_string_ext(
				       o, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED |
						  JSON_C_TO_STRING_NOSLASHESCAPE)
			     : "[]";

	if (!text)
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot write JSON");
	/* Such characters stand only inside strings. */
	for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
		if (*p == 0x7f)
			fputs("\\u007f", stdout);
		else if (*p == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0)
			printf("\\u%04x", *++p);
		else
			fputc(*p, stdout);
	}
	fputc('\n', stdout);
	return 0;
}

/* Seconds since the epoch, from a number or from a text as of RFC 3339 in UTC; -1: neither. */
static time_t seconds_of(struct json_object *value)
{
	struct tm tm = { 0 };
	const char *end;

	if (json_object_is_type(value, json_type_int))
		return (time_t)json_object_get_int64(value);
	if (!json_object_is_type(value, json_type_string))
		return -1;
	end = strptime(json_object_get_string(value), "%Y-%m-%dT%H:%M:%S", &tm);
	return end && strcmp(end, "Z") == 0 ? timegm(&tm) : -1;
}

static bool local_time(struct json_object *value, char buf[64])
{
	time_t t = seconds_of(value);
	struct tm tm;

	return t > 0 && localtime_r(&t, &tm) && strftime(buf, 64, "%F %R", &tm) > 0;
}

const char *output_time(struct json_object *o, const char *name, char buf[64])
{
	struct json_object *value;

	if (!json_object_is_type(o, json_type_object) ||
		!json_object_object_get_ex(o, name, &value) || !local_time(value, buf))
		buf[0] = '\0';
	return buf;
}

/* Whether a member of that name counts bytes: so the protocol names them. */
static bool counts_bytes(const char *name)
{
	static const char *const endings[] = { "_bytes", "_size", "_used", "_total", "_free",
		"_available", "_freed" };

	for (size_t i = 0; i < ARRAY_SIZE(endings); i++)
		if (str_ends(name, endings[i]))
			return true;
	return false;
}

/* The number itself, which scripts may look for, and what it comes to. */
static char *bytes_line(int64_t bytes)
{
	char size[32], line[64];

	str_format(line, sizeof(line), "%lld (%s)", (long long)bytes,
		text_size((unsigned long long)bytes, size));
	return strdup(line);
}

/* A value in one line, cleaned; the caller frees. */
static char *one_line(const char *name, struct json_object *value)
{
	char buf[64];

	if (str_ends(name, "_at") && local_time(value, buf))
		return strdup(buf);
	if (json_object_is_type(value, json_type_int) && json_object_get_int64(value) >= 1024 &&
		counts_bytes(name))
		return bytes_line(json_object_get_int64(value));
	if (json_object_is_type(value, json_type_string))
		return text_clean(json_object_get_string(value));
	if (json_object_is_type(value, json_type_boolean))
		return strdup(json_object_get_boolean(value) ? "yes" : "no");
	if (!value)
		return strdup("-");
	return text_clean(json_object_to_json_string_ext(
		value, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
}

/* `column`: where values begin. */
static int member_line(const char *indent, const char *name, struct json_object *value,
	size_t column, struct err *err)
{
	_cleanup_free_ char *shown = text_clean(name), *text = one_line(name, value);
	size_t used;

	if (!shown || !text)
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot show an object");
	used = strlen(indent) + text_width(shown) + 1;
	printf("%s%s:%*s%s\n", indent, shown, (int)(used < column ? column - used : 1), "",
		*text ? text : "-");
	return 0;
}

/* A line for each of several objects, with their values. */
static int member_objects(const char *name, struct json_object *array, struct err *err)
{
	_cleanup_free_ char *shown = text_clean(name);

	printf("%s:\n", shown ? shown : "?");
	for (size_t i = 0; i < json_object_array_length(array); i++) {
		const char *between = "  ";

		json_object_object_foreach(json_object_array_get_idx(array, i), inner, value)
		{
			_cleanup_free_ char *text = one_line(inner, value);

			if (!text)
				return err_sys(
					err, ERR_operation_failed, ENOMEM, "cannot show an object");
			printf("%s%s", between, *text ? text : "-");
		}
		putchar('\n');
	}
	return 0;
}

/* Whether it is an array of objects alone, and has one at all. */
static bool are_objects(struct json_object *value)
{
	size_t n =
		json_object_is_type(value, json_type_array) ? json_object_array_length(value) : 0;

	for (size_t i = 0; i < n; i++)
		if (!json_object_is_type(json_object_array_get_idx(value, i), json_type_object))
			return false;
	return n > 0;
}

/* `column`, or what lies behind the longest name of `o`, unless nobody would give such a name. */
static size_t behind_names(struct json_object *o, size_t indent, size_t column)
{
	json_object_object_foreach(o, name, value)
	{
		size_t used = indent + strlen(name) + 2;

		(void)value;
		if (used > column && used <= COLUMN_MAX)
			column = used;
	}
	return column;
}

static size_t values_column(struct json_object *o)
{
	size_t column = behind_names(o, 0, COLUMN_MIN);

	json_object_object_foreach(o, name, value)
	{
		(void)name;
		if (json_object_is_type(value, json_type_object))
			column = behind_names(value, 2, column);
	}
	return column;
}

static int member_object(const char *name, struct json_object *o, size_t column, struct err *err)
{
	_cleanup_free_ char *shown = text_clean(name);

	if (json_object_object_length(o) == 0)
		return 0;
	printf("%s:\n", shown ? shown : "?");
	json_object_object_foreach(o, inner, value)
	{
		if (member_line("  ", inner, value, column, err) < 0)
			return -1;
	}
	return 0;
}

int output_members(struct json_object *o, struct err *err)
{
	size_t column;

	if (!json_object_is_type(o, json_type_object))
		return err_set(err, ERR_protocol, "the daemon answered without an object");
	column = values_column(o);
	json_object_object_foreach(o, name, value)
	{
		int r;

		if (are_objects(value))
			r = member_objects(name, value, err);
		else if (json_object_is_type(value, json_type_object))
			r = member_object(name, value, column, err);
		else
			r = member_line("", name, value, column, err);
		if (r < 0)
			return -1;
	}
	return 0;
}

int output_id(const char *id, struct err *err)
{
	_cleanup_free_ char *clean = text_clean(id);

	if (!clean)
		return err_sys(err, ERR_operation_failed, ENOMEM, "cannot show an id");
	printf("%s\n", clean);
	return 0;
}

int output_made(struct json_object *result, const char *name, enum format format, struct err *err)
{
	struct json_object *object = object_child(result, name);
	const char *id = object_text(object, "id");

	if (!id)
		return err_set(err, ERR_protocol, "the daemon answered without '%s'", name);
	return format == format_json ? output_json(object, err) : output_id(id, err);
}

int output_ids(struct json_object *list, const char *name, struct err *err)
{
	for (size_t i = 0; i < object_array_size(list); i++) {
		const char *id = object_text(json_object_array_get_idx(list, i), name);

		if (output_id(id ? id : "?", err) < 0)
			return -1;
	}
	return 0;
}
