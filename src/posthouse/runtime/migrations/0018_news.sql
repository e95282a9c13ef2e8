-- Alerts are written to administrators once in a while.

ALTER TABLE workspaces ADD COLUMN alerts_told_at timestamptz;   -- when administrators were last written to
