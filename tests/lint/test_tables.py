# SPDX-License-Identifier: GPL-2.0-or-later
"""Tables, manual, completion, reference and handlers say the same."""

import functools
import json
import re
import subprocess

import pytest
import repo

# How many distinct system calls a confined process may make, at most.
AIMS = {"bangerd": 80, "netd": 60, "imaged": 60}


def man(page):
    path = repo.TOP / "man" / f"{page}.scd"
    assert path.exists(), f"no {repo.name(path)}"
    return path.read_text().replace("\\", "")


def failed(problems):
    return "\n" + "\n".join(problems)


# ---- RPC ----

def test_methods_are_as_agreed():
    """The keyset of the protocol: whoever adds or drops a method does it here too."""
    assert set(repo.rpc_methods()) == {
        "ping", "shutdown", "daemon.status", "daemon.examine", "operations.list",
        "vm.create.begin", "vm.create.status", "vm.create.cancel", "vm.create.watch", "vm.list",
        "vm.show", "vm.start", "vm.stop", "vm.restart", "vm.pause", "vm.resume", "vm.set", "vm.kill",
        "vm.delete", "vm.exec", "vm.await",
        "vm.console", "vm.logs", "vm.health", "image.import", "image.list", "image.show",
        "image.delete", "image.pull", "image.promote", "image.reference", "image.cache.prune",
        "image.register", "image.catalog", "kernel.catalog", "kernel.pull", "kernel.import", "kernel.list", "kernel.show", "kernel.delete"}


def test_methods_have_handlers():
    text = "\n".join(repo.code_of(path) for path in repo.c_files("bangerd")
                     if path.suffix == ".c")
    missing = [row["ident"] for row in repo.rpc_methods().values()
               if not re.search(rf"\brpc_{row['ident']}\(", text)]
    assert not missing, f"methods without a handler: {missing}"


def test_methods_in_the_manual():
    """banger-rpc(7) tells every method, parameter, result and error code, and no other method."""
    text = man("banger-rpc.7")
    problems = []
    for name, row in repo.rpc_methods().items():
        if not re.search(rf"(?<![\w.]){re.escape(name)}(?![\w.])", text):
            problems.append(f"no {name}")
        for word in [param[1] for param in row["params"]] + [result[1] for result in row["results"]]:
            if not re.search(rf"\b{word}\b", text):
                problems.append(f"{name}: no {word}")
    for code in repo.error_codes():
        if code != "none" and not re.search(rf"\b{code}\b", text):
            problems.append(f"no error {code}")
    named = set(re.findall(r"(?<![\w./-])((?:vm|image|kernel|daemon|operations)\.[a-z.]+[a-z])\b",
                           text))
    problems += [f"{name} is no method" for name in named - set(repo.rpc_methods())
                 if not re.search(r"\.(sock|conf|db|h|c)$", name)]
    assert not problems, failed(problems)


def test_parameter_types_in_the_manual():
    """What a value of each type is."""
    text = man("banger-rpc.7")
    types = {param[0] for row in repo.rpc_methods().values() for param in row["params"]}
    missing = sorted(kind for kind in types if f"*{kind}*" not in text)
    assert types and not missing, missing


# ---- settings ----

def test_types_of_settings_in_the_manual():
    text = man("banger.conf.5")
    types = {kind for _, _, kind, _ in repo.settings()}
    missing = sorted(kind for kind in types if f"\n*{kind}*\n" not in text)
    assert types and not missing, missing


def test_settings_in_the_manual():
    text = man("banger.conf.5")
    problems = [f"no {section}.{key}" for section, key, _, _ in repo.settings()
                if not re.search(rf"\b{key}\b", text) or f"[{section}]" not in text]
    problems += [f"{section}.{key}: default {default} is not told"
                 for section, key, _, default in repo.settings() if default not in text]
    assert not problems, failed(problems)


def test_default_configuration_is_the_table():
    text = (repo.BUILD / "data/banger.conf").read_text()
    sections = re.findall(r"^\[(\w+)\]$", text, re.M)
    assert sections == list(dict.fromkeys(row[0] for row in repo.settings()))
    assert re.findall(r"^#(\w+) = (.*)$", text, re.M) == \
        [(key, default) for _, key, _, default in repo.settings()]


def test_settings_are_used():
    text = "\n".join(repo.code_of(path) for path in repo.c_files("common", *repo.PROCESSES))
    unused = [f"{section}.{key}" for section, key, _, _ in repo.settings()
              if not re.search(rf"\b{section}_{key}\b", text)]
    assert not unused, f"settings that nobody reads: {unused}"


def test_users_are_those_of_the_settings():
    text = (repo.TOP / "data/banger.sysusers").read_text()
    names = re.findall(r"^u (\S+)", text, re.M)
    assert names == [default for _, key, _, default in repo.settings()
                     if key in ("user", "image_user")]


# ---- the command line ----

