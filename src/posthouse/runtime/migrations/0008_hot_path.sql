-- The one statement in which mail is promised.
--
-- A function, because one round trip to the database and one commit are what a group of mails costs however few they are, and because
-- a chain of CTEs that insert, which would do the same on one server, cannot run on a cluster. Every row names its own workspace.

CREATE FUNCTION promise_mail(
    -- $1-$20: messages
    uuid[], uuid[], timestamptz[], text[], text[], text[], text[], text[], text[], text[], smallint[], text[], text[],
    timestamptz[], timestamptz[], integer[], boolean[], uuid[], smallint[], text[],
    -- $21-$22: their bodies
    smallint[], bytea[],
    -- $23-$35: recipients
    uuid[], uuid[], uuid[], text[], text[], text[], text[], text[], smallint[], timestamptz[], timestamptz[], timestamptz[], text[],
    -- $36-$42: events
    uuid[], uuid[], timestamptz[], uuid[], uuid[], text[], text[]
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO messages (workspace_id, message_id, accepted_at, source, mail_class, route, route_reason, sender, subject,
                          message_id_header, priority, tags, metadata, send_at, expires_at, octets, smtputf8, credential_id,
                          recipient_count, tls)
    SELECT workspace_id, message_id, accepted_at, source, mail_class, route, route_reason, sender, subject, message_id_header,
           priority, string_to_array(tags, E'\x1f'), metadata::jsonb, send_at, expires_at, octets, smtputf8, credential_id,
           recipient_count, tls
    FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)
         AS m (workspace_id, message_id, accepted_at, source, mail_class, route, route_reason, sender, subject, message_id_header,
               priority, tags, metadata, send_at, expires_at, octets, smtputf8, credential_id, recipient_count, tls);

    INSERT INTO bodies (workspace_id, message_id, encoding, content)
    SELECT workspace_id, message_id, encoding, content
    FROM unnest($1, $2, $21, $22) AS b (workspace_id, message_id, encoding, content);

    INSERT INTO outbox (workspace_id, recipient_id, message_id, address, domain, kind, pool, state, priority, not_before,
                        expires_at, settled_at, reason)
    SELECT workspace_id, recipient_id, message_id, address, domain, kind, pool, state, priority, not_before, expires_at,
           settled_at, reason
    FROM unnest($23, $24, $25, $26, $27, $28, $29, $30, $31, $32, $33, $34, $35)
         AS r (workspace_id, recipient_id, message_id, address, domain, kind, pool, state, priority, not_before, expires_at,
               settled_at, reason);

    INSERT INTO events (workspace_id, event_id, occurred_at, message_id, recipient_id, kind, data)
    SELECT workspace_id, event_id, occurred_at, message_id, recipient_id, kind, data::jsonb
    FROM unnest($36, $37, $38, $39, $40, $41, $42)
         AS e (workspace_id, event_id, occurred_at, message_id, recipient_id, kind, data);
END $$;

GRANT EXECUTE ON FUNCTION promise_mail TO posthouse_app;

-- Time first: an index on all unsettled mail that begins with the workspace looks, before there are statistics, as good a way to one
-- pool's ready mail as the index made for that, and reads every other pool's mail on the way (50,000 rows, 10 ms, at each look).
DROP INDEX outbox_expiring;
CREATE INDEX outbox_expiring ON outbox (expires_at, workspace_id) WHERE state IN ('waiting', 'ready', 'held');
