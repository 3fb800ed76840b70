/* SPDX-License-Identifier: GPL-2.0-or-later */
/* banger-netd/limits_figures and limits_cgroup, the latter in a directory that stands in for a
 * cgroup v2 tree: directories made in it have the files that the kernel would give them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "banger-netd/limits_cgroup.h"
#include "banger-netd/limits_figures.h"
#include "common/fd.h"
#include "common/str.h"

#define ID  "0123456789ab"
#define MIB (1ULL << 20)

/* --- the stand-in -------------------------------------------------------------------------- */

static const char *const files[] = { "cgroup.controllers", "cgroup.subtree_control",
	"cgroup.events", "cgroup.procs", "memory.max", "memory.swap.max", "memory.oom.group",
	"pids.max", "cpu.max" };

static struct {
	const char *controllers; /* what a new cgroup may use */
	const char *events;	 /* what a new cgroup's cgroup.events says */
	const char *absent;	 /* a file that this kernel does not have, or NULL */
	bool rmdir_busy;
} kernel;

static void put(int dir, const char *name, const char *s)
{
	_cleanup_fd_ int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, s, strlen(s)), strlen(s));
}

static void fill_cgroup(int dir)
{
	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		if (!str_eq(files[i], kernel.absent))
			put(dir, files[i], "");
	put(dir, "cgroup.controllers", kernel.controllers);
	put(dir, "cgroup.events", kernel.events);
}

int __real_mkdirat(int dir, const char *name, mode_t mode);
int __wrap_mkdirat(int dir, const char *name, mode_t mode);
int __wrap_mkdirat(int dir, const char *name, mode_t mode)
{
	_cleanup_fd_ int fd = -1;

	if (__real_mkdirat(dir, name, mode) < 0)
		return -1;
	fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);
	fill_cgroup(fd);
	return 0;
}

int __real_unlinkat(int dir, const char *name, int flags);
int __wrap_unlinkat(int dir, const char *name, int flags);
int __wrap_unlinkat(int dir, const char *name, int flags)
{
	_cleanup_fd_ int fd = -1;

	if (kernel.rmdir_busy) {
		errno = EBUSY;
		return -1;
	}
	fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (size_t i = 0; i < ARRAY_SIZE(files) && fd >= 0; i++)
		__real_unlinkat(fd, files[i], 0);
	return __real_unlinkat(dir, name, flags);
}

struct fixture {
	char path[32];
	int root;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	str_copy(f->path, sizeof(f->path), "/tmp/banger-limits-XXXXXX");
	assert_non_null(mkdtemp(f->path));
	f->root = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(f->root >= 0);
	memset(&kernel, 0, sizeof(kernel));
	kernel.controllers = "cpuset cpu io memory hugetlb pids rdma misc\n";
	kernel.events = "populated 0\nfrozen 0\n";
	fill_cgroup(f->root);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	int left;

	kernel.rmdir_busy = false;
	__wrap_unlinkat(f->root, "banger/vm-" ID, AT_REMOVEDIR);
	__wrap_unlinkat(f->root, "banger", AT_REMOVEDIR);
	left = __wrap_unlinkat(AT_FDCWD, f->path, AT_REMOVEDIR);
	close(f->root);
	if (left < 0)
		print_error("%s stays\n", f->path);
	free(f);
	return left;
}

static vm_id id(void)
{
	vm_id vm;

	assert_true(vm_id_parse(ID, &vm));
	return vm;
}

static void assert_file(int dir, const char *name, const char *expected)
{
	_cleanup_fd_ int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	char s[256];
	ssize_t n;

	assert_true(fd >= 0);
	n = fd_read_full(fd, s, sizeof(s) - 1);
	assert_true(n >= 0);
	s[n] = '\0';
	assert_string_equal(s, expected);
}

static int open_tree(const struct fixture *f)
{
	struct err err = ERR_INIT;
	int tree = -1;

	if (limits_cgroup_open(f->root, &tree, &err) < 0)
		fail_msg("%s", err.msg);
	return tree;
}

/* --- figures ------------------------------------------------------------------------------- */

static void test_figures(void **state)
{
	struct limits_vm vm = {
		.vmm = vmm_kind_firecracker, .kvm = true, .vcpus = 1, .memory = 128
	};
	struct limits_figures f, more;

	limits_figures(&vm, &f);
	assert_int_equal(f.memory, (128 + 1 + 128) * MIB);
	assert_int_equal(f.tasks, 81);
	assert_int_equal(f.cpu_usec, 2000000);
	vm.vmm = vmm_kind_qemu;
	limits_figures(&vm, &more);
	assert_true(more.memory > f.memory);
	f = more;
	vm.kvm = false; /* TCG's buffer */
	limits_figures(&vm, &more);
	assert_true(more.memory >= f.memory + 1024 * MIB);
	/* The largest that the protocol lets through, and what a jail's rlimits allow. */
	vm.vcpus = 32;
	vm.memory = 1048576;
	limits_figures(&vm, &more);
	assert_true(more.memory > 1048576 * MIB && more.memory < 1100000 * MIB);
	assert_true(more.tasks <= 128);
	assert_int_equal(more.cpu_usec, 33000000);
}

