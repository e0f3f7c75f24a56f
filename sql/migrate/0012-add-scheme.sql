-- SPDX-License-Identifier: GPL-2.0-or-later
-- 0012-add-scheme.sql - what an outbound policy row makes of SIP and SIPS requests.

CREATE TYPE trelay.scheme AS ENUM ('any', 'consistent', 'sip', 'sips');
COMMENT ON TYPE trelay.scheme IS 'SIP and SIPS Request-URIs (RFC 5630). any: both pass, SIPS by TLS only. consistent: likewise, but a SIPS request with a Contact of SIP is refused (400). sip: SIPS requests are refused (480, Warning 380), for next hops that do not know them. sips: others are refused (480, Warning 381), and it is consistent.';

ALTER TABLE trelay.outbound_policy ADD COLUMN scheme trelay.scheme NOT NULL DEFAULT 'any';
COMMENT ON COLUMN trelay.outbound_policy.scheme IS 'Which Request-URIs this next hop takes. The scheme of a request is never changed.';
