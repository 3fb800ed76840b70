/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Lines as Firecracker writes them: on stdout, among what the guest writes, until a file is named.
 */

enum log_level { LOG_LINE_OFF, LOG_LINE_ERROR, LOG_LINE_WARN, LOG_LINE_INFO, LOG_LINE_DEBUG };

void log_line_init(const char *id);
/* Write to this fd from now on (it is the log's), lines of this level and worse. */
void log_line_to(int fd);
void log_line_level(const char *name); /* NULL: Info */
void log_line(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
