/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tls_endpoint.c - src/tls on a real socket, one connection, for tests with other people's programs.
 * In:    words: server|client, then NAME=VALUE: address, port (0: any), certificate (DER file, again and again, leaf
 *        first), key (DER file), auth, minimum, maximum, protocol, name, refuse (an alert, instead of the release).
 * Out:   "listening PORT"; "hello NAME" (server); "chain N"; "open VERSION SUITE ..."; what was read; "closed" or
 *        "failed TEXT".
 *        A server answers each text with the same text after "echo: ". A client sends what it reads on its input.
 */
#include "base/error.h"
#include "base/integer.h"
#include "tls/tls_library.h"
#include "tls/tls_session.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CERTIFICATES = 8 };

struct endpoint_options {
    enum tls_role role;
    const char *address, *port, *protocol, *name, *refuse, *key;
    const char *certificates[CERTIFICATES];
    size_t certificate_count;
    enum client_auth client_auth;
    enum tls_version minimum, maximum;
};

static void die(const char *text)
{
    printf("failed %s\n", text);
    exit(1);
}

static unsigned number_of(const char *text, unsigned limit)
{
    uint64_t number = 0;
    if (text == NULL || integer_parse(slice_of_string(text), limit, &number) != 0)
        die("an option that is no number");
    return (unsigned)number;
}

static void read_options(int count, char **words, struct endpoint_options *options)
{
    *options = (struct endpoint_options){ .address = "127.0.0.1", .port = "0" };
    options->role = count > 1 && words[1][0] == 's' ? TLS_ROLE_SERVER : TLS_ROLE_CLIENT;
    options->client_auth = options->role == TLS_ROLE_SERVER ? CLIENT_AUTH_NONE : CLIENT_AUTH_UNSET;
    for (int i = 2; i < count; i++) {
        char *value = strchr(words[i], '=');
        if (value == NULL)
            die("an option without value");
        struct slice name = slice_of(words[i], (size_t)(value++ - words[i]));
        if (slice_equal(name, SLICE_LITERAL("address")))
            options->address = value;
        else if (slice_equal(name, SLICE_LITERAL("port")))
            options->port = value;
        else if (slice_equal(name, SLICE_LITERAL("protocol")))
            options->protocol = value;
        else if (slice_equal(name, SLICE_LITERAL("name")))
            options->name = value;
        else if (slice_equal(name, SLICE_LITERAL("refuse")))
            options->refuse = value;
        else if (slice_equal(name, SLICE_LITERAL("key")))
            options->key = value;
        else if (slice_equal(name, SLICE_LITERAL("certificate")) && options->certificate_count < CERTIFICATES)
            options->certificates[options->certificate_count++] = value;
        else if (slice_equal(name, SLICE_LITERAL("auth")))
            options->client_auth = client_auth_from_name(slice_of_string(value));
        else if (slice_equal(name, SLICE_LITERAL("minimum")))
            options->minimum = tls_version_from_name(slice_of_string(value));
        else if (slice_equal(name, SLICE_LITERAL("maximum")))
            options->maximum = tls_version_from_name(slice_of_string(value));
        else
            die("an unknown option");
    }
}

static struct buffer file_content(const char *path)
{
    struct buffer content = BUFFER_EMPTY;
    char bytes[4096];
    size_t length;
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        die("a file cannot be read");
    while ((length = fread(bytes, 1, sizeof(bytes), file)) > 0)
        buffer_append(&content, bytes, length);
    fclose(file);
    return content;
}

static struct tls_credential *credential_of(const struct endpoint_options *options)
{
    struct buffer files[CERTIFICATES], key;
    struct slice chain[CERTIFICATES];
    struct tls_credential *credential = NULL;
    struct why why = WHY_NONE;
    if (options->certificate_count == 0)
        return NULL;
    for (size_t i = 0; i < options->certificate_count; i++) {
        files[i] = file_content(options->certificates[i]);
        chain[i] = buffer_slice(&files[i]);
    }
    key = file_content(options->key);
    if (tls_credential_new(chain, options->certificate_count, buffer_slice(&key), SLICE_LITERAL("x"), &credential,
                           &why) != 0)
        die(why.text);
    for (size_t i = 0; i < options->certificate_count; i++)
        buffer_free(&files[i]);
    buffer_free(&key);
    return credential;
}

