"""Sentences other rooms refuse a form's field with, marked for the catalogue. Those with values in them stay in English."""

from typing import Final

from posthouse.web.pages.words import N_

REFUSALS: Final = frozenset({
    N_("Another workspace submits from one of these networks."),
    N_("This is not a domain name such as example.com."),
    N_("This is not a domain name such as bounces.example.com."),
    N_("Enable bounce processing first."),
    N_("This server has no public address that begins with https:// yet: set web.public_url."),
    N_("A domain is verified before it gets a link host."),
    N_("This is not a host name such as links.example.com."),
    N_("A status code looks like 5.7.1, or 5.7 for all that begin so."),
    N_("Give at least three characters in a row, or a status code alone: fewer would fit nearly everything."),
    N_("This is none of the reasons."),
    N_("This is not a domain name."),
    N_("It is empty."),
    N_("It contains a control character or a line break."),
    N_("The password is the mail address."),
    N_("This is not the present password."),
    N_("Name at least one scope: send, read or manage."),
    N_("This is neither an IP address nor a network such as 192.0.2.0/24."),
    N_("Without a password, name the networks that are trusted instead."),
    N_("The sender is missing."),
    N_("Name at least one recipient in to, cc or bcc."),
    N_("Give text, html or both."),
    N_("Priorities are switched off for this workspace."),
    N_("Line breaks and other control characters are not allowed here."),
    N_("This is not a usable mail address. It has no @."),
    N_("This is not a usable mail address. The part after the @ is no domain name."),
    N_("All mail has neither pool nor domain."),
    N_("Name a destination, a pool or both, or say that you mean all mail."),
    N_("Say why: whoever asks why the mail waits is told."),
    N_("Say why: the reason is shown as that of the bounce."),
    N_("Say why it has to be forced."),
    N_("This must be everything, marketing, channel:email, or mailing_type: and the name of one."),
    N_("Nobody can read mail at an invalid address: this stops everything."),
    N_("This time is over."),
    N_("This address is invalid, too."),
    N_("An IP address is no domain name."),
    N_("Everything leaves by the transactional pool while delivery.shared_pool is set."),
    N_("This is no address of the form https://example.com/path."),
    N_("It holds a space or a character that cannot be seen."),
    N_(
        "It must begin with https://. Plain http is for programs inside, whose network the operator names in webhooks.allowed_networks."
    ),
    N_("It must hold no user name: the signature says that it is us."),
    N_("This address is not on the public internet."),
    N_("Its host is no domain name."),
    N_("Switched off by hand."),
    N_("It answered 410 Gone."),
})  # fmt: skip
