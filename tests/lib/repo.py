# SPDX-License-Identifier: GPL-2.0-or-later
"""The checkout: its files, its tables, its build."""

import os
import re
import subprocess
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("BANGER_BUILD", TOP / "build")).resolve()
PROCESSES = ("bangerd", "banger-netd", "banger-imaged", "banger-cli", "guest")


def files(*suffixes, under=()):
    """Files of the project by suffix, below the given folders (all when none are given)."""
    done = subprocess.run(["git", "-C", TOP, "ls-files", "--cached", "--others",
                           "--exclude-standard", "-z"], check=True, capture_output=True)
    for name in sorted(done.stdout.decode().split("\0")):
        path = TOP / name
        if not name or not path.is_file() or path.is_symlink():
            continue
        if suffixes and not name.endswith(suffixes):
            continue
        if under and not any(name.startswith(folder + "/") for folder in under):
            continue
        yield path


def name(path):
    return str(path.relative_to(TOP))


def c_files(*under):
    return files(".c", ".h", under=under or PROCESSES + ("common", "tests", "bench", "data"))


def blank(match):
    """Spaces in the place of a match, newlines kept: positions stay right."""
    return re.sub(r"[^\n]", " ", match.group(0))


def code_of(path):
    """The text of a C file without its comments and without what is in its strings."""
    text = path.read_text()
    token = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)

    def strip(match):
        if match.group(0)[0] == "/":
            return blank(match)
        return match.group(0)[0] + " " * (len(match.group(0)) - 2) + match.group(0)[-1]

    return token.sub(strip, text)


def uncommented(path):
    """The text of a C file without its comments; strings stay."""
    token = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)
    return token.sub(lambda m: blank(m) if m.group(0)[0] == "/" else m.group(0), path.read_text())


def line_of(text, position):
    return text.count("\n", 0, position) + 1


def calls(text, functions):
    """(line, function, arguments) of every call of one of the functions in uncommented text."""
    for match in re.finditer(r"(?<![\w.>])(" + "|".join(functions) + r")\s*\(", text):
        depth, end = 1, match.end()
        while depth and end < len(text):
            depth += {"(": 1, ")": -1}.get(text[end], 0)
            end += 1
        yield line_of(text, match.start()), match.group(1), text[match.end():end - 1]


def table(name_, *macros):
    """Rows of a .tbl.h: (macro, [arguments]) in order, strings unquoted."""
    text = uncommented(TOP / "common/proto" / name_)
    text = re.sub(r"^#ifdef __SANITIZE.*?^#endif", "", text, flags=re.M | re.S)
    text = re.sub(r"^#.*(?:\\\n.*)*$", "", text, flags=re.M)
    rows = []
    for _, macro, arguments in calls(text, macros):
        split = re.findall(r'"(?:\\.|[^"\\])*"(?:\s*"(?:\\.|[^"\\])*")*|[^,]+', arguments)
        rows.append((macro, ["".join(re.findall(r'"((?:\\.|[^"\\])*)"', s)) if '"' in s
                             else s.strip() for s in split if s.strip()]))
    return rows


def rpc_methods():
    """{wire name: {ident, class, access, doc, params: [(type, name, need)], results}}"""
    methods, current = {}, None
    for macro, row in table("rpc.tbl.h", "METHOD", "PARAM", "RESULT", "END"):
        if macro == "METHOD":
            current = {"ident": row[0], "class": row[2], "access": row[3], "doc": row[4],
                       "params": [], "results": []}
            methods[row[1]] = current
        elif macro == "PARAM":
            current["params"].append(tuple(row[:3]))
        elif macro == "RESULT":
            current["results"].append(tuple(row[:2]))
    return methods


def settings():
    """[(section, key, type, default)]"""
    return [tuple(row[:4]) for _, row in table("settings.tbl.h", "SETTING")]


def error_codes():
    return [row[0] for _, row in table("errors.tbl.h", "ERR")]
