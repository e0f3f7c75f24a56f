/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tls_record.c - what a record costs with each cipher suite, and a handshake: why tls_settings_init() orders them so.
 * In:    nothing. Out: a table: microseconds of processor time to seal and open one record of 700 bytes (a SIP
 *        message) and of 16 KiB; handshakes, both sides, each second.
 */
#include "base/error.h"
#include "tls/tls_library.h"
#include "tls/tls_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static void need(int result, const struct why *why)
{
    if (result == 0)
        return;
    fprintf(stderr, "tls_record: %s\n", why->text);
    exit(1);
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

struct sides {
    struct tls_context *client_context, *server_context;
    struct tls_session *client, *server;
};

static void sides_init(struct sides *sides, struct tls_credential *credential, const char *suite, struct why *why)
{
    struct tls_settings settings;
    enum tls_version version = strstr(suite, "_WITH_") != NULL ? TLS_VERSION_1_2 : TLS_VERSION_1_3;
    tls_settings_init(&settings);
    need(tls_settings_set_versions(&settings, version, version, why), why);
    need(tls_settings_set_suites(&settings, slice_of_string(suite), why), why);
    need(tls_context_new(TLS_ROLE_CLIENT, &settings, NULL, &sides->client_context, why), why);
    settings.client_auth = CLIENT_AUTH_NONE;
    need(tls_context_new(TLS_ROLE_SERVER, &settings, credential, &sides->server_context, why), why);
}

static void sides_connect(struct sides *sides, struct why *why)
{
    need(tls_session_new(sides->client_context, NULL, &sides->client, why), why);
    need(tls_session_new(sides->server_context, NULL, &sides->server, why), why);
    need(tls_pair_run(sides->client, sides->server, true, why), why);
    need(tls_session_release(sides->server), why);
}

static void sides_disconnect(struct sides *sides)
{
    tls_session_free(sides->client);
    tls_session_free(sides->server);
}

/* Microseconds for one record of LENGTH bytes. */
static double measure_record(struct sides *sides, size_t length, struct why *why)
{
    static char text[16384];
    struct buffer plain = BUFFER_EMPTY;
    size_t count = 0;
    double began = seconds(), now = began;
    while (now - began < 0.3) {
        for (int i = 0; i < 200; i++, count++) {
            need(tls_session_write(sides->client, slice_of(text, length), why), why);
            struct slice output = tls_session_output(sides->client);
            need(tls_session_read(sides->server, output, &plain, why), why);
            tls_session_sent(sides->client, output.length);
            buffer_clear(&plain);
        }
        now = seconds();
    }
    buffer_free(&plain);
    return (now - began) * 1e6 / (double)count;
}

static double measure_handshakes(struct sides *sides, struct why *why)
{
    size_t count = 0;
    double began = seconds(), now = began;
    while (now - began < 0.3) {
        sides_connect(sides, why);
        sides_disconnect(sides);
        count++;
        now = seconds();
    }
    return (double)count / (now - began);
}

int main(void)
{
    struct why why = WHY_NONE;
    struct buffer report = BUFFER_EMPTY;
    struct tls_specimen specimen;
    struct tls_credential *credential;
    struct tls_settings settings;
    need(tls_library_init(&why), &why);
    need(tls_specimen_new(&specimen, &why), &why);
    struct slice certificate = buffer_slice(&specimen.certificate);
    need(tls_credential_new(&certificate, 1, buffer_slice(&specimen.key), SLICE_LITERAL("x"), &credential, &why), &why);
    tls_library_report(&report);
    printf("%.*s\n%-46s %10s %10s %12s\n", SLICE_PRINT(buffer_slice(&report)), "suite", "700 B, us", "16 KiB, us",
           "handshakes/s");
    tls_settings_init(&settings);
    for (const uint16_t *suite = settings.suites; *suite != 0; suite++) {
        struct sides sides;
        const char *name = tls_suite_name(*suite);
        if (strstr(name, "ECDHE_RSA") != NULL)
            continue; /* the same records as with ECDSA */
        sides_init(&sides, credential, name, &why);
        double handshakes = measure_handshakes(&sides, &why);
        sides_connect(&sides, &why);
        double small = measure_record(&sides, 700, &why), large = measure_record(&sides, 16384, &why);
        printf("%-46s %10.2f %10.2f %12.0f\n", name, small, large, handshakes);
        sides_disconnect(&sides);
        tls_context_unref(sides.client_context);
        tls_context_unref(sides.server_context);
    }
    tls_credential_unref(credential);
    tls_specimen_free(&specimen);
    buffer_free(&report);
    tls_library_fini();
    return 0;
}
