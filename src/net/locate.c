/* SPDX-License-Identifier: GPL-2.0-or-later */
/* locate.c - RFC 3263 section 4 over net/resolver.h; see locate.h.
 * In stages, each begun when all questions of the one before are answered: NAPTR records, SRV records, addresses.
 * A stage that is not needed is passed over. A question that failed is never taken for "there are none", and never a
 * reason to leave TLS.
 */
#include "net/locate.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

enum {
    HOSTS_MAX = 16,          /* SRV targets whose addresses are asked for */
    HOST_ADDRESSES_MAX = 16, /* of one family of one host */
    ALL_FAMILIES = LOCATE_V4 | LOCATE_V6,
};

/* One question about one name, and its outcome. */
struct locate_lookup {
    struct resolver_query query;
    struct locate *locate;
    enum resolver_status status;
    size_t count;
    void *records; /* a copy, in the order of the answer */
};

/* A name at which the service is said to be. */
struct locate_host {
    enum transport transport;
    uint16_t port;
    struct locate_lookup v4, v6;
};

/* What only names need; addresses are located without it. */
struct locate_search {
    struct locate_lookup pointers;
    struct service_candidate candidates[SERVICE_CANDIDATES_MAX];
    struct locate_lookup services[SERVICE_CANDIDATES_MAX];
    size_t candidate_count;
    struct locate_host hosts[HOSTS_MAX];
    size_t host_count;
    char domain[SERVICE_NAME_SIZE];
    bool has_failed;        /* a question was not answered whose answer may have been TLS */
    bool is_silent;         /* the last failure was that nobody answered in time */
    bool has_no_memory;
    const char *failure;    /* of the last failed question */
};

enum locate_stage { STAGE_NONE = 0, STAGE_POINTERS, STAGE_SERVICES, STAGE_ADDRESSES, STAGE_DONE };

struct locate {
    struct resolver *resolver;
    locate_done_fn *done;
    void *arg;
    struct loop_deferred finish;
    struct service_plan plan;
    unsigned families;
    enum locate_stage stage;
    unsigned pending; /* questions of this stage that are not answered */
    enum reason none_allowed; /* should the domain offer nothing that is allowed */
    struct locate_search *search; /* NULL for addresses */
    struct locate_result result;
};

static void next_stage(struct locate *locate);

static void free_locate(struct locate *locate)
{
    struct locate_search *search = locate->search;
    if (search != NULL) {
        free(search->pointers.records);
        for (size_t i = 0; i < SERVICE_CANDIDATES_MAX; i++)
            free(search->services[i].records);
        for (size_t i = 0; i < HOSTS_MAX; i++) {
            free(search->hosts[i].v4.records);
            free(search->hosts[i].v6.records);
        }
        free(search);
    }
    free(locate);
}

static void on_finish(void *arg)
{
    struct locate *locate = arg;
    locate->done(locate->arg, &locate->result);
    free_locate(locate);
}

/* The callback comes at the end of the turn: this may still be locate_start(). */
static void finish(struct locate *locate, enum reason reason)
{
    locate->stage = STAGE_DONE;
    locate->result.reason = reason;
    if (reason != REASON_NONE)
        locate->result.count = 0;
    if (reason != REASON_NONE && locate->result.why.text[0] == '\0')
        (void)why_fail(&locate->result.why, 0, "%s", reason_text(reason));
    loop_defer(resolver_loop(locate->resolver), &locate->finish);
}

static size_t record_size(enum resolver_type type)
{
    return type == RESOLVER_SRV ? sizeof(struct service_target)
        : type == RESOLVER_NAPTR ? sizeof(struct service_pointer) : sizeof(struct address);
}

static void on_answer(void *arg, const struct resolver_answer *answer)
{
    struct locate_lookup *lookup = arg;
    struct locate *locate = lookup->locate;
    lookup->status = answer->status;
    if (answer->status == RESOLVER_FAILED) {
        locate->search->failure = answer->failure;
        locate->search->is_silent = answer->is_silent;
    }
    if (answer->status == RESOLVER_FOUND) {
        size_t size = answer->count * record_size(answer->type);
        lookup->records = malloc(size);
        if (lookup->records != NULL) {
            memcpy(lookup->records, answer->addresses, size); /* or one of its brothers in the union */
            lookup->count = answer->count;
        } else {
            lookup->status = RESOLVER_FAILED;
            locate->search->has_no_memory = true;
        }
    }
    if (--locate->pending == 0)
        next_stage(locate);
}

