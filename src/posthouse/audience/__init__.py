"""Whom we write to. So far: whether a list of addresses is fit to be written to at all.

`hygiene.read` takes the addresses out of whatever a person exports from elsewhere, `mail_domains.ask` says which of their domains take
mail, `hygiene.examine` (pure) judges each address and `hygiene.summary` what to do about the list. What this installation knows of an
address from earlier mail comes in as an argument.

The room owns no table. It never keeps a list it is shown, never writes to anybody to see whether they are there, and never asks a
receiver about a mailbox: that is what address harvesters do.
"""
