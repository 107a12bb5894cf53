# SPDX-License-Identifier: MIT
"""The manuals as built, shell completion and the operator's page lack no row of the tables.

    docs.py SOURCE BUILD HOOKKEEP

The tables are read here anew, not by the program that writes the pages. Output is TAP.
"""
import os
import re
import subprocess
import sys

SOURCE, BUILD, HOOKKEEP = sys.argv[1:]


def read(*path):
    with open(os.path.join(*path), encoding="utf-8") as f:
        return f.read()


def rows(table, row):
    """The string literals of each row of a .def, adjacent ones joined."""
    out = []
    for line in re.findall(rf"^{row}\((.*)\)$", read(SOURCE, "src", table), re.M):
        out.append([re.sub(r"\\(.)", r"\1", s) for s in re.findall(r'"((?:[^"\\]|\\.)*)"', line)])
    assert out, f"{table} has no row {row}"
    return out


def page(name):
    """A manual as its reader sees it, in one line, so that no line's end parts a text."""
    out = subprocess.run(["man", "-l", os.path.join(BUILD, "man", name)], check=True, text=True,
                         capture_output=True, env={**os.environ, "MANWIDTH": "500",
                                                   "LC_ALL": "C.UTF-8", "MANPAGER": "cat"})
    return " ".join(re.sub("‐\n *", "", out.stdout).split())


def plain(text):
    return " ".join(text.replace("`", "").split())


def lacks(text, wanted):
    return [w for w in wanted if plain(w).lower() not in text.lower()]


def calls():
    """(words, help) of each command and action, as the program tells them."""
    def told(*words):
        return subprocess.run([HOOKKEEP, "help", *words], check=True, text=True,
                              capture_output=True).stdout
    for name in re.findall(r"^  (\w+) +\S", told(), re.M):
        one = told(name)
        if " ACTION " not in one:
            yield [name], one
            continue
        for action in re.findall(r"^  ([a-z]\w*)(?: |$)", one, re.M):
            yield [name, action], told(name, action)


def options(text):
    return re.findall(r"^ +(?:-\w, )?(--[a-z-]+)", text, re.M)


def hookkeep_1_has_every_command_option_variable_and_log_event():
    text = page("hookkeep.1")
    wanted = [r[0] for r in rows("config/variables.def", "VARIABLE")]
    wanted += [r[1] for r in rows("port/log_events.def", "LOG_EVENT")]
    wanted += re.findall(r'^CHECK\(\w+, (\w+), ', read(SOURCE, "src/rules/doctor_checks.def"), re.M)
    wanted += [r[0] for r in rows("rules/doctor_checks.def", "CHECK")]
    missing = lacks(text, wanted)
    for words, told in calls():
        call = " ".join(["hookkeep", *words])
        entry = re.search(rf" {call}( \[option\.\.\.\])?( |$).*?(?= hookkeep [a-z]+ |$)", text)
        missing += [call] if not entry else [f"{call} {o}" for o in options(told) if o not in text]
    return missing


def hookkeep_yaml_5_has_every_key_with_its_variable():
    text = page("hookkeep.yaml.5")
    missing = []
    for path, *_, meaning in rows("config/keys.def", "KEY"):
        variable = "HOOKKEEP_" + path.replace("[]", "_0").replace(".", "_").upper()
        missing += lacks(text, [path + " ", meaning, variable])
    return missing


def developing_md_has_every_fault_of_the_twin():
    text = plain(read(SOURCE, "docs/developing.md"))
    return lacks(text, [f"| {name}" for name, _ in rows("rules/twin_faults.def", "TWIN_FAULT")] +
                 [meaning for _, meaning in rows("rules/twin_faults.def", "TWIN_FAULT")])


def twin_md_is_what_the_twins_tables_say():
    tool = os.path.join(SOURCE, "tools/resources")
    out = subprocess.run([sys.executable, tool, "--page", "--check"], text=True,
                         capture_output=True)
    return [] if out.returncode == 0 else [out.stderr.strip()]


READERS = "src/ledger/reader.c", "src/ledger/reader_destinations.c"  # gauges of the books


def hookkeep_api_7_has_every_route_and_metric():
    text = page("hookkeep-api.7")
    wanted = [f"{method} {path}" for method, path, _ in rows("desk/routes.def", "ROUTE")]
    wanted += [doc for *_, doc in rows("desk/routes.def", "ROUTE")]
    for kind in "COUNTER", "GAUGE", "HISTOGRAM":
        for name, labels, help_text in rows("base/metrics.def", kind):
            wanted += [name, labels, help_text]
    for source in READERS:
        wanted += re.findall(r'\W(hookkeep_\w+)', read(SOURCE, source))
    return lacks(text, wanted)


def hookkeep_tables_5_has_every_table_and_column():
    """Each column below its table, with its type, paths and meaning."""
    parts = re.split(r" stripe_(\w+) (?=[A-Z0-9])", page("hookkeep-tables.5"))
    sections, missing, at = dict(zip(parts[1::2], parts[2::2])), [], ""
    for line in read(SOURCE, "src/stripe/objects.def").splitlines():
        table = re.match(r'(?:TABLE|TABLE_BY|LIST)\("[^"]*", (\w+), .*"(.*)"\)$', line)
        column = re.match(r'(?:COLUMN|MOVED)\("(\w+)", (.*), ([A-Z]+), "(.*)"\)$', line)
        if table:
            at = sections.get(table[1], "")
            missing += [table[1]] if not at else lacks(at, [table[2]])
        elif column:
            name, paths, kind, doc = column.groups()
            paths = " or ".join(re.findall(r'[^"|]+', paths.replace('", "', "|")))
            where = "" if paths == name else f" ({paths})"
            missing += lacks(at, [f"{name} {kind}{where} {doc}"])
        elif not line.startswith("//"):
            missing.append(line)
    return missing if sections else ["all"]


