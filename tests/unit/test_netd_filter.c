/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Each profile's filter, as the kernel applies it, against the table that it is made of: every row
 * with its arguments flipped bit by bit, and every number that no row names.
 *
 * No call reaches the kernel's own code, so all can be tried, exit and reboot too: a filter that
 * was loaded before answers those of one instruction with an errno of its own, and of two filters
 * the sterner has its way. What is killed costs a process; the next goes on behind it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/if_tun.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/confine.h"
#include "common/str.h"

#define N_ARGS	  6
#define CALLS_MAX 16384
/* Numbers up to here are tried: all of newest kernels (470 of them in Linux 6.18), and 512 to 547,
 * x32's own, which kernels took from everybody once. */
#define NUMBERS 548
#define X32_BIT 0x40000000 /* asm/unistd.h: __X32_SYSCALL_BIT */

/* What the kernel's own trampolines for user probes call: since Linux 6.14 no filter is asked
 * (kernel/seccomp.c: seccomp_uprobe_exception), and nobody else gets anything from them. */
static bool is_never_filtered(int nr)
{
	return nr == 335 || nr == 336; /* uretprobe, uprobe */
}

/* --- the table, read once more ------------------------------------------------------------- */

enum group {
#define GROUP(name) GROUP_##name,
#include "common/proto/syscalls.tbl.h"
	GROUP__count
};

enum row_kind { ROW_CALL, ROW_CALL_IF, ROW_ERRNO, ROW_END_GROUP };

static const struct row {
	enum row_kind kind;
	int nr;
	const char *name;
	unsigned arg;
	uint64_t mask, value; /* of ROW_ERRNO: value is the errno */
} rows[] = {
#define CALL(name)			{ ROW_CALL, SCMP_SYS(name), #name, 0, 0, 0 },
#define CALL_IF(name, arg, mask, value) { ROW_CALL_IF, SCMP_SYS(name), #name, arg, mask, value },
#define CALL_ERRNO(name, errnum)	{ ROW_ERRNO, SCMP_SYS(name), #name, 0, 0, errnum },
#define END_GROUP(name)			{ ROW_END_GROUP, 0, NULL, 0, 0, 0 },
#include "common/proto/syscalls.tbl.h"
#define DENY(name) { ROW_ERRNO, SCMP_SYS(name), #name, 0, 0, EPERM },
#include "common/proto/syscalls.tbl.h"
	{ ROW_END_GROUP, 0, NULL, 0, 0, 0 },
#define DENY_VMM(name) { ROW_ERRNO, SCMP_SYS(name), #name, 0, 0, EPERM },
#include "common/proto/syscalls.tbl.h"
	{ ROW_END_GROUP, 0, NULL, 0, 0, 0 },
#define DENY_QEMU(name) { ROW_ERRNO, SCMP_SYS(name), #name, 0, 0, EPERM },
#include "common/proto/syscalls.tbl.h"
	{ ROW_END_GROUP, 0, NULL, 0, 0, 0 },
};

/* The groups of each profile, as a bit set; the deny-lists count as groups behind the others. */
static const uint64_t groups[] = {
#define PROFILE(name)	  0
#define USE(group)	  | (1ULL << GROUP_##group)
#define END_PROFILE(name) ,
#include "common/proto/syscalls.tbl.h"
	[CONFINE_launch] = 1ULL << GROUP__count,
	[CONFINE_firecracker] = 1ULL << (GROUP__count + 1),
	[CONFINE_qemu] = (1ULL << (GROUP__count + 1)) | (1ULL << (GROUP__count + 2)),
};

static bool is_deny_list(enum confine_profile p)
{
	return p >= CONFINE_launch;
}

/* The profile's rows into ret; how many. */
static size_t rows_of(enum confine_profile p, const struct row **ret)
{
	unsigned group = 0;
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (rows[i].kind == ROW_END_GROUP)
			group++;
		else if (groups[p] & (1ULL << group) && rows[i].nr >= 0)
			ret[n++] = &rows[i];
	}
	return n;
}

