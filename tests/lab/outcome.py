# SPDX-License-Identifier: GPL-2.0-or-later
"""How scenarios ended: told, and on the disk, as soon as it is known; whoever ends the lab, what it
knows by then is kept."""

import os
import threading
import xml.etree.ElementTree as ElementTree


class Outcome:
    """Of all scenarios that were chosen. For threads: a lock around each line and each file."""

    def __init__(self, chosen, folder, junit, verbose):
        self.chosen, self.folder, self.junit, self.verbose = chosen, folder, junit, verbose
        self.lock = threading.Lock()
        folder.mkdir(parents=True, exist_ok=True)

    def say(self, text):
        with self.lock:
            print(text, flush=True)

    def output(self, scenario, text):
        scenario.output.append(text)
        if self.verbose:
            self.say(f"{scenario.name}: {text}")

    def result(self, done, why):
        done.why = why
        (self.folder / f"{done.name}.log").write_text("\n".join(done.output) + "\n")
        text = (f"{'FAILED' if why else 'passed'} {done.name:<20} {done.seconds:6.1f} s, "
                f"{done.cpu:5.1f} of CPU  {why or done.about}")
        if not self.verbose:
            shown = done.output[-60:] if why else [line for line in done.output
                                                   if line.startswith("figure:")]
            text = "\n".join([text, *("    " + line.replace("\n", "\n    ") for line in shown)])
        self.say(text)
        self.write()

    def ended(self):
        """Those that came to no end have failed."""
        for each in self.chosen:
            if each.why is None and each.output:
                self.result(each, "the lab was ended in it")
            elif each.why is None:
                each.why = "the lab was ended before it came to this"
        self.write()

    def write(self):
        """As JUnit; in one piece, also for who is killed in it."""
        if not self.junit:
            return
        with self.lock:
            suite = ElementTree.Element("testsuite", name="lab", tests=str(len(self.chosen)))
            for each in self.chosen:
                add_case(suite, each)
            fresh = self.junit.with_name(self.junit.name + ".new")
            ElementTree.ElementTree(suite).write(fresh, encoding="utf-8", xml_declaration=True)
            os.replace(fresh, self.junit)

    def summary(self):
        """The last line, and the status that says the same."""
        skipped = sum(each.skipped for each in self.chosen)
        failed = sum(bool(each.why) for each in self.chosen) - skipped
        passed = len(self.chosen) - failed - skipped
        self.say(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
        return 1 if failed or not passed else 0


def add_case(suite, each):
    case = ElementTree.SubElement(suite, "testcase", classname="lab", name=each.name,
                                  time=f"{each.seconds:.1f}")
    why = "nobody came to its end yet" if each.why is None else each.why
    if each.skipped:
        ElementTree.SubElement(case, "skipped", message=why)
    elif why:
        failure = ElementTree.SubElement(case, "failure", message=why.split("\n")[0])
        failure.text = "".join(c for c in why + "\n" + "\n".join(each.output[-200:])
                               if c >= " " or c in "\n\t")
