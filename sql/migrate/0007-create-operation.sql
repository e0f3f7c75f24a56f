-- SPDX-License-Identifier: GPL-2.0-or-later
-- 0007-create-operation.sql - what the daemons tell (nodes, connections, problems, certificates in use) and what they are told.

CREATE TABLE trelay.node (
    name             trelay.row_name NOT NULL,
    version          text,
    host             text,
    process_id       integer,
    started_at       timestamptz NOT NULL,
    seen_at          timestamptz NOT NULL DEFAULT now(),
    heartbeat_every  interval NOT NULL DEFAULT '5 seconds',
    policy_version   bigint,
    policy_generation bigint,
    policy_loaded_at timestamptz,
    connections      integer NOT NULL DEFAULT 0,
    transactions     bigint NOT NULL DEFAULT 0,
    CONSTRAINT node_pk PRIMARY KEY (name)
);
COMMENT ON TABLE trelay.node IS 'The daemons that work with this database. One whose seen_at is several heartbeats old is gone or cut off (trelay.problem says so); delete the rows of those that do not come back.';
COMMENT ON COLUMN trelay.node.name IS 'Name of the node in its trelay.conf.';
COMMENT ON COLUMN trelay.node.version IS 'Version of trelayd.';
COMMENT ON COLUMN trelay.node.host IS 'Name of its machine.';
COMMENT ON COLUMN trelay.node.process_id IS 'Its process there.';
COMMENT ON COLUMN trelay.node.started_at IS 'When it was started.';
COMMENT ON COLUMN trelay.node.seen_at IS 'When it last wrote this row.';
COMMENT ON COLUMN trelay.node.heartbeat_every IS 'How often it does.';
COMMENT ON COLUMN trelay.node.policy_version IS 'The version of the policy it works by; compare trelay.policy_version.';
COMMENT ON COLUMN trelay.node.policy_generation IS 'Counts its readings of the policy that differed from the one before.';
COMMENT ON COLUMN trelay.node.policy_loaded_at IS 'When it last read the policy.';
COMMENT ON COLUMN trelay.node.connections IS 'Its open connections.';
COMMENT ON COLUMN trelay.node.transactions IS 'Transactions since it was started.';
COMMENT ON CONSTRAINT node_pk ON trelay.node IS 'Names are unique.';

