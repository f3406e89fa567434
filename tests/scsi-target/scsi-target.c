/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * scsi-target.c - serves the target as disks of this machine
 *
 * The kernel's target_core_user passes the commands of its devices through memory
 * that is mapped here; README.md has the usage.
 */
#define _GNU_SOURCE
#include "target.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <glob.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* It has a struct iovec of its own. */
#define __LINUX_UIO_H
#include <linux/target_core_user.h>

/* What a command ended with, and when it is said. */
struct answer {
	uint16_t id;
	unsigned char status, sense[TCMU_SENSE_BUFFERSIZE];
	size_t in_len;
	uint64_t due; /* ms */
};

enum { HELD_MOST = 64 };

struct device {
	unsigned lun;
	int fd;
	struct tcmu_mailbox *mailbox;
	unsigned char *map;
	uint32_t next; /* the command to execute; those between the tail and it are held */
	struct answer held[HELD_MOST];
	unsigned n_held;
};

static struct scsi_target *target;
static struct device devices[SCSI_TARGET_UNITS];
static unsigned n_devices;
static const char *faults_file, *counts_file;
static volatile sig_atomic_t reload, stop;

static void __attribute__((noreturn, format(printf, 1, 2))) die(const char *format, ...)
{
	va_list ap;

	fputs("scsi-target: ", stderr);
	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* --- commands ------------------------------------------------------------------ */

static size_t total(const struct iovec *iov, unsigned n)
{
	size_t len = 0;

	for (unsigned i = 0; i < n; i++)
		len += iov[i].iov_len;
	return len;
}

/* The addresses of @iov are offsets into the map. */
static void gather(const struct device *device, const struct iovec *iov, unsigned n,
		   unsigned char *to)
{
	for (unsigned i = 0; i < n; i++) {
		memcpy(to, device->map + (uintptr_t)iov[i].iov_base, iov[i].iov_len);
		to += iov[i].iov_len;
	}
}

static void scatter(const struct device *device, const struct iovec *iov, unsigned n,
		    const unsigned char *from, size_t len)
{
	for (unsigned i = 0; i < n && len > 0; i++) {
		size_t part = iov[i].iov_len < len ? iov[i].iov_len : len;

		memcpy(device->map + (uintptr_t)iov[i].iov_base, from, part);
		from += part;
		len -= part;
	}
}

static size_t cdb_len(unsigned char opcode)
{
	static const unsigned char len[8] = { 6, 10, 10, 32, 16, 12, 16, 16 };

	return len[opcode >> 5];
}

static void execute(const struct device *device, const struct tcmu_cmd_entry *entry,
		    struct answer *answer)
{
	unsigned n = entry->req.iov_cnt;
	struct iovec iov[n + 1]; /* the entry is packed */
	struct scsi_request request = { .lun = device->lun };
	unsigned char *out, *in;
	size_t len;

	memcpy(iov, entry->req.iov, n * sizeof(iov[0]));
	len = total(iov, n);
	/* The kernel does not say which way the data goes. */
	out = calloc(2, len + 1);
	if (!out)
		die("out of memory");
	in = out + len + 1;
	gather(device, iov, n, out);
	request.cdb = device->map + entry->req.cdb_off;
	request.cdb_len = cdb_len(request.cdb[0]);
	request.out = out;
	request.out_len = len;
	request.in = in;
	request.in_size = len;
	scsi_target_execute(target, &request);
	scatter(device, iov, n, in, request.in_len);
	free(out);
	*answer = (struct answer){
		.id = entry->hdr.cmd_id,
		.status = request.status,
		.in_len = request.in_len,
		.due = now_ms() + request.delay_ms,
	};
	memcpy(answer->sense, request.sense, request.sense_len);
}

/* --- the ring ------------------------------------------------------------------ */

static struct tcmu_cmd_entry *entry_at(const struct device *device, uint32_t at)
{
	return (void *)(device->map + device->mailbox->cmdr_off + at);
}

static uint32_t behind(const struct device *device, uint32_t at)
{
	return (at + tcmu_hdr_get_len(entry_at(device, at)->hdr.len_op)) %
	       device->mailbox->cmdr_size;
}

static bool is_command(const struct tcmu_cmd_entry *entry)
{
	return tcmu_hdr_get_op(entry->hdr.len_op) == TCMU_OP_CMD;
}

static void set_tail(const struct device *device, uint32_t tail)
{
	uint32_t zero = 0;

	__atomic_store_n(&device->mailbox->cmd_tail, tail, __ATOMIC_RELEASE);
	if (write(device->fd, &zero, sizeof(zero)) != sizeof(zero))
		die("the kernel is not told: %s", strerror(errno));
}

/* Fillers at the tail are for nobody. */
static void skip_fillers(const struct device *device)
{
	uint32_t tail = device->mailbox->cmd_tail, at = tail;

	while (at != device->next && !is_command(entry_at(device, at)))
		at = behind(device, at);
	if (at != tail)
		set_tail(device, at);
}

/*
 * An answer is written over the entry at the tail, whichever command that was: all
 * up to the next one have been executed, and the answer says which it is for.
 */
static void say(const struct device *device, const struct answer *answer)
{
	struct tcmu_cmd_entry *entry;
	uint32_t tail;

	skip_fillers(device);
	tail = device->mailbox->cmd_tail;
	entry = entry_at(device, tail);
	entry->hdr.cmd_id = answer->id;
	entry->hdr.uflags = 0;
	memset(&entry->rsp, 0, sizeof(entry->rsp));
	entry->rsp.scsi_status = answer->status;
	memcpy(entry->rsp.sense_buffer, answer->sense, sizeof(answer->sense));
	if (answer->in_len > 0 && device->mailbox->flags & TCMU_MAILBOX_FLAG_CAP_READ_LEN) {
		entry->hdr.uflags = TCMU_UFLAG_READ_LEN;
		entry->rsp.read_len = (uint32_t)answer->in_len;
	}
	set_tail(device, behind(device, tail));
}

static void say_held(struct device *device)
{
	uint64_t now = now_ms();
	unsigned n = 0;

	for (unsigned i = 0; i < device->n_held; i++) {
		if (device->held[i].due <= now)
			say(device, &device->held[i]);
		else
			device->held[n++] = device->held[i];
	}
	device->n_held = n;
}

static void serve(struct device *device)
{
	const struct tcmu_mailbox *mailbox = device->mailbox;

	say_held(device);
	while (device->n_held < HELD_MOST &&
	       device->next != __atomic_load_n(&mailbox->cmd_head, __ATOMIC_ACQUIRE)) {
		const struct tcmu_cmd_entry *entry = entry_at(device, device->next);
		struct answer *answer = &device->held[device->n_held];
		bool is_filler = !is_command(entry);

		if (!is_filler)
			execute(device, entry, answer);
		device->next = behind(device, device->next);
		if (is_filler)
			skip_fillers(device);
		else if (answer->due > now_ms())
			device->n_held++;
		else
			say(device, answer);
	}
}

/* --- devices ------------------------------------------------------------------- */

/* The first line, or the part of it that fits. */
static bool read_line(const char *path, char *line, int size)
{
	FILE *file = fopen(path, "re");
	bool good = file && fgets(line, size, file);

	if (file)
		fclose(file);
	line[good ? strcspn(line, "\n") : 0] = '\0';
	return good;
}

/* /dev/uioN of the device that is called so; its name is "tcm-user/HBA/NAME/CONFIG". */
static bool find_uio(const char *name, char *node, size_t node_size, size_t *map_size)
{
	char path[128], line[256], middle[64];
	glob_t found;
	bool is_found = false;

	snprintf(middle, sizeof(middle), "/%s/", name);
	if (glob("/sys/class/uio/uio*", 0, NULL, &found) != 0)
		return false;
	for (size_t i = 0; i < found.gl_pathc && !is_found; i++) {
		snprintf(path, sizeof(path), "%s/name", found.gl_pathv[i]);
		if (!read_line(path, line, sizeof(line)) || strncmp(line, "tcm-user/", 9) != 0 ||
		    !strstr(line, middle))
			continue;
		snprintf(path, sizeof(path), "%s/maps/map0/size", found.gl_pathv[i]);
		if (!read_line(path, line, sizeof(line)))
			continue;
		*map_size = strtoull(line, NULL, 0);
		snprintf(node, node_size, "/dev/%s", strrchr(found.gl_pathv[i], '/') + 1);
		is_found = true;
	}
	globfree(&found);
	return is_found;
}

static void map_device(const char *name, unsigned lun)
{
	struct device *device = &devices[n_devices++];
	char node[64];
	size_t size = 0;

	if (!find_uio(name, node, sizeof(node), &size))
		die("the kernel has no device %s", name);
	device->lun = lun;
	device->fd = open(node, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (device->fd < 0)
		die("%s: %s", node, strerror(errno));
	device->map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, device->fd, 0);
	if (device->map == MAP_FAILED)
		die("%s: mmap: %s", node, strerror(errno));
	device->mailbox = (void *)device->map;
	if (device->mailbox->version != TCMU_MAILBOX_VERSION)
		die("%s: version %u", node, device->mailbox->version);
	if (!(device->mailbox->flags & TCMU_MAILBOX_FLAG_CAP_OOOC))
		die("%s: answers must be in order", node);
	device->next = device->mailbox->cmd_tail;
}

/* --- units --------------------------------------------------------------------- */

static unsigned parse_without(char *list)
{
	static const struct {
		const char *name;
		unsigned bit;
	} names[] = {
		{ "3pc", SCSI_TARGET_NO_3PC },
		{ "xcopy", SCSI_TARGET_NO_XCOPY },
		{ "odx", SCSI_TARGET_NO_ODX },
		{ "vpd-8f", SCSI_TARGET_NO_VPD_8F },
		{ "copy-status", SCSI_TARGET_NO_COPY_STATUS },
		{ "failed-details", SCSI_TARGET_NO_FAILED_DETAILS },
		{ "parameters", SCSI_TARGET_NO_PARAMETERS },
		{ "abort", SCSI_TARGET_NO_ABORT },
		{ "remote-tokens", SCSI_TARGET_NO_REMOTE_TOKENS },
		{ "list-id", SCSI_TARGET_NO_LIST_ID },
		{ "zero-token", SCSI_TARGET_NO_ZERO_TOKEN },
	};
	unsigned without = 0;
	char *rest = NULL;

	for (char *word = strtok_r(list, "+", &rest); word; word = strtok_r(NULL, "+", &rest)) {
		unsigned bit = 0;

		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
			bit |= strcmp(word, names[i].name) == 0 ? names[i].bit : 0;
		if (bit == 0)
			die("what is \"%s\"?", word);
		without |= bit;
	}
	return without;
}

static uint64_t parse_number(const char *name, const char *text, uint64_t most)
{
	char *end;
	uint64_t n;

	errno = 0;
	n = text ? strtoull(text, &end, 0) : 0;
	if (!text || end == text || *end != '\0' || errno != 0 || n > most)
		die("%s=%s is no number, or too large", name, text ? text : "");
	return n;
}

static void parse_limit(struct scsi_target_limits *limits, const char *name, const char *value)
{
	if (strcmp(name, "cscds") == 0)
		limits->cscds = (uint16_t)parse_number(name, value, UINT16_MAX);
	else if (strcmp(name, "segments") == 0)
		limits->segments = (uint16_t)parse_number(name, value, UINT16_MAX);
	else if (strcmp(name, "list-bytes") == 0)
		limits->list_bytes = (uint32_t)parse_number(name, value, UINT32_MAX);
	else if (strcmp(name, "segment-bytes") == 0)
		limits->segment_bytes = (uint32_t)parse_number(name, value, UINT32_MAX);
	else if (strcmp(name, "concurrent") == 0)
		limits->concurrent = (uint8_t)parse_number(name, value, UINT8_MAX);
	else if (strcmp(name, "ranges") == 0)
		limits->ranges = (uint16_t)parse_number(name, value, UINT16_MAX);
	else if (strcmp(name, "token-blocks") == 0)
		limits->token_blocks = parse_number(name, value, UINT64_MAX);
	else if (strcmp(name, "timeout") == 0)
		limits->default_timeout = (uint32_t)parse_number(name, value, UINT32_MAX);
	else
		die("what is \"%s\"?", name);
}

/* "name=NAME,file=FILE[,OPTION=VALUE]..." */
static void add_unit(char *text)
{
	struct scsi_target_unit_options options = { .block_size = 512, .fd = -1 };
	struct stat st;
	char *rest = NULL;
	int lun;

	for (char *word = strtok_r(text, ",", &rest); word; word = strtok_r(NULL, ",", &rest)) {
		char *value = strchr(word, '=');

		if (value)
			*value++ = '\0';
		if (strcmp(word, "name") == 0 && value)
			options.name = value;
		else if (strcmp(word, "file") == 0 && value)
			options.fd = open(value, O_RDWR | O_CLOEXEC);
		else if (strcmp(word, "read-only") == 0 && !value)
			options.read_only = true;
		else if (strcmp(word, "without") == 0 && value)
			options.without |= parse_without(value);
		else if (strcmp(word, "block-size") == 0)
			options.block_size = (uint32_t)parse_number(word, value, 65536);
		else
			parse_limit(&options.limits, word, value);
	}
	if (!options.name || options.fd < 0 || fstat(options.fd, &st) < 0)
		die("a unit has a name, and a file that can be opened");
	if (options.block_size > 0)
		options.blocks = (uint64_t)st.st_size / options.block_size;
	lun = scsi_target_add(target, &options);
	if (lun < 0)
		die("%s: such a unit cannot be", options.name);
	map_device(options.name, (unsigned)lun);
}

/* --- what can be changed, and seen, meanwhile ----------------------------------- */

static void read_faults(void)
{
	struct scsi_target_faults faults = { 0 };
	char line[256];
	FILE *file;

	if (!faults_file)
		return;
	file = fopen(faults_file, "re");
	if (!file) {
		fprintf(stderr, "scsi-target: %s: %s\n", faults_file, strerror(errno));
		return;
	}
	while (fgets(line, sizeof(line), file)) {
		if (line[strspn(line, " \t\n")] != '\0' && scsi_target_add_fault(&faults, line) < 0)
			die("what is \"%.*s\"?", (int)strcspn(line, "\n"), line);
	}
	fclose(file);
	*scsi_target_faults(target) = faults;
}

/* Those since the last time.  The file appears when it is complete. */
static void write_counts(void)
{
	struct scsi_target_counts *counts = scsi_target_counts(target);
	char path[4096];
	FILE *file;

	if (!counts_file)
		return;
	snprintf(path, sizeof(path), "%s.new", counts_file);
	file = fopen(path, "we");
	if (!file)
		die("%s: %s", path, strerror(errno));
	for (unsigned i = 0; i < 256; i++) {
		if (counts->commands[i] > 0 && i != 0x83 && i != 0x84)
			fprintf(file, "%02x %llu\n", i, (unsigned long long)counts->commands[i]);
	}
	for (unsigned i = 0; i < 32; i++) {
		if (counts->copy[i] > 0)
			fprintf(file, "83/%02x %llu\n", i, (unsigned long long)counts->copy[i]);
		if (counts->receive[i] > 0)
			fprintf(file, "84/%02x %llu\n", i, (unsigned long long)counts->receive[i]);
	}
	fprintf(file, "segments %llu\ncopied %llu\nread %llu\nwritten %llu\n",
		(unsigned long long)counts->segments, (unsigned long long)counts->copied,
		(unsigned long long)counts->read, (unsigned long long)counts->written);
	if (fclose(file) != 0 || rename(path, counts_file) < 0)
		die("%s: %s", counts_file, strerror(errno));
	*counts = (struct scsi_target_counts){ 0 };
}

/* --- the loop ------------------------------------------------------------------ */

static void on_signal(int signal)
{
	if (signal == SIGUSR1)
		reload = 1;
	else
		stop = 1;
}

/* Signals come only while it waits. */
static sigset_t catch_signals(void)
{
	static const int signals[] = { SIGUSR1, SIGTERM, SIGINT };
	struct sigaction action = { .sa_handler = on_signal };
	sigset_t all, before;

	sigemptyset(&all);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		sigaddset(&all, signals[i]);
		sigaction(signals[i], &action, NULL);
	}
	sigprocmask(SIG_BLOCK, &all, &before);
	return before;
}

