"""The product measured by itself: an installation of its own, a receiver of its own, and a table at the end.

Each benchmark runs on a fresh `stand.Stand`: `receiver` starts the recording `sink` (raw, so that it takes an order of magnitude more
than is sent to it), `installation` starts `posthouse up --lab` in a temporary folder with routes to the sink's doors, settings otherwise
as shipped, fsync on, every mail signed by the lab's keys. `smtp_load` and `http_load` bring the mail, `filling` puts a backlog into the
queue through the product's own door, `usage` reads from /proc what all that cost, and whether others were using the machine.

    relay.measure     SMTP in, committed, signed, SMTP out: rates, CPU and memory by role
    api.measure       the same through POST /v1/messages, one mail and a hundred mails a request
    depth.measure     the same with a short queue and with a long one beside it
    preempt.measure   priority 9 behind a long priority-1 queue for a slow receiver
    blast.measure     transactional mail while a marketing blast comes in and while its receiver stalls
    idle.measure      accepted to first attempt when there is nothing else to do
    memory.measure    what all roles hold with a long queue
    steps.measure     CPU of each step of a mail that needs neither network nor database
    accept.measure    answers of the API at a fixed rate, counted from when each request was due

Every `measure` takes a `stand.Order` and returns `figures.Finding`s. `results` joins them with the machine they were taken on, `report`
and `chart` (pure) write table, page and plot.

Everything is on 127.0.0.1 and ends with the command: the supervisor by SIGTERM to its process id, the sink by the end of its control
socket. The room owns no table; it never measures an installation that is in use.
"""
