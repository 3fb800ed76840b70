# SPDX-License-Identifier: GPL-2.0-or-later
"""What the sources must and must not have; HACKING.md says why."""

import re
import subprocess

import repo

MAX_LINES = 700
MAX_FUNCTION = 80


def failed(problems):
    return "\n" + "\n".join(problems)


def included(path):
    """(line, name) of the project's own files that a file includes."""
    for match in re.finditer(r'^\s*#\s*include\s+"([^"]+)"', repo.uncommented(path), re.M):
        yield repo.line_of(path.read_text(), match.start(1)), match.group(1)


def test_include_law():
    """proto/ includes nothing; common/ sees itself; a process sees common/ and itself."""
    problems = []
    for path in repo.c_files("common", *repo.PROCESSES):
        folder = repo.name(path).split("/")[0]
        for line, name in included(path):
            where = f"{repo.name(path)}:{line}: includes {name}"
            if repo.name(path).startswith("common/proto/"):
                problems.append(where + ": a table includes nothing")
            elif name.split("/")[0] not in ("common", folder):
                problems.append(where + f": {folder} sees common/ and itself")
            elif not ((repo.TOP / name).is_file() or (repo.BUILD / name).is_file()):
                problems.append(where + ": includes are written from the root")
    assert not problems, failed(problems)


def test_tables_have_no_code():
    problems = []
    for path in repo.files(".h", under=("common/proto",)):
        text = repo.code_of(path)
        if re.search(r"#\s*include|[{};]", text):
            problems.append(f"{repo.name(path)}: a table has rows only")
    assert not problems, failed(problems)


def test_spdx():
    problems = []
    for path in repo.files(".c", ".h", ".py", ".sh"):
        if path.name.endswith(".tbl.h"):
            continue  # a table may be included twice; its comment says what it is
        if "SPDX-License-Identifier: GPL-2.0-or-later" not in path.read_text()[:200]:
            problems.append(f"{repo.name(path)}: no SPDX line at its head")
    assert not problems, failed(problems)


def test_file_length():
    problems = [f"{repo.name(path)}: {count} lines" for path in repo.files(".c", ".h", ".py")
                if (count := path.read_text().count("\n")) > MAX_LINES]
    assert not problems, failed(problems)


def test_function_length():
    """A function begins with a brace in the first column and ends with the next one there."""
    problems = []
    for path in repo.c_files():
        begin = None
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if line == "{":
                begin = number
            elif line == "}" and begin is not None:
                if number - begin + 1 > MAX_FUNCTION:
                    problems.append(f"{repo.name(path)}:{begin}: {number - begin + 1} lines")
                begin = None
    assert not problems, failed(problems)


FORBIDDEN_CALLS = ("system", "popen", "wordexp", "execlp", "execvp", "execvpe", "alloca", "strcpy",
                   "strcat", "sprintf", "vsprintf", "gets", "strtok", "tmpnam", "mktemp", "atoi",
                   "atol", "rand", "vfork")


def test_no_forbidden_calls():
    """Shells, unbounded copies, parsers that cannot fail. The guest's agent runs what it is told,
    found along the guest's PATH, so it alone may use execvpe."""
    problems = []
    for path in repo.c_files("common", *repo.PROCESSES):
        for line, function, _ in repo.calls(repo.code_of(path), FORBIDDEN_CALLS):
            if function == "execvpe" and repo.name(path).startswith("guest/"):
                continue
            text = path.read_text().splitlines()[line - 1]
            if re.search(r"\b(struct|int|void|static|const)\s.*\b" + function + r"\(", text):
                continue  # a declaration of something of that name
            problems.append(f"{repo.name(path)}:{line}: {function}()")
    assert not problems, failed(problems)


def test_no_commands_for_libraries():
    """Links, rules, devices and file systems are made by system calls and libraries."""
    commands = (r"nft|dmsetup|losetup|mkfs(\.\w+)?|mke2fs|resize2fs|e2fsck|iptables|modprobe|insmod"
                r"|tar|gzip|zstd|xz|cpio|curl|dpkg(-deb)?|ar|brctl|tunctl|umount")
    pattern = re.compile(r'"((/usr)?(/local)?/s?bin/(ip|mount|sh|bash|cp|' + commands + r')|' + commands
                         + r')"')
    problems = []
    for path in repo.c_files("common", "bangerd", "banger-netd", "banger-imaged", "banger-cli"):
        text = repo.uncommented(path)
        for match in pattern.finditer(text):
            problems.append(f"{repo.name(path)}:{repo.line_of(text, match.start())}: "
                            f"{match.group(0)}")
    assert not problems, failed(problems)


