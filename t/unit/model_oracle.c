/* SPDX-License-Identifier: GPL-2.0-or-later */
/* model_oracle.c - who may be sent where, stated anew from the rows as they were drawn, and held against all that the
 * pool does. Nothing of src/decide is asked.
 */
#include "model.h"

#include "flow/flow_private.h"

#include <string.h>

/* --- What a request wants --- */

static bool asks(const struct model_request *request, uint32_t bit)
{
    return (request->bits & bit) != 0;
}

/* What had ended when the policy was read is of no use. */
static bool is_usable(const struct model_policy *policy, int credential)
{
    int8_t content = policy->credentials[credential];
    return content >= 0 && model()->credential_ends[content] > policy->loaded_at;
}

static bool is_spoilt(const struct model_policy *policy, const struct model_row *row)
{
    bool is_judged = row->level == LEVEL_CHAIN || row->level == LEVEL_DOMAIN;
    if (row->level == LEVEL_UNSET)
        return true;
    if (row->tls_max != TLS_VERSION_UNSET && row->tls_max < row->tls_min)
        return true;
    if (is_judged && row->trust_set < 0 && !row->has_pins)
        return true;
    if (!is_judged && (row->has_pins || row->crl == REVOCATION_HARD))
        return true;
    if (row->trust_set >= 0 && policy->trust_sets[row->trust_set] == 0)
        return true;
    return row->credential >= 0 && !is_usable(policy, row->credential);
}

/* The row that rules: of the domain, of its suffix, of the address, of its net, of everything. NULL: none. */
static const struct model_row *rule(const struct model_policy *policy, const struct model_request *request)
{
    const struct model_row *rows = policy->rows;
    const struct model_row *first = request->domain >= 0 ? &rows[request->domain] : NULL;
    if (first != NULL && request->domain == 0 && rows[8].is_there &&
        (!first->is_there || rows[8].priority < first->priority))
        first = &rows[8];
    if (first != NULL && first->is_there)
        return first;
    if (request->domain >= 6 && rows[9].is_there)
        return &rows[9];
    if (request->peer == 0 && rows[10].is_there)
        return &rows[10];
    if (request->peer + 1 < MODEL_PEERS && rows[11].is_there)
        return &rows[11];
    return rows[12].is_there ? &rows[12] : NULL;
}

/* Two rows of one match and priority contradict each other: neither counts, however good the other is. */
static const struct model_row *row_that_rules(const struct model_policy *policy, const struct model_request *request)
{
    const struct model_row *row = rule(policy, request);
    const struct model_row *rows = policy->rows;
    bool is_tied = request->domain == 0 && rows[0].is_there && rows[8].is_there &&
        rows[0].priority == rows[8].priority;
    return row == NULL || is_tied || is_spoilt(policy, row) ? NULL : row;
}

static enum level level_of(const struct model_row *row, const struct model_request *request)
{
    enum level level = row->level;
    if (asks(request, T_RELAY_TLS) && level < LEVEL_ENCRYPT)
        level = LEVEL_ENCRYPT;
    if ((asks(request, T_RELAY_VERIFY_CHAIN) || asks(request, T_RELAY_TRUST)) && level < LEVEL_CHAIN)
        level = LEVEL_CHAIN;
    if (asks(request, T_RELAY_VERIFY_DOMAIN))
        level = LEVEL_DOMAIN;
    if (asks(request, T_RELAY_NO_VERIFY) && level > LEVEL_ENCRYPT)
        level = row->may_weaken ? LEVEL_ENCRYPT : LEVEL_UNSET;
    return level;
}

