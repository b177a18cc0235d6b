// SPDX-License-Identifier: Apache-2.0
#include "image/elf.h"

#include <gelf.h>
#include <stddef.h>
#include <string.h>

bool elf_is(const struct image *i)
{
    return i->size >= SELFMAG && !memcmp(i->data, ELFMAG, SELFMAG);
}

bool elf_is_itanium(const struct image *i)
{
    enum { MACHINE_AT = offsetof(Elf64_Ehdr, e_machine) };
    return elf_is(i) && i->size > MACHINE_AT + 1 &&
           i->data[MACHINE_AT + (i->data[EI_DATA] == ELFDATA2MSB)] == EM_IA_64 &&
           !i->data[MACHINE_AT + (i->data[EI_DATA] != ELFDATA2MSB)];
}

static Elf *elf_open(const struct image *i)
{
    if (elf_version(EV_CURRENT) == EV_NONE)
        return NULL;
    return elf_memory((char *)i->data, i->size);
}

static bool bad(const struct image *i, uint64_t offset, const char *what, struct sp_error *e)
{
    return sp_fail(e, SP_EXIT_BAD_IMAGE, "%s: offset %#llx: %s", i->name,
                   (unsigned long long)offset, what);
}

static bool check_machine(const struct image *i, const GElf_Ehdr *h, enum elf_family family,
                          struct sp_error *e)
{
    bool known = family == ELF_ITANIUM ? h->e_machine == EM_IA_64
                                       : h->e_machine == EM_386 || h->e_machine == EM_X86_64;
    if (family == ELF_ITANIUM && h->e_ident[EI_CLASS] != ELFCLASS64)
        return bad(i, EI_CLASS, "a 32-bit ELF file is not for this processor", e);
    return known ||
           sp_fail(e, SP_EXIT_NOT_MODELLED, "%s: offset 0x12: ELF machine %u is not modelled %s",
                   i->name, h->e_machine,
                   h->e_machine == EM_IA_64 ? "by this machine (Itanium files go with -kernel)"
                                            : "(386, x86-64 and Itanium are)");
}

static bool check_header(const struct image *i, Elf *elf, enum elf_family family, GElf_Ehdr *h,
                         struct sp_error *e)
{
    if (!elf || elf_kind(elf) != ELF_K_ELF || !gelf_getehdr(elf, h))
        return bad(i, 0, "the ELF header is damaged or cut short", e);
    if (h->e_ident[EI_DATA] != ELFDATA2LSB)
        return bad(i, EI_DATA, "a big-endian ELF file is not for this processor", e);
    if (!check_machine(i, h, family, e))
        return false;
    if (h->e_type != ET_EXEC && h->e_type != ET_DYN)
        return bad(i, 16, "the ELF file is not an executable", e);
    /* The section headers stand last in nearly all files: a file without them was cut. */
    if (h->e_shoff && !image_has(i, h->e_shoff, (uint64_t)h->e_shentsize * h->e_shnum))
        return bad(i, h->e_shoff,
                   "the section headers go beyond the end of the file, which was cut short", e);
    return true;
}

static bool load_segment(struct place *p, const struct image *i, const GElf_Phdr *s,
                         struct sp_error *e)
{
    if (s->p_filesz > s->p_memsz)
        return bad(i, s->p_offset, "a segment is larger in the file than in memory", e);
    if (!image_has(i, s->p_offset, s->p_filesz))
        return bad(i, s->p_offset, "a segment goes beyond the end of the file", e);
    if (!place_claim(p, s->p_paddr, s->p_memsz, s->p_offset, e))
        return false;
    mem_write(p->mem, s->p_paddr, i->data + s->p_offset, s->p_filesz);
    place_zero(p, s->p_paddr + s->p_filesz, s->p_memsz - s->p_filesz);
    return true;
}

/* Kernels are linked high and loaded low: the entry point is given as a virtual address. */
static void note_segment(struct elf_info *info, const GElf_Ehdr *h, const GElf_Phdr *s)
{
    if (h->e_entry >= s->p_vaddr && h->e_entry - s->p_vaddr < s->p_memsz)
        info->entry = h->e_entry - s->p_vaddr + s->p_paddr;
    if (s->p_memsz && s->p_paddr < info->lowest)
        info->lowest = s->p_paddr;
}

/* Xen's public/elfnote.h; the descriptor is a word of the file's class, but 32 bits are common. */
static void note_pvh(struct elf_info *info, const GElf_Nhdr *n, const char *name, const char *value)
{
    enum { XEN_ELFNOTE_PHYS32_ENTRY = 18 };
    uint64_t entry = 0;
    if (n->n_type != XEN_ELFNOTE_PHYS32_ENTRY || n->n_namesz != sizeof "Xen" ||
        memcmp(name, "Xen", sizeof "Xen") || (n->n_descsz != 4 && n->n_descsz != 8))
        return;
    memcpy(&entry, value, n->n_descsz);
    info->pvh_entry = (uint32_t)entry;
    info->has_pvh_entry = entry <= UINT32_MAX;
}

