/* SPDX-License-Identifier: GPL-2.0-or-later */
/* certificate_facts.c - what one certificate says, as one block of plain text and numbers; see certificate.h.
 * Text is gathered first, with offsets for pointers, and laid out once the sizes are known.
 */
#include "pkix/certificate_private.h"

#include "base/address.h"
#include "base/buffer.h"
#include "base/error.h"
#include "pkix/digest.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <stdio.h>
#include <stdlib.h>

/* Pointers of struct certificate_facts while the block is not laid out. */
struct name_place {
    enum certificate_name_type type;
    size_t offset;
};

struct draft {
    struct certificate_facts facts;
    struct buffer text;  /* strings, each with its NUL */
    struct buffer names; /* struct name_place */
    size_t subject, issuer, serial, common_name;
    bool has_common_name;
};

static bool is_control(uint8_t byte)
{
    return byte < 0x20 || byte == 0x7f;
}

/* Appends the bytes, escaped, and a NUL; returns where the text starts. */
static size_t append_escaped(struct draft *draft, const unsigned char *bytes, size_t length)
{
    static const char hex[] = "0123456789abcdef";
    size_t offset = draft->text.length;
    for (size_t i = 0; i < length; i++) {
        if (is_control(bytes[i]))
            draft->facts.has_unclean_name = true;
        if (is_control(bytes[i]) || bytes[i] >= 0x80 || bytes[i] == '\\') {
            buffer_append_byte(&draft->text, '\\');
            if (bytes[i] == '\\') {
                buffer_append_byte(&draft->text, '\\');
                continue;
            }
            buffer_append_byte(&draft->text, (uint8_t)hex[bytes[i] >> 4]);
            buffer_append_byte(&draft->text, (uint8_t)hex[bytes[i] & 15]);
        } else {
            buffer_append_byte(&draft->text, bytes[i]);
        }
    }
    buffer_append_byte(&draft->text, '\0');
    return offset;
}

static void append_name(struct draft *draft, enum certificate_name_type type, size_t offset)
{
    struct name_place place = { type, offset };
    buffer_append(&draft->names, &place, sizeof(place));
    draft->facts.name_count++;
}

static void append_ip(struct draft *draft, const ASN1_OCTET_STRING *ip)
{
    const unsigned char *bytes = ASN1_STRING_get0_data(ip);
    char text[ADDRESS_TEXT_SIZE] = "";
    struct address address;
    if (ASN1_STRING_length(ip) == 4)
        address = address_v4(bytes);
    else if (ASN1_STRING_length(ip) == 16)
        address = address_v6(bytes, 0);
    else
        address = (struct address){ 0 };
    if (address.family != ADDRESS_NONE)
        address_print(&address, text);
    append_name(draft, CERTIFICATE_NAME_IP, append_escaped(draft, (const unsigned char *)text, strlen(text)));
}

static void append_general_name(struct draft *draft, const GENERAL_NAME *name)
{
    enum certificate_name_type type = name->type == GEN_URI     ? CERTIFICATE_NAME_URI
                                      : name->type == GEN_DNS   ? CERTIFICATE_NAME_DNS
                                      : name->type == GEN_EMAIL ? CERTIFICATE_NAME_EMAIL
                                                                : CERTIFICATE_NAME_OTHER;
    if (name->type == GEN_IPADD) {
        append_ip(draft, name->d.iPAddress);
        return;
    }
    if (type == CERTIFICATE_NAME_OTHER) {
        append_name(draft, type, append_escaped(draft, NULL, 0));
        return;
    }
    const ASN1_IA5STRING *text = name->d.ia5;
    append_name(draft, type, append_escaped(draft, ASN1_STRING_get0_data(text), (size_t)ASN1_STRING_length(text)));
}

static int gather_names(struct draft *draft, X509 *certificate, struct why *why)
{
    int found = 0; /* -1: no such extension; -2: several */
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, &found, NULL);
    if (names == NULL && found == -1)
        return 0;
    draft->facts.has_names = true;
    if (names == NULL) {
        int code = library_failure(ERROR_SYNTAX);
        return why_fail(why, code, "subjectAltName cannot be read");
    }
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++)
        append_general_name(draft, sk_GENERAL_NAME_value(names, i));
    GENERAL_NAMES_free(names);
    return 0;
}

