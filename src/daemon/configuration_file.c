/* SPDX-License-Identifier: GPL-2.0-or-later */
/* configuration_file.c - see configuration_file.h.
 * libconfuse takes the end of the file for that of each open section. So the file is followed by one more section: in
 * the middle of anything else it is an error, and in a comment it is not seen.
 */
#include "daemon/configuration_file.h"

#include "base/buffer.h"
#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

enum { FILE_MAX = 1048576 };

#define END_WORD "end-of-file"
/* Twice: where a value is missing the first is taken for it. */
static const char end_text[] = "\n" END_WORD " " END_WORD " {}\n";

/* The library knows the line only while it reads: each option keeps that of its value, as its comment. */
static int keep_line(cfg_t *section, cfg_opt_t *option)
{
    char line[16];
    snprintf(line, sizeof(line), "%d", section->line);
    return cfg_opt_setcomment(option, line) == CFG_SUCCESS ? 0 : -1;
}

static int keep_only_line(cfg_t *section, cfg_opt_t *option)
{
    const char *before = cfg_opt_getcomment(option);
    if (before == NULL)
        return keep_line(section, option);
    cfg_error(section, "%s stands here for the second time, the first is in line %s", cfg_opt_name(option), before);
    return -1;
}

void configuration_file_note_lines(cfg_opt_t *options)
{
    for (cfg_opt_t *option = options; option->name != NULL; option++)
        option->validcb = (option->flags & (CFGF_MULTI | CFGF_LIST)) != 0 ? keep_line : keep_only_line;
}

int configuration_file_fail(struct why *why, int code, cfg_t *section, const char *option, const char *format, ...)
{
    const char *line = option != NULL ? cfg_opt_getcomment(cfg_getopt(section, option)) : NULL;
    char text[WHY_SIZE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    if (line != NULL)
        return why_fail(why, code, "%s:%s: %s", section->filename, line, text);
    return why_fail(why, code, "%s:%d: %s", section->filename, section->line, text);
}

/* The library's message stays with the section that it is about: there is nothing else that it hands over. */
static void keep_message(cfg_t *section, const char *format, va_list arguments)
{
    char *text = NULL;
    if (section->comment == NULL && vasprintf(&text, format, arguments) >= 0)
        section->comment = text;
}

/* The top level, then each section; NULL: no more. */
static cfg_t *level_at(cfg_t *file, unsigned index)
{
    if (index == 0)
        return file;
    cfg_opt_t *option;
    for (unsigned i = 0; (option = cfg_getnopt(file, i)) != NULL; i++) {
        unsigned count = option->type == CFGT_SEC ? cfg_opt_size(option) : 0;
        if (index <= count)
            return cfg_opt_getnsec(option, index - 1);
        index -= count;
    }
    return NULL;
}

static cfg_t *section_with_message(cfg_t *file)
{
    cfg_t *level;
    for (unsigned i = 0; (level = level_at(file, i)) != NULL && level->comment == NULL; i++)
        ;
    return level;
}

/* Nobody looks for lines behind the last one of TEXT, where there is only what is added to it. */
static void limit_lines(cfg_t *file, struct slice text)
{
    int last = text.length > 0 && text.data[text.length - 1] == '\n' ? 0 : 1;
    for (size_t i = 0; i < text.length; i++)
        last += text.data[i] == '\n' ? 1 : 0;
    cfg_t *level;
    for (unsigned i = 0; (level = level_at(file, i)) != NULL; i++)
        if (level->line > last)
            level->line = last;
}

static int fail_at_end(cfg_t *section, struct why *why)
{
    return configuration_file_fail(why, ERROR_SYNTAX, section, NULL,
        "the file ends in the middle of a section, a value or a comment");
}

static int fail_as_said(cfg_t *file, struct why *why)
{
    cfg_t *section = section_with_message(file);
    if (section == NULL)
        return why_fail(why, ERROR_MEMORY, "no memory to read %s", file->filename);
    if (strstr(section->comment, END_WORD) != NULL)
        return fail_at_end(section, why);
    return configuration_file_fail(why, ERROR_SYNTAX, section, NULL, "%s", section->comment);
}

/* The sections that may stand once are made by cfg_init(), before there is a name to give them. */
static int name_all(cfg_t *file, const char *path)
{
    file->filename = strdup(path);
    bool is_named = file->filename != NULL;
    cfg_t *level;
    for (unsigned i = 1; is_named && (level = level_at(file, i)) != NULL; i++) {
        level->filename = strdup(path);
        is_named = level->filename != NULL;
    }
    return is_named ? 0 : ERROR_MEMORY;
}

static int read_text(const char *path, struct buffer *text, struct why *why)
{
    FILE *stream = fopen(path, "re");
    if (stream == NULL)
        return why_fail(why, ERROR_SYSTEM, "%s: %s", path, strerror(errno));
    char bytes[4096];
    size_t length;
    while (text->length <= FILE_MAX && (length = fread(bytes, 1, sizeof(bytes), stream)) > 0)
        buffer_append(text, bytes, length);
    int rc = 0;
    if (ferror(stream) != 0)
        rc = why_fail(why, ERROR_SYSTEM, "%s: %s", path, strerror(errno));
    else if (text->length > FILE_MAX)
        rc = why_fail(why, ERROR_LIMIT, "%s: longer than %d bytes", path, FILE_MAX);
    (void)fclose(stream);
    return rc;
}

int configuration_file_parse(const char *path, cfg_t *grammar, struct why *why)
{
    struct buffer text = BUFFER_EMPTY;
    FILE *stream = NULL;
    int rc = read_text(path, &text, why);
    if (rc != 0)
        goto out;
    size_t length = text.length;
    buffer_append_string(&text, text.length > 0 && text.data[text.length - 1] == '\n' ? end_text + 1 : end_text);
    if (text.has_failed || name_all(grammar, path) != 0 || (stream = fmemopen(text.data, text.length, "r")) == NULL) {
        rc = why_fail(why, ERROR_MEMORY, "no memory to read %s", path);
        goto out;
    }
    cfg_set_error_function(grammar, keep_message);
    errno = 0; /* the library looks at it after strtol() */
    bool is_parsed = cfg_parse_fp(grammar, stream) == CFG_SUCCESS;
    limit_lines(grammar, slice_of(text.data, length));
    if (!is_parsed)
        rc = fail_as_said(grammar, why);
    else if (cfg_gettsec(grammar, END_WORD, END_WORD) == NULL)
        rc = fail_at_end(grammar, why);
out:
    if (stream != NULL)
        (void)fclose(stream);
    buffer_free(&text);
    return rc;
}
