/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * conformance [BACKEND] - the semantics of docs/semantics.md, tested through the
 * public interface, in $COPYOFF_TEST_DIR or the current directory
 *
 * With a BACKEND, copies are made by it, and by readwrite where it declines.
 * Exits with 77 if it cannot be used in this directory.
 *
 * COPYOFF_TEST_DEVICES="A B": copies from the block device A to B instead, which
 * may be the same, and are overwritten.
 */
#define _GNU_SOURCE
#include "conformance.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SKIPPED = 77 };

struct subject subject;

void skip_case(const char *what, const char *why)
{
	printf("SKIP: %s: %s\n", what, why);
	fflush(stdout);
}

static int temporary_file(int flags)
{
	char path[4096];
	char self[64];
	int fd, with_flags;

	snprintf(path, sizeof(path), "%s/conformance.XXXXXX", subject.dir);
	fd = mkstemp(path);
	if (fd < 0) {
		fprintf(stderr, "cannot make %s: %s\n", path, strerror(errno));
		exit(EXIT_FAILURE);
	}
	unlink(path);
	if (ftruncate(fd, 1 << 20) < 0) {
		perror("ftruncate");
		exit(EXIT_FAILURE);
	}
	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	with_flags = open(self, O_RDWR | O_CLOEXEC | flags);
	close(fd);
	return with_flags;
}

/* Two of what is under test. */
static int open_subject(unsigned which, int flags)
{
	return subject.devices[which] ? open(subject.devices[which], O_RDWR | O_CLOEXEC | flags)
				      : temporary_file(flags);
}

/* Why the backend does not take files opened with @flags; NULL if it does. */
static const char *refusal(copyoff_ctx *ctx, int flags, char *buf, size_t size)
{
	int in = open_subject(0, flags);
	int out = open_subject(1, flags);
	copyoff_plan *plan = in >= 0 && out >= 0 ? copyoff_plan_new(ctx, in, out, 0) : NULL;
	bool usable = false;

	snprintf(buf, size, "%s", plan ? "it has no verdict" : strerror(errno));
	for (size_t i = 0; plan && i < copyoff_plan_count(plan); i++) {
		const struct copyoff_verdict *v = copyoff_plan_verdict(plan, i);

		if (strcmp(v->backend, subject.backend) == 0) {
			snprintf(buf, size, "%s", v->text);
			usable = v->usable;
		}
	}
	copyoff_plan_free(plan);
	if (in >= 0)
		close(in);
	if (out >= 0)
		close(out);
	return usable ? NULL : buf;
}

/*
 * Find descriptors that the backend takes: of its own accord, or, where another
 * one is faster, because it is listed by name.
 */
static void choose_subject(const char *backend)
{
	struct copyoff_opts opts = { .size = sizeof(opts), .backends = subject.filter };
	struct copyoff_stats stats = { .size = sizeof(stats) };
	char buffered[200], direct[200];
	copyoff_ctx *any = copyoff_ctx_new(NULL);
	copyoff_ctx *ctx;

	subject.backend = backend;
	snprintf(subject.filter, sizeof(subject.filter), "%s,readwrite", backend);
	setenv("COPYOFF_BACKENDS", subject.filter, 1); /* for copyoff_copy() */
	ctx = copyoff_ctx_new(&opts);
	if (!any || !ctx || copyoff_ctx_stats(ctx, backend, &stats) < 0) {
		fprintf(stderr, "this build has no backend \"%s\"\n", backend);
		exit(EXIT_FAILURE);
	}
	subject.direct = refusal(any, 0, buffered, sizeof(buffered)) &&
			 (!refusal(any, O_DIRECT, direct, sizeof(direct)) ||
			  refusal(ctx, 0, buffered, sizeof(buffered)));
	if (subject.direct && refusal(ctx, O_DIRECT, direct, sizeof(direct))) {
		printf("SKIP: %s cannot be used %s %s: %s; with O_DIRECT: %s\n", backend,
		       subject.devices[0] ? "on" : "in",
		       subject.devices[0] ? subject.devices[0] : subject.dir, buffered, direct);
		exit(SKIPPED);
	}
	copyoff_ctx_free(ctx);
	copyoff_ctx_free(any);
}

enum { DEVICE_LEAST = 4 << 20, DEVICE_MOST = 256 << 20 };

/* All of it is written, and later kept in memory and compared. */
static void prepare_device(const char *path, unsigned seed)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	off_t size = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);
	unsigned char *bytes;

	if (size < DEVICE_LEAST || size > DEVICE_MOST) {
		fprintf(stderr, "%s: no device of 4 to 256 MiB: %s\n", path,
			size < 0 ? strerror(errno) : "it has another size");
		exit(EXIT_FAILURE);
	}
	bytes = malloc((size_t)size);
	if (bytes)
		fill(bytes, (uint64_t)size, seed);
	if (!bytes || pwrite(fd, bytes, (size_t)size, 0) != size || fsync(fd) < 0) {
		perror(path);
		exit(EXIT_FAILURE);
	}
	free(bytes);
	close(fd);
}

static void choose_devices(const char *names)
{
	static char copy[512];

	snprintf(copy, sizeof(copy), "%s", names);
	subject.devices[0] = strtok(copy, " ");
	subject.devices[1] = strtok(NULL, " ");
	if (!subject.devices[1] || strtok(NULL, " ")) {
		fprintf(stderr, "COPYOFF_TEST_DEVICES has to name two devices\n");
		exit(EXIT_FAILURE);
	}
	prepare_device(subject.devices[0], 1);
	prepare_device(subject.devices[1], 2);
}

static void add_cases_of_files(Suite *suite)
{
	suite_add_tcase(suite, cases_data());
	suite_add_tcase(suite, cases_holes());
	suite_add_tcase(suite, cases_limits());
	suite_add_tcase(suite, cases_descriptors());
	suite_add_tcase(suite, cases_policy());
	suite_add_tcase(suite, cases_ranges());
}

static void add_cases_of_devices(Suite *suite)
{
	/* By name: a device has neither holes nor a size that changes, nor RLIMIT_FSIZE. */
	printf("For files only: data holes limits descriptors policy ranges\n");
	suite_add_tcase(suite, cases_devices());
}

/* Half of the time went into pages that were given back and taken again. */
static void keep_memory(void)
{
#ifdef M_MMAP_THRESHOLD
	mallopt(M_MMAP_THRESHOLD, 32 << 20);
	mallopt(M_TRIM_THRESHOLD, 512 << 20);
	mallopt(M_TOP_PAD, 16 << 20);
#endif
}

int main(int argc, char **argv)
{
	Suite *suite = suite_create("conformance");
	const char *devices;
	SRunner *runner;
	int failed;

	keep_memory();
#ifdef COPYOFF_PORTABLE
	subject.posix = true;
#endif
	subject.dir = getenv("COPYOFF_TEST_DIR");
	if (!subject.dir)
		subject.dir = ".";
	unsetenv("COPYOFF_BACKENDS");
	unsetenv("COPYOFF_DEBUG");
	devices = getenv("COPYOFF_TEST_DEVICES");
	if (devices && *devices)
		choose_devices(devices);
	if (argc > 1)
		choose_subject(argv[1]);
	printf("Backend %s, directory %s, %s\n", subject.backend ? subject.backend : "(all)",
	       subject.dir, subject.direct ? "O_DIRECT" : "buffered");
	if (subject.devices[0])
		add_cases_of_devices(suite);
	else
		add_cases_of_files(suite);
	suite_add_tcase(suite, cases_errors());
	suite_add_tcase(suite, cases_random());
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