CREATE UNLOGGED TABLE trelay.connection (
    node             trelay.row_name NOT NULL,
    id               text NOT NULL,
    direction        text NOT NULL,
    transport        text NOT NULL,
    local_address    inet,
    local_port       trelay.tcp_port,
    remote_address   inet,
    remote_port      trelay.tcp_port,
    state            text NOT NULL,
    class            text,
    level            trelay.level,
    expected_domain  text,
    verified_domain  text,
    reason           text,
    policy           text,
    peer             text,
    key_digest       text,
    certificate      text,
    certificate_sha256 text,
    sni              text,
    trust_set        text,
    tls_version      text,
    cipher           text,
    peer_subject     text,
    peer_issuer      text,
    peer_sans        text[],
    peer_serial      text,
    peer_sha256      text,
    peer_not_before  timestamptz,
    peer_not_after   timestamptz,
    opened_at        timestamptz NOT NULL,
    verified_at      timestamptz,
    expires_at       timestamptz,
    last_used_at     timestamptz,
    requests         bigint NOT NULL DEFAULT 0,
    in_flight        integer NOT NULL DEFAULT 0,
    CONSTRAINT connection_pk PRIMARY KEY (node, id),
    CONSTRAINT connection_node_fk FOREIGN KEY (node) REFERENCES trelay.node (name) ON DELETE CASCADE,
    CONSTRAINT connection_direction_ck CHECK (direction IN ('outbound', 'inbound')),
    CONSTRAINT connection_class_ck CHECK (class IN ('unverified', 'verified'))
);
COMMENT ON TABLE trelay.connection IS 'The live connections of all nodes, some seconds old. Not kept over a crash of the server, not replicated: the daemons write it anew. Rows of a node that is gone stay; see trelay.node.seen_at. SELECT * FROM trelay.close_connection(node, id) closes one.';
COMMENT ON COLUMN trelay.connection.node IS 'The node that has it.';
COMMENT ON COLUMN trelay.connection.id IS 'Its name on that node; never used again for another connection.';
COMMENT ON COLUMN trelay.connection.direction IS 'outbound: opened by us. inbound: accepted.';
COMMENT ON COLUMN trelay.connection.transport IS 'tls or tcp.';
COMMENT ON COLUMN trelay.connection.local_address IS 'Our address.';
COMMENT ON COLUMN trelay.connection.local_port IS 'Our port.';
COMMENT ON COLUMN trelay.connection.remote_address IS 'The other side''s address.';
COMMENT ON COLUMN trelay.connection.remote_port IS 'The other side''s port.';
COMMENT ON COLUMN trelay.connection.state IS 'dialing, handshaking, verifying, ready, draining or dead.';
COMMENT ON COLUMN trelay.connection.class IS 'unverified or verified; NULL while there is no verdict.';
COMMENT ON COLUMN trelay.connection.level IS 'What was asked of the peer and holds.';
COMMENT ON COLUMN trelay.connection.expected_domain IS 'The identity that was asked for.';
COMMENT ON COLUMN trelay.connection.verified_domain IS 'The identity in the certificate that matched.';
COMMENT ON COLUMN trelay.connection.reason IS 'Why the verdict is what it is.';
COMMENT ON COLUMN trelay.connection.policy IS 'The outbound policy row it was opened for.';
COMMENT ON COLUMN trelay.connection.peer IS 'The peer row that matched, of an inbound connection.';
COMMENT ON COLUMN trelay.connection.key_digest IS 'SHA-256 of its key: requests of equal keys share connections, others never.';
COMMENT ON COLUMN trelay.connection.certificate IS 'Our certificate on it.';
COMMENT ON COLUMN trelay.connection.certificate_sha256 IS 'SHA-256 of that certificate.';
COMMENT ON COLUMN trelay.connection.sni IS 'The server name sent or received.';
COMMENT ON COLUMN trelay.connection.trust_set IS 'The trust set the peer was validated against.';
COMMENT ON COLUMN trelay.connection.tls_version IS 'The negotiated TLS version.';
COMMENT ON COLUMN trelay.connection.cipher IS 'The negotiated cipher suite.';
COMMENT ON COLUMN trelay.connection.peer_subject IS 'Subject of the peer''s certificate.';
COMMENT ON COLUMN trelay.connection.peer_issuer IS 'Issuer of the peer''s certificate.';
COMMENT ON COLUMN trelay.connection.peer_sans IS 'Subject alternative names of the peer''s certificate ("uri:sip:biloxi.example", "dns:biloxi.example").';
COMMENT ON COLUMN trelay.connection.peer_serial IS 'Serial number of the peer''s certificate, hexadecimal.';
COMMENT ON COLUMN trelay.connection.peer_sha256 IS 'SHA-256 of the peer''s certificate.';
COMMENT ON COLUMN trelay.connection.peer_not_before IS 'Start of validity of the peer''s certificate.';
COMMENT ON COLUMN trelay.connection.peer_not_after IS 'End of validity of the peer''s certificate.';
COMMENT ON COLUMN trelay.connection.opened_at IS 'When it was opened or accepted.';
COMMENT ON COLUMN trelay.connection.verified_at IS 'When the peer was last verified.';
COMMENT ON COLUMN trelay.connection.expires_at IS 'When it will be closed, however busy.';
COMMENT ON COLUMN trelay.connection.last_used_at IS 'When it last carried a message.';
COMMENT ON COLUMN trelay.connection.requests IS 'Requests sent and received on it.';
COMMENT ON COLUMN trelay.connection.in_flight IS 'Requests that have no final response yet.';
COMMENT ON CONSTRAINT connection_pk ON trelay.connection IS 'Names are unique on a node.';
COMMENT ON CONSTRAINT connection_node_fk ON trelay.connection IS 'Connections go with the row of their node.';
COMMENT ON CONSTRAINT connection_direction_ck ON trelay.connection IS 'outbound or inbound.';
COMMENT ON CONSTRAINT connection_class_ck ON trelay.connection IS 'unverified or verified.';