static bool set_judgement(const struct model_policy *policy, const struct model_row *row,
    const struct model_request *request, struct model_class *class)
{
    int set = row->trust_set;
    if (class->level == LEVEL_DOMAIN) {
        bool is_named = asks(request, T_RELAY_VERIFY_DOMAIN) && request->flag_domain >= 0;
        if (is_named && row->expected >= 0 && row->expected != request->flag_domain && !row->may_weaken)
            return false;
        class->domain = is_named ? request->flag_domain : row->expected >= 0 ? row->expected : request->domain;
        if (class->domain < 0)
            return false;
    }
    if (asks(request, T_RELAY_TRUST)) {
        if (request->flag_trust != row->trust_set && !row->may_trust)
            return false;
        set = request->flag_trust;
        if (policy->trust_sets[set] == 0)
            return false;
    }
    class->crl = REVOCATION_OFF;
    if (class->level < LEVEL_CHAIN)
        return true;
    if (set < 0)
        return false;
    class->roots = policy->trust_sets[set];
    if (row->has_pins)
        class->pins = 1u << row->pins[0] | 1u << row->pins[1];
    if (row->crl != REVOCATION_OFF || asks(request, T_RELAY_CRL)) {
        class->crl = row->crl == REVOCATION_HARD ? REVOCATION_HARD : REVOCATION_SOFT;
        class->list = policy->lists[set];
    }
    return class->crl != REVOCATION_HARD || class->list != 0; /* else there is none to check with */
}

static bool set_handshake(const struct model_policy *policy, const struct model_row *row,
    const struct model_request *request, struct model_class *class)
{
    int named = asks(request, T_RELAY_CERT) ? request->flag_certificate : row->credential;
    if (named >= 0 && !asks(request, T_RELAY_NO_CERT)) {
        if (!is_usable(policy, named))
            return false;
        class->credential = policy->credentials[named];
    }
    if (asks(request, T_RELAY_SNI))
        class->sni = request->flag_sni;
    else if (asks(request, T_RELAY_NO_SNI) || !row->send_sni)
        class->sni = -1;
    else if (row->sni >= 0)
        class->sni = row->sni;
    else
        class->sni = class->domain >= 0 ? class->domain : row->expected >= 0 ? row->expected : request->domain;
    class->tls_min = (uint8_t)row->tls_min;
    class->tls_max = (uint8_t)(row->tls_max != TLS_VERSION_UNSET ? row->tls_max : TLS_VERSION_1_3);
    class->ciphers = row->ciphers;
    return true;
}

struct model_want model_want(const struct model_policy *policy, const struct model_request *request)
{
    struct model_want want;
    memset(&want, 0, sizeof(want));
    const struct model_row *row = row_that_rules(policy, request);
    enum level level = row != NULL ? level_of(row, request) : LEVEL_UNSET;
    struct model_class *class = &want.class;
    *class = (struct model_class){ .transport = request->transport, .peer = request->peer, .local = request->local,
        .credential = -1, .sni = -1, .domain = -1 };
    if (level == LEVEL_UNSET)
        return want;
    class->isolation = row->isolation;
    if (request->transport == TRANSPORT_TCP) {
        if (level != LEVEL_NONE || asks(request, T_RELAY_CERT | T_RELAY_SNI))
            return want;
        class->level = LEVEL_NONE;
    } else {
        class->level = (uint8_t)(level == LEVEL_NONE ? LEVEL_ENCRYPT : level);
        if (!set_judgement(policy, row, request, class) || !set_handshake(policy, row, request, class))
            return want;
    }
    want.is_allowed = true;
    want.may_reuse = row->may_reuse && !asks(request, T_RELAY_NO_CONN_REUSE);
    want.may_connect = !asks(request, T_RELAY_NO_CONNECT);
    want.may_upgrade = class->level >= LEVEL_CHAIN && row->may_upgrade && !asks(request, T_RELAY_NO_UPGRADE);
    want.max_age_s = row->max_age_s;
    want.idle_timeout_s = row->idle_timeout_s != 0 ? row->idle_timeout_s : MODEL_IDLE_S;
    if (asks(request, T_RELAY_MAX_AGE) && (want.max_age_s == 0 || request->flag_max_age_s < want.max_age_s))
        want.max_age_s = request->flag_max_age_s;
    return want;
}

bool model_proves(const struct model_certificate *certificate, const struct model_class *class, int64_t now)
{
    uint32_t number = (uint32_t)(certificate - model()->certificates);
    if ((class->roots & 1u << certificate->root) == 0)
        return false;
    if (now < certificate->not_before || now >= certificate->not_after || certificate->is_for_clients)
        return false;
    if (class->pins != 0 && (class->pins & 1u << number) == 0)
        return false;
    if ((model()->lists[class->list] & 1u << number) != 0)
        return false;
    return class->level != LEVEL_DOMAIN || (certificate->names & 1u << class->domain) != 0;
}

