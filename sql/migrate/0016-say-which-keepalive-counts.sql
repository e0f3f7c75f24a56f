-- SPDX-License-Identifier: GPL-2.0-or-later
-- 0016-say-which-keepalive-counts.sql - the pings of an outbound policy row, where others share its connections.

COMMENT ON COLUMN trelay.outbound_policy.keepalive IS 'CRLF keep-alives (RFC 5626) are sent on connections of TLS and TCP at random times, at the latest after this one and not before four fifths of it; they keep an idle connection open. A peer that leaves one unanswered for ten seconds is hung up on: only for peers that answer them. NULL: none. Of several rows whose requests share a connection the shortest counts.';
