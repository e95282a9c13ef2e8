"""The JSON API: HTTP in, HTTP out; it parses and prints, and decides nothing.

`table.OPERATIONS` has one row per operation: method, path, scope, query, body and answers. `router.Api` routes by these rows and,
for every request alike, authenticates the key (`caller`), asks for the scope, reads the query (`shapes`) and the body within its
bounds (`bodies`), runs the operation and turns whatever goes wrong into problem details (`problems`). `openapi.document` makes the
published description from the same rows, and `reference.page` the page at /docs.

Operations: `submit` (POST /v1/messages, the hot path; `messages.resend` hands over by it too), `messages`, `queue`, `reports`, `domains`,
`credentials`, `webhooks`; rows of several are in tables of their own (`webhook_table`, `report_table` and so on). What they show is shaped by
`views`. The schema of a posted message is `message_schema`; `intake.request` reads it.

It uses no cookies, so no request of a browser can borrow somebody's session, and keeps nothing between requests.
"""
