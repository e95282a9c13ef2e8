"""Every limit of the product, by name, with the reason for its value.

A number that bounds input, memory or time lives here and nowhere else, so that an operator who meets a limit can find it and
a reader can see all of them at once. Sizes are in octets, times in seconds (suffix `_s`), counts plain.
"""

from typing import Final

# --- Messages at the door
MESSAGE_OCTETS: Final = 26_214_400  # 25 MiB: what Gmail and Outlook accept; larger mail would only bounce later
MESSAGES_PER_CALL: Final = 1_000
RECIPIENTS_PER_MESSAGE: Final = 100
RECIPIENTS_PER_CALL: Final = 1_000
HEADERS_PER_MESSAGE: Final = 50  # custom headers of an API message
TAGS_PER_MESSAGE: Final = 10
TAG_CHARS: Final = 128
METADATA_ENTRIES: Final = 20
METADATA_CHARS: Final = 255  # of one value, and of the X-Mail-Metadata header (NUM-19)
SUBJECT_CHARS: Final = 998  # RFC 5322 2.1.1: what one unfolded line may hold
PRIORITY_LOWEST: Final = 0
PRIORITY_HIGHEST: Final = 9
PRIORITY_DEFAULT: Final = 4
MESSAGE_LIFETIME_S: Final = 72 * 3600  # how long delivery is tried unless the message says less
SCHEDULE_AHEAD_S: Final = 366 * 86_400  # send_at further away is more likely a wrong unit than a plan
IDEMPOTENCY_WINDOW_S: Final = 24 * 3600
SCAN_S: Final = 10.0  # for the malware scanner to judge the messages of one call; a client waits for the answer
SCANS_AT_ONCE: Final = 8  # of one process: clamd has ten threads by default, and queues the rest itself
SCAN_CHUNK_OCTETS: Final = 65_536
SCAN_REPLY_OCTETS: Final = 2_048  # one line; the name in it is short

# --- JSON API and the web port
CALL_OCTETS: Final = 41_943_040  # one message of MESSAGE_OCTETS as base64 in JSON, with room for its escapes
# of all request bodies held at once by one process; beyond it 503 instead of no memory
CALLS_OCTETS: Final = 268_435_456
# a form: a megabyte of text or HTML, percent-encoded; the sign-in form needs no key to be posted
FORM_OCTETS: Final = 4_194_304
OPT_OUT_OCTETS: Final = 4_096  # the form of an opt-out link: anybody may post it, and it has one short field
UPLOAD_OCTETS: Final = 26_279_936  # a form with a file of REPORT_OCTETS
FORMS_OCTETS: Final = 67_108_864  # of all forms held at once by one process
PROBLEMS_PER_MESSAGE: Final = 100  # bad fields named in one answer; somebody who has more fixes these first
POINTER_CHARS: Final = 200  # of a field name repeated in a problem: a client's megabyte of name is not echoed
IDEMPOTENCY_KEY_CHARS: Final = 255
PAGE_ROWS: Final = 100  # of one listing
PAGE_ROWS_DEFAULT: Final = 25
SEARCH_CHARS: Final = 255
STATISTICS_DAYS: Final = 400  # of one answer: a year against the one before, month by month
STATISTICS_DAYS_DEFAULT: Final = 14
REQUEST_HEAD_OCTETS: Final = 32_768  # request line and headers together
REQUEST_HEAD_S: Final = 10.0  # for them to arrive: a client that drips bytes must not hold a connection
BODY_READ_S: Final = 60.0  # for a body to arrive: CALL_OCTETS over 6 Mbit/s
KEEP_ALIVE_S: Final = 75
WEB_CONNECTIONS: Final = 4_096  # of one process; beyond it 503
WEB_DRAIN_S: Final = 20  # for requests in flight when the process is asked to stop
PARSE_ASIDE_OCTETS: Final = 65_536  # larger calls are read on a thread, so that small ones do not wait behind them

