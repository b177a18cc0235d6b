// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE /* open_memstream() */
#include "debug/ipf_explain.h"

#include <stdlib.h>
#include <string.h>

#include "debug/explain_json.h"
#include "debug/ipf_walk.h"
#include "ipf/cpu.h"
#include "ipf/translate.h"

/* ---- noting ---- */

/* Whether the assembler's text names r2 or r3 as a general register. */
static bool names(const struct ipf_slot *s, const char *operand)
{
    return strstr(ipf_format_text((enum ipf_format)s->row->format), operand);
}
static void note_operand(struct ipf_note *n, const struct ipf_cpu *c, unsigned r)
{
    size_t at = strlen(n->operands), room = sizeof n->operands - at;
    unsigned k = r - 32;
    if (r >= 32 && k < c->cfm.sor)
        k = (k + c->cfm.rrb_gr) % c->cfm.sor;
    const struct ipf_gr *g = r < 32 ? &c->gr[r] : &c->frame[k];
    if (r >= 32u + c->cfm.sof)
        snprintf(n->operands + at, room, "%sr%u beyond the frame", at ? ", " : "", r);
    else if (g->nat)
        snprintf(n->operands + at, room, "%sr%u NaT", at ? ", " : "", r);
    else
        snprintf(n->operands + at, room, "%sr%u %#llx", at ? ", " : "", r,
                 (unsigned long long)g->v);
}

struct ipf_note ipf_note(const struct ipf_cpu *c, const struct ipf_event *e)
{
    struct ipf_note n = {
        .event = *e,
        .code = ipf_code_fetch(c, e->ip),
        .psr = c->psr,
        .sp = c->gr[12].v,
        .retired = c->retired,
    };
    if (!ipf_rule_needs_registers(e))
        return n;
    struct ipf_code_slot x = ipf_code_decode(&n.code, e->slot);
    n.rule = ipf_broken_rule(c, e, &n.code);
    if (x.known && names(&x.insn, "%r2"))
        note_operand(&n, c, x.insn.r[2]);
    if (x.known && names(&x.insn, "%r3"))
        note_operand(&n, c, x.insn.r[3]);
    return n;
}

void ipf_explain_note(struct ipf_explain_log *log, const struct ipf_cpu *c,
                      const struct ipf_event *e)
{
    enum { OF_A_CHAIN = 4 };
    if (c->chain <= OF_A_CHAIN)
        log->last[log->count++ % IPF_NOTES] = ipf_note(c, e);
}

/* ---- printing ---- */

void ipf_note_print(FILE *out, const struct ipf_note *n, const struct symbols *symbols)
{
    char ip[256];
    const struct ipf_event *e = &n->event;
    fprintf(out, "%s at %s slot %u, isr %#llx", ipf_interruption_name(e->what),
            symbols_print(symbols, e->ip, ip, sizeof ip), e->slot, (unsigned long long)e->isr);
    if (e->value)
        fprintf(out, e->what == INT_BREAK ? ", immediate %#llx" : ", address %#llx",
                (unsigned long long)e->value);
    if (!(n->psr & PSR_IC))
        fprintf(out, ", PSR.ic = 0");
}

static const struct ipf_rule *rule_of(const struct ipf_cpu *c, const struct ipf_note *n)
{
    return n->rule ? n->rule : ipf_broken_rule(c, &n->event, &n->code);
}

void ipf_note_rule(FILE *out, const struct ipf_cpu *c, const struct ipf_note *n)
{
    char code[200];
    const struct ipf_rule *rule = rule_of(c, n);
    if (!rule)
        return;
    ipf_code_print(&n->code, n->event.ip, n->event.slot, code, sizeof code);
    fprintf(out, "    %s (%s): %s\n    instruction: %s%s%s\n", rule->id, rule->section,
            rule->sentence, code, *n->operands ? "; " : "", n->operands);
}

/* The k-th note, counted from the oldest; NULL: it repeats the one before it, or there is none. */
static const struct ipf_note *note_at(const struct ipf_explain_log *log, unsigned k)
{
    uint64_t oldest = log->count > IPF_NOTES ? log->count - IPF_NOTES : 0;
    if (oldest + k >= log->count)
        return NULL;
    const struct ipf_note *n = &log->last[(oldest + k) % IPF_NOTES];
    const struct ipf_note *before = &log->last[(oldest + k - 1) % IPF_NOTES];
    bool repeats = k && before->event.what == n->event.what && before->event.ip == n->event.ip &&
                   before->event.slot == n->event.slot;
    return repeats ? NULL : n;
}