static int gather_common_name(struct draft *draft, const X509_NAME *subject)
{
    int first = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    if (first < 0)
        return 0;
    unsigned char *utf8 = NULL;
    int length = ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, first)));
    if (length < 0)
        return library_failure(ERROR_SYNTAX);
    draft->common_name = append_escaped(draft, utf8, (size_t)length);
    draft->has_common_name = X509_NAME_get_index_by_NID(subject, NID_commonName, first) < 0;
    OPENSSL_free(utf8);
    return 0;
}

/* RFC 2253 text; UTF-8 stays, what is not text is escaped by the library. */
static int gather_distinguished_name(struct draft *draft, const X509_NAME *name, size_t *offset_r)
{
    BIO *bio = BIO_new(BIO_s_mem());
    if (bio == NULL)
        return library_failure(ERROR_MEMORY);
    int code = 0;
    char *text = NULL;
    if (X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB) < 0) {
        code = library_failure(ERROR_SYNTAX);
    } else {
        long length = BIO_get_mem_data(bio, &text);
        *offset_r = draft->text.length;
        buffer_append(&draft->text, text, length > 0 ? (size_t)length : 0);
        buffer_append_byte(&draft->text, '\0');
    }
    BIO_free(bio);
    return code;
}

static int gather_serial(struct draft *draft, const X509 *certificate)
{
    BIGNUM *number = ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate), NULL);
    char *hex = number != NULL ? BN_bn2hex(number) : NULL;
    BN_free(number);
    if (hex == NULL)
        return library_failure(ERROR_MEMORY);
    draft->serial = draft->text.length;
    buffer_append(&draft->text, hex, strlen(hex) + 1);
    OPENSSL_free(hex);
    return 0;
}

static int gather_key(struct certificate_facts *facts, X509 *certificate)
{
    unsigned char *spki = NULL;
    int length = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &spki);
    if (length <= 0)
        return library_failure(ERROR_MEMORY);
    struct slice part = slice_of((const char *)spki, (size_t)length);
    int code = digest_sha256(&part, 1, facts->key_digest);
    OPENSSL_free(spki);
    const EVP_PKEY *key = X509_get0_pubkey(certificate);
    facts->key_type = key_type_of(key);
    facts->key_bits = key != NULL && EVP_PKEY_get_bits(key) > 0 ? (unsigned)EVP_PKEY_get_bits(key) : 0;
    ERR_clear_error(); /* a key of a type unknown here is a fact, not a failure */
    return code;
}

static int gather(struct draft *draft, X509 *certificate, struct slice der, struct why *why)
{
    struct certificate_facts *facts = &draft->facts;
    if (!certificate_time(X509_get0_notBefore(certificate), &facts->not_before) ||
        !certificate_time(X509_get0_notAfter(certificate), &facts->not_after))
        return why_fail(why, ERROR_SYNTAX, "the validity cannot be read");
    facts->is_ca = (X509_get_extension_flags(certificate) & EXFLAG_CA) != 0;
    facts->is_self_issued = X509_NAME_cmp(X509_get_subject_name(certificate), X509_get_issuer_name(certificate)) == 0;
    int code;
    if ((code = digest_sha256(&der, 1, facts->digest)) != 0 ||
        (code = gather_key(facts, certificate)) != 0 ||
        (code = gather_distinguished_name(draft, X509_get_subject_name(certificate), &draft->subject)) != 0 ||
        (code = gather_distinguished_name(draft, X509_get_issuer_name(certificate), &draft->issuer)) != 0 ||
        (code = gather_common_name(draft, X509_get_subject_name(certificate))) != 0 ||
        (code = gather_serial(draft, certificate)) != 0)
        return why_fail(why, code, "subject, issuer or key cannot be read: %s", error_text(code));
    if ((code = gather_names(draft, certificate, why)) != 0)
        return code;
    if (draft->text.has_failed || draft->names.has_failed)
        return why_fail(why, ERROR_MEMORY, "out of memory");
    return 0;
}

