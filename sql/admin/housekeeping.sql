-- SPDX-License-Identifier: GPL-2.0-or-later
-- housekeeping.sql - once a day: forget old records. psql -d trelay -v days=90 -f housekeeping.sql
\if :{?days}
\else
    \set days 90
\endif
SELECT trelay.drop_records(current_date - :days) AS dropped;
SELECT trelay.forget_changes(make_interval(days => 2 * :days)) AS forgotten_changes;