static struct tls_context *context_of(const struct endpoint_options *options)
{
    struct tls_credential *credential = credential_of(options);
    struct tls_context *context = NULL;
    struct tls_settings settings;
    struct why why = WHY_NONE;
    tls_settings_init(&settings);
    settings.client_auth = options->client_auth;
    if (tls_settings_set_versions(&settings, options->minimum, options->maximum, &why) != 0 ||
        tls_settings_set_protocol(&settings, slice_of_string(options->protocol), &why) != 0 ||
        tls_context_new(options->role, &settings, credential, &context, &why) != 0)
        die(why.text);
    tls_credential_unref(credential);
    return context;
}

static int socket_of(const struct endpoint_options *options)
{
    struct sockaddr_in address = { .sin_family = AF_INET };
    address.sin_port = htons((uint16_t)number_of(options->port, UINT16_MAX));
    socklen_t length = sizeof(address);
    int made = socket(AF_INET, SOCK_STREAM, 0), accepted;
    if (inet_pton(AF_INET, options->address, &address.sin_addr) != 1 || made < 0)
        die("no socket");
    if (options->role == TLS_ROLE_CLIENT) {
        if (connect(made, (struct sockaddr *)&address, sizeof(address)) != 0)
            die("connect");
        return made;
    }
    if (bind(made, (struct sockaddr *)&address, sizeof(address)) != 0 || listen(made, 1) != 0 ||
        getsockname(made, (struct sockaddr *)&address, &length) != 0)
        die("bind");
    printf("listening %d\n", ntohs(address.sin_port));
    accepted = accept(made, NULL, NULL);
    close(made);
    if (accepted < 0)
        die("accept");
    return accepted;
}

static void send_all(int wire, struct slice bytes)
{
    while (!slice_is_empty(bytes)) {
        ssize_t length = send(wire, bytes.data, bytes.length, MSG_NOSIGNAL);
        if (length <= 0)
            die("send");
        bytes = slice_from(bytes, (size_t)length);
    }
}

static void flush(int wire, struct tls_session *session)
{
    struct slice output = tls_session_output(session);
    send_all(wire, output);
    tls_session_sent(session, output.length);
}

/* The next bytes; empty at the end of the stream. */
static struct slice receive(int wire, char *bytes, size_t size)
{
    ssize_t length = recv(wire, bytes, size, 0);
    return slice_of(bytes, length > 0 ? (size_t)length : 0);
}

/* Reads the ClientHello; a name other than the one served is told so. */
static struct tls_session *session_of_server(int wire, const struct endpoint_options *options,
                                             struct tls_context *context, struct why *why)
{
    char bytes[4096];
    struct client_hello_reader reader;
    struct tls_session *session = NULL;
    client_hello_reader_init(&reader);
    while (reader.state == CLIENT_HELLO_INCOMPLETE) {
        struct slice input = receive(wire, bytes, sizeof(bytes));
        if (slice_is_empty(input))
            die("end of stream before the ClientHello");
        client_hello_reader_feed(&reader, input, why);
    }
    enum tls_alert alert = reader.alert;
    struct slice name = reader.hello.server_name;
    if (reader.state == CLIENT_HELLO_COMPLETE) {
        printf("hello %.*s\n", SLICE_PRINT(name));
        if (options->name != NULL && !slice_is_absent(name) && !slice_equal(name, slice_of_string(options->name)))
            alert = TLS_ALERT_UNRECOGNIZED_NAME;
        struct tls_session_options session_options = { .server_name = name };
        if (alert == TLS_ALERT_ABSENT && tls_session_new(context, &session_options, &session, why) == 0)
            tls_session_handshake(session, buffer_slice(&reader.raw), why);
    }
    if (session == NULL) {
        struct buffer output = BUFFER_EMPTY;
        tls_alert_append(&output, alert);
        send_all(wire, buffer_slice(&output));
        buffer_free(&output);
        shutdown(wire, SHUT_WR);
        while (!slice_is_empty(receive(wire, bytes, sizeof(bytes))))
            ;
        die(why->text[0] != '\0' ? why->text : tls_alert_name(alert));
    }
    client_hello_reader_fini(&reader);
    return session;
}

