/* SPDX-License-Identifier: GPL-2.0-or-later */
/* routing.c - where a request goes; see routing.h. */
#include "relay/routing.h"

#include "base/error.h"
#include "policy/name.h"
#include "relay/own_uri.h"

/* What the steps share. */
struct work {
    const struct sip_message *request;
    const struct relay_settings *settings;
    const struct policy_snapshot *snapshot;
    const struct routing_source *source;
    struct routing *routing;
    struct sip_uri request_uri;      /* after 16.4 */
    struct flag_set flags;           /* of everything but the route row */
    struct flag_set senders;         /* of Route URI and X-Trelay-Flags alone */
    bool has_senders_lookup;         /* in X-Trelay-Flags */
    struct why *why;
};

static bool refuse(struct work *work, unsigned status, enum reason reason, const char *detail)
{
    work->routing->status = status;
    work->routing->reason = reason;
    work->routing->phrase_detail = detail;
    return false;
}

/* The URI of one Route value; false when it cannot be read. */
static bool route_uri(struct slice value, struct sip_uri *uri_r)
{
    struct sip_name_addr name_addr;
    return sip_name_addr_parse(value, &name_addr) == 0 && sip_uri_parse(name_addr.uri, uri_r) == 0;
}

/* A value that we may have put into Record-Route: our own name, or that of a row (rr_host). */
static bool is_own_route(const struct work *work, const struct sip_uri *uri)
{
    char host[DOMAIN_NAME_SIZE];
    if (!sip_uri_is_sip(uri))
        return false;
    return own_uri_is_own(work->settings, uri) ||
        (uri->host.kind == SIP_HOST_NAME && name_normalise(uri->host.text, host) == 0 &&
            policy_is_record_route_host(work->snapshot, host) && own_uri_has_own_port(work->settings, uri));
}

static bool last_route(const struct sip_message *request, struct sip_uri *uri_r)
{
    struct sip_values values = sip_values_of(request, SIP_HEADER_ROUTE);
    struct sip_value value;
    struct slice last = SLICE_ABSENT;
    while (sip_values_next(&values, &value))
        last = value.text;
    return !slice_is_absent(last) && route_uri(last, uri_r);
}

static bool merge(struct work *work, const struct flag_set *later)
{
    struct flag_set merged, senders;
    if (flags_merge(&work->flags, later, &merged, work->why) != 0 ||
        flags_merge(&work->senders, later, &senders, work->why) != 0)
        return refuse(work, 500, REASON_FLAG_CONFLICT, "contradicting relay flags");
    work->flags = merged;
    work->senders = senders;
    return true;
}

static bool take_route_flags(struct work *work, const struct sip_uri *uri)
{
    struct flag_set flags;
    if (!work->source->is_trusted || slice_is_empty(uri->parameters))
        return true;
    int rc = flags_parse_route_parameters(uri->parameters, &flags, work->why);
    if (rc != 0)
        return refuse(work, 500, rc == ERROR_CONFLICT ? REASON_FLAG_CONFLICT : REASON_FLAG_UNKNOWN,
            "a flag in our Route URI cannot be used");
    return merge(work, &flags);
}

/* Of consecutive ones the last is of the hop to the next one that is not ours. */
static void take_pin(struct work *work, const struct sip_uri *uri)
{
    struct sip_parameter pin;
    if (sip_uri_parameter_find(uri, SLICE_LITERAL("pin"), &pin) && !slice_is_absent(pin.value))
        work->routing->pin = pin.value;
}

/* 16.4: a strict router put our Record-Route URI into the Request-URI; the real one is the last Route. */
static bool undo_strict_upstream(struct work *work)
{
    work->request_uri = *sip_message_uri(work->request);
    const struct sip_uri *uri = &work->request_uri;
    if (!sip_uri_is_sip(uri) || !uri->has_lr || !is_own_route(work, uri) ||
        sip_message_header_rows(work->request, SIP_HEADER_ROUTE) == 0)
        return true;
    struct sip_uri last;
    if (!last_route(work->request, &last))
        return refuse(work, 400, REASON_BAD_REQUEST, "the last Route cannot be read");
    if (!take_route_flags(work, uri))
        return false;
    take_pin(work, uri);
    work->request_uri = last;
    work->routing->edits.request_uri = last.text;
    work->routing->edits.route_remove_last = true;
    return true;
}

/* Slices into the text are taken while it grows, so it must not move: at most three times the Request-URI goes into it,
 * and that may be the last Route, of any length. */
