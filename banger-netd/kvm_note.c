/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-netd/kvm_note.h"

#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "common/log.h"
#include "common/str.h"

#define NOTE   "kvm"
#define HOLD_S 60

static uint64_t now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec;
}

/* "WHEN MICROSECONDS NODE" */
static bool parse(char *note, const char *node, uint64_t *ret_us)
{
	char *rest = note, *since_word = strsep(&rest, " "), *us_word = strsep(&rest, " ");
	uint64_t since, now = now_s();

	return rest && str_to_u64(since_word, 0, now, &since) && now - since <= HOLD_S &&
	       str_eq(rest, node) && str_to_u64(us_word, 0, UINT64_MAX, ret_us);
}

void kvm_note_read(struct ledger *l, struct kvm_note *ret)
{
	_cleanup_free_ char *note = NULL;
	struct err err = ERR_INIT;
	struct stat st;

	*ret = (struct kvm_note){ .known = false };
	if (stat("/dev/kvm", &st) < 0)
		return;
	str_format(ret->node, sizeof(ret->node), "%llu %llu %lld.%09ld",
		(unsigned long long)st.st_dev, (unsigned long long)st.st_ino,
		(long long)st.st_ctim.tv_sec, st.st_ctim.tv_nsec);
	if (ledger_note_read(l, NOTE, &note, &err) < 0)
		log_warning("%s", err.msg);
	else
		ret->known = parse(note, ret->node, &ret->us);
}

void kvm_note_write(
	struct ledger *l, const struct kvm_note *note, enum kvm_state state, uint64_t us)
{
	struct err err = ERR_INIT;
	char words[160] = "";

	if (note->known)
		return;
	if (state == kvm_state_slow && note->node[0])
		str_format(words, sizeof(words), "%llu %llu %s", (unsigned long long)now_s(),
			(unsigned long long)us, note->node);
	if (ledger_note_write(l, NOTE, words, &err) < 0)
		log_warning("%s", err.msg);
}