/* --- What a connection is --- */

bool model_is_same(const struct model_class *a, const struct model_class *b)
{
    return memcmp(a, b, sizeof(*a)) == 0;
}

bool model_meets_floor(const struct stream *link, const struct model_class *class)
{
    bool is_long = link->suite == 0x1302 || link->suite == 0xC030;
    bool is_short = link->suite == 0x1301 || link->suite == 0xC02F;
    return (uint8_t)link->version >= class->tls_min && (uint8_t)link->version <= class->tls_max &&
        (is_long || (is_short && class->ciphers == 0));
}

/* The place where the handshake led, and what was said in it. */
bool model_was_made_for(const struct stream *link, const struct model_class *class)
{
    return !link->is_accepted && link->peer == class->peer && link->class.local == class->local &&
        link->is_tls == (class->transport == TRANSPORT_TLS) && link->shown_sni == class->sni &&
        link->shown_credential == class->credential && link->class.isolation == class->isolation;
}

/* Its age is what the loop's clock says, however the wall clock was set meanwhile; ends of certificates are of that. */
bool model_is_too_old(const struct stream *link, const struct model_want *want, const struct loop *loop)
{
    int8_t own = link->shown_credential;
    int64_t now = loop->wall_s;
    if (want->max_age_s != 0 && (now - link->opened_at >= (int64_t)want->max_age_s ||
            loop->now_ms - link->opened_ms >= (uint64_t)want->max_age_s * 1000))
        return true;
    if (link->is_tls && own >= 0 && now >= model()->credential_ends[own] - MODEL_SKEW_S)
        return true;
    return link->class.level >= LEVEL_CHAIN &&
        now >= model()->certificates[link->shown].not_after - MODEL_SKEW_S;
}

bool model_is_idle(const struct stream *link, const struct model_want *want, const struct loop *loop)
{
    uint32_t timeout_s = want->idle_timeout_s < link->idle_timeout_s ? want->idle_timeout_s : link->idle_timeout_s;
    return link->under_way == 0 && loop->now_ms - link->used_ms > (uint64_t)timeout_s * 1000;
}

void oracle_used(struct stream *link)
{
    link->used_ms = model()->at->loop.now_ms;
}

void oracle_dial(struct stream *link, const struct model_request *request)
{
    if (request == NULL)
        model_fail(NULL, link, "L1: a connection is opened for nobody");
    const struct model_worker *worker = model()->at;
    struct model_want want = model_want(model_policy(worker->pool_generation), request);
    if (!want.is_allowed)
        model_fail(request, link, "S1: a connection is opened for who is denied");
    if (!want.may_connect)
        model_fail(request, link, "S2: a connection is opened for a request that says no-connect");
    if (want.class.peer != link->peer || worker->number != request->owner)
        model_fail(request, link, "S2: a connection to another place is opened");
    if (request->expects_upgrade && request->failures == model()->failures && !request->is_probe &&
        model_expects_upgrade(worker, request))
        model_fail(request, link, "L1: a connection is opened although another one could be upgraded");
    for (size_t i = 0; i < MODEL_LINKS && want.may_reuse && !request->is_probe; i++) {
        const struct stream *other = &model()->links[i];
        if (other == link || other->phase == LINK_FREE || other->is_accepted || other->worker != link->worker ||
            !model_is_same(&other->class, &want.class))
            continue;
        const struct flow *flow = other->arg;
        if (flow->state == CONNECTION_READY && !flow->is_exclusive && !flow->is_closing && other->is_published &&
            worker->loop.wall_s < flow_deadline(flow) && !flow_is_idle(flow, want.idle_timeout_s) &&
            !model_is_too_old(other, &want, &worker->loop))
            model_fail(request, other, "L1: a connection is opened although another one is ready");
    }
    link->class = want.class;
    link->is_probe = request->is_probe;
    link->is_exclusive = request->is_probe || !want.may_reuse;
    link->opener = request->number;
    link->opener_attempt = request->attempt;
}