# --- SMTP, both directions (RFC 5321 4.5.3)
COMMAND_LINE_OCTETS: Final = 2_048  # 512 by the RFC, longer for AUTH (RFC 4954) and SMTPUTF8 paths
TEXT_LINE_OCTETS: Final = 998
ADDRESS_OCTETS: Final = 254  # RFC 3696 erratum 1690
LOCAL_PART_OCTETS: Final = 64
HEADER_BLOCK_OCTETS: Final = 262_144
RECEIVED_HOPS: Final = 100  # RFC 5321 6.3: at least 100 before it is called a loop

# --- SMTP server, one connection
AUTH_LINE_OCTETS: Final = 12_288  # RFC 4954 4: what a response to a challenge may need
AUTH_ATTEMPTS: Final = 3  # RFC 4954 6: guessing a password must cost a connection
ERRORS_PER_CONNECTION: Final = 10  # protocol errors since the last accepted message
IDLE_COMMANDS: Final = 200  # commands without effect (NOOP, refused RCPT ...) before each one counts as an error
MESSAGES_PER_CONNECTION: Final = 10_000  # a sender that never leaves would never see a new certificate or process
COMMAND_DISCARD_OCTETS: Final = 1_048_576  # of one endless command line read past before hanging up
DATA_DISCARD_OCTETS: Final = 268_435_456  # of one oversized message read past before hanging up
PIPELINE_OCTETS: Final = 524_288  # commands waiting behind an unanswered one: two of the largest socket reads

# --- SMTP server, sockets
SMTP_IDLE_S: Final = 300  # RFC 5321 4.5.3.2.7: how long a server waits for a command
SMTP_EXCHANGE_S: Final = 600  # from one reply to the next: a client that drips octets is gone after this
# half of the 600 s a client waits after the dot (RFC 5321 4.5.3.2.6): never a 250 nobody hears
SMTP_ANSWER_S: Final = 300
SMTP_HANDSHAKE_S: Final = 30  # of TLS
SMTP_CLOSE_S: Final = 15  # for the last reply to reach a client that does not read
SMTP_DRAIN_S: Final = 25  # of open transactions when the process is asked to stop
SMTP_SWEEP_S: Final = 1.0  # how exactly the times above are kept
CONNECTIONS_PER_ADDRESS: Final = 256  # of one IPv4 address or IPv6 /64, for each process
# it takes at least so many to use up the role inbound: one stranger must not keep reports out
INBOUND_ADDRESSES: Final = 4
LISTENER_OCTETS: Final = 536_870_912  # messages half received by one process; past this the largest is sent away
AUTH_BURST: Final = 10  # failed logins at once for one user name from one address ...
AUTH_INTERVAL_S: Final = 30.0  # ... and one more after each of these
# for any user names from one address: an office has more than one device with an old password
AUTH_SOURCE_BURST: Final = 50
AUTH_SOURCE_INTERVAL_S: Final = 10.0

# --- The lab
LAB_MESSAGES: Final = 10_000  # kept for reading
LAB_OCTETS: Final = 134_217_728  # of their content
LAB_LISTED: Final = 200  # mails in one list, unless an API caller asks for more
LAB_SHOWN_OCTETS: Final = 262_144  # of raw mail on a page; the download has all of it
LAB_CONNECTIONS: Final = 1_000
LAB_REMEMBERED: Final = 10_000  # first tries refused by greylisting, messages dropped after the dot
LAB_REPORTS_WAITING: Final = 1_000  # late reports and complaints not sent yet