static void test_names(void **state)
{
	assert_string_equal(limits_scope_name(id()).s, "banger-vm-" ID ".scope");
	assert_string_equal(limits_cgroup_name(id()).s, "vm-" ID);
}

/* --- the tree ------------------------------------------------------------------------------ */

static void test_tree_is_made(void **state)
{
	const struct fixture *f = *state;
	_cleanup_fd_ int tree = open_tree(f);

	assert_file(f->root, "cgroup.subtree_control", "+memory +pids +cpu ");
	assert_file(tree, "cgroup.subtree_control", "+memory +pids +cpu ");
	/* A second time it is there. */
	close(open_tree(f));
}

static void test_what_is_on_is_left_alone(void **state)
{
	const struct fixture *f = *state;
	_cleanup_fd_ int tree = -1;

	put(f->root, "cgroup.subtree_control", "cpuset cpu io memory pids\n");
	tree = open_tree(f);
	assert_file(f->root, "cgroup.subtree_control", "cpuset cpu io memory pids\n");
	/* "cpuset" is not "cpu". */
	put(f->root, "cgroup.subtree_control", "cpuset memory pids\n");
	close(open_tree(f));
	assert_file(f->root, "cgroup.subtree_control", "+cpu t memory pids\n");
}

static void assert_no_tree(const struct fixture *f, const char *why)
{
	struct err err = ERR_INIT;
	int tree = -2;

	assert_int_equal(limits_cgroup_open(f->root, &tree, &err), -1);
	assert_int_equal(tree, -2);
	assert_non_null(strstr(err.msg, why));
	assert_int_equal(faccessat(f->root, "banger", F_OK, 0), -1);
}

static void test_controllers_are_missing(void **state)
{
	const struct fixture *f = *state;

	/* "cpuset" is not "cpu", nor is "xmemory" "memory". */
	put(f->root, "cgroup.controllers", "cpuset io xmemory pids\n");
	assert_no_tree(f, "memory");
	put(f->root, "cgroup.controllers", "cpuset io memory pids\n");
	assert_no_tree(f, "cpu");
	put(f->root, "cgroup.controllers", "\n");
	assert_no_tree(f, "memory");
	/* Not even the files: no cgroup at all. */
	assert_int_equal(__real_unlinkat(f->root, "cgroup.controllers", 0), 0);
	assert_no_tree(f, "cgroup.controllers");
}

/* The root has them, its child does not get them: what was made goes again. */
static void test_tree_is_undone(void **state)
{
	const struct fixture *f = *state;

	kernel.controllers = "memory pids\n";
	assert_no_tree(f, "cpu");
}

/* --- VMs ----------------------------------------------------------------------------------- */

static const struct limits_vm machine = {
	.pid = 4711, .vmm = vmm_kind_firecracker, .kvm = true, .vcpus = 2, .memory = 256
};

static struct limits_vm a_vm(void)
{
	struct limits_vm vm = machine;

	vm.vm = id();
	return vm;
}