def test_common_does_not_log_or_exit():
    problems = []
    for path in repo.c_files("common"):
        stem = repo.name(path).split("/")[-1].split(".")[0]
        if stem == "log":
            continue
        text = repo.code_of(path)
        for line, function, _ in repo.calls(
                text, ("log_error", "log_warning", "log_notice", "log_info", "log_debug",
                       "log_write", "printf", "puts", "perror", "exit", "abort", "assert")):
            problems.append(f"{repo.name(path)}:{line}: {function}()")
    assert not problems, failed(problems)


def test_daemons_do_not_assert():
    problems = []
    for path in repo.c_files("bangerd", "banger-netd", "banger-imaged", "guest"):
        for line, function, _ in repo.calls(repo.code_of(path), ("assert", "abort")):
            problems.append(f"{repo.name(path)}:{line}: {function}()")
    assert not problems, failed(problems)


CLOEXEC_CALLS = ("open", "openat", "socket", "socketpair", "memfd_create", "eventfd", "signalfd",
                 "epoll_create1", "timerfd_create", "accept4", "pipe2", "dup3", "inotify_init1")
NEVER_CLOEXEC = ("pipe", "dup", "accept", "epoll_create", "inotify_init", "creat")


def test_cloexec_at_birth():
    """Every fd is close-on-exec when it is made; a line that says `inherited` means otherwise."""
    problems = []
    for path in repo.c_files("common", *repo.PROCESSES):
        if path.name.endswith(".tbl.h"):
            continue
        text = repo.uncommented(path)
        lines = path.read_text().splitlines()
        for line, function, arguments in repo.calls(text, CLOEXEC_CALLS + NEVER_CLOEXEC):
            if "inherited" in " ".join(lines[max(0, line - 2):line]):
                continue
            declared = re.match(r"\s*(static\s+)?(int|void|bool)\s+\w+\(", lines[line - 1])
            if declared or re.search(r"CLOEXEC|flags", arguments):
                continue
            problems.append(f"{repo.name(path)}:{line}: {function}({' '.join(arguments.split())})")
    assert not problems, failed(problems)


def test_sql_in_store_only():
    """store is the only SQL, and the only one who knows SQLite."""
    problems = [repo.name(path) for path in repo.c_files("common", *repo.PROCESSES)
                if "sqlite3" in repo.code_of(path).replace('"', "")
                and not path.name.startswith("store")]
    assert not problems, failed(problems)


def test_every_error_is_used():
    text = "\n".join(repo.code_of(path) for path in repo.c_files("common", *repo.PROCESSES))
    unused = [code for code in repo.error_codes()
              if code != "none" and not re.search(rf"\bERR_{code}\b", text)]
    assert not unused, f"codes that nobody returns: {unused}"


def test_words():
    """Nothing unfinished, and no path of the machine that something was written on."""
    pattern = re.compile("|".join((r"\bTO" + r"DO\b", r"\bFIX" + r"ME\b", r"\bX" + r"XX\b",
                                   r"/home/(?!user/)[a-z]+/", r"/work" + r"/[a-z]", r"/root/\.")))
    problems = []
    for path in repo.files():
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        for match in pattern.finditer(text):
            if path.name != "LICENSE" and "/corpus/" not in repo.name(path):
                problems.append(f"{repo.name(path)}:{repo.line_of(text, match.start())}: "
                                f"{match.group(0)}")
    assert not problems, failed(problems)


def test_whitespace():
    problems = []
    for path in repo.files(".c", ".h", ".py", ".sh", ".md", ".build", ".scd"):
        text = path.read_text()
        if text and not text.endswith("\n"):
            problems.append(f"{repo.name(path)}: no newline at its end")
        if re.search(r"[ \t]+$", text, re.M):
            problems.append(f"{repo.name(path)}: blanks at the end of a line")
    assert not problems, failed(problems)


def test_clang_format():
    paths = [path for path in repo.c_files() if not path.name.endswith(".tbl.h")]
    done = subprocess.run(["clang-format", "--dry-run", "--Werror", *paths],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, "\n" + "\n".join(
        line for line in done.stderr.splitlines() if "error:" in line)[:4000]
