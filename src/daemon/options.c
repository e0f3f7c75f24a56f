/* SPDX-License-Identifier: GPL-2.0-or-later */
/* options.c - the configuration file; see options.h.
 * The grammar is libconfuse's; rows[] below says every option with its range and meaning.
 */
#include "daemon/options.h"

#include "base/error.h"
#include "control/control.h"
#include "daemon/configuration_file.h"
#include "db/database.h"
#include "net/locate.h"
#include "policy/name.h"

#include <confuse.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { MAX_WORKERS = 256, SECONDS_OF_A_YEAR = 31536000 };

/* Where a number of the file belongs in struct options, and what it may be. */
struct number_row {
    const char *section; /* NULL: top level */
    const char *name;
    size_t offset;
    long minimum, maximum, initial;
    const char *meaning;
};

#define RELAY(member) offsetof(struct options, relay.member)
static const struct number_row numbers[] = {
    { NULL, "workers", RELAY(worker_count), 0, MAX_WORKERS, 0, "relay threads; 0: one per processor" },
    { NULL, "drain", offsetof(struct options, drain_s), 0, 3600, 40,
        "seconds that SIGTERM waits for open transactions" },
    { "database", "poll", offsetof(struct options, poll_s), 1, 3600, 10, "seconds between looks for a changed policy" },
    { "database", "max_stale", RELAY(max_stale_s), 0, SECONDS_OF_A_YEAR, 86400,
        "seconds that a policy serves without the database; 0: no limit" },
    { "accounting", "flush", offsetof(struct options, record_flush_ms), 10, 60000, 250,
        "milliseconds between batches" },
    { "accounting", "backlog", offsetof(struct options, record_backlog_kib), 64, 4194304, 65536,
        "KiB of records kept while the database is away" },
    { "accounting", "strangers", RELAY(stranger_records), 0, 1000000, 100,
        "records that one worker makes in a second of requests whose sender no peer row accepts" },
    { "limits", "message_bytes", RELAY(max_message_bytes), 1024, 1048576, 131072, "largest SIP message" },
    { "limits", "accepted", RELAY(max_accepted), 1, 10000000, 50000,
        "accepted connections of one worker whose peer has proven nothing, or not yet" },
    { "limits", "accepted_verified", RELAY(max_accepted_verified), 1, 10000000, 50000,
        "accepted connections of one worker whose peer's certificate is proven" },
    { "limits", "opened", RELAY(max_opened), 1, 10000000, 50000,
        "connections that one worker opens for level none or encrypt" },
    { "limits", "opened_verified", RELAY(max_opened_verified), 1, 10000000, 50000,
        "connections that one worker opens for level chain or domain" },
    { "limits", "connections_each", RELAY(max_connections_each), 1, 10000000, 10000,
        "accepted connections of one address" },
    { "limits", "transactions", RELAY(max_transactions), 8, 100000000, 500000,
        "transactions of one worker, with those that only remember their answer for repetitions" },
    { "limits", "waiters", RELAY(max_waiters), 1, 1000000, 10000, "requests waiting for one handshake" },
    { "limits", "connect_timeout", RELAY(connect_timeout_ms), 10, 60000, 4000, "milliseconds for TCP to connect" },
    { "limits", "handshake_timeout", RELAY(handshake_timeout_ms), 10, 60000, 6000,
        "milliseconds for the TLS handshake" },
    { "limits", "message_timeout", RELAY(message_timeout_ms), 100, 600000, 30000,
        "milliseconds from the first to the last byte of a message" },
    { "limits", "idle_timeout", RELAY(idle_timeout_s), 1, SECONDS_OF_A_YEAR, 3600,
        "seconds after which a silent connection is closed" },
    { "limits", "max_age", RELAY(max_age_s), 0, SECONDS_OF_A_YEAR, 86400,
        "seconds after which a connection gets no new request; 0: no limit" },
    { "limits", "pin_age", RELAY(pin_age_s), 0, SECONDS_OF_A_YEAR, 86400,
        "seconds that the pin of a dialog is taken after it was made; 0: no limit" },
    { "limits", "backoff", RELAY(backoff_ms), 0, 600000, 1000,
        "milliseconds without a new try after a failure" },
    { "limits", "backoff_max", RELAY(backoff_max_ms), 0, 600000, 30000, "milliseconds likewise, after many failures" },
    { "dns", "timeout", RELAY(dns_timeout_ms), 10, 60000, 1500, "milliseconds for one try" },
    { "dns", "tries", RELAY(dns_tries), 1, 10, 2, "tries of each name server" },
    { "timers", "t1", RELAY(timers.t1_ms), 10, 10000, 500, "RFC 3261 T1, milliseconds" },
    { "timers", "t2", RELAY(timers.t2_ms), 10, 60000, 4000, "RFC 3261 T2, milliseconds" },
    { "timers", "t4", RELAY(timers.t4_ms), 10, 60000, 5000, "RFC 3261 T4, milliseconds" },
    { "timers", "c", RELAY(timers.c_ms), 100, 3600000, 185000, "RFC 3261 timer C, milliseconds" },
};
#undef RELAY