def bash(words):
    """What bash offers behind these words."""
    script = ('source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _hookkeep; '
              'printf "%s\\n" "${COMPREPLY[@]}"')
    path = os.path.dirname(HOOKKEEP) + os.pathsep + os.environ["PATH"]
    out = subprocess.run(["bash", "-c", script, "bash",
                          os.path.join(BUILD, "generate/hookkeep"), *words], check=True, text=True,
                         capture_output=True, env={**os.environ, "PATH": path})
    assert out.stderr == "", out.stderr
    return out.stdout.split()


def bash_completes_every_command_and_option():
    missing = []
    for words, told in calls():
        for at in range(len(words)):
            offered = bash(["hookkeep", *words[:at], words[at][:2]])
            missing += [] if words[at] in offered else [" ".join(words)]
        missing += [f"{words} {o}" for o in options(told)
                    if o not in bash(["hookkeep", *words, "--"])]
    return missing


def bash_completes_values():
    wrong = []
    for words, expected in [
            (["events", "types", "customer.subscription.tr"],
             ["customer.subscription.trial_will_end"]),
            (["events", "list", "--type", "charge.refun"], ["charge.refund.updated",
                                                            "charge.refunded"]),
            (["trigger", "invoice.payment_f"], ["invoice.payment_failed"]),
            (["trigger", "--count", "3", "customer.cre"], ["customer.created"]),
            (["events", "list", "--status", ""], ["pending", "done", "failed", "ignored"]),
            (["events", "list", "--livemode", "=", "t"], ["true"]),
            (["events", "list", "--livemode", "="], ["true", "false"]),
            (["suspense", "list", "-s", "d"], ["dropped"]),
            (["events", "list", "--limit", ""], []), (["events", "show", ""], []),
            (["help", "ch"], ["check"]), (["nonsense", ""], [])]:
        offered = bash(["hookkeep", *words])
        if offered != expected:
            wrong.append(f"{words}: {offered}")
    return wrong


def zsh_and_fish_have_every_command_and_option():
    missing = []
    for name in "_hookkeep", "hookkeep.fish":
        text = read(BUILD, "generate", name)
        for words, told in calls():
            missing += [f"{name}: {' '.join(words)}"] if " ".join(words) not in text else []
            for option in options(told):
                o = option if name == "_hookkeep" else f"-l {option[2:]} "
                missing += [] if o in text else [f"{name}: {option}"]
    return missing


def metric_names():
    names = [name for kind in ("COUNTER", "GAUGE", "HISTOGRAM")
             for name, *_ in rows("base/metrics.def", kind)]
    for source in *READERS, "src/intake/uses.c", "src/desk/status.c":
        names += re.findall(r'\W(hookkeep_\w+)', read(SOURCE, source))
    return names


def the_operators_page_tells_what_to_do_about_each_metric_and_log_event():
    text = read(SOURCE, "docs/operations.md")
    wanted = {f"`{name}" for name in metric_names()}
    wanted |= {f"`{r[0]}`" for r in rows("port/log_events.def", "LOG_EVENT")}
    known = set(metric_names())
    return sorted(w for w in wanted if w not in text) + [
        f"unknown {m}" for m in re.findall(r"hookkeep_[a-z_]+", text) if m not in known]


def alerts_are_about_metrics_and_labels_that_exist():
    text = read(SOURCE, "examples/prometheus/hookkeep.rules.yml")
    known, labels = set(metric_names()), set()
    for kind in "COUNTER", "GAUGE", "HISTOGRAM":
        labels |= {label for _, label, _ in rows("base/metrics.def", kind)}
    wrong = []
    for expression in re.findall(r"expr: (.*)", text):
        wrong += [m for m in re.findall(r"hookkeep_\w+", expression) if m not in known]
        for name, values in re.findall(r'[{](\w+)=~?"([^"]*)"', expression):
            wrong += [f"{name}={v}" for v in values.split("|")
                      if name != "job" and f'{name}="{v}"' not in labels]
    return wrong if "expr:" in text else ["no alert"]


TESTS = [hookkeep_1_has_every_command_option_variable_and_log_event,
         hookkeep_yaml_5_has_every_key_with_its_variable,
         hookkeep_api_7_has_every_route_and_metric,
         hookkeep_tables_5_has_every_table_and_column,
         developing_md_has_every_fault_of_the_twin,
         twin_md_is_what_the_twins_tables_say,
         bash_completes_every_command_and_option,
         bash_completes_values,
         zsh_and_fish_have_every_command_and_option,
         the_operators_page_tells_what_to_do_about_each_metric_and_log_event,
         alerts_are_about_metrics_and_labels_that_exist]


def main():
    print(f"1..{len(TESTS)}")
    failed = 0
    for i, test in enumerate(TESTS, 1):
        wrong = test()
        failed += bool(wrong)
        print(f"{'not ' if wrong else ''}ok {i} - {test.__name__}")
        for line in wrong:
            print(f"# {line}")
    sys.exit(bool(failed))


main()
