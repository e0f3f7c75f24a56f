/* SPDX-License-Identifier: GPL-2.0-or-later */
/* certificate_anchor.h - the anchor that the fuzz target trusts.
 * Its key was thrown away, so that nothing can be proven by it. */
#ifndef TRELAY_FUZZ_CERTIFICATE_ANCHOR_H
#define TRELAY_FUZZ_CERTIFICATE_ANCHOR_H

#define ANCHOR_NOW 1795484929
#define ANCHOR_PEM \
    "-----BEGIN CERTIFICATE-----\n" \
    "MIIBXjCCAQSgAwIBAgICEAEwCgYIKoZIzj0EAwIwFjEUMBIGA1UEAwwLZnV6eiBh\n" \
    "bmNob3IwHhcNMjYxMTIzMDE0ODQ5WhcNNDYwMTIzMDE0ODQ5WjAWMRQwEgYDVQQD\n" \
    "DAtmdXp6IGFuY2hvcjBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABEN1MfXmSUAi\n" \
    "qGUqTH617yF8+I4PupddSinL7pCRGFsnvii2+Pe/6498jzvxN0ZyTNTZT6iVps87\n" \
    "acHZtrvp+y2jQjBAMB0GA1UdDgQWBBTdXLEuPTHHwrU/BKkVlKdMOQkYkDAPBgNV\n" \
    "HRMBAf8EBTADAQH/MA4GA1UdDwEB/wQEAwIBBjAKBggqhkjOPQQDAgNIADBFAiEA\n" \
    "3fICkQsCBBU2PwlmV/mrYdU6uKSUdGXkscrVFmmaX80CIEW1/y27Y9Fy423Hd4Xv\n" \
    "yfo3aQ7qIF4omA2S0GIiS7RI\n" \
    "-----END CERTIFICATE-----\n"

#endif
