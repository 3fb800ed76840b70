/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"

/*
 * One line a record on stderr: "ident: text [op=…]"; with systemd's "<N>" priority in front when
 * stderr is the journal ($JOURNAL_STREAM). Programs log; common/ never does. Thread-safe.
 */
enum log_level { LOG_ERROR = 3, LOG_WARNING = 4, LOG_NOTICE = 5, LOG_INFO = 6, LOG_DEBUG = 7 };

/* `ident` must live as long as the process. $BANGER_LOG_LEVEL (error…debug) beats `level`. */
void log_init(const char *ident, enum log_level level);
bool log_level_parse(const char *name, enum log_level *ret);
void log_set_level(enum log_level level);

/* The operation that this thread works for: printed with each record until it is 0 again. */
void log_set_op(uint64_t op);
uint64_t log_op(void);

void log_at(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...)	 log_at(LOG_ERROR, __VA_ARGS__)
#define log_warning(...) log_at(LOG_WARNING, __VA_ARGS__)
#define log_notice(...)	 log_at(LOG_NOTICE, __VA_ARGS__)
#define log_info(...)	 log_at(LOG_INFO, __VA_ARGS__)
#define log_debug(...)	 log_at(LOG_DEBUG, __VA_ARGS__)