CREATE TABLE trelay.node_problem (
    node        trelay.row_name NOT NULL,
    table_name  text NOT NULL,
    row_name    text NOT NULL,
    reason      text NOT NULL,
    since       timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT node_problem_node_fk FOREIGN KEY (node) REFERENCES trelay.node (name) ON DELETE CASCADE
);
COMMENT ON TABLE trelay.node_problem IS 'Rows that a node could not use, and why; requests that need such a row are refused. Read trelay.problem, which has these and more.';
COMMENT ON COLUMN trelay.node_problem.node IS 'The node.';
COMMENT ON COLUMN trelay.node_problem.table_name IS 'Table of the row.';
COMMENT ON COLUMN trelay.node_problem.row_name IS 'Name of the row.';
COMMENT ON COLUMN trelay.node_problem.reason IS 'Why it cannot be used.';
COMMENT ON COLUMN trelay.node_problem.since IS 'When the node first found it so.';
COMMENT ON CONSTRAINT node_problem_node_fk ON trelay.node_problem IS 'Problems go with the row of their node.';
CREATE INDEX node_problem_node_ix ON trelay.node_problem (node);
COMMENT ON INDEX trelay.node_problem_node_ix IS 'The problems of one node.';

CREATE TABLE trelay.loaded_certificate (
    node        trelay.row_name NOT NULL,
    table_name  text NOT NULL,
    row_name    text NOT NULL,
    sha256      text NOT NULL,
    subject     text,
    issuer      text,
    serial      text,
    not_before  timestamptz,
    not_after   timestamptz,
    CONSTRAINT loaded_certificate_node_fk FOREIGN KEY (node) REFERENCES trelay.node (name) ON DELETE CASCADE
);
COMMENT ON TABLE trelay.loaded_certificate IS 'The certificates that the nodes have loaded, from rows and files: what they say, and until when they are valid.';
COMMENT ON COLUMN trelay.loaded_certificate.node IS 'The node.';
COMMENT ON COLUMN trelay.loaded_certificate.table_name IS 'certificate or trust_anchor.';
COMMENT ON COLUMN trelay.loaded_certificate.row_name IS 'Name of the row; of an anchor with its set, "set/anchor".';
COMMENT ON COLUMN trelay.loaded_certificate.sha256 IS 'SHA-256 of the certificate.';
COMMENT ON COLUMN trelay.loaded_certificate.subject IS 'Its subject.';
COMMENT ON COLUMN trelay.loaded_certificate.issuer IS 'Its issuer.';
COMMENT ON COLUMN trelay.loaded_certificate.serial IS 'Its serial number, hexadecimal.';
COMMENT ON COLUMN trelay.loaded_certificate.not_before IS 'Start of its validity.';
COMMENT ON COLUMN trelay.loaded_certificate.not_after IS 'End of its validity.';
COMMENT ON CONSTRAINT loaded_certificate_node_fk ON trelay.loaded_certificate IS 'Goes with the row of its node.';
CREATE INDEX loaded_certificate_node_ix ON trelay.loaded_certificate (node);
CREATE INDEX loaded_certificate_not_after_ix ON trelay.loaded_certificate (not_after);
COMMENT ON INDEX trelay.loaded_certificate_node_ix IS 'The certificates of one node.';
COMMENT ON INDEX trelay.loaded_certificate_not_after_ix IS 'What expires next.';