void oracle_release(struct stream *link)
{
    const struct model_certificate *shown = &model()->certificates[link->shown];
    link->proven_at = model()->at->loop.wall_s;
    if (link->is_accepted)
        return;
    if (link->class.level >= LEVEL_CHAIN && !model_proves(shown, &link->class, model()->at->loop.wall_s))
        model_fail(NULL, link, "S3: a handshake goes on although its chain proves nothing");
}

void oracle_published(struct stream *link)
{
    link->is_published = true;
    link->published_at = model()->step;
    link->opened_at = model()->at->loop.wall_s;
    link->opened_ms = link->used_ms = model()->at->loop.now_ms;
    link->idle_timeout_s = UINT32_MAX;
    link->published_generation = model()->at->pool_generation;
}

static bool has_profile(const struct model_policy *policy)
{
    const struct model_profile *profile = &policy->profile;
    return profile->is_there && is_usable(policy, profile->credential) &&
        (profile->trust_set < 0 || policy->trust_sets[profile->trust_set] != 0) &&
        (profile->client_auth != CLIENT_AUTH_REQUIRE || profile->trust_set >= 0);
}

/* Our certificate is shown by the profile of today. */
void oracle_server(const struct stream *link)
{
    const struct model_policy *policy = model_policy(model()->at->pool_generation);
    if (!has_profile(policy) || policy->credentials[policy->profile.credential] != link->shown_credential)
        model_fail(NULL, link, "S1: a caller is shown what no profile says");
}

/* Something came on LINK: then its verdict was in, and was what the policy asked of callers at that time. */
void oracle_heard(struct stream *link, const struct connection_facts *facts)
{
    if (link == NULL || !link->is_published)
        model_fail(NULL, link, "INV-18: a message from a connection without a verdict");
    bool is_proven = facts->verdict.result == VERDICT_PROVEN;
    struct model_class class = { .level = LEVEL_CHAIN, .roots = facts->verdict.trust_digest[1] };
    struct model_certificate shown = model()->certificates[link->shown];
    shown.is_for_clients = false;
    if (!link->is_accepted || !link->is_tls)
        return;
    const struct model_policy *policy = model_policy(link->published_generation);
    if (!has_profile(policy))
        model_fail(NULL, link, "INV-23: a caller is heard whom no profile lets in");
    if (policy->profile.client_auth == CLIENT_AUTH_REQUIRE && !is_proven)
        model_fail(NULL, link, "INV-44: a caller is heard who has to prove himself, and did not");
    if (link->shown_credential >= 0 &&
        link->opened_at >= model()->credential_ends[link->shown_credential] - MODEL_SKEW_S)
        model_fail(NULL, link, "INV-37: a caller is heard where our certificate had ended");
    if (is_proven && (!link->has_shown || (class.roots & 1u << shown.root) == 0 ||
            link->opened_at < shown.not_before || link->opened_at >= shown.not_after - MODEL_SKEW_S))
        model_fail(NULL, link, "S3: a caller is taken for proven who is not");
}

/* Who is told to close a connection closes that one, or none. */
void oracle_closing(const struct stream *link)
{
    struct model_known *known = model()->closing;
    if (known == NULL || known->handle.worker != link->worker)
        return;
    model()->closing = NULL;
    if (known->link != (uint32_t)(link - model()->links) || known->link_serial != link->serial)
        model_fail(NULL, link, "INV-29: another connection is closed than the operator named");
}

/* INV-35, INV-36: what was unverified may become more, if nobody is on it. */
static void check_upgrade(struct stream *link, const struct model_request *request, const struct model_want *want)
{
    if (link->class.level != LEVEL_ENCRYPT || want->class.level < LEVEL_CHAIN)
        model_fail(request, link, "S2: sent on a connection of another class");
    if (!want->may_upgrade || !want->may_reuse)
        model_fail(request, link, "S2: an upgrade that is not wanted");
    if (link->under_way > 0)
        model_fail(request, link, "INV-36: upgraded with %u requests under way", link->under_way);
    if (link->is_exclusive)
        model_fail(request, link, "INV-36: somebody's own connection is upgraded");
    link->class = want->class;
    link->class_serial++;
    link->proven_at = model()->at->loop.wall_s;
    link->idle_timeout_s = want->idle_timeout_s;
    model()->totals.upgraded++;
}

