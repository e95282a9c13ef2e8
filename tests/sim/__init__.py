"""Deterministic simulation of the product's own dispatch, settlement, leases, rounds and door, on a real PostgreSQL.

Nothing of the product is replaced. What is simulated is what surrounds it: time and the order of callbacks (`loop`), the network
(`network`, `names`), mail servers (`receivers`), machines and processes (`processes`, `weather`), and how long and how well the
database is reached (`database`, `connections`); the statements themselves run on PostgreSQL, so that its locks and plans are part
of what is tested. Clients and operators are `people`; what each seed decides is drawn by `scenario`.

A seed's life: `world.Stage.play` -> `scenario.drawn` -> processes start their real `main` -> people, weather and receivers do their
part -> after every commit and at every mail offered `promises.Promises` looks whether everything still holds -> all is healed ->
everything must become final -> `processes.bury` ends every task -> `world.Result` with the whole trace.

Why the same seed is the same history: one loop runs the callbacks of all processes and reads time from nowhere else; while a
statement is outstanding nothing else can come in; statements reach the server one at a time in an order drawn from the seed; tables
are emptied by exchanging their files, so that rows lie in the same order; `player` fixes the order of sets of strings. Every source
of chance is a `random.Random` of the seed: the product's own SystemRandom, its ids, its resolver's answers.

A crash runs not another instruction of a process: its callbacks are kept back for ever. A frozen process gets its callbacks later,
as after SIGSTOP. A process cut off from the database sees errors, or silence, and the server keeps its locks for a while.

It never sleeps, never opens a port, and never asks what time it is.
"""