/* --- calls, and what is to become of them --------------------------------------------------- */

struct call {
	uint64_t nr; /* the whole register */
	uint64_t args[N_ARGS];
};

enum verdict { PASSED = 0, KILLED = -1, UNTRIED = -2, ESCAPED = -3 }; /* or a CALL_ERRNO's errno */

static bool row_allows(const struct row *r, const struct call *c)
{
	return r->kind == ROW_CALL ||
	       (r->kind == ROW_CALL_IF && (c->args[r->arg] & r->mask) == r->value);
}

/* What the rows, but for one of them (or NULL), say of a call. */
static int expected(enum confine_profile p, const struct row *const *rs, size_t n,
	const struct row *without, const struct call *c)
{
	int nr = (int)(uint32_t)c->nr, verdict = is_deny_list(p) ? PASSED : KILLED;

	if (nr != -1 && (uint32_t)nr >= X32_BIT)
		return KILLED;
	for (size_t i = 0; i < n; i++) {
		if (rs[i] == without || rs[i]->nr != nr)
			continue;
		if (row_allows(rs[i], c))
			return PASSED;
		if (rs[i]->kind == ROW_ERRNO)
			verdict = (int)rs[i]->value;
	}
	return verdict;
}

struct calls {
	size_t n;
	struct call list[CALLS_MAX];
};

/* A call with all arguments `others` but one. */
static void add_call(struct calls *cs, uint64_t nr, uint64_t others, unsigned arg, uint64_t value)
{
	struct call *c = &cs->list[cs->n++];

	assert_true(cs->n <= CALLS_MAX);
	c->nr = nr;
	for (unsigned i = 0; i < N_ARGS; i++)
		c->args[i] = i == arg ? value : others;
}

/* The value that a row wants, then that with each bit of its mask flipped; the bits that it does
 * not look at, and the other arguments, all 0 and all 1. */
static void add_flips(struct calls *cs, const struct row *r)
{
	const uint64_t ones = ~0ULL, nr = (uint64_t)r->nr;

	for (unsigned fill = 0; fill < 2; fill++) {
		uint64_t rest = fill ? ~r->mask : 0, others = fill ? ones : 0;

		add_call(cs, nr, others, r->arg, r->value | rest);
		/* What a 32-bit value becomes when its sign, or rubbish, fills the register. */
		add_call(cs, nr, others, r->arg, r->value | rest | ones << 32);
		/* Where no bit is free the others change nothing, as these two calls show. */
		for (unsigned bit = 0; bit < 64 && (fill == 0 || ~r->mask); bit++)
			if (r->mask & (1ULL << bit))
				add_call(cs, nr, others, r->arg, (r->value ^ (1ULL << bit)) | rest);
	}
}

static void add_row(struct calls *cs, const struct row *r)
{
	const uint64_t ones = ~0ULL, nr = (uint64_t)r->nr;

	if (r->kind == ROW_CALL_IF)
		add_flips(cs, r);
	for (unsigned arg = 0; arg < N_ARGS; arg++) {
		add_call(cs, nr, 0, arg, ones);
		add_call(cs, nr, ones, arg, 0);
	}
	/* The kernel takes the lower half of the register for the number; and the x32 ABI's. */
	add_call(cs, nr | ones << 32, 0, r->arg, r->value);
	add_call(cs, nr | X32_BIT, 0, r->arg, r->value);
}

static bool has_row(const struct row *const *rs, size_t n, int nr)
{
	for (size_t i = 0; i < n; i++)
		if (rs[i]->nr == nr)
			return true;
	return false;
}

static void fill_calls(struct calls *cs, const struct row *const *rs, size_t n)
{
	cs->n = 0;
	for (size_t i = 0; i < n; i++)
		add_row(cs, rs[i]);
	for (int nr = 0; nr < NUMBERS; nr++)
		if (!has_row(rs, n, nr) && !is_never_filtered(nr))
			add_call(cs, (uint64_t)nr, 0, 0, 0);
	add_call(cs, ~0ULL, 0, 0, 0);
	add_call(cs, INT32_MAX, 0, 0, 0);
}

