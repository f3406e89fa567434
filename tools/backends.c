/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
#include <copyoff.h>
#include <stdio.h>

#include "json.h"
#include "options.h"
#include "report.h"
#include "traits.h"

static void print_json(void)
{
	const struct copyoff_backend_info *info;
	struct json j = { 0 };

	json_object(&j, NULL);
	report_version(&j);
	json_array(&j, "backends");
	for (size_t i = 0; i < copyoff_backend_count(); i++) {
		info = copyoff_backend_info(i);
		json_object(&j, NULL);
		json_string(&j, "name", info->name);
		json_string(&j, "summary", info->summary);
		json_bool(&j, "built", info->built);
		traits_json(&j, "traits", info->traits);
		json_end_object(&j);
	}
	json_end_array(&j);
	json_end_object(&j);
	putchar('\n');
}

static void print_table(void)
{
	const struct copyoff_backend_info *info;

	for (size_t i = 0; i < copyoff_backend_count(); i++) {
		info = copyoff_backend_info(i);
		printf("%-16s %-9s %s", info->name, info->built ? "built" : "not built",
		       info->summary);
		if (info->traits) {
			fputs(" [", stdout);
			traits_print(info->traits);
			putchar(']');
		}
		putchar('\n');
	}
}

static int run(const struct options *o)
{
	if (o->json)
		print_json();
	else
		print_table();
	return (int)finish_output();
}

static const char usage[] =
	"Usage: copyoff backends [--json]\n"
	"\n"
	"Lists the backends in order of preference, those left out when the library was\n"
	"built included.\n"
	"\n"
	"      --json     write JSON\n"
	"  -h, --help     show this text\n"
	"  -V, --version  show the version\n";

const struct command command_backends = {
	.name = "backends",
	.run = run,
	.letters = "J",
	.min_operands = 0,
	.max_operands = 0,
	.usage = usage,
};
