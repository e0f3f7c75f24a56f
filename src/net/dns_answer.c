/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dns_answer.c - records out of DNS responses; see dns_answer.h. */
#include "net/dns_answer.h"

#include "base/error.h"

#include <ares.h>
#include <arpa/nameser.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

enum { HEADER_SIZE = 12 };

int dns_answer_type(enum resolver_type type)
{
    switch (type) {
    case RESOLVER_A:
        return ns_t_a;
    case RESOLVER_AAAA:
        return ns_t_aaaa;
    case RESOLVER_SRV:
        return ns_t_srv;
    case RESOLVER_NAPTR:
        return ns_t_naptr;
    case RESOLVER_NONE:
        break;
    }
    return 0;
}

static int error_of(int status)
{
    if (status == ARES_SUCCESS || status == ARES_ENODATA)
        return 0;
    return status == ARES_ENOMEM ? ERROR_MEMORY : ERROR_SYNTAX;
}

static int read_v4(const unsigned char *bytes, int length, struct dns_answer *answer)
{
    struct ares_addrttl found[DNS_ANSWER_MAX];
    int count = DNS_ANSWER_MAX, status = ares_parse_a_reply(bytes, length, NULL, found, &count);
    if (status != ARES_SUCCESS)
        return error_of(status);
    struct address *records = answer->records;
    for (int i = 0; i < count; i++) {
        uint8_t octets[4];
        memcpy(octets, &found[i].ipaddr, sizeof(octets));
        records[answer->count++] = address_v4(octets);
    }
    return 0;
}

static int read_v6(const unsigned char *bytes, int length, struct dns_answer *answer)
{
    struct ares_addr6ttl found[DNS_ANSWER_MAX];
    int count = DNS_ANSWER_MAX, status = ares_parse_aaaa_reply(bytes, length, NULL, found, &count);
    if (status != ARES_SUCCESS)
        return error_of(status);
    struct address *records = answer->records;
    for (int i = 0; i < count; i++) {
        uint8_t octets[16];
        memcpy(octets, &found[i].ip6addr, sizeof(octets));
        records[answer->count++] = address_v6(octets, 0);
    }
    return 0;
}

/* False: TEXT does not fit, and OUT is "". */
static bool copy_text(const char *text, char *out, size_t size)
{
    return slice_to_string(slice_of_string(text != NULL ? text : ""), out, size);
}

static int read_srv(const unsigned char *bytes, int length, struct dns_answer *answer)
{
    struct ares_srv_reply *found = NULL;
    int status = ares_parse_srv_reply(bytes, length, &found);
    if (status != ARES_SUCCESS)
        return error_of(status);
    struct service_target *records = answer->records;
    for (struct ares_srv_reply *one = found; one != NULL && answer->count < DNS_ANSWER_MAX; one = one->next) {
        struct service_target *record = &records[answer->count];
        *record = (struct service_target){ .priority = one->priority, .weight = one->weight, .port = one->port };
        if (copy_text(one->host, record->name, sizeof(record->name)))
            answer->count++;
    }
    ares_free_data(found);
    return 0;
}

static int read_naptr(const unsigned char *bytes, int length, struct dns_answer *answer)
{
    struct ares_naptr_reply *found = NULL;
    int status = ares_parse_naptr_reply(bytes, length, &found);
    if (status != ARES_SUCCESS)
        return error_of(status);
    struct service_pointer *records = answer->records;
    for (struct ares_naptr_reply *one = found; one != NULL && answer->count < DNS_ANSWER_MAX; one = one->next) {
        struct service_pointer *record = &records[answer->count];
        *record = (struct service_pointer){ .order = one->order, .preference = one->preference,
            .has_regexp = one->regexp != NULL && one->regexp[0] != '\0' };
        /* A service or flags that do not fit are none of SIP's: the record stays, and offers nothing. */
        (void)copy_text((const char *)one->flags, record->flags, sizeof(record->flags));
        (void)copy_text((const char *)one->service, record->service, sizeof(record->service));
        if (copy_text(one->replacement, record->replacement, sizeof(record->replacement)))
            answer->count++;
    }
    ares_free_data(found);
    return 0;
}

