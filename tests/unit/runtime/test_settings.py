"""Where settings come from and what is said about bad ones."""

import base64
import tomllib
from pathlib import Path

import msgspec
import pytest

from posthouse.model.words import Pool
from posthouse.runtime.settings import Settings, stream_address
from posthouse.runtime.settings_source import SECTIONS, SettingsError, load, sample, to_environ


def problems(tmp_path: Path, toml: str = "", environ: dict[str, str] | None = None) -> list[str]:
    file = tmp_path / "posthouse.toml"
    file.write_text(toml)
    with pytest.raises(SettingsError) as caught:
        load(file, environ or {})
    return caught.value.problems


def test_without_file_and_environment_everything_has_its_default() -> None:
    assert load(None, {}) == Settings()


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "posthouse.toml"
    file.write_text('[web]\nport = 1000\nhost = "192.0.2.1"\n')
    web = load(file, {"POSTHOUSE_WEB_PORT": "2000"}).web
    assert (web.port, web.host) == (2000, "192.0.2.1")


@pytest.mark.parametrize(
    ("variable", "text", "section", "field", "value"),
    [
        ("POSTHOUSE_DELIVERY_ROUTES", '{"*": "127.0.0.1:2626"}', "delivery", "routes", {"*": "127.0.0.1:2626"}),
        ("POSTHOUSE_DELIVERY_RESOLVERS", '["192.0.2.53"]', "delivery", "resolvers", ("192.0.2.53",)),
        ("POSTHOUSE_DELIVERY_RETRY_FIRST_S", "1.5", "delivery", "retry_first_s", 1.5),
        ("POSTHOUSE_DELIVERY_ALLOW_PRIVATE_MX", "true", "delivery", "allow_private_mx", True),
        ("POSTHOUSE_SERVER_DATA_DIR", "/srv/mail", "server", "data_dir", Path("/srv/mail")),
        ("POSTHOUSE_SERVER_KEK_FILE", "", "server", "kek_file", None),
        ("POSTHOUSE_SERVER_KEK_RETIRED", '["/old"]', "server", "kek_retired", (Path("/old"),)),
        ("POSTHOUSE_MAIL_SUPPORT_CONTACT", "12345", "mail", "support_contact", "12345"),
    ],
)
def test_the_environment_is_read_by_the_type_of_the_field(
    variable: str, text: str, section: str, field: str, value: object
) -> None:
    assert getattr(getattr(load(None, {variable: text}), section), field) == value


def test_every_problem_is_reported_at_once_and_names_its_key(tmp_path: Path) -> None:
    toml = '[web]\nprot = 1\n[submission]\nport = 70000\n[wob]\nport = 1\n[delivery]\ntls = "maybe"\n'
    said = problems(tmp_path, toml, {"POSTHOUSE_WEB_PORTS": "1"})
    assert [line.split(":")[0] for line in sorted(said)] == [
        "POSTHOUSE_WEB_PORTS",
        "delivery.tls",
        "submission.port",
        "web.prot",
        "wob",
    ]


@pytest.mark.parametrize(
    ("environ", "key"),
    [
        ({"POSTHOUSE_SUBMISSION_TLS_CERT": "/c.pem"}, "submission.tls_key"),
        ({"POSTHOUSE_SERVER_KEK": base64.b64encode(b"short").decode()}, "server.kek"),
        ({"POSTHOUSE_SERVER_KEK": "not base64!"}, "server.kek"),
        ({"POSTHOUSE_DELIVERY_ROUTES": '{"a.test": "nowhere"}'}, "delivery.routes.a.test"),
        ({"POSTHOUSE_INTAKE_MALWARE_SCANNER": "localhost"}, "intake.malware_scanner"),
        ({"POSTHOUSE_INTAKE_MALWARE_SCANNER": "unix:relative:1"}, "intake.malware_scanner"),
        ({"POSTHOUSE_INTAKE_MALWARE_SCANNER": "localhost:0"}, "intake.malware_scanner"),
    ],
)
def test_contradictions_are_problems(tmp_path: Path, environ: dict[str, str], key: str) -> None:
    assert [line.split(":")[0] for line in problems(tmp_path, "", environ)] == [key]


def test_a_file_that_is_not_toml_is_one_problem(tmp_path: Path) -> None:
    assert len(problems(tmp_path, "this is not TOML")) == 1