@functools.cache
def commands():
    """{"vm run": {"options": [...], "aliases": [...]}} from the command table."""
    path = repo.TOP / "banger-cli/commands.tbl.h"
    text = re.sub(r"^#.*(?:\\\n.*)*$", "", repo.uncommented(path), flags=re.M)
    shared, found, current = {}, {}, None
    for _, macro, arguments in repo.calls(text, ("SHARED", "COMMAND", "USE", "OPT", "END")):
        words = [word.strip().strip('"') for word in
                 re.findall(r'"(?:\\.|[^"\\])*"|[^,]+', arguments)]
        if macro == "SHARED":
            current = shared.setdefault(words[0], {"options": []})
        elif macro == "COMMAND":
            name = words[2] if words[1] == "top" else f"{words[1]} {words[2]}"
            current = found[name] = {"options": [], "aliases": words[3].split()}
        elif macro == "USE":
            current["options"] += shared[words[0]]["options"]
        elif macro == "OPT":
            current["options"].append(words[3])
    found[""] = {"options": shared["global"]["options"], "aliases": []}
    return found


@functools.cache
def banger():
    done = subprocess.run(["meson", "introspect", "--targets", repo.BUILD], check=True,
                          capture_output=True, text=True)
    return [target["filename"][0] for target in json.loads(done.stdout)
            if target["name"] == "banger"][0]


def test_commands_in_the_manual():
    text = man("banger.1")
    problems = []
    for name, row in commands().items():
        if name and not re.search(rf"\b{name}\b", text):
            problems.append(f"no '{name}'")
        problems += [f"{name}: no --{option}" for option in row["options"]
                     if not re.search(rf"--{option}\b", text)]
    assert not problems, failed(problems)


@pytest.mark.parametrize("name", sorted(name for name in commands() if name))
def test_command_help(name):
    """Every command helps itself, on stdout, with every option."""
    done = subprocess.run([banger(), *name.split(), "--help"], capture_output=True, text=True,
                          check=False)
    assert done.returncode == 0 and not done.stderr
    missing = [option for option in commands()[name]["options"] if f"--{option}" not in done.stdout]
    assert not missing, f"{name} --help lacks {missing}"


def complete(*words):
    """What bash offers for a command line, by the script that banger prints."""
    script = (f"source <({banger()} completion bash)\n"
              'COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}\n'
              'f=$(complete -p banger | sed "s/.*-F \\([^ ]*\\).*/\\1/")\n'
              '"$f" banger "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"\n'
              'printf "%s\\n" "${COMPREPLY[@]}"\n')
    path = str(banger()).rsplit("/", 1)[0]
    done = subprocess.run(["bash", "-c", script, "bash", *words], capture_output=True, text=True,
                          env={"PATH": f"{path}:/usr/bin:/bin", "BANGER_SOCKET": "/nonexistent"},
                          check=False)
    return {word.strip() for word in done.stdout.splitlines() if word.strip()}


def test_completion():
    problems = []
    tops = {name.split()[0] for name in commands() if name}
    problems += [f"no {word}" for word in tops - complete("banger", "")]
    for name, row in commands().items():
        if not name:
            continue
        words = name.split()
        if len(words) == 2 and words[1] not in complete("banger", words[0], ""):
            problems.append(f"no {name}")
        offered = complete("banger", *words, "--")
        problems += [f"{name}: no --{option}" for option in row["options"]
                     if f"--{option}" not in offered]
    assert not problems, failed(problems)


# ---- manual ----

def test_man_pages_build():
    for path in repo.files(".scd"):
        done = subprocess.run(["scdoc"], input=path.read_bytes(), capture_output=True, check=False)
        assert done.returncode == 0, f"{repo.name(path)}: {done.stderr.decode()}"


def test_man_pages_are_there():
    there = {path.name for path in repo.files(".scd")}
    assert {"banger.1.scd", "bangerd.8.scd", "banger-netd.8.scd", "banger-imaged.8.scd",
            "banger.conf.5.scd", "banger-catalog.5.scd", "banger-rpc.7.scd"} <= there


# ---- confinement ----

def profiles():
    """{profile: names of the system calls it allows}."""
    rows = repo.table("syscalls.tbl.h", "GROUP", "CALL", "CALL_IF", "END_GROUP", "PROFILE", "USE")
    groups, uses, current = {}, {}, None
    for macro, row in rows:
        if macro == "GROUP":
            current = groups.setdefault(row[0], set())
        elif macro in ("CALL", "CALL_IF"):
            current.add(row[0])
        elif macro == "PROFILE":
            current = uses.setdefault(row[0], [])
        elif macro == "USE":
            current.append(row[0])
    return {name: set().union(*(groups[group] for group in used)) for name, used in uses.items()}


def test_allowed_system_calls(capsys):
    """Counted, printed, and below what was aimed at."""
    found = profiles()
    with capsys.disabled():
        print()
        for name, allowed in sorted(found.items()):
            aim = f" (aim: {AIMS[name]})" if name in AIMS else ""
            print(f"system calls allowed: {name} {len(allowed)}{aim}")
    assert set(AIMS) <= set(found)
    over = {name: len(found[name]) for name, aim in AIMS.items() if len(found[name]) > aim}
    assert not over, f"more than aimed at: {over}"


def test_no_profile_may_exec_or_trace():
    for name, allowed in profiles().items():
        bad = allowed & {"execve", "execveat", "ptrace", "bpf", "io_uring_setup", "init_module",
                         "finit_module", "kexec_load", "process_vm_writev", "userfaultfd"}
        if name in ("imaged", "fetch_server"):
            bad -= {"execveat"}  # its children's program, by an fd opened before
        assert not bad, f"{name}: {bad}"
