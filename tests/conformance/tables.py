#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Tables of docs/conformance.md, made by running the suite.

tables.py PROGRAM counts FILE     rules and cases, on our profiles
tables.py PROGRAM bochs FILE [REPORT]   beside Debian's Bochs 2.7, which runs now or has written the JSON report; each
                                  disagreement with the verdict of bochs.verdicts

FILE is the document; each table goes between its marks.
"""
import collections
import fnmatch
import json
import pathlib
import re
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
BOCHS = 'Bochs 2.7'


def conform(program, *words):
    done = subprocess.run([program, 'conform', '--json', '-', *words], stdout=subprocess.PIPE, text=True)
    if done.returncode not in (0, 1):
        sys.exit(f'conform {" ".join(words)}: exit code {done.returncode}')
    return json.loads(done.stdout)


def rule_of(case):
    return case['case'].split('/')[0]


def area_of(case):
    return re.split('[./]', case['case'])[0]


def write_between(path, mark, lines):
    text = path.read_text()
    pattern = re.compile(rf'(<!-- {mark} -->\n).*?(<!-- end of {mark} -->)', re.S)
    if not pattern.search(text):
        sys.exit(f'{path}: no marks for {mark}')
    path.write_text(pattern.sub(lambda m: m.group(1) + '\n' + '\n'.join(lines).rstrip() + '\n\n' + m.group(2), text))


def cell(cases):
    """passed / run, and what was skipped."""
    total = collections.Counter(c['status'] for c in cases)
    run = len(cases) - total['skipped']
    return f"{total['passed']}" if total['passed'] == run else f"{total['passed']} of {run}"


def matrix(machines):
    """Rows for each area: rules, cases, and how many pass on each machine."""
    areas = list(dict.fromkeys(area_of(c) for m in machines for c in m['cases']))
    lines = ['| area | rules | cases | ' + ' | '.join(m['name'] for m in machines) + ' |',
             '|---|--:|--:|' + '--:|' * len(machines)]
    for area in areas + [None]:
        of = [[c for c in m['cases'] if area in (None, area_of(c))] for m in machines]
        names = {c['case'] for cases in of for c in cases}
        rules = {rule_of(c) for cases in of for c in cases}
        lines.append(f"| {area or 'all'} | {len(rules)} | {len(names)} | " + ' | '.join(map(cell, of)) + ' |')
    return lines


def counts(program, path):
    started = time.monotonic()
    report = conform(program, '--cpu-matrix')
    seconds = time.monotonic() - started
    machines = report['machines']
    all_rules = {rule_of(c) for m in machines for c in m['cases']}
    names = {c['case'] for m in machines for c in m['cases']}
    failed = sum(c['status'] in ('failed', 'died') for m in machines for c in m['cases'])
    lines = [f'{len(names)} cases over {len(all_rules)} rules. A machine runs the cases whose capabilities it has; '
             f'all six profiles together take {seconds:.1f} s on one core, and {failed} cases fail. '
             'Cells: cases that pass.', '']
    write_between(path, 'counts', lines + matrix(machines))


def verdicts():
    """[(glob of rules or cases, who is right, why)]"""
    lines = (HERE / 'bochs.verdicts').read_text().splitlines()
    return [line.split(None, 2) for line in lines if line.strip() and not line.startswith('#')]


def verdict_of(case, table):
    for glob, who, why in table:
        if fnmatch.fnmatchcase(case, glob) or fnmatch.fnmatchcase(case.split('/')[0], glob):
            return who, why
    return 'undecided', ''


def disagreements(machine, rules):
    table, groups = verdicts(), collections.OrderedDict()
    for c in machine['cases']:
        if c['status'] in ('failed', 'died'):
            groups.setdefault((rule_of(c), *verdict_of(c['case'], table)), []).append(c)
    lines = ['| rule | cases | for example | expected | observed | right by the manual | |',
             '|---|--:|---|---|---|---|---|']
    for (rule, who, why), cases in groups.items():
        c = cases[0]
        title = rules.get(rule, {}).get('title', '')
        text = [f'`{rule}`', str(len(cases)), c['case'].split('/', 1)[1], c.get('expected', ''),
                c.get('observed', '') if c['status'] == 'failed' else 'the machine ends: ' + c['observed'], who, f'{why} ("{title}")']
        lines.append('| ' + ' | '.join(t.replace('|', '\\|') for t in text) + ' |')
    return lines


def bochs(program, path, report=None):
    own = conform(program, '-cpu', 'skylake')
    theirs = json.loads(pathlib.Path(report).read_text()) if report else conform(
        program, '--target', f'{HERE}/bochs.sh {{iso}}', '--name', BOCHS, '--timeout', '60')
    machine = theirs['machines'][0]
    lines = matrix([own['machines'][0], machine]) + ['', f"{machine['name']} disagrees in:", '']
    write_between(path, 'bochs', lines + disagreements(machine, own['rules']))


def main():
    if len(sys.argv) not in (4, 5) or sys.argv[2] not in ('counts', 'bochs'):
        sys.exit(__doc__)
    {'counts': counts, 'bochs': bochs}[sys.argv[2]](sys.argv[1], pathlib.Path(sys.argv[3]), *sys.argv[4:])


main()