/* The vectors that wait in IRR, why they do not interrupt, and whether the timer will add one. */
static void print_interrupts(FILE *out, const struct ipf_cpu *c)
{
    fprintf(out, "  irr %016llx %016llx %016llx %016llx, tpr %#llx, timer %s, itv %#llx\n",
            (unsigned long long)c->irr[3], (unsigned long long)c->irr[2],
            (unsigned long long)c->irr[1], (unsigned long long)c->irr[0],
            (unsigned long long)c->cr[CR_TPR], c->timer_on ? "running" : "not running",
            (unsigned long long)c->cr[CR_ITV]);
}

void ipf_explain_end(FILE *out, const struct ipf_explain_log *log, const struct ipf_cpu *c,
                     const struct symbols *symbols)
{
    char rp[256];
    if (log->count)
        fprintf(out, "  the last interruptions, oldest first:\n");
    for (unsigned k = 0; k < IPF_NOTES; k++) {
        const struct ipf_note *n = note_at(log, k);
        if (!n)
            continue;
        fprintf(out, "  after %llu instructions: ", (unsigned long long)n->retired);
        ipf_note_print(out, n, symbols);
        fprintf(out, "; sp %#llx\n", (unsigned long long)n->sp);
        ipf_note_rule(out, c, n);
        if (ipf_walk_explains(&n->event))
            ipf_walk_print(out, c, n->psr, &n->event);
    }
    fprintf(out, "  iva %#llx psr %#llx ipsr %#llx iip %#llx, b0 %s\n",
            (unsigned long long)c->cr[CR_IVA], (unsigned long long)c->psr,
            (unsigned long long)c->cr[CR_IPSR], (unsigned long long)c->cr[CR_IIP],
            symbols_print(symbols, c->br[0], rp, sizeof rp));
    if (c->halted)
        print_interrupts(out, c);
}

/* ---- JSON ---- */

static json_t *hex(uint64_t v) { return json_sprintf("0x%llx", (unsigned long long)v); }

static json_t *walk_json(const struct ipf_cpu *c, const struct ipf_note *n)
{
    char *text = NULL, *rest = NULL;
    size_t size;
    json_t *lines = json_array();
    FILE *out = ipf_walk_explains(&n->event) ? open_memstream(&text, &size) : NULL;
    if (!out)
        return lines;
    ipf_walk_print(out, c, n->psr, &n->event);
    fclose(out);
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
        json_array_append_new(lines, explain_text_json(line + strspn(line, " ")));
    free(text);
    return lines;
}

static json_t *note_json(const struct ipf_cpu *c, const struct ipf_note *n,
                         const struct symbols *symbols)
{
    char where[256], code[200];
    const struct ipf_event *e = &n->event;
    const struct ipf_rule *rule = rule_of(c, n);
    ipf_code_print(&n->code, e->ip, e->slot, code, sizeof code);
    json_t *o =
        json_pack("{s:s, s:o, s:i, s:o, s:o, s:o, s:s, s:s, s:o, s:b, s:o}", "interruption",
                  ipf_interruption_name(e->what), "ip", hex(e->ip), "slot", (int)e->slot, "where",
                  explain_text_json(symbols_print(symbols, e->ip, where, sizeof where)), "isr",
                  hex(e->isr), "value", hex(e->value), "instruction", code, "operands", n->operands,
                  "sp", hex(n->sp), "ic", !!(n->psr & PSR_IC), "walk", walk_json(c, n));
    if (rule)
        json_object_set_new(o, "rule",
                            json_pack("{s:s, s:s, s:s}", "id", rule->id, "section", rule->section,
                                      "sentence", rule->sentence));
    return o;
}

void ipf_explain_end_json(FILE *out, const char *event, const struct ipf_explain_log *log,
                          const struct ipf_cpu *c, const struct symbols *symbols)
{
    json_t *all = json_array();
    for (unsigned k = 0; k < IPF_NOTES; k++)
        if (note_at(log, k))
            json_array_append_new(all, note_json(c, note_at(log, k), symbols));
    explain_json_line(out, json_pack("{s:s, s:i, s:o, s:o, s:o, s:o, s:o, s:o}", "event", event,
                                     "cpu", (int)c->index, "interruptions", all, "iva", hex(c->cr[CR_IVA]),
                                     "psr", hex(c->psr), "ipsr", hex(c->cr[CR_IPSR]), "iip",
                                     hex(c->cr[CR_IIP]), "b0", hex(c->br[0])));
}
