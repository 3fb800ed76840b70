/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-cli/filter.h"

#include <string.h>

/* Where in a sequence the filter is (ECMA-48 5.4, 8.3.89 and 8.3.143 for strings). */
enum state { TEXT, ESCAPE, CSI, STRING, STRING_ESCAPE, C2 };

void filter_init(struct filter *f, bool colours)
{
	*f = (struct filter){ .colours = colours, .state = TEXT };
}

static void hold(struct filter *f, char c)
{
	if (f->n_held < FILTER_HELD)
		f->held[f->n_held] = c;
	f->n_held++;
}

static size_t release(struct filter *f, char *out)
{
	size_t n = f->n_held;

	memcpy(out, f->held, n);
	f->n_held = 0;
	return n;
}

static size_t on_text(struct filter *f, unsigned char c, char *out)
{
	f->n_held = 0;
	if (c == 0x1b) {
		f->state = ESCAPE;
		hold(f, (char)c);
		return 0;
	}
	/* In UTF-8, C1 control characters begin with 0xc2. */
	if (c == 0xc2) {
		f->state = C2;
		return 0;
	}
	if ((c < 0x20 && !memchr("\t\n\r\b", c, 4)) || c == 0x7f)
		return 0;
	*out = (char)c;
	return 1;
}

static void on_escape(struct filter *f, unsigned char c)
{
	hold(f, (char)c);
	if (c == '[')
		f->state = CSI;
	else if (c == ']' || c == 'P' || c == 'X' || c == '^' || c == '_')
		f->state = STRING;
	else if (c < 0x20 || c > 0x2f) /* intermediate bytes: there is more */
		f->state = TEXT;
}

static size_t on_csi(struct filter *f, unsigned char c, char *out)
{
	if (c < 0x20) {
		f->state = TEXT;
		return on_text(f, c, out);
	}
	hold(f, (char)c);
	if (c >= 0x20 && c < 0x40)
		return 0;
	f->state = TEXT;
	/* Only digits and ';' between "ESC [" and "m": no private colour commands. */
	if (c != 'm' || !f->colours || f->n_held > FILTER_HELD ||
		strspn(f->held + 2, "0123456789;:") < f->n_held - 3)
		return 0;
	return release(f, out);
}

/* Until BEL or ESC \; a string does not hide the lines behind it. */
static size_t on_string(struct filter *f, unsigned char c, char *out)
{
	if (c == '\n') {
		f->state = TEXT;
		return on_text(f, c, out);
	}
	f->state = c == 0x07 ? TEXT : c == 0x1b ? STRING_ESCAPE : STRING;
	return 0;
}

static size_t on_c2(struct filter *f, unsigned char c, char *out)
{
	f->state = TEXT;
	if (c >= 0x80 && c < 0xa0)
		return 0;
	if (c < 0x80 || c >= 0xc0) /* 0xc2 stood alone */
		return on_text(f, c, out);
	out[0] = (char)0xc2;
	out[1] = (char)c;
	return 2;
}

size_t filter_run(struct filter *f, const char *in, size_t n, char *out)
{
	size_t m = 0;

	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)in[i];

		switch ((enum state)f->state) {
		case TEXT:
			m += on_text(f, c, out + m);
			break;
		case ESCAPE:
			on_escape(f, c);
			break;
		case CSI:
			m += on_csi(f, c, out + m);
			break;
		case STRING:
			m += on_string(f, c, out + m);
			break;
		case STRING_ESCAPE:
			f->state = c == '\\' ? TEXT : STRING;
			break;
		case C2:
			m += on_c2(f, c, out + m);
			break;
		}
	}
	return m;
}
