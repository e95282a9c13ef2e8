"""Our client and our server, each the other's peer, with nothing between them but bytes in any pieces."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.model.outcome import Outcome
from posthouse.wire.smtp_client import ClientMachine, MailDone, SendContent, TlsPolicy
from posthouse.wire.smtp_server import ServerMachine
from posthouse.wire.smtp_server_events import MailFrom, MessageReceived, RcptTo, ServerConfig


class Wire:
    """Carries bytes both ways, `size` at a time, and plays host to both machines; recipients at refused.test are refused."""

    def __init__(self, size):
        self.size = size
        self.client = ClientMachine(helo_name="out.test", tls=TlsPolicy.OFF)
        self.server = ServerMachine(ServerConfig(hostname="in.test"))
        self.server.greet()
        self.outcomes, self.messages = [], []

    def run(self):
        while self._to_client() | self._to_server():
            pass

    def _pieces(self, data):
        return [data[at : at + self.size] for at in range(0, len(data), self.size)]

    def _to_client(self):
        data = bytes(self.server.data_to_send())
        for piece in self._pieces(data):
            for event in self.client.receive(piece):
                if isinstance(event, MailDone):
                    self.outcomes.append(event.outcomes)
                elif isinstance(event, SendContent):
                    self._deliver(self.client.content() + self.client.end_of_data())
        return bool(data)

    def _to_server(self):
        data = self.client.bytes_to_send()
        self._deliver(data)
        return bool(data)

    def _deliver(self, data):
        for piece in self._pieces(data):
            self.server.receive(piece)
            while event := self.server.next_event():
                self._answer(event)

    def _answer(self, event):
        if isinstance(event, RcptTo) and event.address.endswith("@refused.test"):
            self.server.refuse(550, "5.1.1", "Unknown recipient")
            return
        assert isinstance(event, MailFrom | RcptTo | MessageReceived), event
        if isinstance(event, MessageReceived):
            self.messages.append(event.data)
        self.server.accept()

    def send(self, recipients, content):
        self.client.begin_mail("from@here.test", recipients, [content], smtputf8=False)
        self.run()


@pytest.mark.parametrize("size", [1, 7, 100_000])
def test_mail_after_mail_arrives_as_it_left(size):
    wire = Wire(size)
    wire.run()
    bodies = [b"A: b\r\n\r\n.\r\n..\r\n.x\r\n", b"A: b\r\n\r\n", b"A: b\r\n\r\n" + b"x" * 900 + b"\r\n"]
    for body in bodies:
        wire.send(("to@there.test",), body)
    assert wire.messages == bodies
    assert [outcome.outcome for (outcome,) in wire.outcomes] == [Outcome.DELIVERED] * 3


def test_a_refused_recipient_does_not_keep_the_mail_from_the_others_nor_from_the_next():
    wire = Wire(100_000)
    wire.run()
    wire.send(("a@there.test", "b@refused.test"), b"A: b\r\n\r\nx\r\n")
    wire.send(("b@refused.test",), b"A: b\r\n\r\nx\r\n")
    wire.send(("c@there.test",), b"A: b\r\n\r\nx\r\n")
    found = [[outcome.outcome for outcome in outcomes] for outcomes in wire.outcomes]
    assert found == [[Outcome.DELIVERED, Outcome.PERMANENT], [Outcome.PERMANENT], [Outcome.DELIVERED]]
    assert len(wire.messages) == 2


@given(st.lists(st.sampled_from([b"", b".", b"..", b".x", b"line", b"a.b"]), max_size=30), st.integers(1, 50))
def test_any_lines_in_any_pieces_arrive_as_they_left(lines, size):
    wire = Wire(size)
    wire.run()
    body = b"A: b\r\n\r\n" + b"".join(line + b"\r\n" for line in lines)
    wire.send(("to@there.test",), body)
    assert wire.messages == [body]
