# SPDX-License-Identifier: GPL-2.0-or-later
"""cppcheck and clang-tidy find nothing in the product. clang-tidy keeps what it found clean by
content. (Tests are left out: what cmocka's assertions end, no analyzer knows.)"""

import concurrent.futures
import functools
import hashlib
import json
import os
import re
import subprocess

import repo

CACHE = repo.TOP / "build-cache" / "clang-tidy"


@functools.cache
def sources():
    """{path: compile command} of what the build compiles, tests apart."""
    commands = json.loads((repo.BUILD / "compile_commands.json").read_text())
    return {os.path.realpath(os.path.join(entry["directory"], entry["file"])): entry
            for entry in commands if entry["file"].endswith(".c")
            and not os.path.realpath(os.path.join(entry["directory"], entry["file"])).startswith(
                str(repo.TOP / "tests"))}


def headers_digest():
    digest = hashlib.sha256((repo.TOP / ".clang-tidy").read_bytes())
    for path in repo.files(".h"):
        digest.update(path.read_bytes())
    return digest.digest()


def tidy(path, common):
    """What clang-tidy says of one file; empty when it is clean."""
    entry = sources()[path]
    content = open(path, "rb").read()
    key = hashlib.sha256(common + content + entry["command"].encode()).hexdigest()
    mark = CACHE / key
    if mark.exists():
        return ""
    done = subprocess.run(["clang-tidy", "--quiet", "-p", repo.BUILD, path],
                          capture_output=True, text=True, timeout=300, check=False)
    found = [line for line in done.stdout.splitlines()
             if re.search(r"(warning|error):", line)]
    if done.returncode == 0 and not found:
        mark.touch()
        return ""
    return "\n".join(found) or done.stderr[-2000:]


def test_clang_tidy():
    CACHE.mkdir(parents=True, exist_ok=True)
    common = headers_digest()
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        found = [text for text in pool.map(lambda path: tidy(path, common), sorted(sources()))
                 if text]
    assert not found, "\n" + "\n".join(found)[:6000]


def test_cppcheck():
    done = subprocess.run(
        ["cppcheck", "--quiet", "--error-exitcode=1", f"-j{os.cpu_count()}", "--std=c17",
         "--enable=warning,portability",
         "--template={file}:{line}: {id}: {message}", "--template-location=", "--inline-suppr", "--suppress=missingIncludeSystem",
         "--suppress=unknownMacro", "--suppress=normalCheckLevelMaxBranches",
         # It does not know __attribute__((cleanup)) either.
         "--suppress=memleak", "--suppress=resourceLeak",
         # Nor what fills an array through a pointer, or that of two pointers one is never NULL:
         # for that there are gcc, clang and valgrind.
         "--suppress=uninitvar", "--suppress=legacyUninitvar", "--suppress=nullPointer", "--suppress=syntaxError:*.tbl.h",
         f"-I{repo.TOP}", "-D_GNU_SOURCE", "-D__x86_64__",
         *[path for path in repo.c_files("common", *repo.PROCESSES, "bench", "data")
           if path.suffix == ".c"]],
        capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, "\n" + done.stderr[-4000:]
