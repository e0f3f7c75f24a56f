/* SPDX-License-Identifier: GPL-2.0-or-later */
/* scenario_file.c - reads a scenario: statements of words, each with its indented lines. */
#include "scenario.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *read_file(const char *path)
{
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return NULL;
    struct buffer text = BUFFER_EMPTY;
    char chunk[4096];
    for (size_t got; (got = fread(chunk, 1, sizeof(chunk), file)) > 0;)
        buffer_append(&text, chunk, got);
    fclose(file);
    buffer_append_byte(&text, '\0');
    if (text.has_failed || memchr(text.data, '\0', text.length - 1) != NULL) {
        buffer_free(&text);
        return NULL;
    }
    return text.data;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static char *skip_blanks(char *at)
{
    while (is_blank(*at))
        at++;
    return at;
}

/* Cuts LINE into words; the rest is a copy, for the words put NULs into the text. */
static bool split(struct statement *statement, char *line)
{
    char *behind = line + strcspn(line, " \t");
    statement->rest = strdup(skip_blanks(behind));
    for (char *at = line; *(at = skip_blanks(at)) != '\0';) {
        if (statement->word_count == SCENARIO_WORDS)
            return strcmp(statement->words[0], "title") == 0 && statement->rest != NULL;
        statement->words[statement->word_count++] = at;
        at += strcspn(at, " \t");
        if (*at != '\0')
            *at++ = '\0';
    }
    return statement->rest != NULL;
}

static bool add_line(struct scenario *scenario, unsigned number, char *line, struct buffer *what_r);

static bool add_text(struct scenario *scenario, char *text, struct buffer *what_r)
{
    unsigned number = 0;
    for (char *line = text, *next; line != NULL; line = next) {
        next = strchr(line, '\n');
        if (next != NULL)
            *next++ = '\0';
        if (!add_line(scenario, ++number, line, what_r))
            return false;
    }
    return true;
}

/* One file, once, from the folder of the scenario or the one above it. */
static bool include(struct scenario *scenario, const char *name, struct buffer *what_r)
{
    const char *slash = strrchr(scenario->path, '/');
    int folder = slash != NULL ? (int)(slash - scenario->path) + 1 : 0;
    char path[4096];
    for (unsigned i = 0; i < 2 && scenario->included == NULL; i++) {
        snprintf(path, sizeof(path), "%.*s%s%s", folder, scenario->path, i == 0 ? "" : "../", name);
        scenario->included = read_file(path);
        if (scenario->included != NULL)
            return add_text(scenario, scenario->included, what_r);
    }
    buffer_append_format(what_r, "%s cannot be included", name);
    return false;
}

static bool add_line(struct scenario *scenario, unsigned number, char *line, struct buffer *what_r)
{
    struct statement *last = scenario->count > 0 ? &scenario->statements[scenario->count - 1] : NULL;
    if (*skip_blanks(line) == '\0' || line[0] == '#')
        return true;
    if (is_blank(line[0])) {
        if (last != NULL && last->line_count < SCENARIO_LINES) {
            last->lines[last->line_count++] = skip_blanks(line);
            return true;
        }
        buffer_append_format(what_r, "%u: a line that belongs to no statement, or one too many", number);
        return false;
    }
    struct statement statement = { .number = number };
    if (!split(&statement, line)) {
        buffer_append_format(what_r, "%u: too many words", number);
        return false;
    }
    if (strcmp(statement.words[0], "title") == 0) {
        scenario->title = statement.rest;
        return true;
    }
    if (strcmp(statement.words[0], "fails") == 0) {
        scenario->fails = statement.rest;
        return true;
    }
    if (strcmp(statement.words[0], "include") == 0) {
        bool is_included = include(scenario, statement.rest, what_r);
        free(statement.rest);
        return is_included;
    }
    struct statement *grown =
        realloc(scenario->statements, (scenario->count + 1) * sizeof(*scenario->statements));
    if (grown == NULL)
        return false;
    grown[scenario->count] = statement;
    scenario->statements = grown;
    scenario->count++;
    return true;
}

bool scenario_read(const char *path, struct scenario *scenario_r, struct buffer *what_r)
{
    *scenario_r = (struct scenario){ .path = path, .text = read_file(path) };
    if (scenario_r->text == NULL) {
        buffer_append_string(what_r, "cannot be read");
        return false;
    }
    if (!add_text(scenario_r, scenario_r->text, what_r))
        return false;
    if (scenario_r->title == NULL || scenario_r->count == 0) {
        buffer_append_string(what_r, "no title, or nothing happens");
        return false;
    }
    return true;
}

void scenario_free(struct scenario *scenario)
{
    for (size_t i = 0; i < scenario->count; i++)
        free(scenario->statements[i].rest);
    free(scenario->title);
    free(scenario->fails);
    free(scenario->statements);
    free(scenario->text);
    free(scenario->included);
}

const char *statement_value(const struct statement *statement, const char *name)
{
    size_t length = strlen(name);
    for (size_t i = 1; i < statement->word_count; i++)
        if (strncmp(statement->words[i], name, length) == 0 && statement->words[i][length] == '=')
            return statement->words[i] + length + 1;
    return NULL;
}

bool statement_has(const struct statement *statement, const char *word)
{
    for (size_t i = 1; i < statement->word_count; i++)
        if (strcmp(statement->words[i], word) == 0)
            return true;
    return false;
}