/* Notes that are damaged end the search: no loader depends on what they say. */
static void read_notes(Elf *elf, const GElf_Phdr *s, struct elf_info *info)
{
    Elf_Type type = s->p_align == 8 ? ELF_T_NHDR8 : ELF_T_NHDR;
    Elf_Data *d = elf_getdata_rawchunk(elf, (int64_t)s->p_offset, s->p_filesz, type);
    GElf_Nhdr n;
    size_t at = 0, name, value;
    while (d && (at = gelf_getnote(d, at, &n, &name, &value))) {
        info->is_linux |= n.n_namesz == sizeof "Linux" &&
                          !memcmp((const char *)d->d_buf + name, "Linux", sizeof "Linux");
        note_pvh(info, &n, (const char *)d->d_buf + name, (const char *)d->d_buf + value);
    }
}

static bool load_all(struct place *p, const struct image *i, Elf *elf, enum elf_family family,
                     struct elf_info *info, struct sp_error *e)
{
    GElf_Ehdr h;
    GElf_Phdr s;
    size_t count;
    if (!check_header(i, elf, family, &h, e))
        return false;
    if (elf_getphdrnum(elf, &count) || !count)
        return bad(i, h.e_phoff, "no program headers", e);
    *info = (struct elf_info){ .is_64 = h.e_ident[EI_CLASS] == ELFCLASS64, .entry = h.e_entry,
                               .lowest = UINT64_MAX };
    for (size_t k = 0; k < count; k++) {
        if (!gelf_getphdr(elf, (int)k, &s))
            return bad(i, h.e_phoff, "the program headers go beyond the end of the file", e);
        if (s.p_type == PT_INTERP)
            return bad(
                i, s.p_offset,
                "a program for an operating system (it names a dynamic linker), not a kernel", e);
        if (s.p_type == PT_NOTE)
            read_notes(elf, &s, info);
        if (s.p_type != PT_LOAD)
            continue;
        if (!load_segment(p, i, &s, e))
            return false;
        note_segment(info, &h, &s);
    }
    return info->lowest != UINT64_MAX || bad(i, h.e_phoff, "no segment to load", e);
}

bool elf_load(struct place *p, const struct image *i, enum elf_family family,
              struct elf_info *info, struct sp_error *e)
{
    Elf *elf = elf_open(i);
    bool ok = load_all(p, i, elf, family, info, e);
    elf_end(elf);
    return ok;
}

static void section_symbols(Elf *elf, Elf_Scn *section, const GElf_Shdr *h,
                            void (*each)(void *, const char *, uint64_t, uint64_t), void *user)
{
    Elf_Data *data = elf_getdata(section, NULL);
    GElf_Sym s;
    for (int k = 0; data && gelf_getsym(data, k, &s); k++) {
        unsigned type = GELF_ST_TYPE(s.st_info);
        const char *name = elf_strptr(elf, h->sh_link, s.st_name);
        if ((type == STT_FUNC || type == STT_NOTYPE) && s.st_shndx != SHN_UNDEF &&
            s.st_shndx != SHN_ABS && name && *name)
            each(user, name, s.st_value, s.st_size);
    }
}

void elf_symbols(const struct image *i, void (*each)(void *, const char *, uint64_t, uint64_t),
                 void *user)
{
    Elf *elf = elf_is(i) ? elf_open(i) : NULL;
    Elf_Scn *section = NULL;
    GElf_Shdr h;
    while (elf && (section = elf_nextscn(elf, section)))
        if (gelf_getshdr(section, &h) && h.sh_type == SHT_SYMTAB)
            section_symbols(elf, section, &h, each, user);
    elf_end(elf);
}

static bool code_of_sections(const struct image *i, Elf *elf, bool is_64,
                             void (*each)(void *, const struct elf_code *, bool), void *user,
                             struct sp_error *e)
{
    Elf_Scn *section = NULL;
    GElf_Shdr h;
    size_t names = 0;
    elf_getshdrstrndx(elf, &names);
    while ((section = elf_nextscn(elf, section))) {
        if (!gelf_getshdr(section, &h) || !(h.sh_flags & SHF_EXECINSTR) || h.sh_type == SHT_NOBITS)
            continue;
        if (!image_has(i, h.sh_offset, h.sh_size))
            return bad(i, h.sh_offset, "a section goes beyond the end of the file", e);
        const char *name = elf_strptr(elf, names, h.sh_name);
        each(user, &(struct elf_code){ name ? name : "", h.sh_addr, h.sh_size,
                                       i->data + h.sh_offset }, is_64);
    }
    return true;
}

static bool code_of_segments(const struct image *i, Elf *elf, bool is_64,
                             void (*each)(void *, const struct elf_code *, bool), void *user,
                             struct sp_error *e)
{
    GElf_Phdr s;
    for (int k = 0; gelf_getphdr(elf, k, &s); k++) {
        if (s.p_type != PT_LOAD || !(s.p_flags & PF_X))
            continue;
        if (!image_has(i, s.p_offset, s.p_filesz))
            return bad(i, s.p_offset, "a segment goes beyond the end of the file", e);
        each(user, &(struct elf_code){ "segment", s.p_vaddr, s.p_filesz, i->data + s.p_offset },
             is_64);
    }
    return true;
}

bool elf_each_code(const struct image *i, enum elf_family family,
                   void (*each)(void *, const struct elf_code *, bool), void *user,
                   struct sp_error *e)
{
    Elf *elf = elf_open(i);
    GElf_Ehdr h;
    bool ok = check_header(i, elf, family, &h, e);
    if (ok) {
        bool is_64 = h.e_ident[EI_CLASS] == ELFCLASS64;
        ok = (h.e_shnum ? code_of_sections : code_of_segments)(i, elf, is_64, each, user, e);
    }
    elf_end(elf);
    return ok;
}