/* OPTION: whose value it is; NULL: of the section itself. */
static int at(struct why *why, cfg_t *section, const char *option, const char *text, const char *value)
{
    return configuration_file_fail(why, ERROR_SYNTAX, section, option, "%s: \"%s\"", text, value);
}

/* Of what rows name: no row could name it otherwise. OPTION as above. */
static int copy_name(struct why *why, cfg_t *section, const char *option, const char *what, const char *value,
    char *out, size_t size)
{
    if (value == NULL || value[0] == '\0')
        return configuration_file_fail(why, ERROR_SYNTAX, section, option, "%s is missing", what);
    if (!name_is_row_name(slice_of_string(value)) || !slice_to_string(slice_of_string(value), out, size))
        return configuration_file_fail(why, ERROR_SYNTAX, section, option,
            "%s must be 1 to 63 letters, digits, '-', '_' and '.', beginning with a letter or digit: \"%s\"", what,
            value);
    return 0;
}

static int copy_host(struct why *why, cfg_t *section, const char *option, const char *value,
    char out[SETTINGS_HOST_SIZE])
{
    struct address address;
    struct slice text = slice_of_string(value);
    if (address_parse(text, &address) == 0)
        return slice_to_string(text, out, SETTINGS_HOST_SIZE) ? 0 : ERROR_LIMIT;
    if (name_normalise(text, out) != 0)
        return at(why, section, option, "neither a host name nor an address", value);
    return 0;
}

static const char *const transport_words[] = { [SIP_TRANSPORT_UDP] = "udp", [SIP_TRANSPORT_TCP] = "tcp",
    [SIP_TRANSPORT_TLS] = "tls" };

static enum sip_transport transport_of(const char *word)
{
    for (size_t i = 0; i < ARRAY_SIZE(transport_words); i++)
        if (transport_words[i] != NULL && word != NULL && strcmp(word, transport_words[i]) == 0)
            return (enum sip_transport)i;
    return SIP_TRANSPORT_NONE;
}

static int read_listener(cfg_t *section, struct listener_settings *out, struct why *why)
{
    int rc = copy_name(why, section, NULL, "the listener's name", cfg_title(section), out->name, sizeof(out->name));
    if (rc != 0)
        return rc;
    const char *transport = cfg_getstr(section, "transport");
    out->transport = transport_of(transport);
    if (out->transport == SIP_TRANSPORT_NONE)
        return at(why, section, "transport", "transport must be udp, tcp or tls", transport != NULL ? transport : "");
    const char *address = cfg_getstr(section, "address");
    if (address == NULL || address_parse(slice_of_string(address), &out->endpoint.address) != 0)
        return at(why, section, "address", "address must be an IPv4 or IPv6 address", address != NULL ? address : "");
    long port = cfg_getint(section, "port");
    if (port == 0)
        port = out->transport == SIP_TRANSPORT_TLS ? 5061 : 5060;
    long advertised_port = cfg_getint(section, "advertise_port");
    if (port < 1 || port > 65535)
        return at(why, section, "port", "port must be 1 to 65535 in listener", out->name);
    if (advertised_port < 0 || advertised_port > 65535)
        return at(why, section, "advertise_port", "advertise_port must be 1 to 65535 in listener", out->name);
    out->endpoint.port = (uint16_t)port;
    out->advertised_port = (uint16_t)(advertised_port != 0 ? advertised_port : port);
    const char *advertise = cfg_getstr(section, "advertise");
    if (advertise == NULL && address_is_unspecified(&out->endpoint.address))
        return at(why, section, "address", "a listener on every address must say what to advertise, listener",
            out->name);
    return copy_host(why, section, advertise != NULL ? "advertise" : "address",
        advertise != NULL ? advertise : address, out->advertised_host);
}