CREATE TABLE trelay.command (
    id           bigint      NOT NULL GENERATED ALWAYS AS IDENTITY,
    node         trelay.row_name NOT NULL,
    command      text        NOT NULL,
    arguments    jsonb       NOT NULL DEFAULT '{}',
    requested_by text        NOT NULL DEFAULT session_user,
    requested_at timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz NOT NULL DEFAULT now() + interval '1 hour',
    done_at      timestamptz,
    is_success   boolean,
    result       text,
    CONSTRAINT command_pk PRIMARY KEY (id),
    CONSTRAINT command_node_fk FOREIGN KEY (node) REFERENCES trelay.node (name) ON DELETE CASCADE,
    CONSTRAINT command_known_ck CHECK (command IN ('tls-reload', 'close-connection')),
    CONSTRAINT command_done_with_result_ck CHECK ((done_at IS NULL) = (is_success IS NULL))
);
COMMENT ON TABLE trelay.command IS 'What nodes were told to do, by tls_reload() and close_connection(), and what came of it. A node does what is open when it next looks; NOTIFY makes that at once.';
COMMENT ON COLUMN trelay.command.id IS 'Number of the command.';
COMMENT ON COLUMN trelay.command.node IS 'The node that is to do it.';
COMMENT ON COLUMN trelay.command.command IS 'tls-reload or close-connection.';
COMMENT ON COLUMN trelay.command.arguments IS 'mode, or id of the connection.';
COMMENT ON COLUMN trelay.command.requested_by IS 'The login role that asked.';
COMMENT ON COLUMN trelay.command.requested_at IS 'When.';
COMMENT ON COLUMN trelay.command.expires_at IS 'After this the node does not begin it any more.';
COMMENT ON COLUMN trelay.command.done_at IS 'When the node was done; NULL: not yet.';
COMMENT ON COLUMN trelay.command.is_success IS 'Whether it worked.';
COMMENT ON COLUMN trelay.command.result IS 'What the node says about it.';
COMMENT ON CONSTRAINT command_pk ON trelay.command IS 'Commands are numbered.';
COMMENT ON CONSTRAINT command_node_fk ON trelay.command IS 'The node is known; its commands go with its row.';
COMMENT ON CONSTRAINT command_known_ck ON trelay.command IS 'tls-reload or close-connection.';
COMMENT ON CONSTRAINT command_done_with_result_ck ON trelay.command IS 'A command that is done says whether it worked.';
CREATE INDEX command_open_ix ON trelay.command (node, id) WHERE done_at IS NULL;
COMMENT ON INDEX trelay.command_open_ix IS 'What a node still has to do.';

CREATE FUNCTION trelay.tls_reload(mode trelay.reload_mode DEFAULT 'drop', only_node text DEFAULT NULL)
    RETURNS SETOF trelay.command
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    RETURN QUERY INSERT INTO trelay.command (node, command, arguments)
        SELECT n.name, 'tls-reload', jsonb_build_object('mode', mode)
          FROM trelay.node AS n WHERE only_node IS NULL OR n.name = only_node ORDER BY n.name
        RETURNING *;
    IF NOT FOUND THEN
        RAISE EXCEPTION '%', CASE WHEN only_node IS NULL THEN 'no node has ever reported to this database' ELSE format('there is no node "%s"', only_node) END
            USING HINT = 'SELECT name, seen_at FROM trelay.node;';
    END IF;
    PERFORM pg_notify('trelay_command', '');
END $$;
COMMENT ON FUNCTION trelay.tls_reload(trelay.reload_mode, text) IS 'Lets every node (or one) re-read rows and files and build all certificates and trust anew; mode says what becomes of live TLS connections: drop (default), drain, revalidate. Returns the commands; their results appear in trelay.command after COMMIT.';

CREATE FUNCTION trelay.close_connection(node text, id text) RETURNS SETOF trelay.command
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM trelay.connection AS c WHERE c.node = close_connection.node AND c.id = close_connection.id) THEN
        RAISE EXCEPTION 'node "%" has no connection "%"', node, id
            USING HINT = 'SELECT node, id, remote_address FROM trelay.connection;';
    END IF;
    RETURN QUERY INSERT INTO trelay.command (node, command, arguments)
        VALUES (close_connection.node, 'close-connection', jsonb_build_object('id', close_connection.id)) RETURNING *;
    PERFORM pg_notify('trelay_command', close_connection.node);
END $$;
COMMENT ON FUNCTION trelay.close_connection(text, text) IS 'Closes one connection of trelay.connection; requests under way on it fail over or are answered. Returns the command; its result appears in trelay.command after COMMIT.';

CREATE FUNCTION trelay.finish_command(command_id bigint, is_success boolean, result text) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$ UPDATE trelay.command SET done_at = clock_timestamp(), is_success = finish_command.is_success, result = finish_command.result
           WHERE id = command_id AND done_at IS NULL $$;
