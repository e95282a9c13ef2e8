"""What `posthouse up` says when everything is ready."""

import msgspec


class Announcement(msgspec.Struct, frozen=True):
    """The line of JSON that scripts read; texts are empty where there is nothing (no lab, no credentials of it).

    `web`, `lab_web` and `sign_in` are URLs, the other addresses host:port. `pids` has supervisor, postgres (the embedded one)
    and each process by its name: web, delivery, delivery.2 ...
    """

    web: str
    submission: str
    submissions: str
    inbound: str
    lab_smtp: str
    lab_web: str
    api_key: str
    smtp_user: str
    smtp_password: str
    sign_in: str
    pids: dict[str, int]


_SWAKS = """\
  swaks --server {submission} --auth PLAIN --auth-user {smtp_user} --auth-password {smtp_password} \\
        --from you@example.com --to anyone@lab.test --header "Subject: Hello"
  curl {web}/v1/messages -H "Authorization: Bearer {api_key}" -H "Content-Type: application/json" \\
       -d '{{"from": "you@example.com", "to": ["anyone@lab.test"], "subject": "Hello", "text": "It works."}}'"""


def as_text(said: Announcement) -> str:
    """The same for a person."""
    rows = [
        ("Web pages and API", said.web),
        ("SMTP submission", f"{said.submission} (STARTTLS), {said.submissions} (TLS)"),
        ("Inbound SMTP", said.inbound),
        ("The lab's mailbox", said.lab_web),
        ("Sign in (works once)", said.sign_in),
    ]
    lines = ["", "Posthouse is ready.", "", *(f"  {name:<22}{value}" for name, value in rows if value), ""]
    if said.smtp_user:
        lines += ["Try it:", "", _SWAKS.format(**{field: getattr(said, field) for field in said.__struct_fields__}), ""]
    return "\n".join([*lines, "Ctrl-C drains and stops."])
