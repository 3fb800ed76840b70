/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-cli/credentials.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "banger-cli/credential_helper.h"
#include "common/fd.h"
#include "common/str.h"

#define PATH_MAX_BYTES 4096

static int ask_helper(const struct auth_entry *e, struct credentials *ret, struct err *err)
{
	char answer[CREDENTIAL_ANSWER_MAX];
	size_t n = 0;
	int r = credential_helper_get(e->helper, e->key, answer, &n, err);

	if (r > 0 && auth_helper_answer(answer, n, ret, err) < 0)
		r = err_wrap(err, "docker-credential-%s", e->helper);
	explicit_bzero(answer, sizeof(answer));
	return r;
}

static int find_in(const char *path, const char *host, const char *repository,
	struct credentials *ret, struct err *err)
{
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct auth_entry entry;
	char *content;
	size_t n;
	int r;

	/* HOME may be another user's (su, setpriv): what is not the caller's to read is not meant.
	 */
	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR || errno == EACCES))
		return 0;
	if (fd < 0)
		return err_sys(err, ERR_operation_failed, errno, "cannot open %s", path);
	if (fd_read_text(fd, AUTH_FILE_MAX, &content, &n, err) < 0)
		return err_wrap(err, "%s", path);
	r = auth_file_find(content, n, host, repository, &entry, err);
	explicit_bzero(content, n);
	free(content);
	if (r < 0)
		return err_wrap(err, "%s", path);
	if (r > 0 && entry.helper[0])
		return ask_helper(&entry, ret, err);
	if (r > 0)
		*ret = entry.credentials;
	credentials_finish(&entry.credentials);
	return r;
}

/* $VARIABLE/FILE, or ~/OTHER/FILE; false when neither is known. */
static bool path_of(const char *variable, const char *other, const char *file, char *ret)
{
	const char *base = getenv(variable), *home = getenv("HOME");

	if (base && base[0] == '/')
		return str_format(ret, PATH_MAX_BYTES, "%s/%s", base, file);
	return other && home && home[0] == '/' &&
	       str_format(ret, PATH_MAX_BYTES, "%s/%s/%s", home, other, file);
}

int credentials_find(const char *host, const char *path, struct credentials *ret, struct err *err)
{
	static const struct {
		const char *variable, *other, *file;
	} places[] = {
		{ "XDG_RUNTIME_DIR", NULL, "containers/auth.json" },
		{ "XDG_CONFIG_HOME", ".config", "containers/auth.json" },
		{ "DOCKER_CONFIG", ".docker", "config.json" },
	};
	const char *only = getenv("REGISTRY_AUTH_FILE");
	char file[PATH_MAX_BYTES];

	if (only && only[0])
		return find_in(only, host, path, ret, err);
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		int r = 0;

		if (path_of(places[i].variable, places[i].other, places[i].file, file))
			r = find_in(file, host, path, ret, err);
		if (r != 0)
			return r;
	}
	return 0;
}