/* One block: the struct, the names, the text. */
static struct certificate_facts *lay_out(const struct draft *draft)
{
    size_t name_count = draft->facts.name_count;
    size_t names_size = name_count * sizeof(struct certificate_name);
    struct certificate_facts *facts = malloc(sizeof(*facts) + names_size + draft->text.length);
    if (facts == NULL)
        return NULL;
    *facts = draft->facts;
    struct certificate_name *names = (struct certificate_name *)(void *)(facts + 1);
    char *text = (char *)(facts + 1) + names_size;
    memcpy(text, draft->text.data, draft->text.length);
    for (size_t i = 0; i < name_count; i++) {
        struct name_place place;
        memcpy(&place, draft->names.data + i * sizeof(place), sizeof(place));
        names[i] = (struct certificate_name){ place.type, text + place.offset };
    }
    facts->names = names;
    facts->subject = text + draft->subject;
    facts->issuer = text + draft->issuer;
    facts->serial = text + draft->serial;
    facts->common_name = draft->has_common_name ? text + draft->common_name : NULL;
    return facts;
}

int certificate_facts_from(X509 *certificate, struct slice der, struct certificate_facts **facts_r, struct why *why)
{
    struct draft draft = { .text = BUFFER_EMPTY, .names = BUFFER_EMPTY };
    int code = gather(&draft, certificate, der, why);
    if (code == 0) {
        struct certificate_facts *facts = lay_out(&draft);
        if (facts != NULL)
            *facts_r = facts;
        else
            code = why_fail(why, ERROR_MEMORY, "out of memory");
    }
    buffer_free(&draft.text);
    buffer_free(&draft.names);
    ERR_clear_error();
    return code;
}

int certificate_facts_read(struct slice der, struct certificate_facts **facts_r, struct why *why)
{
    X509 *certificate = certificate_parse(der);
    if (certificate == NULL) {
        int code = library_failure(ERROR_SYNTAX);
        return why_fail(why, code, "%s", code == ERROR_MEMORY ? "out of memory" : "not a certificate");
    }
    int code = certificate_facts_from(certificate, der, facts_r, why);
    X509_free(certificate);
    return code;
}

void certificate_facts_free(struct certificate_facts *facts)
{
    free(facts);
}

/* Appends "TYPE:TEXT" with a separator; false, and "..." at the end, when it does not fit. */
static bool print_name(char *out, size_t out_size, const char *type, const char *text)
{
    size_t at = strlen(out);
    int length = snprintf(out + at, out_size - at, "%s%s:%s", at > 0 ? ", " : "", type, text);
    if (length >= 0 && (size_t)length < out_size - at)
        return true;
    if (out_size >= sizeof("..."))
        memcpy(out + out_size - sizeof("..."), "...", sizeof("..."));
    return false;
}

void certificate_names_print(const struct certificate_facts *facts, char *out, size_t out_size)
{
    if (out_size == 0)
        return;
    out[0] = '\0';
    if (!facts->has_names && facts->common_name != NULL)
        print_name(out, out_size, "cn", facts->common_name);
    for (size_t i = 0; i < facts->name_count; i++)
        if (!print_name(out, out_size, certificate_name_type_word(facts->names[i].type), facts->names[i].text))
            return;
}

size_t certificate_names_list(const struct certificate_facts *facts, struct buffer *text, struct slice *names_r,
    size_t max)
{
    size_t count = 0, at = 0;
    for (size_t i = 0; i < facts->name_count && count < max; i++) {
        const struct certificate_name *name = &facts->names[i];
        if (name->text[0] == '\0')
            continue;
        size_t start = text->length;
        buffer_append_string(text, certificate_name_type_word(name->type));
        buffer_append_byte(text, ':');
        buffer_append_string(text, name->text);
        names_r[count++].length = text->length - start;
    }
    if (text->has_failed)
        return 0;
    /* The text moves while it grows: where each begins is known now. */
    for (size_t i = 0; i < count; i++) {
        names_r[i].data = text->data + at;
        at += names_r[i].length;
    }
    return count;
}

const char *certificate_name_type_word(enum certificate_name_type type)
{
    static const char *const words[] = { "none", "uri", "dns", "ip", "email", "other" };
    return (size_t)type < ARRAY_SIZE(words) ? words[type] : words[0];
}

const char *key_type_word(enum key_type type)
{
    static const char *const words[] = { "unknown", "rsa", "rsa-pss", "ec", "ed25519", "ed448" };
    return (size_t)type < ARRAY_SIZE(words) ? words[type] : words[0];
}