/* Why the two cannot stand beside each other, or NULL. */
static const char *clash_of(const struct listener_settings *a, const struct listener_settings *b)
{
    if (strcmp(a->name, b->name) == 0)
        return "two listeners of one name";
    bool is_same_kind = (a->transport == SIP_TRANSPORT_UDP) == (b->transport == SIP_TRANSPORT_UDP);
    return is_same_kind && endpoint_equal(&a->endpoint, &b->endpoint) ? "two listeners at one address and port" : NULL;
}

static int read_listeners(cfg_t *file, struct relay_settings *relay, struct why *why)
{
    size_t count = cfg_size(file, "listener");
    if (count == 0)
        return configuration_file_fail(why, ERROR_SYNTAX, file, NULL,
            "no listener: add one, as listener \"edge\" { transport = tls ... }");
    relay->listeners = calloc(count, sizeof(*relay->listeners));
    if (relay->listeners == NULL)
        return why_fail(why, ERROR_MEMORY, "no memory for the listeners");
    relay->listener_count = count;
    for (size_t i = 0; i < count; i++) {
        int rc = read_listener(cfg_getnsec(file, "listener", (unsigned)i), &relay->listeners[i], why);
        if (rc != 0)
            return rc;
        for (size_t other = 0; other < i; other++) {
            const char *clash = clash_of(&relay->listeners[other], &relay->listeners[i]);
            if (clash != NULL)
                return at(why, cfg_getnsec(file, "listener", (unsigned)i), "transport", clash,
                    relay->listeners[i].name);
        }
    }
    return 0;
}

static int read_aliases(cfg_t *file, struct relay_settings *relay, struct why *why)
{
    size_t count = cfg_size(file, "aliases");
    relay->aliases = calloc(count + 1, sizeof(*relay->aliases));
    if (relay->aliases == NULL)
        return why_fail(why, ERROR_MEMORY, "no memory for the aliases");
    relay->alias_count = count;
    for (size_t i = 0; i < count; i++) {
        int rc = copy_host(why, file, "aliases", cfg_getnstr(file, "aliases", (unsigned)i), relay->aliases[i]);
        if (rc != 0)
            return rc;
    }
    return 0;
}

static int read_trusted(cfg_t *file, struct relay_settings *relay, struct why *why)
{
    size_t count = cfg_size(file, "trusted_upstreams");
    relay->trusted_upstreams = calloc(count + 1, sizeof(*relay->trusted_upstreams));
    if (relay->trusted_upstreams == NULL)
        return why_fail(why, ERROR_MEMORY, "no memory for the trusted upstreams");
    relay->trusted_upstream_count = count;
    for (size_t i = 0; i < count; i++) {
        const char *text = cfg_getnstr(file, "trusted_upstreams", (unsigned)i);
        if (prefix_parse(slice_of_string(text), &relay->trusted_upstreams[i]) != 0)
            return at(why, file, "trusted_upstreams", "trusted_upstreams takes prefixes such as 192.0.2.0/24", text);
    }
    return 0;
}

