/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* A signal as images write it (OCI image-spec, config.md, "StopSignal"): SIGNAME, NAME, SIGRTMIN+n
 * or a number. `otherwise` for what is none, and for "". */
int signame_parse(const char *s, int otherwise);