/* The verdict: whatever it is, its time has come. */
static void judge(struct tls_session *session, const struct endpoint_options *options)
{
    struct tls_chain chain = { NULL, 0, NULL };
    if (tls_session_take_chain(session, &chain) == 0)
        printf("chain %zu\n", chain.count);
    tls_chain_free(&chain);
    if (options->refuse != NULL)
        tls_session_refuse(session, (enum tls_alert)number_of(options->refuse, UINT8_MAX));
    else if (tls_session_release(session) != 0)
        die("no release");
}

static void shake_hands(int wire, struct tls_session *session, const struct endpoint_options *options, struct why *why)
{
    char bytes[4096];
    enum tls_progress progress = tls_session_handshake(session, SLICE_ABSENT, why);
    for (;;) {
        if (tls_session_is_held(session))
            judge(session, options);
        flush(wire, session);
        if (options->refuse != NULL && tls_session_has_chain(session))
            die("refused");
        if (progress != TLS_WANT_INPUT)
            break;
        struct slice input = receive(wire, bytes, sizeof(bytes));
        if (slice_is_empty(input))
            die("end of stream in the handshake");
        progress = tls_session_handshake(session, input, why);
    }
    if (progress == TLS_FAILED)
        die(why->text);
    if (!tls_session_has_chain(session))
        judge(session, options);
    struct tls_session_facts facts;
    if (tls_session_facts(session, &facts) != 0)
        die("no facts");
    printf("open %s %s %s%s\n", tls_version_name(facts.version), facts.suite,
           facts.was_certificate_requested ? "requested " : "", facts.was_certificate_sent ? "sent" : "");
}

static void echo(struct tls_session *session, struct slice text, struct why *why)
{
    struct buffer answer = BUFFER_EMPTY;
    buffer_append_string(&answer, "echo: ");
    buffer_append_slice(&answer, text);
    if (tls_session_write(session, buffer_slice(&answer), why) != 0)
        die(why->text);
    buffer_free(&answer);
}

/* From the wire until close_notify; a client also passes its input on. */
static void converse(int wire, struct tls_session *session, enum tls_role role, struct why *why)
{
    struct pollfd events[2] = { { .fd = wire, .events = POLLIN },
                                { .fd = role == TLS_ROLE_CLIENT ? STDIN_FILENO : -1, .events = POLLIN } };
    char bytes[16384];
    struct slice input = SLICE_ABSENT;
    for (;;) {
        struct buffer plain = BUFFER_EMPTY;
        int result = tls_session_read(session, input, &plain, why);
        printf("%.*s", SLICE_PRINT(buffer_slice(&plain)));
        if (plain.length > 0 && role == TLS_ROLE_SERVER)
            echo(session, buffer_slice(&plain), why);
        buffer_free(&plain);
        if (result == ERROR_CLOSED)
            tls_session_close(session);
        flush(wire, session);
        if (result != 0)
            break;
        poll(events, 2, -1);
        input = SLICE_ABSENT;
        if (events[0].revents != 0) {
            input = receive(wire, bytes, sizeof(bytes));
            if (slice_is_empty(input))
                die("end of stream without close_notify");
        } else if (events[1].revents != 0) {
            ssize_t length = read(STDIN_FILENO, bytes, sizeof(bytes));
            if (length <= 0) {
                tls_session_close(session);
                events[1].fd = -1;
            } else if (tls_session_write(session, slice_of(bytes, (size_t)length), why) != 0) {
                die(why->text);
            }
        }
    }
}

int main(int count, char **words)
{
    struct endpoint_options options;
    struct why why = WHY_NONE;
    setvbuf(stdout, NULL, _IOLBF, 0);
    read_options(count, words, &options);
    if (tls_library_init(&why) != 0)
        die(why.text);
    struct tls_context *context = context_of(&options);
    int wire = socket_of(&options);
    struct tls_session *session = NULL;
    if (options.role == TLS_ROLE_SERVER) {
        session = session_of_server(wire, &options, context, &why);
    } else {
        const struct tls_session_options session_options = { .server_name = slice_of_string(options.name) };
        if (tls_session_new(context, &session_options, &session, &why) != 0)
            die(why.text);
    }
    shake_hands(wire, session, &options, &why);
    converse(wire, session, options.role, &why);
    printf("%s %s\n", tls_session_alert_received(session) == TLS_ALERT_CLOSE_NOTIFY ? "closed" : "failed", why.text);
    tls_session_free(session);
    tls_context_unref(context);
    tls_library_thread_fini();
    tls_library_fini();
    close(wire);
    return 0;
}