# --- SMTP to other servers
REPLY_LINE_OCTETS: Final = 4_096  # 512 by RFC 5321 4.5.3.1.5; some receivers put a whole URL with tokens into a refusal
REPLY_OCTETS: Final = 65_536  # of one reply with all its lines: a receiver must not fill our memory
REPLY_TEXT_CHARS: Final = 2_000  # of a reply kept for the ledger
REPLY_QUOTED_CHARS: Final = 200  # ... and repeated in one sentence about a whole site
TRANSCRIPT_HEAD_LINES: Final = 240  # two hundred recipients' commands and replies, then only the end is kept
TRANSCRIPT_TAIL_LINES: Final = 40
TRANSCRIPT_LINE_CHARS: Final = 1_000
CONTENT_CHUNK_OCTETS: Final = 65_536  # larger mail waits for the receiver to drain before the final dot is handed over
MX_HOSTS: Final = 20  # of one domain that are tried: Gmail has 5, the most seen in the wild is 16
ADDRESSES_PER_HOST: Final = 8
CONNECT_TARGETS: Final = 10  # addresses dialled for one mail: five hosts of two families; the retry begins anew
SITE_NAME_CHARS: Final = 255
SITES_WITH_BROKEN_TLS: Final = 4_096  # remembered at a time
BROKEN_TLS_S: Final = 900  # a receiver's certificate mishap is over sooner or later; until then do not knock twice

# --- Encryption as receivers publish it
STS_FIRST_S: Final = 10.0  # mail for a domain never met waits this long for its policy, then goes without
STS_FETCH_S: Final = 30.0  # of one policy file (RFC 8461 3.3 suggests a minute at most)
STS_LOOK_S: Final = 5.0  # the same while a person waits for the page
STS_POLICY_OCTETS: Final = 65_536  # RFC 8461 3.3
STS_PATTERNS: Final = 100  # of one policy; the longest seen in the wild has some thirty
STS_MAX_AGE_S: Final = 31_557_600  # RFC 8461 3.2: a year
STS_MIN_AGE_S: Final = 600  # a policy that says less would be fetched for every mail
STS_REFUSED_S: Final = 300.0  # RFC 8461 3.3: a policy that could not be had is asked for again after this
STS_REFRESH_S: Final = 86_400.0  # a policy in the cache is fetched anew this often, long before it ends
STS_POLICIES: Final = 50_000  # known to one process, some 500 octets each
STS_REFRESHED_AT_ONCE: Final = 20
TLS_RESULTS: Final = 20_000  # counters waiting for the database
TLS_RESULTS_KEPT_DAYS: Final = 60  # daily reports are long out by then
CHAIN_CERTIFICATES: Final = 10  # of what a receiver shows: real chains have four
HTTPS_ADDRESSES: Final = 4  # of one host that are tried

# --- DNS
DNS_CONCURRENT_LOOKUPS: Final = 128
DNS_TIMEOUT_S: Final = 5.0  # of one try
DNS_TRIES: Final = 2
DNS_ALIAS_HOPS: Final = 16
DNS_CACHED_ANSWERS: Final = 65_536
DNS_TTL_MAX_S: Final = 86_400
DNS_NEGATIVE_TTL_S: Final = 300  # "there is none" is believed this long at most, whatever the zone says
DNS_FAILURE_TTL_S: Final = 10  # a resolver in trouble is not asked the same again by every waiting mail

# --- Block lists
BLOCK_LISTS: Final = 20  # zones
BLOCK_LIST_LOOK_S: Final = 3600.0  # between two looks at one address on one list, a tenth more or less
BLOCK_LIST_CLEAN_LOOKS: Final = 2  # in a row before a listing is over
BLOCK_LIST_LOOKS: Final = 500  # of one round
BLOCK_LIST_REASON_CHARS: Final = 300
BLOCK_LIST_FORGET_S: Final = 172_800  # after the last look, when nobody watches the address any more
LINK_TEXT_OCTETS: Final = 1_048_576  # of a message's texts that are read for links: mail programs cut off far earlier
LINK_CALL_OCTETS: Final = 8_388_608  # of all messages of a dry run: those behind it are not read for links
LINK_CHARS: Final = 2_048  # of one link in a text
LINK_HOSTS: Final = 50  # of one dry run, over all its messages; a newsletter leads to fewer
LINK_NAMES: Final = 4  # of one host: itself and the domains above it, the nearest to the top first
LINK_LOOK_S: Final = 3.0  # for the lists to answer a dry run, which somebody waits for

