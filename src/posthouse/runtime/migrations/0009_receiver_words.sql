-- What receivers have told an address of ours to keep to: whoever owns the receiver's sites next keeps to it, too.

CREATE TABLE receiver_words (
    pool        text NOT NULL,
    source      text NOT NULL,          -- our address; '' where the system chooses it
    site_group  text NOT NULL,
    suspends    boolean NOT NULL,       -- nothing goes; otherwise rate and connections
    rule        text NOT NULL,
    sentence    text NOT NULL,
    until       timestamptz NOT NULL,
    rate        text NOT NULL,          -- as shaping.toml writes it, '' for none
    connections integer,
    PRIMARY KEY (pool, source, site_group)
);

GRANT SELECT, INSERT, UPDATE, DELETE ON receiver_words TO posthouse_app;
