-- A message may say which mailing type it is of (newsletter, events, ...), so that a reader can stop one and keep the others.

ALTER TABLE messages ADD COLUMN mailing_type text NOT NULL DEFAULT '';    -- '': of none

-- The one statement in which mail is promised, with one column of messages more.
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
    uuid[], uuid[], timestamptz[], uuid[], uuid[], text[], text[]
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO messages (workspace_id, message_id, accepted_at, source, mail_class, route, route_reason, sender, subject,
                          message_id_header, priority, tags, metadata, send_at, expires_at, octets, smtputf8, credential_id,
                          recipient_count, tls, mailing_type)
    SELECT workspace_id, message_id, accepted_at, source, mail_class, route, route_reason, sender, subject, message_id_header,
           priority, string_to_array(tags, E'\x1f'), metadata::jsonb, send_at, expires_at, octets, smtputf8, credential_id,
           recipient_count, tls, mailing_type
    FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21)
         AS m (workspace_id, message_id, accepted_at, source, mail_class, route, route_reason, sender, subject, message_id_header,
               priority, tags, metadata, send_at, expires_at, octets, smtputf8, credential_id, recipient_count, tls, mailing_type);

    INSERT INTO bodies (workspace_id, message_id, encoding, content)
    SELECT workspace_id, message_id, encoding, content
    FROM unnest($1, $2, $22, $23) AS b (workspace_id, message_id, encoding, content);

    INSERT INTO outbox (workspace_id, recipient_id, message_id, address, domain, kind, pool, state, priority, not_before,
                        expires_at, settled_at, reason)
    SELECT workspace_id, recipient_id, message_id, address, domain, kind, pool, state, priority, not_before, expires_at,
           settled_at, reason
    FROM unnest($24, $25, $26, $27, $28, $29, $30, $31, $32, $33, $34, $35, $36)
         AS r (workspace_id, recipient_id, message_id, address, domain, kind, pool, state, priority, not_before, expires_at,
               settled_at, reason);

    INSERT INTO events (workspace_id, event_id, occurred_at, message_id, recipient_id, kind, data)
    SELECT workspace_id, event_id, occurred_at, message_id, recipient_id, kind, data::jsonb
    FROM unnest($37, $38, $39, $40, $41, $42, $43)
         AS e (workspace_id, event_id, occurred_at, message_id, recipient_id, kind, data);
END $$;

GRANT EXECUTE ON FUNCTION promise_mail TO posthouse_app;
