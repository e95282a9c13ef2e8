"""HTTP: the JSON API and the pages, on one port. It parses and prints; what is decided is decided in the rooms below.

`host.main` is the role: it binds the port, opens the directory (who may do what) and the door (how mail comes in), builds the
application and runs uvicorn inside the process's own event loop until `process.stopping` is set; requests in flight are answered,
then the door commits what it has promised. `connection` bounds what a client may do before its request is complete.

`app.Front` receives every request. Under a name that is not ours there is only what mails link to (`hosts`). Under ours `/v1`
goes to `api` (see its `__init__`), `/docs` and `/openapi.json` are its description, `/healthz` and `/readyz` the probes, `/tls/ask`
tells a proxy for whom to get certificates (`tls_ask`); all else goes to the Litestar application of `pages` and of `track`,
what readers of mail come to. `security` adds the headers every response has: nothing from outside, nothing inline, no frames.

A message by JSON takes this way: `api.router` authenticates and bounds, `api.submit` has `intake.request.parse` read the body,
hands the submissions to `intake.accept.Door` and answers 202 once they are committed.

The room owns no table. It never writes SQL, never decides who may send or where a mail goes, and never talks to anything but its
clients and the DNS it is asked to look at. The API uses no cookies; the pages use one, and guard every change against CSRF.
"""