COMMENT ON FUNCTION trelay.finish_command(bigint, boolean, text) IS 'For daemons: says what came of a command, once.';

-- What daemons report comes as JSON, one array of objects with the names of columns.
CREATE FUNCTION trelay.sync_connections(node text, changed jsonb, gone text[]) RETURNS void
    LANGUAGE sql SET search_path = pg_catalog, pg_temp
    AS $$
    DELETE FROM trelay.connection AS c WHERE c.node = sync_connections.node AND c.id = ANY (gone);
    DELETE FROM trelay.connection AS c USING jsonb_to_recordset(changed) AS r (id text) WHERE c.node = sync_connections.node AND c.id = r.id;
    INSERT INTO trelay.connection SELECT r.* FROM jsonb_populate_recordset(NULL::trelay.connection, changed) AS r;
    $$;
COMMENT ON FUNCTION trelay.sync_connections(text, jsonb, text[]) IS 'For daemons: writes changed connections of a node and removes those that are gone.';

CREATE FUNCTION trelay.report_problems(node text, problems jsonb) RETURNS void
    LANGUAGE sql SET search_path = pg_catalog, pg_temp
    AS $$
    DELETE FROM trelay.node_problem AS p WHERE p.node = report_problems.node
       AND NOT EXISTS (SELECT FROM jsonb_to_recordset(problems) AS r (table_name text, row_name text, reason text)
                        WHERE (r.table_name, r.row_name, r.reason) = (p.table_name, p.row_name, p.reason));
    INSERT INTO trelay.node_problem (node, table_name, row_name, reason)
        SELECT DISTINCT report_problems.node, r.table_name, r.row_name, r.reason
          FROM jsonb_to_recordset(problems) AS r (table_name text, row_name text, reason text)
         WHERE NOT EXISTS (SELECT FROM trelay.node_problem AS p
                            WHERE (p.node, p.table_name, p.row_name, p.reason) = (report_problems.node, r.table_name, r.row_name, r.reason));
    $$;
COMMENT ON FUNCTION trelay.report_problems(text, jsonb) IS 'For daemons: these, and no others, are the problems of a node now. A problem that stays keeps its since.';

CREATE FUNCTION trelay.report_certificates(node text, certificates jsonb) RETURNS void
    LANGUAGE sql SET search_path = pg_catalog, pg_temp
    AS $$
    DELETE FROM trelay.loaded_certificate AS c WHERE c.node = report_certificates.node;
    INSERT INTO trelay.loaded_certificate
        SELECT report_certificates.node, r.table_name, r.row_name, r.sha256, r.subject, r.issuer, r.serial,
               to_timestamp(r.not_before), to_timestamp(r.not_after)
          FROM jsonb_to_recordset(certificates) AS r (table_name text, row_name text, sha256 text, subject text, issuer text,
               serial text, not_before bigint, not_after bigint);
    $$;
COMMENT ON FUNCTION trelay.report_certificates(text, jsonb) IS 'For daemons: these are the certificates a node has loaded now; dates in seconds since 1970.';

REVOKE ALL ON FUNCTION trelay.tls_reload(trelay.reload_mode, text), trelay.close_connection(text, text),
    trelay.finish_command(bigint, boolean, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION trelay.tls_reload(trelay.reload_mode, text), trelay.close_connection(text, text) TO trelay_admin;
GRANT EXECUTE ON FUNCTION trelay.finish_command(bigint, boolean, text), trelay.sync_connections(text, jsonb, text[]),
    trelay.report_problems(text, jsonb), trelay.report_certificates(text, jsonb) TO trelay_daemon;
GRANT SELECT ON trelay.node, trelay.connection, trelay.node_problem, trelay.loaded_certificate, trelay.command TO trelay_reader, trelay_daemon;
GRANT INSERT, UPDATE, DELETE ON trelay.node, trelay.connection, trelay.node_problem, trelay.loaded_certificate TO trelay_daemon;
GRANT DELETE ON trelay.node TO trelay_admin;
