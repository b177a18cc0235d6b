// SPDX-License-Identifier: Apache-2.0
// Makes the tables of a list of rows.  Define SAVED_ROWS as the list's file, then include this:
//
//   TABLE(name)         the rows of struct NAME, until END, in the order of its members; gives
//                       const struct saved_table *saved_NAME(void)
//   STATE(m)            a number that a guest can observe     STATES(m)  an array of them
//   KEPT(m)             any other number that is saved        KEPTS(m)
//   KEPT_TO(m, most)    ... that never exceeds `most`     KEPTS_TO(m, most), STATE_TO(m, most)
//   FIRST(m, n)         the first n numbers of an array, observable
//   BYTES(m)            an object without padding, byte by byte    STATE_BYTES(m) observable
//   PART(m, name)       a struct with a table of its own      PARTS(m, name)  an array of them
//   OTHER(m)            not saved                             OTHERS(m)  an array or a struct
//
// Every member has its row: a struct with one row less than members does not compile, nor does one
// with a row that is of another kind (number, array or struct) than the member at its place.
#include "base/bits.h"
#include "base/saved.h"

#define MEMBER(m) ((self *)0)->m
#define MOST(v) _Generic((v), _Bool : 1, default : sizeof(v) < 8 ? BIT(8 * (sizeof(v) & 7)) - 1 \
                                                                : UINT64_MAX)
#define LENGTH(m) sizeof MEMBER(m) / sizeof MEMBER(m)[0]
#define ROW(m, size, count, kind, most, part) \
    { #m, offsetof(self, m), size, count, kind, most, part },

/* ---- the tables ---- */

#define TABLE(name)                                                                                \
    const struct saved_table *saved_##name(void)                                                   \
    {                                                                                              \
        typedef struct name self;                                                                  \
        static const char text[] = #name;                                                          \
        static const struct saved_row rows[] = {
#define END                                                                                        \
    }                                                                                              \
    ;                                                                                              \
    static const struct saved_table table = { text, rows, ARRAY_SIZE(rows), sizeof(self) };        \
    return &table;                                                                                 \
    }
#define STATE(m) ROW(m, sizeof MEMBER(m), 1, SAVED_STATE, MOST(MEMBER(m)), NULL)
#define STATES(m) ROW(m, sizeof MEMBER(m)[0], LENGTH(m), SAVED_STATE, MOST(MEMBER(m)[0]), NULL)
#define KEPT(m) ROW(m, sizeof MEMBER(m), 1, SAVED_KEPT, MOST(MEMBER(m)), NULL)
#define KEPTS(m) ROW(m, sizeof MEMBER(m)[0], LENGTH(m), SAVED_KEPT, MOST(MEMBER(m)[0]), NULL)
#define KEPT_TO(m, most) ROW(m, sizeof MEMBER(m), 1, SAVED_KEPT, most, NULL)
#define KEPTS_TO(m, most) ROW(m, sizeof MEMBER(m)[0], LENGTH(m), SAVED_KEPT, most, NULL)
#define STATE_TO(m, most) ROW(m, sizeof MEMBER(m), 1, SAVED_STATE, most, NULL)
#define FIRST(m, n) ROW(m, sizeof MEMBER(m)[0], n, SAVED_STATE, MOST(MEMBER(m)[0]), NULL)
#define BYTES(m) ROW(m, 1, sizeof MEMBER(m), SAVED_KEPT, UINT8_MAX, NULL)
#define STATE_BYTES(m) ROW(m, 1, sizeof MEMBER(m), SAVED_STATE, UINT8_MAX, NULL)
#define PART(m, name) ROW(m, sizeof MEMBER(m), 1, SAVED_STATE, 0, saved_##name)
#define PARTS(m, name) ROW(m, sizeof MEMBER(m)[0], LENGTH(m), SAVED_STATE, 0, saved_##name)
#define KEPT_PART(m, name) ROW(m, sizeof MEMBER(m), 1, SAVED_KEPT, 0, saved_##name)
#define OTHER(m) ROW(m, sizeof MEMBER(m), 1, SAVED_OTHER, 0, NULL)
#define OTHERS(m) ROW(m, sizeof MEMBER(m), 1, SAVED_OTHER, 0, NULL)
#include SAVED_ROWS

/* ---- the proof that no member was forgotten: one initializer for each, and none left over ---- */

#undef TABLE
#undef END
#undef STATE
#undef STATES
#undef KEPT
#undef KEPTS
#undef KEPT_TO
#undef KEPTS_TO
#undef STATE_TO
#undef FIRST
#undef BYTES
#undef STATE_BYTES
#undef PART
#undef PARTS
#undef KEPT_PART
#undef OTHER
#undef OTHERS
#pragma GCC diagnostic push
#pragma GCC diagnostic error "-Wmissing-field-initializers"
#pragma GCC diagnostic ignored "-Wmissing-braces" /* of arrays in arrays */
#define TABLE(name) enum { every_member_of_##name##_has_a_row = sizeof((struct name){
#define END }) };
#define NUMBER 0,
#define GROUP { 0 },
#define STATE(m) NUMBER
#define STATES(m) GROUP
#define KEPT(m) NUMBER
#define KEPTS(m) GROUP
#define KEPT_TO(m, most) NUMBER
#define KEPTS_TO(m, most) GROUP
#define STATE_TO(m, most) NUMBER
#define FIRST(m, n) GROUP
#define BYTES(m) GROUP
#define STATE_BYTES(m) GROUP
#define PART(m, name) GROUP
#define PARTS(m, name) GROUP
#define KEPT_PART(m, name) GROUP
#define OTHER(m) NUMBER
#define OTHERS(m) GROUP
#include SAVED_ROWS
#pragma GCC diagnostic pop
