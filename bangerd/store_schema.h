/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The database's schema: step n (from 0) brings version n to n + 1. Released steps never change. */

extern const char *const store_schema_steps[];
extern const int store_schema_version;