static int read_numbers(cfg_t *file, struct options *options, struct why *why)
{
    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
        const struct number_row *row = &numbers[i];
        cfg_t *section = row->section != NULL ? cfg_getsec(file, row->section) : file;
        long value = cfg_getint(section, row->name);
        if (value < row->minimum || value > row->maximum)
            return configuration_file_fail(why, ERROR_LIMIT, section, row->name,
                "%s%s%s = %ld: must be %ld to %ld (%s)", row->section != NULL ? row->section : "",
                row->section != NULL ? "." : "", row->name, value, row->minimum, row->maximum, row->meaning);
        *(uint32_t *)(void *)((char *)options + row->offset) = (uint32_t)value;
    }
    if (options->relay.backoff_ms > options->relay.backoff_max_ms) {
        cfg_t *limits = cfg_getsec(file, "limits");
        bool is_said = cfg_opt_getcomment(cfg_getopt(limits, "backoff_max")) != NULL;
        return configuration_file_fail(why, ERROR_CONFLICT, limits, is_said ? "backoff_max" : "backoff",
            "limits.backoff = %" PRIu32 " must not exceed limits.backoff_max = %" PRIu32, options->relay.backoff_ms,
            options->relay.backoff_max_ms);
    }
    return 0;
}

static int read_log(cfg_t *file, struct options *options, struct why *why)
{
    cfg_t *section = cfg_getsec(file, "log");
    const char *level = cfg_getstr(section, "level");
    const char *target = cfg_getstr(section, "target");
    options->log_level = log_level_from_name(slice_of_string(level));
    if (options->log_level == LOG_LEVEL_UNSET)
        return at(why, section, "level", "log.level must be error, warn, info or debug", level);
    options->log_to_syslog = strcmp(target, "syslog") == 0;
    if (!options->log_to_syslog && strcmp(target, "stderr") != 0)
        return at(why, section, "target", "log.target must be stderr or syslog", target);
    return 0;
}

/* Octal permissions, as "0660". */
static bool read_mode(const char *text, unsigned *mode_r)
{
    unsigned mode = 0;
    for (const char *at = text; *at != '\0'; at++) {
        if (*at < '0' || *at > '7' || mode > 0777 / 8)
            return false;
        mode = mode * 8 + (unsigned)(*at - '0');
    }
    *mode_r = mode;
    return text[0] != '\0';
}

static int read_database(cfg_t *file, struct options *options, struct why *why)
{
    cfg_t *section = cfg_getsec(file, "database");
    const char *connection = cfg_getstr(section, "connection");
    struct why reason = WHY_NONE;
    if (connection == NULL)
        return configuration_file_fail(why, ERROR_SYNTAX, file, NULL,
            "database { connection = ... } is missing: policy comes from PostgreSQL");
    if (database_check_conninfo(connection, &reason) != 0)
        return configuration_file_fail(why, ERROR_SYNTAX, section, "connection", "database.connection: %s",
            reason.text);
    options->database = strdup(connection);
    return options->database != NULL ? 0 : why_fail(why, ERROR_MEMORY, "no memory for the configuration");
}

static int read_control(cfg_t *file, struct options *options, struct why *why)
{
    cfg_t *section = cfg_getsec(file, "control");
    const char *socket = cfg_getstr(section, "socket");
    const char *mode = cfg_getstr(section, "mode");
    struct why reason = WHY_NONE;
    if (control_check_path(socket, &reason) != 0)
        return configuration_file_fail(why, ERROR_LIMIT, section, "socket", "%s", reason.text);
    if (!read_mode(mode, &options->control_mode))
        return at(why, section, "mode", "control.mode takes octal permissions such as 0660", mode);
    options->control_socket = strdup(socket);
    return options->control_socket != NULL ? 0 : why_fail(why, ERROR_MEMORY, "no memory for the configuration");
}

static int read_servers(cfg_t *file, struct options *options, struct why *why)
{
    cfg_t *section = cfg_getsec(file, "dns");
    const char *servers = cfg_getstr(section, "servers");
    if (!slice_to_string(slice_of_string(servers), options->relay.dns_servers, sizeof(options->relay.dns_servers)))
        return at(why, section, "servers", "dns.servers is too long", servers);
    return 0;
}

