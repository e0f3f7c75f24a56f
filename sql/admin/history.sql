-- SPDX-License-Identifier: GPL-2.0-or-later
-- history.sql - who changed a row, and what. psql -d trelay -v row=biloxi -f history.sql
SELECT changed_at, changed_by, action, table_name, old, new FROM trelay.change WHERE row_name = :'row' ORDER BY id;