static bool reserve_text(struct work *work)
{
    return buffer_reserve(&work->routing->text, 3 * work->request_uri.text.length + 64) ||
        refuse(work, 503, REASON_NO_MEMORY, "out of memory");
}

/* The request has come where port and transport of URI lead; without a transport, by any. */
static bool has_come_by(const struct work *work, const struct sip_uri *uri)
{
    const struct listener_settings *listener = work->source->listener;
    if (listener == NULL)
        return true;
    uint16_t port = uri->port != 0 ? uri->port : listener->transport == SIP_TRANSPORT_TLS ? 5061 : 5060;
    bool is_transport = uri->transport == SIP_TRANSPORT_NONE || uri->transport == listener->transport;
    return is_transport && (port == listener->endpoint.port || port == listener->advertised_port);
}

/* 16.4: maddr that is ours goes, with port and transport, if the request has come to where they lead. */
static bool strip_own_maddr(struct work *work)
{
    const struct sip_uri *uri = &work->request_uri;
    struct sip_host maddr;
    if (!sip_uri_is_sip(uri) || slice_is_absent(uri->maddr) || sip_host_parse_bare(uri->maddr, &maddr) != 0 ||
        !own_uri_is_own_host(work->settings, &maddr) || !has_come_by(work, uri))
        return true;
    static const struct slice names[] = { { "maddr", 5 }, { "transport", 9 } };
    struct buffer *text = &work->routing->text;
    size_t start = text->length;
    sip_uri_append_without(text, uri, names, ARRAY_SIZE(names), true);
    if (text->has_failed)
        return refuse(work, 503, REASON_NO_MEMORY, "out of memory");
    work->routing->edits.request_uri = slice_of(text->data + start, text->length - start);
    return sip_uri_parse(work->routing->edits.request_uri, &work->request_uri) == 0 ||
        refuse(work, 400, REASON_BAD_REQUEST, "the Request-URI cannot be read");
}

static bool is_fit_for_request(const struct sip_uri *uri)
{
    return !sip_uri_is_sip(uri) || (slice_is_absent(uri->method) && slice_is_absent(uri->headers));
}

/* 16.6(2): what has no place in a Request-URI goes. */
static bool strip_what_does_not_fit(struct work *work)
{
    struct buffer *text = &work->routing->text;
    size_t start = text->length;
    if (is_fit_for_request(&work->request_uri))
        return true;
    sip_uri_append_request_uri(text, &work->request_uri);
    if (text->has_failed)
        return refuse(work, 503, REASON_NO_MEMORY, "out of memory");
    work->routing->edits.request_uri = slice_of(text->data + start, text->length - start);
    return sip_uri_parse(work->routing->edits.request_uri, &work->request_uri) == 0 ||
        refuse(work, 400, REASON_BAD_REQUEST, "the Request-URI cannot be read");
}

/* Pops our own Route values: one, or both of a double Record-Route (B10). The first that is not ours is *NEXT_R. */
static bool pop_own_routes(struct work *work, struct sip_uri *next_r, bool *has_next_r)
{
    struct sip_values values = sip_values_of(work->request, SIP_HEADER_ROUTE);
    struct sip_value value;
    uint32_t total = 0;
    *has_next_r = false;
    while (sip_values_next(&values, &value)) {
        struct sip_uri uri;
        if (!route_uri(value.text, &uri))
            return refuse(work, 400, REASON_BAD_REQUEST, "a Route value cannot be read");
        total++;
        if (*has_next_r)
            continue;
        if (work->routing->edits.route_remove_first < 2 && is_own_route(work, &uri)) {
            work->routing->edits.route_remove_first++;
            if (!take_route_flags(work, &uri))
                return false;
            take_pin(work, &uri);
            continue;
        }
        *next_r = uri;
        *has_next_r = true;
    }
    /* The last value went into the Request-URI above. */
    if (*has_next_r && work->routing->edits.route_remove_last && work->routing->edits.route_remove_first + 1 == total)
        *has_next_r = false;
    return true;
}

/* All rows of the header are one list (RFC 3261 7.3.1): one that a trusted proxy added does not stand behind one that
 * its own client had sent, and what contradicts it, or doubles it, is nobody's to choose from. */