# --- Message format, written and read
DISPLAY_NAME_CHARS: Final = 320
FILENAME_CHARS: Final = 255  # what file systems hold
HEADER_VALUE_CHARS: Final = 8_192  # of one custom header, before folding
ATTACHMENTS_PER_MESSAGE: Final = 100
MAILBOXES_PER_FIELD: Final = 5_000  # of one From, To or Cc read
MIME_DEPTH: Final = 12  # nested multiparts read; deeper is an attack on the reader
MIME_PARTS: Final = 500  # of one message read
REPORTED_RECIPIENTS: Final = 1_000  # of one delivery report read
# recorded for one recipient: whoever got one mail could fill the ledger with reports about it
REPORTS_OF_A_KIND: Final = 10
REPORT_WAIT_S: Final = 5.0  # of a report that overtook the record of its delivery, a commit that takes milliseconds
REPORT_FIELD_CHARS: Final = 2_000  # of one field of a report kept

# --- What receivers report about a domain (DMARC, TLS)
REPORT_OCTETS: Final = 26_214_400  # of one file as it comes; the largest receivers' reports, packed, stay far below
REPORT_UNPACKED_OCTETS: Final = 134_217_728  # of all that is in it: some 200,000 records
REPORT_RATIO: Final = 200  # unpacked to packed; honest XML stays below 60, a bomb made of zeros reaches 1,000 ...
REPORT_RATIO_FROM_OCTETS: Final = 1_048_576  # ... which hurts nobody below this size
REPORT_FILES: Final = 100  # in one archive or mail
REPORT_ARCHIVE_DEPTH: Final = 2  # a .gz inside a .zip is seen; more is a trick
REPORT_MAIL_DEPTH: Final = 2  # a mail forwarded as an attachment is seen
REPORT_TEXT_CHARS: Final = 255  # of one value of a report kept, and of a file's name in an archive
REPORT_XML_DEPTH: Final = 32
REPORT_XML_NAMES: Final = 1_000  # different names of elements and attributes: the parser remembers each
REPORT_XML_ELEMENTS: Final = 8_000_000  # of one report; 30 to a record
REPORT_XML_TOKEN_OCTETS: Final = 1_048_576  # one tag or comment: the parser holds all of it
REPORT_KEPT_OCTETS: Final = 134_217_728  # what the rows of one report may take in memory, as estimated
REPORT_AUTH_RESULTS: Final = 10  # signatures, and SPF results, kept of one row
REPORT_COUNT: Final = 1_000_000_000_000  # messages or sessions; a larger number is nonsense
REPORTS_KEPT_DAYS: Final = 400  # a year against the one before
REPORT_SENDER_S: Final = 20.0  # RFC 7208 4.6.4: for the DNS to prove who sends a mail of them; then it may come again
REPORT_FINDINGS_TOLD: Final = 2  # signatures named in a refusal, which is one line ...
REPORT_FINDING_CHARS: Final = 120  # ... and of each of its findings
REPORTS_PER_DAY: Final = 5_000  # that come by mail to one workspace: anybody with a domain may send them
REPORTED_ROWS_PER_DAY: Final = 1_000_000  # ... and what is in them
REPORTS_READ_AT_ONCE: Final = 2  # by one process; each takes memory and a core for up to 10 s
REPORT_DAYS: Final = 90  # looked back by one answer or page
REPORT_DAYS_DEFAULT: Final = 30
REPORT_SOURCES: Final = 1_000  # in one answer, the most messages first
REPORT_SOURCES_DEFAULT: Final = 100
REPORT_ORGANISATIONS_SHOWN: Final = 10  # named beside one source
TLS_REPORT_OCTETS: Final = 4_194_304  # JSON is read at once, and takes 25 times its size when made to
TLS_REPORT_POLICIES: Final = 1_000
TLS_REPORT_FAILURES: Final = 10_000  # failure details of one report kept
TLS_REPORT_STRINGS: Final = 50  # lines of one policy, and its host patterns

