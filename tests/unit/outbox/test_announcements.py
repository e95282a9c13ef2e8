"""What those who deliver are told of new mail."""

from posthouse.model.words import Pool
from posthouse.outbox import announcements
from posthouse.outbox.announcements import Announcement

BOTH = {Pool.TRANSACTIONAL, Pool.MARKETING}


def test_an_announcement_says_for_which_pools_and_where_to() -> None:
    said = announcements.text(BOTH, {"b.test", "a.test", "[192.0.2.1]"})
    assert said == "marketing,transactional [192.0.2.1] a.test b.test"
    assert announcements.read(said) == Announcement(
        frozenset({"marketing", "transactional"}), frozenset({"a.test", "b.test", "[192.0.2.1]"})
    )


def test_an_announcement_without_domains_is_for_any() -> None:
    assert announcements.read(announcements.text({Pool.MARKETING})) == Announcement(
        frozenset({"marketing"}), frozenset()
    )


def test_what_was_missed_may_have_been_anything() -> None:
    assert announcements.read("") == Announcement(frozenset(), frozenset())


def test_nothing_is_said_of_no_mail() -> None:
    assert announcements.text(set()) == ""


def test_one_too_long_for_postgresql_names_no_domain() -> None:
    assert announcements.text({Pool.MARKETING}, {f"{number}.receiver.test" for number in range(1_000)}) == "marketing"
    assert announcements.text({Pool.MARKETING}, {"ü" * 3_000}) == "marketing"
