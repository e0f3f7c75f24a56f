-- SPDX-License-Identifier: GPL-2.0-or-later
-- failures.sql - what was refused in the last hour, and why. psql -d trelay -f failures.sql
SELECT reason, outbound_policy, outbound_domain, outbound_expected_domain, count(*) AS requests, max(recorded_at) AS latest
  FROM trelay.transaction_record
 WHERE recorded_at > now() - interval '1 hour' AND reason IS NOT NULL AND reason <> 'none'
 GROUP BY 1, 2, 3, 4 ORDER BY requests DESC;
