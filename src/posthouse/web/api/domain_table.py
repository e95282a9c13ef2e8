"""The operations about domains and lists: part of the table of all."""

from typing import Final

from posthouse.model.words import Scope
from posthouse.web.api import bounce_domains, bounce_policies, domains, link_hosts, list_checks
from posthouse.web.api.operation import Operation, Reply, Schema

_NAME: Final[Schema] = {"type": "string", "minLength": 1, "maxLength": 253}
_SELECTOR: Final[Schema] = {"type": "string", "minLength": 1, "maxLength": 63}
_KEYS: Final = """\
A key signs once the DNS was seen to publish it. Name its selector in the settings of a pool (`[marketing] selectors`) to have that pool
sign with it alone, so that what receivers think of one pool's signature says nothing about another's."""
_ROTATION: Final = """\
Makes a new RSA and a new Ed25519 key under selectors of their own. Publish their records; the present keys sign until a look at the DNS
(`verifyDomain`, or the daily one) finds them, then the new ones take over. Keep the former records for a week, for mail that is still on
its way; then remove them and the keys. Keys that a pool has for itself are not replaced."""
_KEY_GONE: Final = """\
A key that mail is signed with stays, and one that was retired less than a week ago too. A new key that has not taken over yet may go."""
_BOUNCE_RULES: Final = """\
The rules are asked in their order, before those every workspace has; the first that fits decides. Words are compared with what the receiver
said in lower case, without addresses, each run of blanks as one. A temporary failure (4yz) is never hard, nor is one that came before the
recipient was named, whatever a rule says; and what is blocked is never counted against an address."""
_BOUNCES: Final = """\
The domain has to be an alias (CNAME) of `target` in the DNS before it can be added; aliases of aliases count. Mail whose From belongs to the
same organisation returns to it from then on, so that SPF aligns for DMARC. It is asked about daily; while its alias leads elsewhere the
installation's own domain is used."""
_LINKS: Final = """\
The host has to be an alias (CNAME) of `target` in the DNS before it can be chosen; aliases of aliases count. It takes the place of any the
domain has. Links in the domain's mail lead to it from then on, by HTTPS. It is asked about daily; while its alias leads elsewhere the
installation's own host is used."""
_LISTS: Final = """\
Each address is judged by its spelling, by the DNS of its domain, and by what earlier mail taught this workspace: invalid, duplicate, bounced,
opted out, dead domain, probable typing error, throw-away, office. Nobody is written to and nothing of the list is kept."""

