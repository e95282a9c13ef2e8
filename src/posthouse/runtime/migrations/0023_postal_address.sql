-- Where the sender can be reached by post: in marketing mail the law of many countries asks for it.
ALTER TABLE workspaces ADD COLUMN postal_address text NOT NULL DEFAULT '';