static void wait_for_commands(const sigset_t *mask)
{
	struct pollfd fds[SCSI_TARGET_UNITS];
	uint64_t now = now_ms(), least = UINT64_MAX;
	struct timespec timeout;
	uint32_t events;

	for (unsigned i = 0; i < n_devices; i++) {
		const struct device *device = &devices[i];

		/* One that has no room for more waits for none. */
		fds[i].fd = device->n_held < HELD_MOST ? device->fd : -1;
		fds[i].events = POLLIN;
		for (unsigned j = 0; j < device->n_held; j++) {
			uint64_t due = device->held[j].due, left = due > now ? due - now : 0;

			if (left < least)
				least = left;
		}
	}
	timeout.tv_sec = (time_t)(least / 1000);
	timeout.tv_nsec = (long)(least % 1000) * 1000000;
	if (ppoll(fds, n_devices, least == UINT64_MAX ? NULL : &timeout, mask) < 0 &&
	    errno != EINTR)
		die("ppoll: %s", strerror(errno));
	for (unsigned i = 0; i < n_devices; i++) {
		if (read(devices[i].fd, &events, sizeof(events)) < 0 && errno != EAGAIN)
			die("read: %s", strerror(errno));
	}
}

static void __attribute__((noreturn)) usage(int status)
{
	fputs("Usage: scsi-target [--faults FILE] [--counts FILE] UNIT...\n"
	      "See tests/scsi-target/README.md.\n",
	      status ? stderr : stdout);
	exit(status);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "faults", required_argument, NULL, 'f' },
		{ "counts", required_argument, NULL, 'c' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	sigset_t mask;
	int c;

	while ((c = getopt_long(argc, argv, "f:c:h", options, NULL)) != -1) {
		switch (c) {
		case 'f':
			faults_file = optarg;
			break;
		case 'c':
			counts_file = optarg;
			break;
		case 'h':
			usage(0);
		default:
			usage(2);
		}
	}
	if (optind == argc)
		usage(2);
	target = scsi_target_new();
	if (!target)
		die("out of memory");
	while (optind < argc)
		add_unit(argv[optind++]);
	mask = catch_signals();
	reload = 1;
	while (!stop) {
		if (reload) {
			reload = 0;
			read_faults();
			write_counts();
		}
		for (unsigned i = 0; i < n_devices; i++)
			serve(&devices[i]);
		wait_for_commands(&mask);
	}
	scsi_target_free(target);
	return 0;
}