/* "auto": what the node itself listens on. Whoever could not reach us need not be reached. */
static unsigned families_of_listeners(const struct relay_settings *relay)
{
    unsigned families = 0;
    for (size_t i = 0; i < relay->listener_count; i++)
        families |= relay->listeners[i].endpoint.address.family == ADDRESS_V4 ? LOCATE_V4 : LOCATE_V6;
    return families;
}

static int read_families(cfg_t *file, struct relay_settings *relay, struct why *why)
{
    static const struct {
        const char *word;
        unsigned families;
    } rows[] = { { "4", LOCATE_V4 }, { "6", LOCATE_V6 }, { "46", LOCATE_V4 | LOCATE_V6 },
        { "64", LOCATE_V4 | LOCATE_V6 | LOCATE_V6_FIRST } };
    cfg_t *section = cfg_getsec(file, "dns");
    const char *word = cfg_getstr(section, "families");
    relay->dns_families = strcmp(word, "auto") == 0 ? families_of_listeners(relay) : 0;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if (strcmp(word, rows[i].word) == 0)
            relay->dns_families = rows[i].families;
    return relay->dns_families != 0 ? 0
                                    : at(why, section, "families", "dns.families must be auto, 4, 6, 46 or 64", word);
}

static int read_lookup(cfg_t *file, struct options *options, struct why *why)
{
    const char *text = cfg_getstr(file, "lookup");
    struct why reason = WHY_NONE;
    if (policy_lookup_order_parse(slice_of_string(text), &options->relay.lookup, &reason) != 0)
        return configuration_file_fail(why, ERROR_SYNTAX, file, "lookup", "lookup: %s", reason.text);
    if (options->relay.lookup.is_none)
        return configuration_file_fail(why, ERROR_UNSUPPORTED, file, "lookup",
            "lookup = none as the default: every request would be refused, for no row could rule it");
    return 0;
}

static int read_timers(cfg_t *file, struct timer_settings *timers, struct why *why)
{
    cfg_t *section = cfg_getsec(file, "timers");
    struct why reason = WHY_NONE;
    timers->is_test = cfg_getbool(section, "test") == cfg_true;
    int rc = timer_settings_check(timers, &reason);
    return rc == 0 ? 0 : configuration_file_fail(why, rc, section, NULL, "timers: %s", reason.text);
}

static int read_all(cfg_t *file, struct options *options, struct why *why)
{
    struct relay_settings *relay = &options->relay;
    int rc = copy_name(why, file, "node", "node", cfg_getstr(file, "node"), relay->node, sizeof(relay->node));
    if (rc == 0)
        rc = read_database(file, options, why);
    if (rc == 0)
        rc = read_control(file, options, why);
    if (rc == 0)
        rc = read_servers(file, options, why);
    if (rc == 0)
        rc = read_numbers(file, options, why);
    if (rc == 0)
        rc = read_log(file, options, why);
    if (rc == 0)
        rc = read_listeners(file, &options->relay, why);
    if (rc == 0)
        rc = read_families(file, &options->relay, why);
    if (rc == 0)
        rc = read_aliases(file, &options->relay, why);
    if (rc == 0)
        rc = read_trusted(file, &options->relay, why);
    if (rc == 0)
        rc = read_lookup(file, options, why);
    if (rc == 0)
        rc = read_timers(file, &options->relay.timers, why);
    if (rc == 0 && options->relay.worker_count == 0) {
        long processors = sysconf(_SC_NPROCESSORS_ONLN);
        options->relay.worker_count = processors > 0 ? (uint32_t)processors : 1;
    }
    return rc;
}

/* The number rows of SECTION as libconfuse options, behind the texts that OPTIONS already holds. */
enum { SECTION_OPTIONS_MAX = 24 };

static void add_numbers(cfg_opt_t options[SECTION_OPTIONS_MAX], size_t count, const char *section)
{
    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
        const char *of = numbers[i].section;
        bool is_here = of == NULL ? section == NULL : section != NULL && strcmp(of, section) == 0;
        if (is_here && count < SECTION_OPTIONS_MAX - 1)
            options[count++] = (cfg_opt_t)CFG_INT(numbers[i].name, numbers[i].initial, CFGF_NONE);
    }
    options[count] = (cfg_opt_t)CFG_END();
    configuration_file_note_lines(options);
}

