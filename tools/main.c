/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* copyoff - copy files by the cheapest safe mechanism, and say which and why. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "options.h"

static const char usage[] =
	"Usage: copyoff copy [OPTION]... SRC DST [RANGE]...\n"
	"       copyoff explain [OPTION]... SRC DST\n"
	"       copyoff backends [--json]\n"
	"       copyoff help [COMMAND]\n"
	"       copyoff --help | --version\n"
	"\n"
	"Copies regular files and block devices by the cheapest mechanism that is safe.\n"
	"\n"
	"  copy      copy a file, or ranges of it\n"
	"  explain   say for every backend whether it can copy SRC to DST, or why not\n"
	"  backends  list the backends\n"
	"\n"
	"'copyoff COMMAND --help' lists the options of a command.  See copyoff(1).\n";

static const struct command *const commands[] = {
	&command_copy,
	&command_explain,
	&command_backends,
};

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(commands[i]->name, name) == 0)
			return commands[i];
	}
	return NULL;
}

static int help(const char *name)
{
	const struct command *command = name ? find_command(name) : NULL;

	if (name && !command)
		return usage_error(NULL, "no command '%s'", name);
	fputs(command ? command->usage : usage, stdout);
	return (int)finish_output();
}

/*
 * Without a standard descriptor, the next file opened would get its number, and
 * a message would be written into the destination.  What is put in its place
 * fails every use with EBADF.
 */
static int fill_standard_descriptors(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		int flags = fd == STDIN_FILENO ? O_WRONLY : O_RDONLY;

		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", flags) != fd)
			return -1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	const struct command *command;
	const char *name = argc > 1 ? argv[1] : "";

	if (fill_standard_descriptors() < 0)
		return STATUS_FAILED;
	if (argc < 2)
		return usage_error(NULL, "a command is missing");
	if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
		return help(NULL);
	if (strcmp(name, "help") == 0)
		return help(argc > 2 ? argv[2] : NULL);
	if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0)
		return print_version();

	command = find_command(name);
	if (!command)
		return usage_error(NULL, "no command '%s'", name);
	return command_main(command, argc - 1, argv + 1);
}
