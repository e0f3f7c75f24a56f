-- SPDX-License-Identifier: GPL-2.0-or-later
-- 0013-add-fork-and-peer-terms.sql - several next hops at one time; what callers are told, and what they may claim.

ALTER TABLE trelay.route ADD COLUMN fork boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN trelay.route.fork IS 'true: the request goes to this row''s next hop and those of all other matching rows of its priority that fork, at one time; the first to accept wins. They stand ahead of those that do not fork. Each may have flags of its own.';
COMMENT ON COLUMN trelay.route.priority IS 'Lower is tried first; the next ones when it fails, if their flags are the same.';
COMMENT ON COLUMN trelay.route.weight IS 'Among rows of one priority the heavier goes first, unless they fork.';

ALTER TABLE trelay.peer
    ADD COLUMN check_from boolean NOT NULL DEFAULT false,
    ADD COLUMN transport_tls_param boolean NOT NULL DEFAULT false,
    ADD CONSTRAINT peer_check_from_needs_trust_set_ck CHECK (NOT check_from OR trust_set IS NOT NULL),
    ADD CONSTRAINT peer_check_from_of_accept_only_ck CHECK (NOT check_from OR action = 'accept');
COMMENT ON COLUMN trelay.peer.check_from IS 'true: a request outside a dialog is refused (403 from-unproven) unless From names a domain that the sender''s certificate proves.';
COMMENT ON COLUMN trelay.peer.transport_tls_param IS 'Write transport=tls into the Record-Route that faces this peer, for peers that need it.';
COMMENT ON CONSTRAINT peer_check_from_needs_trust_set_ck ON trelay.peer IS 'check_from needs trust_set: nothing else proves a domain.';
COMMENT ON CONSTRAINT peer_check_from_of_accept_only_ck ON trelay.peer IS 'check_from has a meaning only in a row that accepts.';
