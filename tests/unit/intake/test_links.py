"""What a sender is told about links that lead to listed domains."""

from posthouse.intake.links import LISTED, Listing, warnings


def test_each_domain_is_told_once_with_all_its_lists() -> None:
    listings = [
        Listing("bad.example", "dbl.test", "https://dbl.test/why", "https://dbl.test/why"),
        Listing("www.bad.example", "dbl.test"),
        Listing("bad.example", "other.test", "Seen in spam."),
        Listing("img.shop.example", "dbl.test", "Phishing", "https://dbl.test/"),
    ]
    found = warnings(["good.example", "www.bad.example", "bad.example", "img.shop.example", "shop.example"], listings)
    assert [(each.code, each.values["domain"], each.values["lists"]) for each in found] == [
        (LISTED, "bad.example", "dbl.test, other.test"),
        (LISTED, "img.shop.example", "dbl.test"),
    ]
    assert found[0].detail == (
        "A link leads to bad.example, which is on the block lists dbl.test, other.test: many filters take mail with it for spam."
        " It says: https://dbl.test/why."
    )
    assert found[1].detail.endswith("It says: Phishing. https://dbl.test/ tells why and how it gets off.")


def test_a_domain_beside_a_listed_one_is_not_told() -> None:
    assert warnings(["notbad.example", "example"], [Listing("bad.example", "dbl.test")]) == ()
