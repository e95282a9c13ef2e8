"""A domain whose mail exchange is this installation: its mail ends at once instead of being handed in a circle."""

from tests.corridor import MakeProcess, open_corridor

from lab_servers import name_server
from posthouse.model.words import State


async def test_mail_for_a_domain_whose_mx_is_ourselves_bounces_as_a_loop(make_process: MakeProcess) -> None:
    zone = {("there.test.", "MX"): ["10 mx.there.test."], ("mx.there.test.", "A"): ["127.0.0.1"]}
    async with name_server(zone) as names, open_corridor(make_process) as corridor:
        accepted = await corridor.send("bob@there.test")
        dns = {"routes": {}, "resolvers": [names.address], "allow_private_mx": True}
        async with corridor.delivering(25, **dns):
            (bob,) = await corridor.settled([accepted])
    assert (bob.state, bob.enhanced) == (State.BOUNCED, "5.4.6")
