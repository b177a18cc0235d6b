#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""generate.py OUT_FOLDER FILE.c...: copies of C files in which each condition and each effect can be switched off.

For every file a copy is written to OUT_FOLDER, and for all of them mutants.def, one row for each mutant:
MUTANT(number, "FILE:FUNCTION:COUNT", "its text", "what becomes of it").  In the copies (mutate.h)
  MUTATE_OFF(n, x)   x, or false while mutant n is chosen: a condition that never holds
  MUTATE_ON(n, x)    x, or true: a part of a condition that is not looked at
  MUTATE_KEEP(n)     true, or false: a statement that is left out
What is mutated: conditions of `if` and `?:`; the parts of && and || in them, in what functions return and in the
values of new bool variables; statements that assign or call.  A condition a || b || c is three mutants, each without
one part.  A function f of WRAPPED becomes plain_f, and rules.c has another f that calls it.
"""
import pathlib
import re
import sys

TOKEN = re.compile(
    r'//[^\n]*|/\*.*?\*/|^[ \t]*#(?:\\\n|[^\n])*|"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\''
    r'|[A-Za-z_]\w*|\d[\w.]*|->|\+\+|--|<<=|>>=|[-+*/%&|^]=|&&|\|\||[=!<>]=|<<|>>|\S', re.S | re.M)
ASSIGN = {'=', '+=', '-=', '*=', '/=', '%=', '&=', '|=', '^=', '<<=', '>>='}
PAIR = {'(': ')', '[': ']', '{': '}'}
NOT_STATEMENTS = {'if', 'for', 'while', 'do', 'switch', 'return', 'break', 'continue', 'goto', 'case', 'default', 'else',
                  'const', 'static', 'struct', 'enum', 'union', 'bool', 'unsigned', 'int', 'char', 'uint8_t', 'uint16_t',
                  'uint32_t', 'uint64_t', 'int64_t', 'size_t', '_Static_assert', 'sizeof'}
# What no guest can see: hooks, statistics, the host's own bookkeeping, other ways to the same result.
UNSEEN = re.compile(
    r'\bhooks\b|\bstats\b|\bstale\b|\bkept\w*\b|\bseen\b|looks_at_device|\bverdict\b|SP_HOSTILE|\breport\w*\(|tell_hooks'
    r'|pmu_fold|\bdirty = 0|\bdevice\b')
UNSEEN_FUNCTIONS = {'entry_list_broken', 'entry_describe_broken', 'vmx_view', 'vmx_peek', 'looks_at_device', 'report',
                    'report_broken', 'vm_entry_refused', 'keep', 'ept_record', 'tell_hooks', 'first_broken',
                    'vmcs_fields_walk', 'eptp_flags_refused', 'eptp_shadow_refused', 'ept_is_verified'}
# (function or FUNCTION:COUNT or '', mutated text, what becomes of it or ''): those that change nothing that the manual
# defines, or only what no 64-bit host of a profile reaches, and why.
NOT_COUNTED = [
    ('vmx_boundary', r'boundary_exit\(.*|times_out\(c\)', 'is not looked at'),   # these return true: the exit has been made
    ('', r'c->bus(->\w+)?', 'is not looked at'),              # a processor of a machine has a bus
    ('', r'.*\bimage_valid\(.*', ''),                         # how a VMCS stands in memory is the processor's own
    ('image_valid', '.*', ''),
    ('find', '.*', ''),                                       # keeps translations of -tlb sticky
    ('entry_first_broken', r'!\(in->dirty & dirty\)', ''),     # skips checks whose fields are as they were
    ('vm_enter', r'c->pmu\.counting', ''),                    # whether there is something to count
    ('translate', r'ept_record\(.*', ''),                     # for --strict tlb
    ('', r'c->attention \|= .*', ''),                         # ends the host's inner loop
    # EPT: guest-physical addresses of the profiles have at most 46 bits
    ('suppresses_ve', r'!w->depth', 'never holds'),
    ('ept_walk', r'gpa >> \(12 \+ 9 \* w->levels\)|w->rights = 0;', ''),
    # ... those with EPT have execute-only entries and pages of 2 MiB; a page of 4 KiB has no low address bits
    ('misconfiguration', r'!\(entry & EPT_R\) && entry & rights_mask\(c\) && .*|level == 2 && .*', 'never holds'),
    ('misconfiguration:3', r'!\(entry & EPT_R\)', 'is not looked at'),
    ('misconfiguration:4', r'entry & rights_mask\(c\)', 'is not looked at'),
    ('misconfiguration:20', r'level == 2', 'is not looked at'),
    ('misconfiguration', r'level > 1', 'is not looked at'),
    # ... bits of the qualification that are undefined then
    ('page_information', r'!\(c->vmx->cap.*EPT_CAP_ADVANCED\)|g->structure|!g->has_linear', 'never holds'),
    ('shadow_information', r'shadow_control\(c\)|w->mapped', 'is not looked at'),
    # ... what is writable is readable; violation() returns false; ept_paging_write asks it; depth is that of a level
    ('translate:10', r'g->kind == ACCESS_WRITE', 'never holds'),
    ('write_sub_page', r'violation\(c, w, g, access\)', 'never holds'),
    ('ept_access_rights', r'!\(c->vmx->proc3 & PROC3_EPT_PAGING_WRITE\)', 'never holds'),
    ('spp_governs:1', r'w->depth', 'is not looked at'),
    ('ept_access_rights', r'above &= .*', ''),                # the manual leaves room (guest_paging.c)
    ('spp_walk', r'w->entry_pa.*', ''),                       # for those who look at the walk
    # ... what is not cached is looked up again, and each kind of access is cached when it is made; mappings are tagged
    # with more than bits 51:12 of EPTP, and follow entries that change without INVEPT, which nobody may rely on
    ('translate', r'w\.depth|w\.dirty|w\.dirty = .*|\*page_ok = .*', ''),
    ('translate', r'w\.rights & EPT_R|w\.rights & execute_right\(c, g\)', ''),
    ('vmx_translate', r'\*page_ok = .*', ''),
    ('translate', r'tlb_depends_on\(.*', ''),
    ('vmx_space', r'eptp & EPTP_AD|eptp_levels\(eptp\) == 5', 'never holds'),
    ('invept', r'type == 1', 'never holds'),                  # invalidates more
    # a host that is 64-bit code at CPL 0, in a machine whose IA32_FEATURE_CONTROL is locked
    ('load_host_segment', r'!value.*|s != CS|s != TR|access = SEG_UNUSABLE;', ''),
    ('load_host_registers:4', r'wide', ''),
    ('load_host_registers', r'!wide|c->cr4 &= ~\(uint64_t\)CR4_PCIDE;|c->msr\.efer &= .*', ''),
    ('load_host', r'wide_guest.*|.*ABORT_HOST_32.*|.*ABORT_HOST_PDPTE.*', ''),
    ('load_host', r'c->cr0 & CR0_PG.*|c->cr4 & CR4_PAE|!cpu_load_pdptes.*', ''),
    ('vm_enter', r'e\.long_mode != x->long_mode|.* = DIRTY_ALL;|x->long_mode = e\.long_mode;', ''),
    ('long_mode_needs_host_64', r'!e->long_mode', 'never holds'),
    ('legacy_mode_refuses_64:2', '.*', ''),
    ('host_32_refuses_guest_64:2', '.*', ''),
    ('ss_not_null:2', '.*', ''),
    ('host_32_rip', r'host_64\(e\)', 'never holds'),
    ('host_64_rip', r'!host_64\(e\)', 'never holds'),
    ('host_32_cet', r'!host_64\(e\)', 'never holds'),
    ('host_64_cet:2', r'!host_64\(e\)', 'never holds'),
    ('vmxon', r'c->cpl|!\(feature & FEATURE_LOCKED\)|!\(feature & FEATURE_VMXON\)', 'never holds'),
    ('vmx_instruction', r'c->cpl', 'never holds'),
    # fields and bits that are undefined then: the length, "NMI unblocking due to IRET", PDPTEs without PAE paging
    ('is_software_event', '.*', 'is not looked at'),
    ('instruction_length:2', r'x->vectoring', 'is not looked at'),
    ('record', r'!vectoring|\(x->event_info & 0xff\) != EXC_DF', 'is not looked at'),
    ('save_nonregister', r'c->cr0 & CR0_PG|c->cr4 & CR4_PAE|!in_long_mode\(c\)', 'is not looked at'),
    # what another condition says, too
    ('unblocked_by_iret', r'v->unblocked_tick|\(!\(v->pin & PIN_NMI_EXITING\) \|\| .*', 'is not looked at'),
    ('vm_exit', r'x->reason == 0', 'is not looked at'),
    ('pae_paging', '.*', 'is not looked at'),
    ('pdpte_reserved', r'!ia32e\(e\)|field\(e, GUEST_CR0\) & CR0_PG|field\(e, GUEST_CR4\) & CR4_PAE|!pae', ''),
    ('vm_enter', r'msrs', 'is not looked at'),
    ('load_host', r'vmcs_field\(c, VM_EXIT_MSR_LOAD_COUNT\)', 'is not looked at'),
    ('rip_width', r'!code_64\(e\)', 'never holds'),
    ('cs_db', r'v86\(e\)', 'never holds'),
    ('evaluate', r'!window', 'is not looked at'),
    ('apic_enter', r'x->apic_exit = 0;|x->proc2 & PROC2_VIRTUALIZE_APIC_ACCESSES', ''),
    ('apic_boundary', r'x->apic_exit = 0;|cpu_clear_pending\(c, PEND_VMX_APIC\);', ''),
    ('apic_msr_write', r'\*o = RETIRED;', ''),
    ('begin_guest:20', r'c->pending \|= PEND_MTF;', ''),
    ('event_pushes_rf', r'e->vector != EXC_MC', 'is not looked at'),      # nothing raises a machine check
    # the profiles have both controls, or none
    ('has_guest_pat', '.*', ''), ('has_guest_efer', '.*', ''),
    ('has_guest_perf', '.*', ''), ('has_guest_uinv', '.*', ''),
    ('vmcs_load', r'v->f\[f\] &= .*', ''), ('vmcs_region_get', r'v &= .*', ''),      # how a VMCS stands in memory
]

WRAPPED = {'entry_check_passes', 'vm_enter', 'vm_exit', 'vm_exit_failed_entry', 'vm_fail_valid', 'vmcs_find', 'vmcs_set'}


class Source:
    def __init__(self, text):
        self.text = text
        self.tokens = [m for m in TOKEN.finditer(text)
                       if not m.group().startswith(('//', '/*')) and not m.group().lstrip().startswith('#')]
        self.words = [m.group() for m in self.tokens]
        self.match = {}
        stack = []
        for k, word in enumerate(self.words):
            if word in PAIR:
                stack.append(k)
            elif word in PAIR.values():
                opening = stack.pop()
                self.match[opening], self.match[k] = k, opening

    def slice(self, first, last):
        """The text of tokens first to last, both included, in one line."""
        text = self.text[self.tokens[first].start():self.tokens[last].end()]
        text = re.sub(r'/\*.*?\*/|//[^\n]*', '', text, flags=re.S)
        return re.sub(r'\s+', ' ', text).strip()

    def functions(self):
        """(name, token of {, token of }) of each function."""
        k = 0
        while k < len(self.words):
            if self.words[k] == '{':
                if k and self.words[k - 1] == ')':
                    yield self.words[self.match[k - 1] - 1], k, self.match[k]
                k = self.match[k]
            k += 1

    def top_level(self, first, last, operator):
        """Where the operator stands in tokens first to last outside brackets."""
        found, k = [], first
        while k <= last:
            if self.words[k] in PAIR:
                k = self.match[k]
            elif self.words[k] == operator:
                found.append(k)
            k += 1
        return found


class Mutator:
    def __init__(self, path, rows):
        self.source = Source(path.read_text())
        self.file = path.name
        self.rows = rows
        self.inserts = []                 # (position, is opening, width, text)

    def add(self, first, last, macro, what):
        s = self.source
        text = s.slice(first, last)
        if UNSEEN.search(text):
            return
        self.count += 1
        here = ('', self.function, f'{self.function}:{self.count}')
        if any(function in here and re.fullmatch(pattern, text) and becomes in ('', what)
               for function, pattern, becomes in NOT_COUNTED):
            return
        number = len(self.rows)
        self.rows.append((number, f'{self.file}:{self.function}:{self.count}', text, what))
        start, end = s.tokens[first].start(), s.tokens[last].end()
        if macro == 'MUTATE_KEEP':
            opening, closing = f'{{ if (MUTATE_KEEP({number})) ', ' }'
        else:
            opening, closing = f'{macro}({number}, ', ')'
        self.inserts.append((start, 1, -(end - start), opening))
        self.inserts.append((end, 0, end - start, closing))

    def condition(self, first, last, whole):
        """Tokens first to last are a condition.  `whole`: it can be switched off in one piece, too."""
        s = self.source
        if s.words[first] == '(' and s.match[first] == last:
            return self.condition(first + 1, last - 1, whole)
        if s.top_level(first, last, '?'):
            return None
        for operator, macro, what in (('||', 'MUTATE_OFF', 'never holds'), ('&&', 'MUTATE_ON', 'is not looked at')):
            at = s.top_level(first, last, operator)
            if not at:
                continue
            if operator == '&&' and whole:
                self.add(first, last, 'MUTATE_OFF', 'never holds')
            for begin, end in zip([first] + [k + 1 for k in at], [k - 1 for k in at] + [last]):
                self.add(begin, end, macro, what)
            return None
        if whole:
            self.add(first, last, 'MUTATE_OFF', 'never holds')
        return None

    def ternary(self, k, low):
        """The condition in front of the ? at token k."""
        s, first = self.source, k
        while first > low:
            word = s.words[first - 1]
            if word in PAIR.values():
                first = s.match[first - 1]
            elif word in ASSIGN or word in {'(', '[', '{', ',', 'return', ':', '?', ';', '+', '&&', '||'} or \
                    (word == '|' and s.words[first - 2] == ')'):
                break
            else:
                first -= 1
        self.condition(first, k - 1, True)

    def statement(self, k, end):
        """The statement that begins at token k, if it is one that can be left out."""
        s = self.source
        word = s.words[k]
        if word == 'bool' and s.words[k + 2] == '=':
            last = k
            while s.words[last] != ';':
                last = s.match[last] + 1 if s.words[last] in PAIR else last + 1
            if not s.top_level(k, last, ','):
                self.condition(k + 3, last - 1, False)
        if word in NOT_STATEMENTS or not re.match(r'[A-Za-z_*(]', word) or word.isupper():
            return
        if re.match(r'[A-Za-z_]\w*$', word) and re.match(r'[A-Za-z_]\w*$', s.words[k + 1]):
            return                        # a declaration
        last = k
        while last < end and s.words[last] != ';':
            last = s.match[last] + 1 if s.words[last] in PAIR else last + 1
        if any(w in ASSIGN or w in ('++', '--') for w in s.words[k:last]) or s.words[last - 1] == ')':
            self.add(k, last, 'MUTATE_KEEP', 'is left out')

    def body(self, begin, end):
        s = self.source
        for k in range(begin + 1, end):
            word, before = s.words[k], s.words[k - 1]
            if word == 'if':
                self.condition(k + 2, s.match[k + 1] - 1, True)
            elif word == '?':
                self.ternary(k, begin)
            elif word == 'return':
                last = k
                while s.words[last] != ';':
                    last = s.match[last] + 1 if s.words[last] in PAIR else last + 1
                if last > k + 2:
                    self.condition(k + 1, last - 1, False)
            controls = before == ')' and s.words[s.match[k - 1] - 1] in ('if', 'for', 'while')
            if before in (';', '{', '}', 'else') or controls or (before == ':' and self.is_label(k - 1)):
                if self.inside_brackets(k, begin):
                    continue
                self.statement(k, end)

    def is_label(self, k):
        s = self.source
        for back in range(k - 1, max(k - 8, 0), -1):
            if s.words[back] in ('case', 'default'):
                return True
            if s.words[back] in (';', '{', '}', '?'):
                return False
        return False

    def inside_brackets(self, k, begin):
        """In a for (;;), or in an initializer."""
        s, depth = self.source, 0
        for back in range(k - 1, begin - 1, -1):
            if s.words[back] in PAIR.values():
                depth += 1
            elif s.words[back] in PAIR:
                if depth == 0:
                    if s.words[back] in ('(', '['):
                        return True
                    return back > begin and s.words[back - 1] not in (')', ';', '{', '}', 'else', ':', 'do')
                depth -= 1
        return False

    def mutate(self):
        for name, begin, end in self.source.functions():
            if name in WRAPPED:
                at = self.source.tokens[self.source.match[begin - 1] - 1].start()
                self.inserts.append((at, 0, 0, 'plain_'))
            if name in UNSEEN_FUNCTIONS:
                continue
            self.function, self.count = name, 0
            self.body(begin, end)
        text = self.source.text
        for position, is_opening, width, piece in sorted(self.inserts, reverse=True, key=self.insert_key):
            text = text[:position] + piece + text[position:]
        return text

    @staticmethod
    def insert_key(insert):
        """At one place closings come first, inner before outer; then openings, outer before inner."""
        position, is_opening, width, _ = insert
        return position, is_opening, width


def quoted(text):
    return '"' + text.replace('\\', '\\\\').replace('"', '\\"') + '"'


def main():
    out = pathlib.Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    rows = []
    for name in sys.argv[2:]:
        path = pathlib.Path(name)
        text = Mutator(path, rows).mutate()
        (out / path.name).write_text(f'#include "conformance/mutate/mutate.h"\n#line 1 "{path}"\n{text}')
    lines = [f'MUTANT({number}, {quoted(name)}, {quoted(text)}, {quoted(what)})\n' for number, name, text, what in rows]
    (out / 'mutants.def').write_text(''.join(lines))


main()