static bool take_header_flags(struct work *work)
{
    struct sip_header header;
    struct flag_set flags;
    struct buffer list = BUFFER_EMPTY;
    if (!work->source->is_trusted || sip_message_header_rows(work->request, SIP_HEADER_X_TRELAY_FLAGS) == 0)
        return true;
    for (bool is = sip_header_first(work->request, SIP_HEADER_X_TRELAY_FLAGS, &header); is;
         is = sip_header_next(work->request, &header)) {
        buffer_append_string(&list, list.length > 0 && !slice_is_empty(header.value) ? "," : "");
        buffer_append_slice(&list, header.value);
    }
    int rc = list.has_failed ? ERROR_MEMORY : flags_parse(buffer_slice(&list), &flags, work->why);
    buffer_free(&list);
    if (rc == ERROR_MEMORY)
        return refuse(work, 503, REASON_NO_MEMORY, "out of memory");
    if (rc != 0)
        return refuse(work, 500, rc == ERROR_CONFLICT ? REASON_FLAG_CONFLICT : REASON_FLAG_UNKNOWN,
            "X-Trelay-Flags cannot be used");
    work->has_senders_lookup = flags_have(&flags, T_RELAY_LOOKUP);
    return merge(work, &flags);
}

static const struct policy_lookup_order *lookup_of(const struct flag_set *flags)
{
    return flags != NULL && flags_have(flags, T_RELAY_LOOKUP) ? &flags->lookup : NULL;
}

static const struct flag_set no_flags;

static const struct flag_set *peer_flags(const struct work *work)
{
    const struct peer_rule *peer = work->source->peer;
    return peer != NULL && peer->flags != NULL ? peer->flags : &no_flags;
}

static const struct flag_set *row_flags(const struct route *route)
{
    return route->flags != NULL ? route->flags : &no_flags;
}

/* FLAGS: in effect; OWN: of the operator's rows. */
static void set_flags(struct routing_target *target, const struct flag_set *flags, const struct flag_set *own)
{
    target->flags = *flags;
    target->has_senders_trust = flags_have(flags, T_RELAY_TRUST) &&
        (!flags_have(own, T_RELAY_TRUST) || strcmp(flags->trust, own->trust) != 0);
}

static struct routing_target *add_target(struct work *work)
{
    struct routing *routing = work->routing;
    if (routing->target_count == ROUTING_TARGETS_MAX)
        return NULL;
    struct routing_target *target = &routing->targets[routing->target_count++];
    *target = (struct routing_target){ .group = 0 };
    set_flags(target, &work->flags, peer_flags(work));
    target->has_senders_lookup = work->has_senders_lookup;
    target->own_lookup = lookup_of(peer_flags(work));
    return target;
}

/* 16.6(6): a next hop without lr is a strict router and wants to stand in the Request-URI itself. */
static void follow_route(struct work *work, const struct sip_uri *next)
{
    struct routing_target *target = add_target(work);
    target->next_hop = *next;
    if (next->has_lr)
        return;
    struct buffer *text = &work->routing->text;
    size_t start = text->length;
    buffer_append_byte(text, '<');
    buffer_append_slice(text, work->request_uri.text);
    buffer_append_byte(text, '>');
    work->routing->edits.route_append = slice_of(text->data + start, text->length - start);
    work->routing->edits.request_uri = next->text;
    work->routing->edits.route_remove_first++;
    if (is_fit_for_request(next))
        return;
    struct buffer *uri = &work->routing->pushes; /* of rows, which are not asked */
    sip_uri_append_request_uri(uri, next);
    work->routing->edits.request_uri = buffer_slice(uri);
    if (uri->has_failed)
        (void)refuse(work, 503, REASON_NO_MEMORY, "out of memory");
}

static struct slice header_value(const void *arg, const char *name)
{
    struct sip_header header;
    return sip_header_find(arg, slice_of_string(name), &header) ? header.value : SLICE_ABSENT;
}

/* "<URI;lr>" of the row's next hop goes on top of Route (16.6(6)). */
static struct slice compose_push(struct work *work, const struct sip_uri *uri)
{
    struct buffer *text = &work->routing->pushes;
    size_t start = text->length;
    buffer_append_byte(text, '<');
    buffer_append_slice(text, uri->text);
    buffer_append_string(text, uri->has_lr ? ">" : ";lr>");
    return slice_of(text->data + start, text->length - start);
}

/* A failed target is followed by others under the same requirement only: a row that asks for something else is another
 * choice of the operator's, not a way around a refused verdict (INV-34). */
