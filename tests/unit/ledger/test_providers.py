"""Who takes mail for a domain, by its name."""

import pytest

from posthouse.ledger.providers import Provider, provider_of

NAMES = [
    ("gmail.com", Provider.GMAIL),
    ("googlemail.com", Provider.GMAIL),
    ("mail.gmail.com", Provider.OTHER),
    ("notgmail.com", Provider.OTHER),
    ("gmail.com.evil.example", Provider.OTHER),
    ("yahoo.com", Provider.YAHOO),
    ("yahoo.dk", Provider.YAHOO),
    ("yahoo.co.uk", Provider.YAHOO),
    ("yahoo.com.br", Provider.YAHOO),
    ("yahoo.evil.example", Provider.OTHER),
    ("aol.com", Provider.YAHOO),
    ("ymail.com", Provider.YAHOO),
    ("rocketmail.com", Provider.YAHOO),
    ("outlook.com", Provider.MICROSOFT),
    ("hotmail.co.uk", Provider.MICROSOFT),
    ("live.dk", Provider.MICROSOFT),
    ("msn.com", Provider.MICROSOFT),
    ("outlook.example.com", Provider.OTHER),
    ("example.com", Provider.OTHER),
    ("", Provider.OTHER),
]


@pytest.mark.parametrize(("domain", "provider"), NAMES)
def test_a_provider_is_told_by_the_name_of_the_domain(domain: str, provider: Provider) -> None:
    assert provider_of(domain) is provider
