-- Who vouches for a report that came by mail: 'google.com by DKIM'. '' for files people brought, and for mail from before it was asked.

ALTER TABLE dmarc_reports ADD COLUMN proven_by text NOT NULL DEFAULT '';
ALTER TABLE dmarc_failures ADD COLUMN proven_by text NOT NULL DEFAULT '';
ALTER TABLE tls_reports ADD COLUMN proven_by text NOT NULL DEFAULT '';
