-- SPDX-License-Identifier: GPL-2.0-or-later
-- 0026-say-whose-silence-counts.sql - idle_timeout counts for who asks, too.

COMMENT ON COLUMN trelay.outbound_policy.idle_timeout IS 'A connection that is unused for so long is closed, by the shortest of the rows that it was used for, and gets no request of a row whose own is shorter than its silence; NULL: the node''s default.';