# --- Signing and checking
DKIM_RSA_BITS: Final = 2_048  # larger does not fit one DNS answer everywhere, smaller is refused by Gmail
DKIM_RSA_BITS_ACCEPTED: Final = 1_024  # RFC 8301 3.2: weaker must not count
DKIM_RSA_BITS_CHECKED: Final = 4_096  # a giant key in somebody's DNS must not cost us seconds
DKIM_SIGNATURES_CHECKED: Final = 10  # of one message: each one costs a look-up and a verification
SPF_LOOKUPS: Final = 10  # RFC 7208 4.6.4
SPF_VOID_LOOKUPS: Final = 2  # RFC 7208 4.6.4
SPF_HOSTS_PER_LOOKUP: Final = 10  # RFC 7208 4.6.4: addresses per mx, names per ptr
DMARC_LABELS: Final = 8  # RFC 9989: a tree walk asks at most this many names

# --- Processes and PostgreSQL
DATABASE_PATIENCE_S: Final = 60.0  # for a server that starts, recovers from a crash included
COMMAND_PATIENCE_S: Final = 3.0  # somebody sits before it and wants to know
DATABASE_RETRY_S: Final = 0.1
DATABASE_CONNECT_S: Final = 10.0  # of one connection attempt
DATABASE_SILENCE_S: Final = 10.0  # a host that is cut off is given up by then, on both sides; as long as a lease
DATABASE_PROBE_S: Final = 2.0  # a readiness check slower than this is a no
DATABASE_START_S: Final = 300.0  # crash recovery of a big log takes minutes, and giving up makes it start over
DATABASE_STOP_S: Final = 20.0  # fast shutdown writes a checkpoint; after that immediate, and recovery at the next start
MIGRATION_WAIT_S: Final = 120.0  # a role alone waits this long for somebody else to migrate
DRAIN_S: Final = 30.0  # a role finishes what it holds; an SMTP dialogue that takes longer becomes an unknown outcome
RESTART_FIRST_S: Final = 0.1
RESTART_CAP_S: Final = 10.0
RESTART_FORGIVEN_S: Final = 30.0  # a role that ran this long starts again without delay
FAILURES_BEFORE_READY: Final = 5  # a role that cannot start at all ends the whole start
LOCK_PATIENCE_S: Final = 5.0  # for the data folder and ports of a predecessor that is still leaving
PROBE_REQUEST_OCTETS: Final = 8_192  # of one request to the health port
PROBE_S: Final = 5.0  # for one request and its answer
DATA_KEYS_CACHED: Final = 10_000  # unwrapped workspace keys in memory, 32 octets each and their schedules

