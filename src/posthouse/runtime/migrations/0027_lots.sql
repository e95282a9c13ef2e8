-- What no one can foretell where it lands in its index, an address or a Message-ID, is indexed lot by lot (outbox/lots.py): what comes in
-- now then writes to a small part of the index, not to a page of its own somewhere in it. What was there before is lot 0.

ALTER TABLE messages ADD COLUMN lot integer NOT NULL DEFAULT 0;
ALTER TABLE outbox ADD COLUMN lot integer NOT NULL DEFAULT 0;

DROP INDEX messages_by_header;
CREATE INDEX messages_by_header ON messages (workspace_id, lot, message_id_header);
DROP INDEX outbox_by_address;
CREATE INDEX outbox_by_address ON outbox (workspace_id, lot, address text_pattern_ops);

-- The one statement in which mail is promised, with the lot of all its rows ($44).
--
-- A function, because one round trip to the database and one commit are what a group of mails costs however few they are, and because
-- a chain of CTEs that insert, which would do the same on one server, cannot run on a cluster. Every row names its own workspace.

DROP FUNCTION promise_mail;
CREATE FUNCTION promise_mail(
    -- $1-$21: messages
    uuid[], uuid[], timestamptz[], text[], text[], text[], text[], text[], text[], text[], smallint[], text[], text[],
    timestamptz[], timestamptz[], integer[], boolean[], uuid[], smallint[], text[], text[],
    -- $22-$23: their bodies
    smallint[], bytea[],
    -- $24-$36: recipients
    uuid[], uuid[], uuid[], text[], text[], text[], text[], text[], smallint[], timestamptz[], timestamptz[], timestamptz[], text[],
    -- $37-$43: events
    uuid[], uuid[], timestamptz[], uuid[], uuid[], text[], text[],
    -- $44: their lot
    integer
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO messages (workspace_id, message_id, accepted_at, source, mail_class, route, route_reason, sender, subject,
                          message_id_header, priority, tags, metadata, send_at, expires_at, octets, smtputf8, credential_id,
                          recipient_count, tls, mailing_type, lot)
    SELECT workspace_id, message_id, accepted_at, source, mail_class, route, route_reason, sender, subject, message_id_header,
           priority, string_to_array(tags, E'\x1f'), metadata::jsonb, send_at, expires_at, octets, smtputf8, credential_id,
           recipient_count, tls, mailing_type, $44
    FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21)
         AS m (workspace_id, message_id, accepted_at, source, mail_class, route, route_reason, sender, subject, message_id_header,
               priority, tags, metadata, send_at, expires_at, octets, smtputf8, credential_id, recipient_count, tls, mailing_type);

    INSERT INTO bodies (workspace_id, message_id, encoding, content)
    SELECT workspace_id, message_id, encoding, content
    FROM unnest($1, $2, $22, $23) AS b (workspace_id, message_id, encoding, content);

    INSERT INTO outbox (workspace_id, recipient_id, message_id, address, domain, kind, pool, state, priority, not_before,
                        expires_at, settled_at, reason, lot)
    SELECT workspace_id, recipient_id, message_id, address, domain, kind, pool, state, priority, not_before, expires_at,
           settled_at, reason, $44
    FROM unnest($24, $25, $26, $27, $28, $29, $30, $31, $32, $33, $34, $35, $36)
         AS r (workspace_id, recipient_id, message_id, address, domain, kind, pool, state, priority, not_before, expires_at,
               settled_at, reason);

    INSERT INTO events (workspace_id, event_id, occurred_at, message_id, recipient_id, kind, data)
    SELECT workspace_id, event_id, occurred_at, message_id, recipient_id, kind, data::jsonb
    FROM unnest($37, $38, $39, $40, $41, $42, $43)
         AS e (workspace_id, event_id, occurred_at, message_id, recipient_id, kind, data);
END $$;

GRANT EXECUTE ON FUNCTION promise_mail TO posthouse_app;
