# SPDX-License-Identifier: GPL-2.0-or-later
"""Counts over all runners: results.py DIRECTORY RUNNER=STATUS…

Each runner left DIRECTORY/RUNNER.xml (JUnit). A runner that ended badly without a failed test of
its own, or without results, is one failed test more: the suite did not stop, something was left
behind, time ran out."""

import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path


def cases_of(path):
    """[(name, outcome, why)] of a JUnit file."""
    cases = []
    for case in ElementTree.parse(path).iter("testcase"):
        name = f"{case.get('classname') or ''}::{case.get('name')}"
        outcome, why = "passed", ""
        for child in case:
            if child.tag in ("failure", "error"):
                outcome, why = "failed", child.get("message") or ""
            elif child.tag == "skipped" and outcome == "passed":
                outcome, why = "skipped", child.get("message") or "no reason given"
        cases.append((name, outcome, why.split("\n")[0][:160]))
    return cases


def main(directory, runners):
    total = {"passed": 0, "failed": 0, "skipped": 0}
    problems = []
    for runner in runners:
        name, status = runner.rsplit("=", 1)
        path = Path(directory) / f"{name}.xml"
        cases = []
        if path.exists():
            try:
                cases = cases_of(path)
            except ElementTree.ParseError as error:
                problems.append(f"FAILED {name}: results are broken: {error}")
        count = {"passed": 0, "failed": 0, "skipped": 0}
        for case, outcome, why in cases:
            count[outcome] += 1
            if outcome != "passed":
                problems.append(f"{outcome.upper()} {name} {case}: {why}")
        if not cases:
            count["failed"] += 1
            problems.append(f"FAILED {name}: ended with {status} and without results")
        elif status != "0" and not count["failed"]:
            count["failed"] += 1
            problems.append(f"FAILED {name}: its tests passed, but it ended with {status}")
        print(f"{name}: {count['passed']} passed, {count['failed']} failed, "
              f"{count['skipped']} skipped")
        for outcome, number in count.items():
            total[outcome] += number
    for problem in sorted(problems):
        print(problem)
    line = f"{total['passed']} passed, {total['failed']} failed"
    if total["skipped"]:
        line += f", {total['skipped']} skipped"
    print(line, flush=True)
    return 1 if total["failed"] or not total["passed"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