# --- Accounts
ACCOUNT_NAME_CHARS: Final = 100  # of a workspace, a person, a credential
CREDENTIALS_PER_WORKSPACE: Final = 1_000  # live ones
DOMAINS_PER_WORKSPACE: Final = 1_000
DOMAINS_PER_CREDENTIAL: Final = 100
KEYS_PER_DOMAIN: Final = 50  # DKIM keys, each a DNS record that somebody has to publish
ALLOW_LISTS_CHARS: Final = 500  # of a note
POSTAL_ADDRESS_CHARS: Final = 300  # one line below every marketing mail
NETWORKS_PER_CREDENTIAL: Final = 50
OPEN_NETWORK_PREFIX_V4: Final = 24  # submission without AUTH from a wider public network would trust strangers
OPEN_NETWORK_PREFIX_V6: Final = 48  # one site (RFC 6177)
DIRECTORY_TTL_S: Final = 5.0  # how long a revoked key could still work if the notification of it got lost
DIRECTORY_MISS_TTL_S: Final = 2.0  # a key that was just made works within this time although it was tried before
DIRECTORY_ENTRIES: Final = 20_000  # answers of one kind remembered by a process
DIRECTORY_MISSES: Final = 5_000  # kept apart: guesses must not push out what is in use
LOADED_KEYS: Final = 20_000  # private DKIM keys ready to sign, about 3 kB each
# at once, of names a proxy asks about: strangers choose them, and pages need the database too
TLS_ASK_LOOKUPS: Final = 4
TLS_ASK_OCTETS: Final = 300  # of its query: a name has 253
CREDENTIAL_USE_S: Final = 60.0  # a last use is noted this often
PASSWORD_CHARS_LEAST: Final = 12
PASSWORD_CHARS_MOST: Final = 1_024  # argon2 reads all of it
PASSWORD_THREADS: Final = 2  # each hashing password holds 64 MiB for some 50 ms
SESSION_LIFETIME_S: Final = 14 * 86_400  # since the last visit
SESSION_NOTED_S: Final = 300.0  # a visit moves the end of the session this often
SIGN_IN_LINK_LIFETIME_S: Final = 24 * 3600
SIGN_IN_BURST: Final = 5  # attempts at one account from one place at once, then one per interval
SIGN_IN_INTERVAL_S: Final = 60.0
# attempts at any account from one place: an office behind one address signs in at nine
SIGN_IN_SOURCE_BURST: Final = 30
SIGN_IN_SOURCE_INTERVAL_S: Final = 10.0
ATTEMPT_KEYS: Final = 50_000  # accounts and places an AttemptLimiter remembers
LOGIN_FAILURES_APART_S: Final = 0.5  # between two writes of a process while more keep coming
LOGIN_FAILURES_PENDING: Final = 1_000  # kinds of refused login a process collects while it writes those before
LOGIN_FAILURES_A_DAY: Final = 5_000  # rows of one workspace: by account, address, reason and quarter of an hour
LOGIN_FAILURES_KEPT_DAYS: Final = 90
LOGIN_FAILURES_ALARMING: Final = 100  # of one account within this quarter of an hour and the one before
GUESSED_ACCOUNTS: Final = 20  # alerts about them one workspace gets at a time
AUDIT_PAGE: Final = 1_000  # entries read at a time
# a key that signs no more stays published this long: mail it signed is still on its way
DKIM_RETIRED_S: Final = 7 * 86_400

# --- Mass mail among single messages
MASS_RECIPIENTS: Final = 100  # of one text within MASS_WINDOW_MINUTES; AMB-23 draws the line here
MASS_WINDOW_MINUTES: Final = 10
MASS_RECIPIENTS_OF_ONE: Final = 50  # of one message
MASS_REASON_CHARS: Final = 255  # of a sender who insists
MASS_TEXTS: Final = 20_000  # texts a process remembers in each of two generations, some 150 octets each
MASS_TEXT_OCTETS: Final = 65_536  # of a body that are looked at; the fingerprint has its whole length
MASS_SHARED: Final = 1_000  # texts told to other processes at a time
MASS_SHARE_S: Final = 1.0  # how often processes tell each other ...
MASS_SHARE_SOON: Final = 20  # ... and at once when a text has so many recipients they have not heard of
ALERT_MAIL_PAUSE_S: Final = 60.0  # between two mails about alerts to the administrators of a workspace
ALERT_LINES: Final = 20  # alerts of one mail; it says how many more there are
ALERTS_LISTED: Final = 200  # open and ended ones of one page or answer
NOTICES_PER_ROUND: Final = 500  # failures read at a time by the process that tells their senders

# --- What comes back
NOTICE_CHARS: Final = 32_768  # of the text of a bounce that are read; what it means stands at its top
NOTICE_RECIPIENTS: Final = 1_000  # named in one text