static void ask(struct locate *locate, struct locate_lookup *lookup, enum resolver_type type, const char *name)
{
    lookup->locate = locate;
    int rc = resolver_ask(locate->resolver, type, name, on_answer, lookup, &lookup->query);
    if (rc == 0) {
        locate->pending++;
    } else if (rc == ERROR_SYNTAX) {
        lookup->status = RESOLVER_EMPTY; /* what cannot be a name has no records */
    } else {
        lookup->status = RESOLVER_FAILED;
        locate->search->failure = error_text(rc);
        locate->search->has_no_memory = locate->search->has_no_memory || rc == ERROR_MEMORY;
    }
}

static bool allows(const struct locate *locate, enum transport transport)
{
    return (locate->plan.transports & 1u << transport) != 0;
}

static bool is_usable(const struct locate *locate, const struct address *address)
{
    unsigned family = address->family == ADDRESS_V4 ? LOCATE_V4 : LOCATE_V6;
    return (locate->families & family) != 0 && !address_is_unspecified(address) &&
        !address_is_multicast_or_broadcast(address);
}

static void add_target(struct locate *locate, enum transport transport, const struct address *address, uint16_t port)
{
    struct locate_result *result = &locate->result;
    struct locate_target target = { .transport = transport, .endpoint = { .address = *address, .port = port } };
    if (result->count >= LOCATE_TARGETS_MAX || port == 0 || !is_usable(locate, address))
        return;
    for (size_t i = 0; i < result->count; i++)
        if (result->targets[i].transport == transport &&
            endpoint_equal(&result->targets[i].endpoint, &target.endpoint))
            return; /* a second try at the same place gains nothing */
    result->targets[result->count++] = target;
}

static void add_targets(struct locate *locate, const struct locate_host *host, const struct locate_lookup *lookup)
{
    const struct address *addresses = lookup->records;
    for (size_t i = 0; i < lookup->count && i < HOST_ADDRESSES_MAX; i++)
        add_target(locate, host->transport, &addresses[i], host->port);
}

static void finish_failed(struct locate *locate)
{
    const struct locate_search *search = locate->search;
    (void)why_fail(&locate->result.why, 0, "name service: %s: %s", search->domain,
        search->failure != NULL ? search->failure : error_text(ERROR_MEMORY));
    finish(locate, search->has_no_memory ? REASON_NO_MEMORY : REASON_DNS_FAILED);
}

/* All addresses are in: hosts in the order of SRV, families within a host (RFC 7984 section 4). */
static void finish_addresses(struct locate *locate)
{
    struct locate_search *search = locate->search;
    bool has_failed = search->has_failed || search->pointers.status == RESOLVER_FAILED;
    for (size_t i = 0; i < search->host_count; i++) {
        const struct locate_host *host = &search->hosts[i];
        bool is_v6_first = (locate->families & LOCATE_V6_FIRST) != 0;
        add_targets(locate, host, is_v6_first ? &host->v6 : &host->v4);
        add_targets(locate, host, is_v6_first ? &host->v4 : &host->v6);
        has_failed = has_failed || host->v4.status == RESOLVER_FAILED || host->v6.status == RESOLVER_FAILED;
    }
    if (locate->result.count > 0) {
        finish(locate, REASON_NONE);
    } else if (has_failed) {
        finish_failed(locate);
    } else {
        (void)why_fail(&locate->result.why, 0, "%s has no address that can be used", search->domain);
        finish(locate, REASON_NO_ADDRESS);
    }
}

static void add_host(struct locate *locate, enum transport transport, const char *name, uint16_t port)
{
    struct locate_search *search = locate->search;
    if (search->host_count >= HOSTS_MAX || port == 0 || name[0] == '\0')
        return;
    struct locate_host *host = &search->hosts[search->host_count++];
    host->transport = transport;
    host->port = port;
    if ((locate->families & LOCATE_V4) != 0)
        ask(locate, &host->v4, RESOLVER_A, name);
    if ((locate->families & LOCATE_V6) != 0)
        ask(locate, &host->v6, RESOLVER_AAAA, name);
}

