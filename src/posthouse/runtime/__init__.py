"""The world: everything that is not mail and not a decision. Clock, ids, settings, PostgreSQL, secrets, processes, logs.

Rooms above are handed these things as arguments; none of them reads the clock, the environment or a file by itself, which is
what lets a test replace the world piece by piece. The table `schema_migrations` and the files in `migrations/` are this room's.

How a process comes to life, in order:

    supervisor   cli.up -> embedded.Server.start -> migrate.migrate -> supervisor.Supervisor.run
                 one child per role and index, each holding one end of a lifeline (network of pipes in `supervisor`)
    role         cli.run -> process.open_process -> the function named in supervisor.ROLES -> Process.ready

    settings     one TOML file under the POSTHOUSE_... environment -> frozen structs; the supervisor hands them on as environment
    queries      `queries.sql` of a room -> an object of SQL strings; prepared at boot, so a wrong name or column cannot start
    postgres     the pool, transactions, LISTEN; DATABASE_GONE names every way in which the server can be away
    embedded     initdb and postgres from the installed wheel, as root or not, restarted when killed
    vault        data keys under a key-encryption key that never is in the database
    backup       the whole installation into one `archive` and back, through pg_dump and pg_restore (`dump`)
    crypto_mb    a library that makes eight signatures at once, where the processor can
    dns, https   what strangers publish: names, and files by name, bounded and never from inside
    http_post    telling strangers: POST to an address they chose; `reach` says which addresses may be dialled for either
    health       the small HTTP port of each process: /healthz, /readyz, /metrics

A role ends in one of three ways: asked (SIGTERM, or the supervisor is gone: `stopping` is set and the role drains), failed (an
exception: logged, exit 1, the supervisor starts it again with back-off), killed (started again; the database has the truth).

This room never knows what a message is, never calls a room above it, and never changes the owner or permission of anything
outside the data folder.
"""
