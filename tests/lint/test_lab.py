# SPDX-License-Identifier: GPL-2.0-or-later
"""The lab without its machines: how scenarios are shared out, and what is known when it is ended."""

import sys
import types

import repo
import results

sys.path.append(str(repo.TOP / "tests/lab"))

import outcome  # noqa: E402
import scenario  # noqa: E402


def test_lanes():
    every = scenario.every()
    assert len(every) > 10 and len({each.name for each in every}) == len(every)
    one, two = scenario.lanes([each for each in every if not each.needs], 2)
    assert sorted(each.name for each in one + two) == sorted(
        each.name for each in every if not each.needs), "each of them, once"
    assert max(each.cpus for each in one) > 1 and max(each.cpus for each in two) == 1
    for lane in one, two:
        assert [each.order for each in lane] == sorted(each.order for each in lane)
        assert sum(each.takes for each in lane) < 0.7 * sum(each.takes for each in one + two)
    assert scenario.lanes(every, 1) == [every]
    assert scenario.lanes(every[:1], 2) == [every[:1]], "no machine for nothing"


def chosen(*names):
    return [types.SimpleNamespace(name=name, about="", output=[], why=None, seconds=1.5, cpu=1.0,
                                  skipped=False) for name in names]


def test_ended(tmp_path, capsys):
    """Who ends the lab takes nothing from those that passed, and makes nobody pass."""
    passed, failed, left_out, begun, waits = those = chosen(
        "passed", "failed", "left-out", "begun", "waits")
    left_out.why, left_out.skipped = "not set", True
    known = outcome.Outcome(those, tmp_path, tmp_path / "lab.xml", False)
    known.result(passed, "")
    known.output(failed, "a \033 word")
    known.result(failed, "status 1")
    known.output(begun, "half")

    def found():
        return [(name, how) for name, how, _ in results.cases_of(tmp_path / "lab.xml")]

    assert [how for _, how in found()] == ["passed", "failed", "skipped", "failed", "failed"], \
        "also before anybody says that it is over"
    known.ended()
    assert [how for _, how in found()] == ["passed", "failed", "skipped", "failed", "failed"]
    assert passed.why == "" and "ended in it" in begun.why and "before it came" in waits.why
    assert (tmp_path / "begun.log").read_text() == "half\n"
    assert known.summary() == 1
    assert capsys.readouterr().out.endswith("\n1 passed, 3 failed, 1 skipped\n")
