/* SPDX-License-Identifier: GPL-2.0-or-later */
/* decision_table.c - tables of expected decisions; see decision_table.h. */
#include "decision_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINES_MAX = 400, LINE_SIZE = 512, OUTCOME_SIZE = 96 };

struct table_line {
    unsigned number;                   /* in the file */
    uint32_t values[TABLE_COLUMNS_MAX]; /* bits */
    char outcome[OUTCOME_SIZE];
    unsigned long uses;
};

struct decision_table {
    const char *name;
    const struct table_column *columns;
    size_t column_count;
    struct table_line lines[LINES_MAX];
    size_t line_count;
    bool has_header;
};

/* The next word of *TEXT, ended with NUL; NULL when there is none. */
static char *next_word(char **text)
{
    char *start = *text + strspn(*text, " \t\n");
    size_t length = strcspn(start, " \t\n");
    if (length == 0)
        return NULL;
    *text = start + length;
    if (**text != '\0')
        *(*text)++ = '\0';
    return start;
}

static uint32_t bit_of(const struct decision_table *table, unsigned number, const struct table_column *column,
    const char *word, size_t length)
{
    for (unsigned i = 0; column->values[i] != NULL; i++)
        if (strlen(column->values[i]) == length && memcmp(column->values[i], word, length) == 0)
            return 1u << i;
    fail_msg("%s:%u: \"%.*s\" is no value of %s", table->name, number, (int)length, word, column->name);
    return 0;
}

static uint32_t bits_of(const struct decision_table *table, unsigned number, size_t at, const char *word)
{
    uint32_t bits = 0;
    if (strcmp(word, "*") == 0)
        return UINT32_MAX;
    if (strcmp(word, ".") == 0) {
        if (table->line_count == 0)
            fail_msg("%s:%u: nothing stands above", table->name, number);
        return table->lines[table->line_count - 1].values[at];
    }
    while (*word != '\0') {
        size_t length = strcspn(word, "|");
        bits |= bit_of(table, number, &table->columns[at], word, length);
        word += length + (word[length] == '|');
    }
    return bits;
}

static void read_outcome(const struct decision_table *table, struct table_line *line, char *rest)
{
    size_t length = 0;
    for (char *word; (word = next_word(&rest)) != NULL;)
        length += (size_t)snprintf(line->outcome + length, sizeof(line->outcome) - length, "%s%s",
            length > 0 ? " " : "", word);
    if (length == 0 || length >= sizeof(line->outcome))
        fail_msg("%s:%u: no outcome, or too long", table->name, line->number);
}

static void read_line(struct decision_table *table, unsigned number, char *text)
{
    struct table_line line = { .number = number };
    for (size_t at = 0; at < table->column_count; at++) {
        const char *word = next_word(&text);
        if (word == NULL || strcmp(word, "->") == 0)
            fail_msg("%s:%u: a word is missing", table->name, number);
        if (table->has_header)
            line.values[at] = bits_of(table, number, at, word);
        else
            assert_string_equal(word, table->columns[at].name);
    }
    const char *arrow = next_word(&text);
    if (arrow == NULL || strcmp(arrow, "->") != 0)
        fail_msg("%s:%u: \"->\" expected", table->name, number);
    if (!table->has_header) {
        table->has_header = true;
        return;
    }
    read_outcome(table, &line, text);
    assert_true(table->line_count < LINES_MAX);
    table->lines[table->line_count++] = line;
}

static void read_table(struct decision_table *table)
{
    char path[512], text[LINE_SIZE];
    const char *source = getenv("top_srcdir");
    snprintf(path, sizeof(path), "%s/t/data/decide/%s", source != NULL ? source : ".", table->name);
    FILE *file = fopen(path, "r");
    if (file == NULL)
        fail_msg("%s cannot be read", path);
    for (unsigned number = 1; fgets(text, sizeof(text), file) != NULL; number++) {
        size_t blanks = strspn(text, " \t\n");
        if (text[blanks] != '#' && text[blanks] != '\0')
            read_line(table, number, text);
    }
    fclose(file);
}

static struct table_line *find_line(struct decision_table *table, const unsigned *values)
{
    for (size_t i = 0; i < table->line_count; i++) {
        struct table_line *line = &table->lines[i];
        size_t at = 0;
        while (at < table->column_count && (line->values[at] & 1u << values[at]) != 0)
            at++;
        if (at == table->column_count)
            return line;
    }
    return NULL;
}

static void describe(const struct decision_table *table, const unsigned *values, char *out, size_t size)
{
    size_t length = 0;
    for (size_t at = 0; at < table->column_count && length < size; at++)
        length += (size_t)snprintf(out + length, size - length, "%s%s", at > 0 ? " " : "",
            table->columns[at].values[values[at]]);
}

/* The next combination; false after the last. */
static bool advance(const struct decision_table *table, unsigned *values)
{
    for (size_t at = table->column_count; at-- > 0;) {
        if (table->columns[at].values[++values[at]] != NULL)
            return true;
        values[at] = 0;
    }
    return false;
}

void decision_table_check(const char *name, const struct table_column *columns, size_t column_count,
    table_decide_fn decide)
{
    struct decision_table *table = calloc(1, sizeof(*table));
    unsigned values[TABLE_COLUMNS_MAX] = { 0 };
    char described[LINE_SIZE], outcome[OUTCOME_SIZE];
    assert_non_null(table);
    assert_true(column_count <= TABLE_COLUMNS_MAX);
    *table = (struct decision_table){ .name = name, .columns = columns, .column_count = column_count };
    read_table(table);
    do {
        struct table_line *line = find_line(table, values);
        describe(table, values, described, sizeof(described));
        if (line == NULL)
            fail_msg("%s: no line for %s", name, described);
        decide(values, outcome, sizeof(outcome));
        if (strcmp(outcome, line->outcome) != 0)
            fail_msg("%s:%u: %s -> %s, but the decision was %s", name, line->number, described, line->outcome,
                outcome);
        line->uses++;
    } while (advance(table, values));
    for (size_t i = 0; i < table->line_count; i++)
        if (table->lines[i].uses == 0)
            fail_msg("%s:%u: this line never rules", name, table->lines[i].number);
    free(table);
}