static bool is_alternative(const struct route *first, const struct route *route)
{
    const struct flag_set *a = row_flags(first), *b = row_flags(route);
    return a->bits == b->bits && a->max_age_s == b->max_age_s && strcmp(a->verify_domain, b->verify_domain) == 0 &&
        strcmp(a->sni, b->sni) == 0 && strcmp(a->cert, b->cert) == 0 && strcmp(a->trust, b->trust) == 0 &&
        memcmp(&a->lookup, &b->lookup, sizeof(a->lookup)) == 0;
}

/* Rows that fork stand together: those of one priority come one after the other. */
static bool joins(const struct routing_target *last, const struct route *route)
{
    return route->fork && last->route->fork && last->route->priority == route->priority;
}

/* Among targets that are tried at one time each has its own flags; what follows them has to be an alternative to each.
 * False: this row is none. */
static bool find_group(const struct routing *routing, const struct route *route, uint32_t *group_r)
{
    *group_r = 0;
    if (routing->target_count == 0)
        return true;
    const struct routing_target *last = &routing->targets[routing->target_count - 1];
    *group_r = joins(last, route) ? last->group : last->group + 1;
    for (size_t i = 0; i < routing->target_count; i++)
        if (routing->targets[i].group != *group_r && !is_alternative(routing->targets[i].route, route))
            return false;
    return true;
}

/* 16.5: no URI stands twice in the set. */
static bool is_among_targets(const struct routing *routing, const struct sip_uri *uri)
{
    for (size_t i = 0; i < routing->target_count; i++)
        if (sip_uri_equal(&routing->targets[i].next_hop, uri))
            return true;
    return false;
}

static bool visit_route(void *arg, const struct route *route)
{
    struct work *work = arg;
    uint32_t group;
    if (!find_group(work->routing, route, &group))
        return true;
    if (route->unusable != NULL)
        return refuse(work, 500, REASON_POLICY_UNUSABLE, "the route row cannot be used, see trelay.problem");
    struct flag_set own, flags;
    if (flags_merge(peer_flags(work), row_flags(route), &own, work->why) != 0 ||
        flags_merge(&own, &work->senders, &flags, work->why) != 0)
        return refuse(work, 500, REASON_FLAG_CONFLICT, "flags of the route row contradict others");
    struct sip_uri next_hop = work->request_uri;
    if (route->next_hop != NULL && sip_uri_parse(slice_of_string(route->next_hop), &next_hop) != 0)
        return refuse(work, 500, REASON_POLICY_UNUSABLE, "next_hop of the route row is no SIP URI");
    if (is_among_targets(work->routing, &next_hop))
        return true;
    struct routing_target *target = add_target(work);
    if (target == NULL)
        return false;
    set_flags(target, &flags, &own);
    if (lookup_of(route->flags) != NULL)
        target->own_lookup = lookup_of(route->flags);
    target->route = route;
    target->group = group;
    target->next_hop = next_hop;
    return true;
}

static void match_rows(struct work *work)
{
    const struct sip_uri *uri = &work->request_uri;
    char domain[DOMAIN_NAME_SIZE];
    bool has_domain = uri->host.kind == SIP_HOST_NAME && name_normalise(uri->host.text, domain) == 0;
    struct route_query query = { .request_domain = has_domain ? domain : NULL,
        .user = slice_is_absent(uri->user) ? SLICE_LITERAL("") : uri->user,
        .method = sip_message_method_text(work->request),
        .peer = work->source->peer != NULL ? work->source->peer->name : NULL, .header = header_value,
        .header_arg = work->request };
    policy_routes(work->snapshot, &query, visit_route, work);
}

/* A foreign maddr would send the request where neither its domain nor a row does (E16). */
static bool is_led_astray(const struct routing *routing)
{
    for (size_t i = 0; i < routing->target_count; i++)
        if (!slice_is_absent(routing->targets[i].next_hop.maddr))
            return true;
    return false;
}