DOMAIN_OPERATIONS: Final[tuple[Operation, ...]] = (
    Operation(
        "GET",
        "/v1/domains",
        "listDomains",
        "Sending domains",
        Scope.READ,
        domains.list_domains,
        {200: Reply("The domains.", (domains.Domains,))},
        group="Domains",
    ),
    Operation(
        "POST",
        "/v1/domains",
        "addDomain",
        "Add a sending domain",
        Scope.MANAGE,
        domains.add_domain,
        {201: Reply("The domain with the DNS records to publish.", (domains.DomainView,))},
        problems=(400, 408, 413, 415, 422),
        body=domains.DOMAIN_BODY,
        example={"name": "news.example.com", "classes": ["marketing"]},
        group="Domains",
    ),
    Operation(
        "GET",
        "/v1/domains/{name}",
        "getDomain",
        "One sending domain and its DNS records",
        Scope.READ,
        domains.show_domain,
        {200: Reply("The domain.", (domains.DomainView,))},
        problems=(404,),
        path_parameters={"name": _NAME},
        group="Domains",
    ),
    Operation(
        "PATCH",
        "/v1/domains/{name}",
        "assignDomain",
        "Say what mail a domain is for",
        Scope.MANAGE,
        domains.assign_domain,
        {200: Reply("The domain.", (domains.DomainView,))},
        problems=(400, 404, 408, 413, 415, 422),
        body=domains.CLASSES_BODY,
        example={"classes": ["marketing"]},
        path_parameters={"name": _NAME},
        group="Domains",
    ),
    Operation(
        "POST",
        "/v1/domains/{name}/keys",
        "addDomainKeys",
        "Make further DKIM keys",
        Scope.MANAGE,
        domains.add_keys,
        {201: Reply("The domain with the DNS records to publish.", (domains.DomainView,))},
        problems=(400, 404, 408, 413, 415, 422),
        description=_KEYS,
        body=domains.KEYS_BODY,
        example={"selectors": ["mk1", "mk1-ed"]},
        path_parameters={"name": _NAME},
        group="Domains",
    ),
    Operation(
        "POST",
        "/v1/domains/{name}/rotation",
        "rotateDomainKeys",
        "Begin to replace the DKIM keys",
        Scope.MANAGE,
        domains.rotate_keys,
        {201: Reply("The domain with the DNS records to publish.", (domains.DomainView,))},
        problems=(404, 409),
        description=_ROTATION,
        path_parameters={"name": _NAME},
        group="Domains",
    ),
    Operation(
        "DELETE",
        "/v1/domains/{name}/keys/{selector}",
        "removeDomainKey",
        "Remove a DKIM key that signs no more",
        Scope.MANAGE,
        domains.remove_key,
        {200: Reply("The domain without the key.", (domains.DomainView,))},
        problems=(404, 409),
        description=_KEY_GONE,
        path_parameters={"name": _NAME, "selector": _SELECTOR},
        group="Domains",
    ),
    Operation(
        "POST",
        "/v1/domains/{name}/verify",
        "verifyDomain",
        "Look for the DNS records now",
        Scope.MANAGE,
        domains.verify_domain,
        {200: Reply("The domain with what the DNS said.", (domains.DomainView,))},
        problems=(404,),
        path_parameters={"name": _NAME},
        group="Domains",
    ),
    Operation(
        "GET",
        "/v1/domains/{name}/alignment",
        "testDomain",
        "What receivers make of the mail of a domain",
        Scope.READ,
        bounce_domains.show_alignment,
        {200: Reply("What SPF, DKIM and DMARC say, asked of the DNS now.", (bounce_domains.AlignmentView,))},
        problems=(404,),
        path_parameters={"name": _NAME},
        group="Domains",
    ),
    Operation(
        "GET",
        "/v1/bounce-domains",
        "listBounceDomains",
        "Where bounces return to",
        Scope.READ,
        bounce_domains.list_bounce_domains,
        {200: Reply("The bounce domains.", (bounce_domains.BounceDomains,))},
        group="Domains",
    ),
    Operation(
        "PATCH",
        "/v1/bounce-domains",
        "switchBounceProcessing",
        "Switch bounce processing on or off",
        Scope.MANAGE,
        bounce_domains.switch_processing,
        {200: Reply("The bounce domains.", (bounce_domains.BounceDomains,))},
        problems=(400, 408, 413, 415, 422),
        body=bounce_domains.PROCESSING_BODY,
        example={"processing": True},
        group="Domains",
    ),
    Operation(
        "POST",
        "/v1/bounce-domains",
        "addBounceDomain",
        "Add a bounce domain",
        Scope.MANAGE,
        bounce_domains.add_bounce_domain,
        {
            201: Reply(
                "The bounce domain; the next message from an aligned domain uses it.",
                (bounce_domains.BounceDomainView,),
            )
        },
        problems=(400, 408, 409, 413, 415, 422),
        description=_BOUNCES,
        body=bounce_domains.BOUNCE_DOMAIN_BODY,
        example={"name": "bounces.example.com"},
        group="Domains",
    ),
    Operation(
        "POST",
        "/v1/bounce-domains/{name}/verify",
        "verifyBounceDomain",
        "Look for the alias of a bounce domain now",
        Scope.MANAGE,
        bounce_domains.verify_bounce_domain,
        {200: Reply("The bounce domain with what the DNS said.", (bounce_domains.BounceDomainView,))},
        problems=(404,),
        path_parameters={"name": _NAME},
        group="Domains",
    ),
    Operation(
        "DELETE",
        "/v1/bounce-domains/{name}",
        "removeBounceDomain",
        "Remove a bounce domain",
        Scope.MANAGE,
        bounce_domains.remove_bounce_domain,
        {200: Reply("It is not used any more.", (bounce_domains.BounceDomainView,))},
        problems=(404,),
        path_parameters={"name": _NAME},
        group="Domains",
    ),
    Operation(
        "GET",
        "/v1/link-hosts",
        "listLinkHosts",
        "Where links lead",
        Scope.READ,
        link_hosts.list_link_hosts,
        {200: Reply("The link hosts.", (link_hosts.LinkHosts,))},
        group="Domains",
    ),
    Operation(
        "PUT",
        "/v1/domains/{name}/link-host",
        "chooseLinkHost",
        "Choose the link host of a domain",
        Scope.MANAGE,
        link_hosts.choose_link_host,
        {200: Reply("The link host; the next message from the domain uses it.", (link_hosts.LinkHostView,))},
        problems=(400, 404, 408, 409, 413, 415, 422),
        description=_LINKS,
        body=link_hosts.LINK_HOST_BODY,
        example={"name": "links.example.com"},
        path_parameters={"name": _NAME},
        group="Domains",
    ),
    Operation(
        "POST",
        "/v1/domains/{name}/link-host/verify",
        "verifyLinkHost",
        "Look for the alias of a link host now",
        Scope.MANAGE,
        link_hosts.verify_link_host,
        {200: Reply("The link host with what the DNS said.", (link_hosts.LinkHostView,))},
        problems=(404,),
        path_parameters={"name": _NAME},
        group="Domains",
    ),
    Operation(
        "DELETE",
        "/v1/domains/{name}/link-host",
        "removeLinkHost",
        "Remove the link host of a domain",
        Scope.MANAGE,
        link_hosts.remove_link_host,
        {200: Reply("It is not used any more.", (link_hosts.LinkHostView,))},
        problems=(404,),
        path_parameters={"name": _NAME},
        group="Domains",
    ),
    Operation(
        "GET",
        "/v1/bounce-rules",
        "showBounceRules",
        "What happens with mail that comes back",
        Scope.READ,
        bounce_policies.show,
        {200: Reply("What each outcome does, and the workspace's own rules.", (bounce_policies.BounceRules,))},
        group="Domains",
    ),
    Operation(
        "PUT",
        "/v1/bounce-rules",
        "chooseBounceRules",
        "Choose what happens with mail that comes back",
        Scope.MANAGE,
        bounce_policies.choose,
        {200: Reply("What is chosen, from the next failure on.", (bounce_policies.BounceRules,))},
        problems=(400, 408, 413, 415, 422),
        description=_BOUNCE_RULES,
        body=bounce_policies.BODY,
        example={
            "hard": "everything",
            "soft_messages": 7,
            "soft_days": 14,
            "blocked": "alert",
            "complaint": "marketing",
            "rules": [
                {"match": "mailbox * closed for good", "status": "5.2", "class": "hard", "reason": "mailbox_disabled"}
            ],
        },
        group="Domains",
    ),
    Operation(
        "POST",
        "/v1/list-checks",
        "checkList",
        "Look at a list of addresses",
        Scope.SEND,
        list_checks.check_list,
        {200: Reply("What the list comes to.", (list_checks.ListCheck,))},
        problems=(400, 408, 413, 415, 422),
        description=_LISTS,
        body=list_checks.LIST_BODY,
        example={"addresses": ["anna@example.org", "bo@gmial.com", "info@example.net"]},
        group="Lists",
    ),
)