/* Upgraded, and then the request was not sent all the same: it was withdrawn, or could not be written. The pool alone
 * knows which connection that was; whether it might is held against the rules like any other. */
static void find_upgraded(const struct model_request *request)
{
    struct model_want want = model_want(model_policy(model()->at->pool_generation), request);
    for (size_t i = 0; i < MODEL_LINKS; i++) {
        struct stream *link = &model()->links[i];
        bool is_other = link->phase == LINK_FREE || link->worker != request->owner || link->is_accepted;
        if (is_other || link->class.level != LEVEL_ENCRYPT ||
            ((const struct flow *)link->arg)->class != FLOW_OPENED_VERIFIED)
            continue;
        if (!model_was_made_for(link, &want.class))
            model_fail(request, link, "S2: upgraded for something else than it was made for");
        check_upgrade(link, request, &want);
    }
}

/* Busy when it was looked at: another thread ends a request when it likes. */
static bool is_shared_in_this_turn(const struct stream *link)
{
    return link->let_go_at == model()->step;
}

static void check_request(struct stream *link, struct model_request *request, uint32_t attempt)
{
    int64_t now = model()->at->loop.wall_s;
    if (request == NULL || request->attempt != attempt || !request->is_placed || request->is_done)
        model_fail(request, link, "S5: a request is sent that is not to be");
    if (request->written++ > 0)
        model_fail(request, link, "S5: a request is sent twice");
    if (request->is_withdrawn)
        model_fail(request, link, "S5: a request is sent that was withdrawn");
    if (request->is_probe || link->is_probe)
        model_fail(request, link, "INV-49: a probe and a message meet");
    if (request->owner != link->worker || model()->at->number != link->worker)
        model_fail(request, link, "S5: sent by another worker than its connection's");
    struct model_want want = model_want(model_policy(model()->at->pool_generation), request);
    if (!want.is_allowed)
        model_fail(request, link, "S1: sent although it is denied");
    if (!model_was_made_for(link, &want.class))
        model_fail(request, link, "S2: sent on a connection that was made for something else");
    if (!is_shared_in_this_turn(link) && model_is_idle(link, &want, &model()->at->loop))
        model_fail(request, link, "S4: sent on a connection that was idle for too long");
    if (!model_is_same(&link->class, &want.class))
        check_upgrade(link, request, &want);
    if (link->was_resumed)
        model_fail(request, link, "S4: sent on a resumed session");
    if (link->is_tls && !model_meets_floor(link, &want.class))
        model_fail(request, link, "S2: sent below the floor");
    /* A verdict is of its moment: what was valid then is not "not yet valid" by a clock set back (decision 0015). */
    int64_t proof_at = now > link->proven_at ? now : link->proven_at;
    const struct model_certificate *shown = &model()->certificates[link->shown];
    if (want.class.level >= LEVEL_CHAIN && !model_proves(shown, &want.class, proof_at))
        model_fail(request, link, "S3: sent to who does not prove what is asked for");
    if (model_is_too_old(link, &want, &model()->at->loop))
        model_fail(request, link, "S4: sent after the end of the connection");
    bool is_openers = link->opener == request->number && link->opener_attempt == attempt;
    /* Those who waited before it went away: it is as if it had opened it, if nobody else comes. */
    if (link->carried == 0 && !want.may_reuse && ((const struct flow *)link->arg)->is_exclusive) {
        link->opener = request->number;
        link->opener_attempt = attempt;
        is_openers = link->is_exclusive = true;
    }
    if ((link->is_exclusive || !want.may_reuse) && !is_openers)
        model_fail(request, link, "S2: a connection of its own is shared");
    if (!want.may_connect && link->published_at > request->placed_at)
        model_fail(request, link, "S2: no-connect has waited for a connection");
    request->link = (uint32_t)(link - model()->links);
    request->link_serial = link->serial;
    request->link_class_serial = link->class_serial;
    if (want.idle_timeout_s < link->idle_timeout_s)
        link->idle_timeout_s = want.idle_timeout_s;
    link->under_way += request->has_client;
    link->carried++;
    model()->totals.written++;
}

