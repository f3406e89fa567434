/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * quota.c - set a user's limit of space, in KiB; 0 for none
 *
 * setquota(8) is in a package of its own, which few machines have.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/quota.h>

int main(int argc, char **argv)
{
	struct dqblk limit = { 0 };

	if (argc != 4) {
		fprintf(stderr, "usage: fs-quota DEVICE UID KIB\n");
		return 2;
	}
	limit.dqb_bhardlimit = strtoull(argv[3], NULL, 10);
	limit.dqb_valid = QIF_BLIMITS;
	if (quotactl(QCMD(Q_SETQUOTA, USRQUOTA), argv[1], atoi(argv[2]), (char *)&limit) < 0) {
		perror(argv[1]);
		return 1;
	}
	return 0;
}