static void choose_targets(struct work *work)
{
    struct routing *routing = work->routing;
    bool is_in_dialog = !slice_is_absent(sip_message_to_tag(work->request));
    if (!is_in_dialog)
        match_rows(work);
    if (routing->status != 0)
        return;
    if (routing->target_count > 0) {
        /* Reserved at once: slices into it must not move. */
        size_t room = 0;
        for (size_t i = 0; i < routing->target_count; i++)
            room += routing->targets[i].next_hop.text.length + 8;
        if (!buffer_reserve(&routing->pushes, room)) {
            (void)refuse(work, 503, REASON_NO_MEMORY, "out of memory");
            return;
        }
        for (size_t i = 0; i < routing->target_count; i++)
            if (routing->targets[i].route->next_hop != NULL)
                routing->targets[i].route_push = compose_push(work, &routing->targets[i].next_hop);
        return;
    }
    if (sip_uri_is_sip(&work->request_uri) && own_uri_is_own(work->settings, &work->request_uri)) {
        (void)refuse(work, 404, REASON_NO_POLICY, "no route row for this domain");
        return;
    }
    if (!sip_uri_is_sip(&work->request_uri)) {
        (void)refuse(work, work->request_uri.scheme == SIP_URI_TEL ? 404 : 416, REASON_NO_POLICY,
            "no route row for this URI");
        return;
    }
    struct routing_target *target = add_target(work);
    target->next_hop = work->request_uri;
}

/* The order that would be without the sender's counts as well: his may not take live out of it. */
static bool is_order_live(const struct work *work, const struct flag_set *flags, const struct policy_lookup_order *own)
{
    const struct policy_lookup_order *order = lookup_of(flags), *configured = &work->settings->lookup;
    if ((order != NULL ? order : configured)->is_live)
        return true;
    return work->has_senders_lookup && (own != NULL ? own : configured)->is_live;
}

/* Of a request that no row serves nobody knows what the row would have said; what is wrong with it stays wrong. */
static bool is_live(const struct work *work)
{
    const struct routing *routing = work->routing;
    bool is_of_policy = routing->reason == REASON_NO_POLICY || routing->reason == REASON_POLICY_UNUSABLE ||
        routing->reason == REASON_FLAG_CONFLICT;
    if (routing->status != 0)
        return is_of_policy && is_order_live(work, &work->flags, lookup_of(peer_flags(work)));
    for (size_t i = 0; i < routing->target_count; i++)
        if (is_order_live(work, &routing->targets[i].flags, routing->targets[i].own_lookup))
            return true;
    return false;
}

static void find_targets(struct work *work)
{
    struct sip_uri next;
    bool has_next = false;
    if (!undo_strict_upstream(work) || !reserve_text(work) || !strip_own_maddr(work) ||
        !strip_what_does_not_fit(work) || !pop_own_routes(work, &next, &has_next) || !take_header_flags(work))
        return;
    if (has_next)
        follow_route(work, &next);
    else
        choose_targets(work);
    if (work->routing->status == 0 && is_led_astray(work->routing))
        (void)refuse(work, 403, REASON_NO_POLICY, "maddr names another host than the domain");
}

void routing_decide(const struct sip_message *request, const struct relay_settings *settings,
    const struct policy_snapshot *snapshot, const struct routing_source *source, struct routing *routing_r,
    struct why *why)
{
    memset(routing_r, 0, offsetof(struct routing, targets)); /* add_target() clears what it adds */
    struct work work = { .request = request, .settings = settings, .snapshot = snapshot, .source = source,
        .routing = routing_r, .why = why };
    work.flags = *peer_flags(&work);
    find_targets(&work);
    routing_r->is_live = is_live(&work);
}

static bool is_sips_text(struct slice uri)
{
    return slice_equal_nocase(slice_first(uri, 5), SLICE_LITERAL("sips:"));
}

/* What is on top of Route when a strict router has gone from there into the Request-URI. */
static bool has_sips_on_top(const struct sip_message *request, const struct routing_edits *edits)
{
    struct sip_values values = sip_values_of(request, SIP_HEADER_ROUTE);
    struct sip_value value;
    uint32_t count = 0;
    while (sip_values_next(&values, &value)) {
        struct sip_uri uri;
        if (count++ == edits->route_remove_first)
            return route_uri(value.text, &uri) && uri.scheme == SIP_URI_SIPS;
    }
    return false;
}

bool routing_is_sips(const struct sip_message *request, const struct routing_edits *edits,
    const struct sip_uri *next_hop)
{
    const struct sip_uri *uri = sip_message_uri(request);
    struct slice changed = edits->request_uri, pushed_aside = edits->route_append;
    bool is_sips = slice_is_absent(changed) ? uri != NULL && uri->scheme == SIP_URI_SIPS : is_sips_text(changed);
    if (is_sips || next_hop->scheme == SIP_URI_SIPS)
        return true;
    return !slice_is_absent(pushed_aside) &&
        (is_sips_text(slice_from(pushed_aside, 1)) || has_sips_on_top(request, edits));
}

void routing_fini(struct routing *routing)
{
    buffer_free(&routing->text);
    buffer_free(&routing->pushes);
}