static uint32_t number16(const unsigned char *at)
{
    return (uint32_t)at[0] << 8 | at[1];
}

/* Skips a name; NULL when it is malformed or nothing of SIZE bytes follows it. */
static const unsigned char *skip_name(const unsigned char *at, const unsigned char *bytes, int length, long size)
{
    char *name;
    long taken;
    if (at >= bytes + length || ares_expand_name(at, bytes, length, &name, &taken) != ARES_SUCCESS)
        return NULL;
    ares_free_string(name);
    return bytes + length - at >= taken + size ? at + taken : NULL;
}

struct survey {
    uint32_t of_type;  /* records of the type that was asked for */
    uint32_t shortest; /* TTL of all, aliases on the way included */
};

/* c-ares gives no TTL for SRV and NAPTR, and none of aliases on the way; and it passes over records that it cannot
 * read. What is not as it should be ends the survey, with a TTL of 0. */
static struct survey survey(int type, const unsigned char *bytes, int length)
{
    enum { QUESTION = 4, RECORD = 10 };
    struct survey result = { 0 };
    uint32_t questions = number16(bytes + 4), answers = number16(bytes + 6), shortest = UINT32_MAX;
    const unsigned char *at = bytes + HEADER_SIZE;
    for (uint32_t i = 0; i < questions; i++) {
        if ((at = skip_name(at, bytes, length, QUESTION)) == NULL)
            return result;
        at += QUESTION;
    }
    for (uint32_t i = 0; i < answers; i++) {
        if ((at = skip_name(at, bytes, length, RECORD)) == NULL)
            return result;
        uint32_t ttl = number16(at + 4) << 16 | number16(at + 6);
        if (ttl > INT32_MAX)
            ttl = 0; /* RFC 2181 section 8 */
        if (ttl < shortest)
            shortest = ttl;
        result.of_type += number16(at) == (uint32_t)type;
        at += RECORD + number16(at + 8);
    }
    result.shortest = answers > 0 ? shortest : 0;
    return result;
}

bool dns_answer_is_response(const unsigned char *bytes, int length)
{
    return bytes != NULL && length >= HEADER_SIZE && (bytes[2] & 0x80) != 0;
}

static int read_records(enum resolver_type type, const unsigned char *bytes, int length, struct dns_answer *answer)
{
    switch (type) {
    case RESOLVER_A:
        return read_v4(bytes, length, answer);
    case RESOLVER_AAAA:
        return read_v6(bytes, length, answer);
    case RESOLVER_SRV:
        return read_srv(bytes, length, answer);
    case RESOLVER_NAPTR:
        return read_naptr(bytes, length, answer);
    case RESOLVER_NONE:
        break;
    }
    return ERROR_UNSUPPORTED;
}

static size_t record_size(enum resolver_type type)
{
    return type == RESOLVER_SRV ? sizeof(struct service_target)
        : type == RESOLVER_NAPTR ? sizeof(struct service_pointer) : sizeof(struct address);
}

int dns_answer_read(enum resolver_type type, const unsigned char *bytes, int length, struct dns_answer *answer_r)
{
    struct dns_answer answer = { .records = calloc(DNS_ANSWER_MAX, record_size(type)) };
    if (answer.records == NULL)
        return ERROR_MEMORY;
    int rc = read_records(type, bytes, length, &answer);
    struct survey found = { 0 };
    if (rc == 0)
        found = survey(dns_answer_type(type), bytes, length);
    /* Records that are there and cannot be read are not "there are none". */
    if (rc == 0 && answer.count == 0 && found.of_type > 0)
        rc = ERROR_SYNTAX;
    if (rc != 0) {
        free(answer.records);
        return rc;
    }
    answer.ttl_s = found.shortest;
    /* Kept in the cache: no larger than needed. */
    void *fitting = answer.count > 0 ? realloc(answer.records, answer.count * record_size(type)) : NULL;
    if (fitting != NULL)
        answer.records = fitting;
    *answer_r = answer;
    return 0;
}