# --- Bounced addresses
BOUNCES_PER_ROUND: Final = 2_000  # noted with one statement
BOUNCED_PAGE: Final = 1_000  # addresses of one answer
BOUNCED_OFFSET: Final = 1_000_000  # passed over by counting; whoever wants more goes on from the cursor
BOUNCED_SAID_CHARS: Final = 500  # kept of what a receiver said

# --- Lists of addresses
LIST_ADDRESSES: Final = 1_000_000  # of one list
LIST_LOOKUPS: Final = 100  # domains asked about at a time
LIST_PER_CALL: Final = 10_000  # addresses of one call of the API, or lines of one list on a page
LIST_PATIENCE_S: Final = 20.0  # with the DNS, in all, where somebody waits for the answer
LIST_PAGE_CHARS: Final = 1_000_000  # of a list on a page, which carries it back to its reader

# --- Webhooks
WEBHOOKS_PER_WORKSPACE: Final = 20
WEBHOOK_URL_CHARS: Final = 2_000
WEBHOOK_DESCRIPTION_CHARS: Final = 200
WEBHOOK_CONNECT_S: Final = 5.0  # for a connection with TLS
WEBHOOK_S: Final = 15.0  # for the whole exchange: a consumer takes note and works later
WEBHOOK_ANSWER_OCTETS: Final = 1_024  # of an answer kept for whoever looks for the mistake
WEBHOOK_AT_ONCE: Final = 10  # requests to one endpoint by one process
WEBHOOK_CONNECTIONS: Final = 2_000  # of one process, shared out among the endpoints that have something to hear
WEBHOOK_HELD: Final = 200  # deliveries of one endpoint claimed by one process, where the endpoint is quick
WEBHOOK_LEASE_S: Final = 45.0  # a claim nobody settled is anybody's after this: an exchange and the turn before it
WEBHOOK_RETRIED_S: Final = 24 * 3600.0  # since the first try of a delivery
WEBHOOK_FAILING_S: Final = 3 * 86_400.0  # an endpoint that never once answered well for so long is switched off
WEBHOOK_PROBE_S: Final = 60.0  # an endpoint that answers nothing is tried this often, whatever waits for it
WEBHOOK_OVERLAP_S: Final = 24 * 3600.0  # how long the secret before signs beside the new one
WEBHOOK_KEPT_S: Final = 7 * 86_400.0  # deliveries and attempts, for looking and for replay
WEBHOOK_READ: Final = 2_000  # events read at a time
WEBHOOK_REPLAYED: Final = 50_000  # events of one replay; the answer says where the next one begins
WEBHOOK_REPLAY_READ: Final = 500_000  # events looked at for one replay: an endpoint may want few of many
WEBHOOK_TIDIED: Final = 5_000  # rows deleted at a time

# --- Exports
EXPORT_PART_ROWS: Final = 2_000  # read, packed, kept and posted at a time
EXPORT_PARTS_PER_TURN: Final = 25  # then the next export has its turn
EXPORT_LEASE_S: Final = 60.0  # renewed with every part
EXPORT_TRIES: Final = 5  # claims in a row without one more part
EXPORT_OCTETS: Final = 2_147_483_648  # of one export, packed
EXPORT_DAYS: Final = 400  # of one export's period
EXPORT_KEPT_S: Final = 604_800.0
EXPORT_LINK_S: Final = 86_400.0  # how long a link without sign-in is good
EXPORTS_UNFINISHED: Final = 5  # of one workspace at a time
EXPORTS_KEPT: Final = 100  # of one workspace
EXPORT_SCHEDULES: Final = 20  # of one workspace
EXPORT_UPLOAD_LEASE_S: Final = 60.0

