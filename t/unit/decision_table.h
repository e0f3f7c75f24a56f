/* SPDX-License-Identifier: GPL-2.0-or-later */
/* decision_table.h - what is expected of a decision, for the full cube of its inputs, in a text file for people.
 * A file has one line of column names, "A B C -> OUTCOME", then lines of as many words. A word is a value of its
 * column, several joined by '|', '*' for all, or '.' for the word of the line above. The first line that fits rules.
 * A combination without a line, a line that never rules, and an unknown word are failures of the test.
 */
#ifndef TRELAY_UNIT_DECISION_TABLE_H
#define TRELAY_UNIT_DECISION_TABLE_H

#include <stddef.h>

enum { TABLE_COLUMNS_MAX = 16, TABLE_VALUES_MAX = 16 };

struct table_column {
    const char *name;
    const char *values[TABLE_VALUES_MAX]; /* ends with NULL */
};

/* VALUES: the number of a value in each column. Writes what the code under test says, as in the file. */
typedef void (*table_decide_fn)(const unsigned *values, char *outcome, size_t outcome_size);

/* Reads t/data/decide/NAME and asserts that DECIDE says what it does, for every combination. */
void decision_table_check(const char *name, const struct table_column *columns, size_t column_count,
    table_decide_fn decide);

#endif
