/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
#ifndef COPYOFF_TOOL_REPORT_H
#define COPYOFF_TOOL_REPORT_H

#include "job.h"
#include "json.h"

/* The member "version" of every JSON result. */
void report_version(struct json *j);

/* What a copy did: as JSON on standard output, or as text on standard error. */
void report_json(const struct job *job);
void report_text(const struct job *job);

#endif