static void test_place(void **state)
{
	const struct fixture *f = *state;
	_cleanup_fd_ int tree = open_tree(f), dir = -1;
	struct limits_vm vm = a_vm();
	struct err err = ERR_INIT;

	assert_int_equal(limits_cgroup_place(tree, &vm, &err), 0);
	dir = openat(tree, "vm-" ID, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(dir >= 0);
	assert_file(dir, "memory.max", "404750336"); /* 256 + 2 + 128 MiB */
	assert_file(dir, "memory.swap.max", "0");
	assert_file(dir, "memory.oom.group", "1");
	assert_file(dir, "pids.max", "82");
	assert_file(dir, "cpu.max", "300000 100000");
	assert_file(dir, "cgroup.procs", "4711");
	assert_int_equal(limits_cgroup_remove(tree, vm.vm, 0, &err), 0);
	assert_int_equal(faccessat(tree, "vm-" ID, F_OK, 0), -1);
	assert_int_equal(limits_cgroup_remove(tree, vm.vm, 0, &err), 0);
}

static void test_place_without_swap(void **state)
{
	const struct fixture *f = *state;
	_cleanup_fd_ int tree = open_tree(f);
	struct limits_vm vm = a_vm();
	struct err err = ERR_INIT;

	kernel.absent = "memory.swap.max";
	assert_int_equal(limits_cgroup_place(tree, &vm, &err), 0);
}

/* A limit that cannot be set: no VM without it, and no directory. */
static void test_place_fails(void **state)
{
	static const char *const needed[] = { "memory.max", "pids.max", "cpu.max", "cgroup.procs" };
	const struct fixture *f = *state;
	_cleanup_fd_ int tree = open_tree(f);
	struct limits_vm vm = a_vm();

	for (size_t i = 0; i < ARRAY_SIZE(needed); i++) {
		struct err err = ERR_INIT;

		kernel.absent = needed[i];
		assert_int_equal(limits_cgroup_place(tree, &vm, &err), -1);
		assert_non_null(strstr(err.msg, needed[i]));
		assert_int_equal(faccessat(tree, "vm-" ID, F_OK, 0), -1);
	}
}

static void test_something_lives_there(void **state)
{
	const struct fixture *f = *state;
	_cleanup_fd_ int tree = open_tree(f);
	struct limits_vm vm = a_vm();
	struct err err = ERR_INIT;
	unsigned n = 9;

	kernel.events = "populated 1\nfrozen 0\n";
	assert_int_equal(limits_cgroup_place(tree, &vm, &err), 0);
	assert_int_equal(limits_cgroup_remove(tree, vm.vm, 50, &err), -1);
	assert_int_equal(err.code, ERR_busy);
	assert_int_equal(limits_cgroup_place(tree, &vm, &err), -1);
	assert_int_equal(err.code, ERR_busy);
	assert_int_equal(limits_cgroup_sweep(tree, &n, &err), 0);
	assert_int_equal(n, 0);
	assert_int_equal(faccessat(tree, "vm-" ID, F_OK, 0), 0);
}

static void test_rmdir_is_busy(void **state)
{
	const struct fixture *f = *state;
	_cleanup_fd_ int tree = open_tree(f);
	struct limits_vm vm = a_vm();
	struct err err = ERR_INIT;

	assert_int_equal(limits_cgroup_place(tree, &vm, &err), 0);
	kernel.rmdir_busy = true;
	assert_int_equal(limits_cgroup_remove(tree, vm.vm, 0, &err), -1);
	assert_int_equal(err.code, ERR_busy);
}

/* What an earlier life left is made anew; what is not a VM's is never touched. */
static void test_leftovers(void **state)
{
	static const char *const foreign[] = { "vm-", "vm-0123456789AB", "vm-0123456789abc",
		"other" };
	const struct fixture *f = *state;
	_cleanup_fd_ int tree = open_tree(f);
	struct limits_vm vm = a_vm();
	struct err err = ERR_INIT;
	unsigned n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(foreign); i++)
		assert_int_equal(__real_mkdirat(tree, foreign[i], 0755), 0);
	assert_int_equal(limits_cgroup_place(tree, &vm, &err), 0);
	assert_int_equal(limits_cgroup_place(tree, &vm, &err), 0);
	assert_int_equal(limits_cgroup_sweep(tree, &n, &err), 0);
	assert_int_equal(n, 1);
	for (size_t i = 0; i < ARRAY_SIZE(foreign); i++)
		assert_int_equal(__real_unlinkat(tree, foreign[i], AT_REMOVEDIR), 0);
}

/* A symbolic link where a VM's cgroup or the tree is to be leads nowhere. */
static void test_links_are_not_followed(void **state)
{
	const struct fixture *f = *state;
	struct limits_vm vm = a_vm();
	struct err err = ERR_INIT;
	int tree = -2;

	assert_int_equal(symlinkat("/tmp", f->root, "banger"), 0);
	assert_int_equal(limits_cgroup_open(f->root, &tree, &err), -1);
	assert_int_equal(__real_unlinkat(f->root, "banger", 0), 0);
	tree = open_tree(f);
	assert_int_equal(symlinkat("/tmp", tree, "vm-" ID), 0);
	assert_int_equal(limits_cgroup_place(tree, &vm, &err), -1);
	assert_int_equal(limits_cgroup_remove(tree, vm.vm, 0, &err), -1);
	assert_int_equal(__real_unlinkat(tree, "vm-" ID, 0), 0);
	close(tree);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_figures),
		cmocka_unit_test(test_names),
		CASE(test_tree_is_made),
		CASE(test_what_is_on_is_left_alone),
		CASE(test_controllers_are_missing),
		CASE(test_tree_is_undone),
		CASE(test_place),
		CASE(test_place_without_swap),
		CASE(test_place_fails),
		CASE(test_something_lives_there),
		CASE(test_rmdir_is_busy),
		CASE(test_leftovers),
		CASE(test_links_are_not_followed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
