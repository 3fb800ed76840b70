/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-cli/host_kernel.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include "common/str.h"

#define PREFIX "vmlinuz-"

static bool is_directory(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static bool is_file(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

/* The kernel of that version, with its modules; false when either is missing. */
static bool packaged(const char *root, const char *version, struct host_kernel *ret)
{
	return str_format(
		       ret->kernel, sizeof(ret->kernel), "%s/boot/" PREFIX "%s", root, version) &&
	       str_format(ret->modules, sizeof(ret->modules), "%s/lib/modules/%s", root, version) &&
	       is_file(ret->kernel) && is_directory(ret->modules);
}

static int choose_packaged(const char *root, struct host_kernel *ret, struct err *err)
{
	char boot[PATH_MAX], best[NAME_MAX + 1] = "";
	struct host_kernel candidate;
	struct utsname u;
	struct dirent *e;
	DIR *d;

	if (uname(&u) == 0 && packaged(root, u.release, ret))
		return 0;
	d = str_format(boot, sizeof(boot), "%s/boot", root) ? opendir(boot) : NULL;
	while (d && (e = readdir(d))) {
		const char *version = e->d_name + strlen(PREFIX);

		if (str_starts(e->d_name, PREFIX) && packaged(root, version, &candidate) &&
			strverscmp(version, best) > 0)
			str_copy(best, sizeof(best), version);
	}
	if (d)
		closedir(d);
	if (*best && packaged(root, best, ret))
		return 0;
	return err_set(err, ERR_not_found,
		"this host has no packaged kernel (%s/boot/" PREFIX "VERSION with "
		"/lib/modules/VERSION): install one, such as linux-image-cloud-amd64, or name a "
		"vmlinuz or a .deb",
		root);
}

/* The modules of a file vmlinuz-VERSION, behind symlinks such as /vmlinuz; "" when there are none.
 */
static void find_modules(const char *root, const char *kernel, char ret[PATH_MAX])
{
	_cleanup_free_ char *real = realpath(kernel, NULL);
	const char *slash = real ? strrchr(real, '/') : NULL;

	ret[0] = '\0';
	if (!slash || !str_starts(slash + 1, PREFIX))
		return;
	if (!str_format(ret, PATH_MAX, "%s/lib/modules/%s", root, slash + 1 + strlen(PREFIX)) ||
		!is_directory(ret))
		ret[0] = '\0';
}

int host_kernel_choose(const char *root, const char *kernel, const char *modules,
	struct host_kernel *ret, struct err *err)
{
	struct host_kernel chosen = { 0 };

	if (!kernel && choose_packaged(root, &chosen, err) < 0)
		return -1;
	if (kernel && !str_copy(chosen.kernel, sizeof(chosen.kernel), kernel))
		return err_sys(err, ERR_bad_request, ENAMETOOLONG, "cannot open %s", kernel);
	if (kernel && !modules)
		find_modules(root, kernel, chosen.modules);
	if (modules && !str_copy(chosen.modules, sizeof(chosen.modules), modules))
		return err_sys(err, ERR_bad_request, ENAMETOOLONG, "cannot open %s", modules);
	*ret = chosen;
	return 0;
}
