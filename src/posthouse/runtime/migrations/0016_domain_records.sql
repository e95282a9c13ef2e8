-- Sending domains that lose a record stay verified and are told of; DKIM keys are replaced while the old ones are still published.

-- What of a verified domain's records is missing: one it cannot do without, or one that large receivers ask for. Null: nothing.
ALTER TABLE sending_domains ADD COLUMN incomplete text CHECK (incomplete IN ('required', 'recommended'));

-- Which of these stops mail from the domain: neither, the first, or both.
ALTER TABLE workspaces
    ADD COLUMN domain_policy text NOT NULL DEFAULT 'warn' CHECK (domain_policy IN ('warn', 'refuse', 'strict'));

-- A new key that takes over from the others of its algorithm once the DNS is seen to publish it; they get retired_at then.
ALTER TABLE dkim_keys
    ADD COLUMN replacing boolean NOT NULL DEFAULT false,
    ADD CONSTRAINT dkim_keys_replacing_or_retired CHECK (NOT (replacing AND retired_at IS NOT NULL));
