/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
#ifndef COPYOFF_TOOL_ERRNAME_H
#define COPYOFF_TOOL_ERRNAME_H

/* "ENOSPC" for ENOSPC; "" for a number without a name here. */
const char *errname(int number);

#endif
