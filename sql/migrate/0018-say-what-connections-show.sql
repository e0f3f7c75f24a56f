-- SPDX-License-Identifier: GPL-2.0-or-later
-- 0018-say-what-connections-show.sql - columns of live connections, ages and alias, in words that are true.

COMMENT ON COLUMN trelay.connection.local_address IS 'Our address; NULL until it is ready, as all that a handshake tells.';
COMMENT ON COLUMN trelay.connection.local_port IS 'Our port.';
COMMENT ON COLUMN trelay.connection.policy IS 'The outbound policy row it was opened, or upgraded, for; NULL of an inbound one, and where flags alone asked for it.';
COMMENT ON COLUMN trelay.connection.peer IS 'Of an inbound connection the peer row that applies to its requests by the policy that its node has now; NULL: none, and they are refused.';
COMMENT ON COLUMN trelay.connection.trust_set IS 'The trust set the peer was proven against; NULL: its chain was not proven, or by pins alone.';
COMMENT ON COLUMN trelay.connection.verified_at IS 'When the peer was last proven, by a handshake, an upgrade or a revalidation.';
COMMENT ON COLUMN trelay.connection.expires_at IS 'From then on it gets no new request of ours; it ends when nothing is under way on it, at the latest after timer C and 64 T1 (217 seconds by default).';
COMMENT ON COLUMN trelay.connection.last_used_at IS 'When it last carried a message or a keep-alive.';
COMMENT ON COLUMN trelay.connection.requests IS 'Requests sent and received on it, ACK, CANCEL and repetitions among them.';
COMMENT ON COLUMN trelay.connection.in_flight IS 'Transactions under way on it, in either direction; one that is answered counts until no repetition can come any more.';

COMMENT ON COLUMN trelay.outbound_policy.max_age IS 'A connection of this age gets no new request; it ends when nothing is under way on it, at the latest after timer C and 64 T1 (217 seconds by default). NULL: the node''s default.';
COMMENT ON COLUMN trelay.outbound_policy.alias IS 'Has no effect in this version: an accepted connection never serves requests of ours (RFC 5923).';
COMMENT ON COLUMN trelay.peer.alias IS 'Has no effect in this version: an accepted connection never serves requests of ours (RFC 5923).';