static void ask_default_address(struct locate *locate)
{
    add_host(locate, locate->plan.default_transport, locate->search->domain, locate->plan.default_port);
}

static uint32_t draw(void *arg, uint32_t bound)
{
    return resolver_random(((struct locate *)arg)->resolver, bound);
}

/* The answers about SRV are in: the hosts of every service, in the order of the candidates. */
static void begin_addresses(struct locate *locate)
{
    struct locate_search *search = locate->search;
    bool is_default_refused = false, is_any_found = false;
    locate->stage = STAGE_ADDRESSES;
    for (size_t i = 0; i < search->candidate_count; i++) {
        struct locate_lookup *service = &search->services[i];
        enum transport transport = search->candidates[i].transport;
        struct service_target *targets = service->records;
        /* What was not answered may be a TLS service: nothing weaker is taken in its place. */
        if (search->has_failed && transport != TRANSPORT_TLS && allows(locate, TRANSPORT_TLS))
            continue;
        search->has_failed = search->has_failed || service->status == RESOLVER_FAILED;
        if (service->status != RESOLVER_FOUND)
            continue;
        if (service_targets_refuse(targets, service->count)) {
            is_default_refused = is_default_refused || transport == locate->plan.default_transport;
            continue;
        }
        is_any_found = true;
        service_targets_order(targets, service->count, draw, locate);
        for (size_t j = 0; j < service->count; j++)
            add_host(locate, transport, targets[j].name, targets[j].port);
    }
    /* RFC 3263 4.2: without SRV records the domain's own address; not where they said "." or nothing. */
    if (!is_any_found && !search->has_failed && !is_default_refused)
        ask_default_address(locate);
    if (locate->pending == 0)
        next_stage(locate);
}

static void begin_services(struct locate *locate)
{
    struct locate_search *search = locate->search;
    locate->stage = STAGE_SERVICES;
    for (size_t i = 0; i < search->candidate_count; i++)
        ask(locate, &search->services[i], RESOLVER_SRV, search->candidates[i].name);
    if (locate->pending == 0)
        next_stage(locate);
}

static void begin_services_of_domain(struct locate *locate)
{
    struct locate_search *search = locate->search;
    search->candidate_count = service_candidates_from_domain(&locate->plan, search->domain, search->candidates);
    begin_services(locate);
}

/* The answer about NAPTR is in. */
static void choose_services(struct locate *locate)
{
    struct locate_search *search = locate->search;
    bool is_sip = false;
    if (search->pointers.status == RESOLVER_FAILED && search->is_silent) {
        finish_failed(locate); /* asking on would only take longer */
        return;
    }
    /* The domain may have chosen TLS there: SRV records for TLS may be used, nothing weaker, and no default. Where
     * there is no choice between TLS and something weaker, the failure changes nothing. */
    search->has_failed = search->pointers.status == RESOLVER_FAILED && allows(locate, TRANSPORT_TLS) &&
        locate->plan.transports != TRANSPORT_BIT_TLS;
    search->candidate_count = service_candidates_from_pointers(&locate->plan, search->pointers.records,
        search->pointers.count, search->candidates, &is_sip);
    if (search->candidate_count > 0) {
        locate->plan.default_transport = search->candidates[0].transport;
        locate->plan.default_port = transport_default_port(locate->plan.default_transport);
        begin_services(locate);
    } else if (is_sip) {
        /* RFC 3263 4.1: what is offered and not allowed is discarded; there is no way around it by SRV. */
        (void)why_fail(&locate->result.why, 0, "%s offers no service that is allowed", search->domain);
        finish(locate, locate->none_allowed);
    } else {
        begin_services_of_domain(locate);
    }
}

static void next_stage(struct locate *locate)
{
    switch (locate->stage) {
    case STAGE_POINTERS:
        choose_services(locate);
        break;
    case STAGE_SERVICES:
        begin_addresses(locate);
        break;
    case STAGE_ADDRESSES:
        finish_addresses(locate);
        break;
    case STAGE_NONE:
    case STAGE_DONE:
        break;
    }
}