# --- Suppressions
SUPPRESSIONS_LISTED: Final = 10_000  # of one listing of a command
SUPPRESSIONS_PAGE: Final = 1_000  # of one page of the API
SUPPRESSIONS_ADDED: Final = 10_000  # by one request; more come as CSV
SUPPRESSIONS_REMOVED: Final = 1_000  # by one request: each is an entry of the audit log
SUPPRESSION_NOTE_CHARS: Final = 500
BOUNCE_RULES: Final = 50  # a workspace's own, each asked of every failure
BOUNCE_RULE_CHARS: Final = 200
BOUNCE_RULE_WILDCARDS: Final = 5
BOUNCE_REPLY_CHARS: Final = 1_000  # of a reply somebody tries the rules on
SOFT_BOUNCE_MESSAGES: Final = 100  # what a workspace may choose at most
SOFT_BOUNCE_DAYS: Final = 365
BLOCKED_ALERTS: Final = 100  # providers one process raises an alert about in an hour, for one workspace
MAILING_TYPE_CHARS: Final = 100
INVALID_PAGE: Final = 10_000  # invalid addresses of one answer
CSV_OCTETS: Final = 1_073_741_824  # of one import: ten million addresses with their notes
CSV_RECORD_CHARS: Final = 4_096  # of one line
CSV_BATCH: Final = 5_000  # lines read or written with one statement
CSV_IDLE_S: Final = 30.0  # for the next octets of an import
CSV_PROBLEMS: Final = 100  # lines named in one answer; the others are counted

# --- Reputation
REPUTATION_KEPT_DAYS: Final = 30  # counts by pool, From domain and provider
REPUTATION_ROWS: Final = 1_000  # of one answer
MAILINGS_KEPT_DAYS: Final = 2  # counts by mailing: nobody looks further back than a day
# of a workspace in a quarter of an hour and in a day, those with most mail: tags may name every mail
MAILINGS_COUNTED: Final = 1_000
# to personal accounts within 24 hours make a bulk sender at Gmail and at Microsoft (NUM-3, NUM-6)
BULK_MAILS: Final = 5_000

# --- The queue, by hand
SUSPENSIONS_PER_WORKSPACE: Final = 1_000  # in force at once; every dispatcher reads all of them
ASIDE_LOOKED_AT: Final = 1_000  # mails in line looked at each time one of a suspended From domain or mailing is met
OPERATOR_REASON_CHARS: Final = 500  # of why somebody did something, shown with each mail it was done to
REPLY_SOUGHT_CHARS: Final = 200  # of a receiver's words to find mail by
ATTEMPTS_SOUGHT: Final = 1_000
PLACES_COUNTED: Final = 10_000  # mails looked at to say how many go before those of one page; beyond it "more than"
PLACES_COUNTED_LEAST: Final = 100  # ... of each destination, however many there are on the page
SITE_NOTE_S: Final = 30.0  # what a site's owner said is believed this long

# --- Shaping rules
SHAPING_FILE_OCTETS: Final = 1_048_576  # of an operator's own file: thousands of domains
SHAPING_COUNT: Final = 1_000_000  # connections, mails, failures: a larger number is a slip of the finger
ACTION_TEXTS: Final = 50  # looked for in each refusal by one action
ACTION_TEXT_CHARS: Final = 200
ACTION_MATCHES: Final = 100  # remembered by one path until an action acts
WARMUP_DAYS: Final = 366  # of one plan, and of a forecast

# --- Memory
COLLECT_AFTER: Final = 50_000  # more objects made than freed since the last look for unreachable cycles

# --- Group commit, in and out
CALLS_PER_COMMIT: Final = 200  # requests that share one transaction; more would make the first of them wait
ACCEPT_S: Final = 30.0  # a client has long given up on an answer that takes longer
HELD_BODY_OCTETS: Final = 65_536  # larger bodies are read when their turn has come, not held while they wait
HELD_MAILS: Final = 5_000  # claimed and waiting in one process; with the bodies they may have, about 100 MB
SETTLEMENTS_PER_COMMIT: Final = 500
SETTLEMENTS_PENDING: Final = 5_000  # ended mails awaiting the database; at the limit sending stops, not memory grows