/* An ACK or CANCEL: where its request went, or nowhere. */
static void check_follower(const struct stream *link, const struct model_request *request)
{
    if (request == NULL || request->written != 1 || request->link != (uint32_t)(link - model()->links) ||
        request->link_serial != link->serial)
        model_fail(request, link, "INV-33: an ACK or CANCEL goes where its request did not");
    if (request->link_class_serial != link->class_serial)
        model_fail(request, link, "INV-36: an ACK or CANCEL of the class that the connection had");
}

/* A response goes where its request came from, or nowhere. */
static void check_response(const struct stream *link, uint32_t number)
{
    for (size_t i = 0; i < MODEL_INBOUND; i++) {
        const struct model_inbound *inbound = &model()->inbound[i];
        if (inbound->number != number)
            continue;
        if (inbound->link != (uint32_t)(link - model()->links) || inbound->link_serial != link->serial)
            model_fail(NULL, link, "INV-29: a response goes to who did not ask");
        model()->totals.answered++;
        return;
    }
    model_fail(NULL, link, "INV-29: a response to no request");
}

void oracle_write(struct stream *link, struct slice message)
{
    char kind;
    uint32_t number, attempt;
    if (!model_token_read(message, &kind, &number, &attempt))
        return; /* keep-alive, or the answer to one */
    struct model_request *request = kind != 'P' ? model_request_of(number) : NULL;
    model_note(request, link, "%c is written", kind);
    if (link->is_tls && !link->is_published)
        model_fail(request, link, "INV-18: a SIP byte before the verdict");
    if (kind == 'R')
        check_request(link, request, attempt);
    else if (kind == 'F')
        check_follower(link, request);
    else if (kind == 'P')
        check_response(link, number);
}

void oracle_left(const struct stream *link, struct slice message)
{
    char kind;
    uint32_t number, attempt;
    if (!model_token_read(message, &kind, &number, &attempt) || kind != 'R')
        return;
    const struct model_request *request = model_request_of(number);
    if (request != NULL && request->attempt == attempt &&
        (request->link != (uint32_t)(link - model()->links) || request->link_serial != link->serial))
        model_fail(request, link, "INV-29: a request leaves by another connection than it was written on");
}

/* What a probe shows is what its peer has shown, to it. */
static void check_seen(const struct model_request *request)
{
    struct slice der = request->seen.count > 0 ? certificate_chain_get(&request->seen, 0) : SLICE_ABSENT;
    if (request->seen.count == 0)
        return; /* it came to nothing, or there was no memory to keep it */
    for (size_t i = 0; i < MODEL_LINKS; i++) {
        const struct stream *link = &model()->links[i];
        if (link->is_probe && link->opener == request->number && link->opener_attempt == request->attempt &&
            der.length == 2 && (uint8_t)der.data[1] == link->shown)
            return;
    }
    model_fail(request, NULL, "INV-49: a probe has seen what nobody showed to it");
}

void oracle_done(const struct model_request *request, const struct placement *placement)
{
    if (!request->is_placed || request->is_done || request->placement != placement)
        model_fail(request, NULL, "S5: a second outcome");
    bool is_sent = placement->reason == REASON_NONE && !request->is_probe;
    if (is_sent != (request->written == 1))
        model_fail(request, NULL, "S5: the outcome is %s, and it was written %u times",
            reason_word(placement->reason), request->written);
    if (placement->reason == REASON_NONE && placement->facts == NULL)
        model_fail(request, NULL, "S5: sent, and nobody knows on what");
    if (placement->reason != REASON_NONE && placement->decision == DECISION_UPGRADE)
        find_upgraded(request);
    if (request->is_probe)
        check_seen(request);
}

void oracle_derived(const struct model_request *request, const struct model_policy *policy, enum reason reason)
{
    struct model_want want = model_want(policy, request);
    if (want.is_allowed != (reason == REASON_NONE))
        model_fail(request, NULL, "S1: policy %llu %s it, and src/decide says %s",
            (unsigned long long)policy->generation, want.is_allowed ? "allows" : "denies", reason_word(reason));
}

