#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The mutation check: does the conformance suite notice when a rule of src/vmx is gone?

mutate.py PROGRAM [-j N] [--only TEXT] [--again FILE] [--json FILE] [--docs FILE] [--least PERCENT]

PROGRAM is the silverpool of the preset `mutate`, in which each rule can be switched off or corrupted (mutate/).  A
first run on each profile tells which cases meet which mutant.  Then each mutant lives in some of the cases that met it,
one at a time, on one profile after another, and if none of those fails, in a run of all cases.  Prints how many were
caught, and the survivors.  --docs writes both, and for each entry check, field, control and exit reason the cases that
notice its absence, into the file between its marks.  --again takes what an earlier --json FILE has, and tries its
survivors and what is new.
"""
import argparse
import collections
import concurrent.futures
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

PROFILES = ['-cpu max', '-cpu max -smp 2', '-cpu skylake', '-cpu nehalem', '-cpu penryn', '-cpu prescott-vt',
            '-cpu icelake']
Meeting = collections.namedtuple('Meeting', 'total cases')


def conform(program, profile, *words, **environment):
    """The report of one run, or None if there was none: then the suite has certainly noticed."""
    command = [program, 'conform', *profile.split(), '--timeout', '30', '--json', '-', *words]
    done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True)
    return json.loads(done.stdout)['machines'][0] if done.returncode in (0, 1) else None


def failures(report):
    if report is None:
        return ['(no case runs)']
    return [c['case'] for c in report['cases'] if c['status'] in ('failed', 'died')]


class Check:
    def __init__(self, program):
        self.program = program
        out = subprocess.run([program], env={**os.environ, 'MUTATE': 'list'}, capture_output=True, text=True).stdout
        self.about = dict(line.split('\t', 1) for line in out.splitlines())
        self.meetings = {}
        self.baseline = {}

    def look(self, profile):
        """Which cases meet which mutant, and what fails anyhow."""
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, 'meets')
            report = conform(self.program, profile, MUTATE_MEETS=str(path))
            if report is None:
                sys.exit(f'the suite does not run on {profile}')
            self.baseline[profile] = set(failures(report))
            self.cases = max(getattr(self, 'cases', 0), len(report['cases']))
            rows = (line.rstrip('\n').split('\t') for line in path.read_text().splitlines())
            self.meetings[profile] = {name: Meeting(int(total), [c for c in cases.split(',') if c])
                                      for name, total, cases in rows}

    def trials(self, profile, mutants):
        """{mutant: the first case that notices it}: of those that met it, on this profile."""
        with tempfile.TemporaryDirectory() as folder:
            plan, noticed = pathlib.Path(folder, 'plan'), pathlib.Path(folder, 'noticed')
            lines = [f'{case}\t{mutant}\n' for mutant in mutants for case in self.meetings[profile][mutant].cases
                     if case not in self.baseline[profile]]
            if not lines:
                return {}
            plan.write_text(''.join(lines))
            noticed.touch()
            if conform(self.program, profile, '--timeout', '600', MUTATE_TRIALS=str(plan),
                       MUTATE_NOTICED=str(noticed)) is None:
                sys.exit(f'the trials do not run on {profile}')
            return dict(line.split('\t') for line in noticed.read_text().splitlines())

    def whole(self, mutant):
        """The case that notices the mutant in a run of the whole suite, on the first profile that met it."""
        for profile in [p for p in PROFILES if self.meetings[p][mutant].total][:1]:
            report = conform(self.program, profile, '--fail-fast', MUTATE=mutant)
            for case in failures(report):
                if case not in self.baseline[profile]:
                    return case
        return None

    def judge(self, mutants, jobs):
        """{mutant: the case that notices it, or None}"""
        results = dict.fromkeys(mutants)
        left = list(mutants)
        with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
            for profile in PROFILES:
                shares = [left[k::jobs] for k in range(jobs)]
                for found in pool.map(lambda share: self.trials(profile, share), shares):
                    results.update(found)
                left = [m for m in left if not results[m]]
                progress(f'{len(left)} not noticed yet, {profile}')
            for n, (mutant, case) in enumerate(zip(left, pool.map(self.whole, left))):
                results[mutant] = case
                progress(f'{n + 1} of {len(left)} in all cases')
        return results


def progress(text):
    print(f'\r{text}\033[K' if sys.stderr.isatty() else text, end='' if sys.stderr.isatty() else '\n',
          file=sys.stderr, flush=True)


# ---- the documents ----

KINDS = [                                 # (heading, kinds of mutants)
    ('Entry checks', ['check']),
    ('VMCS fields', ['field', 'saved', 'missing', 'high', 'wide']),
    ('Controls', ['control']),
    ('Exit reasons', ['reason', 'qualification', 'length', 'operands', 'event', 'event-code', 'vectoring',
                      'vectoring-code', 'linear', 'physical', 'msr-data']),
]


def kind_of(mutant):
    return mutant.split(' ')[0] if ' ' in mutant else 'code'


def code(text):
    return '`' + text.replace('|', '\\|') + '`'


def coverage(results, meetings):
    lines = []
    for heading, kinds in KINDS:
        objects = collections.defaultdict(list)
        for mutant in results:
            if kind_of(mutant) in kinds:
                objects[mutant.split(' ')[1]].append(mutant)
        caught = [name for name, mutants in objects.items() if any(results[m] for m in mutants)]
        lines += [f'#### {heading}: {len(objects)}, without a case: {len(objects) - len(caught)}', '']
        bare = [name for name in objects if name not in caught]
        if bare:
            lines += ['Without a case: ' + ', '.join(code(n) for n in bare) + '.', '']
        lines += ['| | met by | noticed by (the first of each mutant) |', '|---|--:|---|']
        for name in caught:
            cases = list(dict.fromkeys(results[m] for m in objects[name] if results[m]))
            met = max(meetings[p][m].total for p in meetings for m in objects[name])
            lines.append(f'| {code(name)} | {met} | {", ".join(code(c) for c in cases[:4])} |')
        lines.append('')
    return lines


AREAS = {'check': 'entry checks', 'control': 'controls', 'error': 'VM-instruction error numbers'}
AREAS.update({k: 'fields: existence, width, use, saving' for k in ('field', 'saved', 'missing', 'high', 'wide')})


def area_of(mutant):
    """(is it a rule of a table, its row in the document)"""
    kind = kind_of(mutant)
    if kind != 'code':
        return True, AREAS.get(kind, 'exit information')
    return False, 'EPT' if re.match('ept|spp|guest_paging', mutant) else 'other code of `src/vmx`'


def share(caught, total):
    return f'{total} | {caught} | {100 * caught / max(total, 1):.1f} %'


def by_kind(results):
    total, caught = collections.Counter(), collections.Counter()
    for mutant, case in results.items():
        table, name = area_of(mutant)
        for row in (name, table):
            total[row] += 1
            caught[row] += bool(case)
    lines = ['| what is switched off or corrupted | mutants | caught | |', '|---|--:|--:|--:|']
    for table, heading in ((True, 'rules together'), (False, 'conditions and effects together')):
        names = dict.fromkeys(area_of(m)[1] for m in results if area_of(m)[0] == table)
        lines += [f'| {name} | {share(caught[name], total[name])} |' for name in names]
        lines.append(f'| **{heading}** | {share(caught[table], total[table])} |')
    return lines


def percent(results, table):
    cases = [case for m, case in results.items() if area_of(m)[0] == table]
    return 100 * sum(map(bool, cases)) / max(len(cases), 1)


def survivors(results, about):
    lines = ['| survivor | what it is |', '|---|---|']
    return lines + [f'| {code(m)} | {code(about[m])} |' for m, case in results.items() if not case]


def write_between(text, mark, lines):
    pattern = re.compile(rf'(<!-- {mark} -->\n).*?(<!-- end of {mark} -->)', re.S)
    if not pattern.search(text):
        sys.exit(f'no marks for {mark}')
    return pattern.sub(lambda m: m.group(1) + '\n' + '\n'.join(lines).rstrip() + '\n\n' + m.group(2), text)


def write_docs(path, check, results):
    path = pathlib.Path(path)
    text = path.read_text()
    text = write_between(text, 'mutants', by_kind(results))
    text = write_between(text, 'survivors', survivors(results, check.about))
    text = write_between(text, 'coverage', coverage(results, check.meetings))
    path.write_text(text)


def main():
    options = argparse.ArgumentParser()
    options.add_argument('program')
    options.add_argument('-j', type=int, default=2)
    options.add_argument('--only', default='')
    options.add_argument('--again')
    options.add_argument('--json')
    options.add_argument('--docs')
    options.add_argument('--least', type=float, default=95)
    o = options.parse_args()
    check = Check(o.program)
    for profile in PROFILES:
        check.look(profile)
    mutants = [m for m in check.about if o.only in m]
    known = json.loads(pathlib.Path(o.again).read_text()) if o.again else {}
    results = dict.fromkeys(mutants)
    results.update({m: known[m] for m in mutants if known.get(m)})
    results.update(check.judge([m for m in mutants if not results[m]], o.j))
    if o.json:
        pathlib.Path(o.json).write_text(json.dumps(results, indent=1))
    if o.docs:
        write_docs(o.docs, check, results)
    for mutant, case in results.items():
        if not case:
            print(f'survives: {mutant}: {check.about[mutant]}')
    for table, name in ((True, 'rules'), (False, 'conditions and effects in code')):
        print(f'{name}: {percent(results, table):.1f} % caught')
    sys.exit(percent(results, True) < o.least)


main()
