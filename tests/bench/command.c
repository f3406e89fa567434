/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
#define _GNU_SOURCE /* O_CLOEXEC, vfork() */
#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ARGS_MAX = 16, ARG_SIZE = 600 };

extern char **environ;

static struct {
	const char *name;
	const char *path;
} given[] = { { "copyoff", NULL }, { "io_uring-cp", NULL } };

void command_set_paths(const char *copyoff, const char *io_uring_cp)
{
	given[0].path = copyoff;
	given[1].path = io_uring_cp;
}

static const char *program(const char *name)
{
	for (size_t i = 0; i < sizeof(given) / sizeof(given[0]); i++) {
		if (given[i].path && strcmp(given[i].name, name) == 0)
			return given[i].path;
	}
	return name;
}

static bool in_search_path(const char *name)
{
	const char *dir = getenv("PATH");

	while (dir && *dir) {
		size_t len = strcspn(dir, ":");
		char path[ARG_SIZE];

		snprintf(path, sizeof(path), "%.*s/%s", (int)len, dir, name);
		if (access(path, X_OK) == 0)
			return true;
		dir += len + (dir[len] == ':');
	}
	return false;
}

bool command_is_installed(const struct competitor *c)
{
	const char *name = program(c->argv[0]);

	return strchr(name, '/') ? access(name, X_OK) == 0 : in_search_path(name);
}

/* Replace the one "%s" or "%d" that an argument may have. */
static void expand(const char *argument, const struct files *f, char *buf)
{
	const char *percent = strchr(argument, '%');

	if (!percent)
		snprintf(buf, ARG_SIZE, "%s", argument);
	else
		snprintf(buf, ARG_SIZE, "%.*s%s%s", (int)(percent - argument), argument,
			 percent[1] == 's' ? f->in_path : f->out_path, percent + 2);
}

static int spawn(char *const *argv, const char *out_path, pid_t *pid)
{
	posix_spawn_file_actions_t actions;
	int ret = posix_spawn_file_actions_init(&actions);

	if (ret != 0)
		return ret;
	ret = posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO,
					       out_path ? out_path : "/dev/null",
					       O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (ret == 0)
		ret = posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null",
						       O_WRONLY, 0);
	if (ret == 0)
		ret = posix_spawnp(pid, argv[0], &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	return ret;
}

int run_command(const struct competitor *c, const struct copy *copy)
{
	char text[ARGS_MAX][ARG_SIZE];
	char *argv[ARGS_MAX + 1] = { NULL };
	pid_t pid;
	int status, ret;

	for (size_t i = 0; i < ARGS_MAX && c->argv[i]; i++) {
		expand(i == 0 ? program(c->argv[0]) : c->argv[i], copy->files, text[i]);
		argv[i] = text[i];
	}
	ret = spawn(argv, c->to_stdout ? copy->files->out_path : NULL, &pid);
	if (ret != 0)
		return -ret;
	if (waitpid(pid, &status, 0) < 0)
		return -errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