def test_variables_of_other_programs_are_left_alone() -> None:
    assert load(None, {"POSTHOUSE_DATA": "/x", "POSTHOUSE_CONFIG": "/y", "POSTHOUSES_WEB": "1"}) == Settings()


def test_settings_survive_the_environment() -> None:
    settings = (
        Settings()
        .with_("delivery", routes={"*": "127.0.0.1:25"}, resolvers=("192.0.2.1",), retry_factor=1.5)
        .with_("submission", tls_cert=Path("/c"), tls_key=Path("/k"), auth_without_tls=True)
        .with_("server", kek_retired=(Path("/old"),))
    )
    assert load(None, to_environ(settings)) == settings


def test_a_change_is_checked() -> None:
    with pytest.raises(msgspec.ValidationError):
        Settings().with_("web", port=-1)


def test_the_sample_has_every_field_with_an_explanation() -> None:
    lines = sample().splitlines()
    for section, kind in SECTIONS.items():
        assert f"[{section}]" in lines
        for field in kind.__struct_fields__:
            place = next(i for i, line in enumerate(lines) if line.startswith(f"# {field} = "))
            assert len(lines[place - 1]) > 10


def test_the_sample_is_toml_and_means_the_defaults(tmp_path: Path) -> None:
    uncommented = "\n".join(
        line.removeprefix("# ") if line.removeprefix("# ").split(" = ")[0].isidentifier() else line
        for line in sample().splitlines()
        if not line.startswith(("# kek_file", "# tls_cert", "# tls_key"))
    )
    assert tomllib.loads(uncommented)
    (tmp_path / "all.toml").write_text(uncommented)
    assert load(tmp_path / "all.toml", {}) == Settings()


def test_names_that_are_not_given_follow_from_others() -> None:
    settings = Settings().with_("server", hostname="mail.example.com").with_("web", host="*", port=80)
    assert settings.bounce_domain == "bounces.mail.example.com"
    assert settings.public_url == "http://127.0.0.1:80"
    assert settings.with_("web", public_url="https://mail.example.com/").public_url == "https://mail.example.com"


@pytest.mark.parametrize(
    "url", ["mail.example.com", "https://mäil.example.com", "https://mail.example.com/<", "https://a b"]
)
def test_a_public_address_can_stand_in_a_header_field(url: str) -> None:
    with pytest.raises(SettingsError, match=r"web\.public_url"):
        load(None, {"POSTHOUSE_WEB_PUBLIC_URL": url})


@pytest.mark.parametrize(
    ("public_url", "target"),
    [
        ("https://mail.example.com", "mail.example.com"),
        ("https://Mail.Example.com.:443/", "mail.example.com"),
        ("", ""),  # nobody outside is told where we are
        ("http://mail.example.com", ""),  # links go by HTTPS
        ("https://mail.example.com:8443", ""),  # and at its usual port
        ("https://192.0.2.1", ""),  # nothing is an alias of a number
        ("https://[2001:db8::1]", ""),
        ("https://mail", ""),
        ("https://mail.example.com:none", ""),
    ],
)
def test_link_hosts_are_an_alias_of_the_public_host_where_it_has_https(public_url: str, target: str) -> None:
    assert Settings().with_("web", public_url=public_url).link_target == target


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("localhost:3310", ("localhost", 3310)),
        ("192.0.2.1:3310", ("192.0.2.1", 3310)),
        ("[2001:db8::1]:3310", ("2001:db8::1", 3310)),
        ("unix:/run/clamav/clamd.ctl", Path("/run/clamav/clamd.ctl")),
    ],
)
def test_a_stream_is_at_a_host_and_port_or_at_a_path(text: str, address: Path | tuple[str, int]) -> None:
    assert stream_address(text) == address


def test_a_pool_breaks_at_its_own_rates_else_at_those_of_all() -> None:
    settings = Settings().with_("marketing", bounce_pause_percent=3.0).with_("breakers", complaint_pause_percent=0.2)
    own, others = settings.breakers_of(Pool.MARKETING), settings.breakers_of(Pool.NOTIFICATION)
    assert (own.bounce_warn_percent, own.bounce_pause_percent, own.complaint_pause_percent) == (2.0, 3.0, 0.2)
    assert others == settings.breakers
