/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * main.c - runs a fuzz target without a fuzzer: over inputs from a file, and over
 * random ones
 *
 * Usage: fuzz-NAME INPUTS COUNT
 *
 * INPUTS has one input in a line, in hexadecimal.  COPYOFF_TEST_SEED is the seed; a
 * failure names the input.
 */
#define _POSIX_C_SOURCE 200809L
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { INPUT_MOST = 2048 };

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t data[INPUT_MOST];
static char hex[2 * INPUT_MOST + 2];
static size_t hex_len;

/* An abort() of the test, or of a sanitizer. */
static void show_input(int signal)
{
	static const char text[] = "\ninput: ";
	ssize_t ignored = write(STDERR_FILENO, text, sizeof(text) - 1);

	ignored += write(STDERR_FILENO, hex, hex_len);
	_exit(ignored < 0 ? 2 : signal == SIGABRT ? 1 : 3);
}

static void run(size_t size)
{
	hex_len = 0;
	for (size_t i = 0; i < size; i++)
		hex_len += (size_t)snprintf(hex + hex_len, 3, "%02x", data[i]);
	hex[hex_len++] = '\n';
	LLVMFuzzerTestOneInput(data, size);
}

static int run_file(const char *path)
{
	static char line[2 * INPUT_MOST + 2];
	FILE *file = fopen(path, "r");
	unsigned n = 0;

	if (!file) {
		perror(path);
		return -1;
	}
	while (fgets(line, sizeof(line), file)) {
		size_t size = 0;
		unsigned byte;

		if (line[0] == '#' || line[0] == '\n')
			continue;
		for (const char *p = line; size < INPUT_MOST && sscanf(p, "%2x", &byte) == 1;
		     p += 2)
			data[size++] = (uint8_t)byte;
		run(size);
		n++;
	}
	fclose(file);
	printf("%u inputs of %s\n", n, path);
	return n > 0 ? 0 : -1;
}

/* xorshift64*, Vigna 2014 */
static uint64_t next(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 2685821657736338717u >> 11;
}

static void run_random(unsigned long count)
{
	const char *text = getenv("COPYOFF_TEST_SEED");
	uint64_t seed = text && *text ? (uint64_t)strtoull(text, NULL, 0) : (uint64_t)getpid();
	uint64_t state = seed * 2 + 1;

	printf("COPYOFF_TEST_SEED=%llu\n", (unsigned long long)seed);
	fflush(stdout);
	for (unsigned long i = 0; i < count; i++) {
		size_t size = (size_t)(next(&state) % (i % 16 ? 256 : INPUT_MOST));

		for (size_t j = 0; j < size; j++)
			data[j] = (uint8_t)next(&state);
		/* Most commands go well, so that a copy gets far. */
		for (size_t j = 40; i % 4 && j < size; j++)
			data[j] = next(&state) % 4 ? data[j] | 12 : data[j];
		run(size);
	}
	printf("%lu random inputs\n", count);
}

int main(int argc, char **argv)
{
	if (argc != 3) {
		fprintf(stderr, "usage: %s INPUTS COUNT\n", argv[0]);
		return 2;
	}
	signal(SIGABRT, show_input);
	LLVMFuzzerInitialize(&argc, &argv);
	if (run_file(argv[1]) < 0)
		return 1;
	run_random(strtoul(argv[2], NULL, 10));
	return 0;
}