static cfg_t *grammar_new(void)
{
    char no_values[] = "{}";
    cfg_opt_t database[SECTION_OPTIONS_MAX] = { CFG_STR("connection", NULL, CFGF_NODEFAULT) };
    cfg_opt_t control[SECTION_OPTIONS_MAX] = { CFG_STR("socket", "/run/trelay/control", CFGF_NONE),
        CFG_STR("mode", "0660", CFGF_NONE) };
    cfg_opt_t log[SECTION_OPTIONS_MAX] = { CFG_STR("level", "info", CFGF_NONE),
        CFG_STR("target", "stderr", CFGF_NONE) };
    cfg_opt_t dns[SECTION_OPTIONS_MAX] = { CFG_STR("servers", "", CFGF_NONE),
        CFG_STR("families", "auto", CFGF_NONE) };
    cfg_opt_t listener[] = { CFG_STR("transport", NULL, CFGF_NODEFAULT), CFG_STR("address", NULL, CFGF_NODEFAULT),
        CFG_INT("port", 0, CFGF_NONE), CFG_STR("advertise", NULL, CFGF_NODEFAULT),
        CFG_INT("advertise_port", 0, CFGF_NONE), CFG_END() };
    configuration_file_note_lines(listener);
    cfg_opt_t accounting[SECTION_OPTIONS_MAX], limits[SECTION_OPTIONS_MAX], timers[SECTION_OPTIONS_MAX];
    add_numbers(database, 1, "database");
    add_numbers(control, 2, "control");
    add_numbers(log, 2, "log");
    add_numbers(dns, 2, "dns");
    add_numbers(accounting, 0, "accounting");
    add_numbers(limits, 0, "limits");
    timers[0] = (cfg_opt_t)CFG_BOOL("test", cfg_false, CFGF_NONE);
    add_numbers(timers, 1, "timers");
    cfg_opt_t file[SECTION_OPTIONS_MAX] = { CFG_STR("node", NULL, CFGF_NODEFAULT),
        CFG_STR("lookup", "dst+addr+default", CFGF_NONE), CFG_STR_LIST("aliases", no_values, CFGF_NONE),
        CFG_STR_LIST("trusted_upstreams", no_values, CFGF_NONE), CFG_SEC("database", database, CFGF_NONE),
        CFG_SEC("control", control, CFGF_NONE), CFG_SEC("log", log, CFGF_NONE), CFG_SEC("dns", dns, CFGF_NONE),
        CFG_SEC("accounting", accounting, CFGF_NONE), CFG_SEC("limits", limits, CFGF_NONE),
        CFG_SEC("timers", timers, CFGF_NONE),
        CFG_SEC("listener", listener, CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES), CONFIGURATION_FILE_END };
    add_numbers(file, 13, NULL);
    return cfg_init(file, CFGF_NONE);
}

int options_load(const char *path, struct options *options_r, struct why *why)
{
    struct options options = { 0 };
    cfg_t *file = grammar_new();
    if (file == NULL)
        return why_fail(why, ERROR_MEMORY, "no memory to read %s", path);
    int rc = configuration_file_parse(path, file, why);
    if (rc == 0)
        rc = read_all(file, &options, why);
    cfg_free(file);
    if (rc != 0) {
        options_fini(&options);
        return rc;
    }
    *options_r = options;
    return 0;
}

void options_fini(struct options *options)
{
    relay_settings_fini(&options->relay);
    free(options->database);
    free(options->control_socket);
    *options = (struct options){ 0 };
}

void options_print_help(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
        printf("%s%s%s = %ld\n    %s (%ld to %ld)\n", numbers[i].section != NULL ? numbers[i].section : "",
            numbers[i].section != NULL ? "." : "", numbers[i].name, numbers[i].initial, numbers[i].meaning,
            numbers[i].minimum, numbers[i].maximum);
}