/* --- trying them ----------------------------------------------------------------------------- */

/* probe_call(nr, args): what the kernel returns; its `syscall` ends at probe_end. */
long probe_call(uint64_t nr, const uint64_t args[N_ARGS]);
extern const char probe_end[];
__asm__(".text\n"
	".hidden probe_call\n.hidden probe_end\n"
	".globl probe_call\n.type probe_call, @function\n"
	"probe_call:\n"
	"	mov %rdi, %rax\n"
	"	mov 40(%rsi), %r9\n"
	"	mov 32(%rsi), %r8\n"
	"	mov 24(%rsi), %r10\n"
	"	mov 16(%rsi), %rdx\n"
	"	mov (%rsi), %rdi\n"
	"	mov 8(%rsi), %rsi\n"
	"	syscall\n"
	".globl probe_end\n"
	"probe_end:\n"
	"	ret\n"
	".size probe_call, . - probe_call\n");

#define SHIELD_ERRNO 4000 /* the kernel has none of that number */

/* Calls of probe_call() go no further than the filters. */
static int load_shield(void)
{
	const uint64_t end = (uintptr_t)probe_end;
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			offsetof(struct seccomp_data, instruction_pointer)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)end, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			offsetof(struct seccomp_data, instruction_pointer) + 4),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(end >> 32), 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | SHIELD_ERRNO),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog program = { ARRAY_SIZE(code), code };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -1;
	return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
}

/* What parent and children share. */
struct trial {
	struct calls calls;
	size_t at;
	int verdicts[CALLS_MAX];
};

static void become_confined(enum confine_profile p)
{
	static const unsigned admin[] = { CAP_SYS_ADMIN };
	const struct rlimit no_core = { 0, 0 };
	const struct confine c = { .profile = p,
		.mode = CONFINE_KILL,
		.capabilities = admin,
		.n_capabilities = p == CONFINE_launch };
	struct err err = ERR_INIT;

	signal(SIGSEGV, SIG_DFL); /* cmocka's handler would go on with the next test */
	signal(SIGILL, SIG_DFL);
	if (setrlimit(RLIMIT_CORE, &no_core) < 0 || load_shield() < 0)
		_exit(3);
	if (confine_apply(&c, &err) < 0) {
		fprintf(stderr, "%s\n", err.msg);
		_exit(4);
	}
}

static _Noreturn void try_calls(enum confine_profile p, volatile struct trial *t)
{
	become_confined(p);
	for (; t->at < t->calls.n; t->at++) {
		const struct call c = t->calls.list[t->at];
		long r = probe_call(c.nr, c.args);

		if (r == -SHIELD_ERRNO)
			t->verdicts[t->at] = PASSED;
		else
			t->verdicts[t->at] = r < 0 && r > -SHIELD_ERRNO ? (int)-r : ESCAPED;
	}
	_exit(0);
}

/* Try all; how many were killed. */
static size_t run_trial(enum confine_profile p, struct trial *t)
{
	size_t killed = 0;

	for (t->at = 0; t->at < t->calls.n; t->at++, killed++) {
		int status;
		pid_t pid = fork();

		if (pid == 0)
			try_calls(p, t);
		assert_true(pid > 0);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
			break;
		if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS)
			fail_msg("profile %s: wait status %x at call %zu", confine_profile_name(p),
				status, t->at);
		t->verdicts[t->at] = KILLED;
	}
	return killed;
}