/* Whether HOST can be a domain name; OUT gets it without the dot at the end. */
static bool copy_domain(struct slice host, char out[SERVICE_NAME_SIZE])
{
    if (host.length > 1 && host.data[host.length - 1] == '.')
        host.length--;
    for (size_t i = 0; i < host.length; i++) {
        char c = ascii_lower(host.data[i]);
        bool is_name = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
            (c == '.' && i > 0 && host.data[i - 1] != '.');
        if (!is_name)
            return false;
    }
    return host.length > 0 && slice_to_string(host, out, SERVICE_NAME_SIZE);
}

static void locate_address(struct locate *locate, const struct address *address)
{
    char text[ADDRESS_TEXT_SIZE];
    add_target(locate, locate->plan.default_transport, address, locate->plan.default_port);
    if (locate->result.count == 0)
        (void)why_fail(&locate->result.why, 0, "%s cannot be reached from here", address_print(address, text));
    finish(locate, locate->result.count > 0 ? REASON_NONE : REASON_NO_ADDRESS);
}

static void locate_name(struct locate *locate, struct slice host)
{
    struct locate_search *search = calloc(1, sizeof(*search));
    locate->search = search;
    if (search == NULL) {
        finish(locate, REASON_NO_MEMORY);
    } else if (!copy_domain(host, search->domain)) {
        (void)why_fail(&locate->result.why, 0, "the host is neither a name nor an address");
        finish(locate, REASON_BAD_REQUEST);
    } else if (locate->plan.method == SERVICE_BY_POINTER) {
        locate->stage = STAGE_POINTERS;
        ask(locate, &search->pointers, RESOLVER_NAPTR, search->domain);
        if (locate->pending == 0)
            next_stage(locate);
    } else if (locate->plan.method == SERVICE_BY_TARGET) {
        begin_services_of_domain(locate);
    } else {
        locate->stage = STAGE_ADDRESSES;
        ask_default_address(locate);
        if (locate->pending == 0)
            next_stage(locate);
    }
}

int locate_start(struct resolver *resolver, const struct locate_question *question, locate_done_fn *done, void *arg,
    struct locate **locate_r)
{
    struct locate *locate = calloc(1, sizeof(*locate));
    if (locate == NULL)
        return ERROR_MEMORY;
    locate->resolver = resolver;
    locate->done = done;
    locate->arg = arg;
    locate->families = (question->families & ALL_FAMILIES) != 0 ? question->families
        : question->families | ALL_FAMILIES;
    loop_deferred_init(&locate->finish, on_finish, locate);
    struct address address;
    const struct service_request request = { .is_sips = question->is_sips, .port = question->port,
        .is_literal = address_parse(question->host, &address) == 0, .transport = question->transport,
        .allowed = question->allowed };
    enum reason reason = service_plan(&request, &locate->plan);
    locate->none_allowed = question->is_sips ? REASON_SIPS_NOT_ALLOWED : REASON_PLAIN_TRANSPORT;
    if (reason != REASON_NONE)
        finish(locate, reason);
    else if (request.is_literal)
        locate_address(locate, &address);
    else
        locate_name(locate, question->host);
    *locate_r = locate;
    return 0;
}

static void cancel_lookup(struct locate *locate, struct locate_lookup *lookup)
{
    resolver_query_cancel(locate->resolver, &lookup->query);
}

void locate_cancel(struct locate *locate)
{
    if (locate == NULL)
        return;
    loop_deferred_cancel(&locate->finish);
    if (locate->search != NULL) {
        cancel_lookup(locate, &locate->search->pointers);
        for (size_t i = 0; i < SERVICE_CANDIDATES_MAX; i++)
            cancel_lookup(locate, &locate->search->services[i]);
        for (size_t i = 0; i < HOSTS_MAX; i++) {
            cancel_lookup(locate, &locate->search->hosts[i].v4);
            cancel_lookup(locate, &locate->search->hosts[i].v6);
        }
    }
    free_locate(locate);
}
