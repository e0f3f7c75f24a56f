-- SPDX-License-Identifier: GPL-2.0-or-later
-- 0022-say-what-weaken-permits.sql - weaken and idle_timeout, in words that are true.

COMMENT ON COLUMN trelay.outbound_policy.weaken IS 'Whether no-verify may lower the level to encrypt, and initial-only that of a dialog to chain; and whether lookup in X-Trelay-Flags may lead past this row to another one.';
COMMENT ON COLUMN trelay.outbound_policy.idle_timeout IS 'A connection that is unused for so long is closed, by the shortest of the rows that it was used for; NULL: the node''s default.';