static struct trial *new_trial(void)
{
	struct trial *t =
		mmap(NULL, sizeof(*t), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_true(t != MAP_FAILED);
	for (size_t i = 0; i < CALLS_MAX; i++)
		t->verdicts[i] = UNTRIED;
	return t;
}

/* --- the tests ------------------------------------------------------------------------------- */

static void check_verdicts(
	enum confine_profile p, const struct row *const *rs, size_t n, const struct trial *t)
{
	for (size_t i = 0; i < t->calls.n; i++) {
		const struct call *c = &t->calls.list[i];
		int want = expected(p, rs, n, NULL, c);

		if (t->verdicts[i] != want)
			fail_msg("profile %s, call %#llx (%#llx, %#llx, %#llx, %#llx, …): verdict "
				 "%d, "
				 "the table says %d",
				confine_profile_name(p), (unsigned long long)c->nr,
				(unsigned long long)c->args[0], (unsigned long long)c->args[1],
				(unsigned long long)c->args[2], (unsigned long long)c->args[3],
				t->verdicts[i], want);
	}
}

/* Another row says the same, or more. */
static bool is_redundant(const struct row *const *rs, size_t n, const struct row *r)
{
	for (size_t i = 0; i < n; i++)
		if (rs[i] != r && rs[i]->nr == r->nr &&
			(rs[i]->kind == ROW_CALL ||
				(rs[i]->kind == r->kind && rs[i]->arg == r->arg &&
					rs[i]->mask == r->mask && rs[i]->value == r->value)))
			return true;
	return false;
}

/* Were any row missing in the filter, or there beyond the table, some call would have told. */
static size_t check_each_row_counts(
	enum confine_profile p, const struct row *const *rs, size_t n, const struct trial *t)
{
	size_t noticed = 0;

	for (size_t r = 0; r < n; r++) {
		bool differs = is_redundant(rs, n, rs[r]);

		for (size_t i = 0; i < t->calls.n && !differs; i++) {
			differs = expected(p, rs, n, rs[r], &t->calls.list[i]) != t->verdicts[i];
			noticed += differs;
		}
		if (!differs)
			fail_msg("profile %s: no call shows that '%s' is in the filter",
				confine_profile_name(p), rs[r]->name);
	}
	return noticed;
}

/* Calls of the 32-bit ABI have other numbers; there (a process that survives tells). */
static _Noreturn void try_32_bit(enum confine_profile p)
{
	long r = 20; /* getpid there; writev here */

	become_confined(p);
	__asm__ volatile("int $0x80"
			 : "+a"(r)
			 : "b"(0L), "c"(0L), "d"(0L)
			 : "memory", "r8", "r9", "r10", "r11");
	_exit(0);
}

static void check_32_bit(enum confine_profile p)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		try_32_bit(p);
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	/* A kernel without that ABI has no such interrupt. */
	if (!WIFSIGNALED(status) || (WTERMSIG(status) != SIGSYS && WTERMSIG(status) != SIGSEGV))
		fail_msg("profile %s: a call of the 32-bit ABI ended with status %x",
			confine_profile_name(p), status);
}

static void test_profile(void **state)
{
	enum confine_profile p = *(const enum confine_profile *)*state;
	const struct row *rs[ARRAY_SIZE(rows)];
	struct trial *t = new_trial();
	size_t n = rows_of(p, rs), killed, noticed;

	assert_true(n > 10);
	fill_calls(&t->calls, rs, n);
	killed = run_trial(p, t);
	check_verdicts(p, rs, n, t);
	noticed = check_each_row_counts(p, rs, n, t);
	check_32_bit(p);
	printf("filter %s: %zu rows, each shown by a call (but %zu that repeat others); %zu calls "
	       "tried, "
	       "%zu killed, %zu not\n",
		confine_profile_name(p), n, n - noticed, t->calls.n, killed, t->calls.n - killed);
	munmap(t, sizeof(*t));
}

int main(void)
{
	static enum confine_profile profiles[] = {
#define PROFILE(name) CONFINE_##name,
#include "common/proto/syscalls.tbl.h"
		CONFINE_launch,
		CONFINE_firecracker,
		CONFINE_qemu,
	};
	struct CMUnitTest tests[ARRAY_SIZE(profiles)];

	for (size_t i = 0; i < ARRAY_SIZE(profiles); i++)
		tests[i] = (struct CMUnitTest){ .name = confine_profile_name(profiles[i]),
			.test_func = test_profile,
			.initial_state = &profiles[i] };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
