-- What an alert says, as words with places for values: a page says it in its reader's language. Alerts of before have only their sentence.

ALTER TABLE alerts ADD COLUMN clauses jsonb NOT NULL DEFAULT '[]';
