"""The composition root: the command `posthouse`. Imported by nothing.

`main` names every command and imports one only when it is called. `world` is what commands share: settings from `--config`,
`--data` and the environment, the way into an installation that runs or rests, and one place where errors an operator can mend
become one line and an exit status (1 failed, 2 settings, 3 no database).

    up       everything on this machine under one supervisor: lock -> keys -> ports -> PostgreSQL -> migrate -> first workspace
             -> roles -> `announcement`
    run      one process of one role; what the supervisor and systemd start
    migrate  an external database to this program's schema
    config   the documented sample, and a check
    doctor   what is wrong with this machine
    others   one module per noun: they parse, call one function of a room, and print

This room owns no table and decides nothing about mail.
"""