void oracle_bounded(const struct model_worker *worker)
{
    struct flow_pool_counts counts = flow_pool_counts(worker->pool);
    bool is_calm = model()->settings.is_calm;
    for (size_t class = 0; class < FLOW_CLASS_COUNT; class ++)
        if (counts.classes[class] > (is_calm ? MODEL_CLASS_MAX_CALM : MODEL_CLASS_MAX))
            model_fail(NULL, NULL, "INV-34: %u connections of class %s", counts.classes[class],
                flow_class_name((enum flow_class)class));
    for (size_t i = 0; i < MODEL_LINKS && !is_calm; i++) {
        const struct stream *link = &model()->links[i];
        if (link->phase != LINK_FREE && link->worker == worker->number &&
            ((const struct flow *)link->arg)->waiter_count > MODEL_WAITERS_MAX)
            model_fail(NULL, link, "L1: more wait for it than may");
    }
}

void oracle_all_quiet(void)
{
    for (size_t i = 0; i < MODEL_REQUESTS; i++)
        if (model()->requests[i].is_used)
            model_fail(&model()->requests[i], NULL, "liveness: a request without an end");
    for (size_t i = 0; i < MODEL_LINKS; i++)
        if (model()->links[i].phase != LINK_FREE)
            model_fail(NULL, &model()->links[i], "leak: a stream, of a connection that is %s",
                connection_state_name(((const struct flow *)model()->links[i].arg)->state));
    for (size_t i = 0; i < MODEL_WORKERS; i++) {
        struct flow_pool_counts counts = flow_pool_counts(model()->workers[i].pool);
        for (size_t class = 0; class < FLOW_CLASS_COUNT; class ++)
            if (counts.classes[class] > 0)
                model_fail(NULL, NULL, "leak: %u connections of class %s", counts.classes[class],
                    flow_class_name((enum flow_class)class));
        if (counts.connections > 0)
            model_fail(NULL, NULL, "leak: %u connections", counts.connections);
    }
    if (model()->sessions > 0 || atomic_load(&model()->descriptors.used) > 0)
        model_fail(NULL, NULL, "leak: %u sessions, %u descriptors", model()->sessions,
            atomic_load(&model()->descriptors.used));
}

/* --- What became of a request, for the comparison of runs --- */

void model_observe(const struct model_request *request)
{
    struct model_observation *observation = &model()->observations[request->label % MODEL_LABELS];
    const struct stream *link = &model()->links[request->link];
    if (request->label == 0)
        return;
    memset(observation, 0, sizeof(*observation));
    observation->is_known = true;
    observation->is_sent = request->attempt > 0 && request->reason == REASON_NONE;
    observation->was_full = request->was_full;
    if (!observation->is_sent)
        return;
    observation->class = link->class;
    observation->shown = link->is_tls ? link->shown : 0;
}

void oracle_probe(const struct model_request *request, int64_t asked_at, const struct model_observation *seen)
{
    const struct model_peer *peer = &model()->peers[request->peer];
    struct model_want want = model_want(model_policy(model()->generation), request);
    const struct model_class *class = &want.class;
    int64_t now = model_wall_s();
    struct stream shown = { .is_tls = class->transport == TRANSPORT_TLS, .class = want.class,
        .version = peer->is_old ? TLS_VERSION_1_2 : TLS_VERSION_1_3, .suite = peer->suite,
        .shown = peer->shows[class->sni >= 0 ? class->sni : MODEL_DOMAINS], .shown_credential = class->credential };
    const struct model_certificate *certificate = &model()->certificates[shown.shown];
    bool is_good = want.is_allowed && peer->is_up;
    /* What all unverified connections share may have been in the hands of others, which it had to wait for in vain. */
    if (class->level < LEVEL_CHAIN && seen->was_full)
        is_good = false;
    if (is_good && shown.is_tls)
        is_good = peer->manner == MANNER_GOOD && model_meets_floor(&shown, class) &&
            (class->level < LEVEL_CHAIN ||
                (model_proves(certificate, class, asked_at) && now < certificate->not_after - MODEL_SKEW_S - 2)) &&
            (class->credential < 0 || now < model()->credential_ends[class->credential] - MODEL_SKEW_S - 2);
    if (is_good && !seen->is_sent)
        model_fail(request, NULL, "L3: all is well, and a request that is allowed is not sent");
}
