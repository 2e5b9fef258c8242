"""The exporter's own connections are known as its own."""

from __future__ import annotations

from twisted.internet.protocol import Factory, Protocol
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.client import URI
from twisted.web.iweb import IAgentEndpointFactory
from zope.interface.verify import verifyObject

from ollama_twisted.exporter.ownends import REMEMBERED, OwnEnds


class OwnEndTests(SynchronousTestCase):
    """Connections that an agent makes."""

    def setUp(self) -> None:
        self.reactor = MemoryReactorClock()
        self.own = OwnEnds(self.reactor)

    def test_factory(self) -> None:
        """
        An agent can use it.
        """
        self.assertTrue(verifyObject(IAgentEndpointFactory, self.own))

    def test_noted(self) -> None:
        """
        A connection's end is ours as soon as there is one, before anything is sent.
        """
        from twisted.internet.testing import StringTransport

        endpoint = self.own.endpointForURI(URI.fromBytes(b"http://127.0.0.1:11434/api/ps"))
        connecting = endpoint.connect(Factory.forProtocol(Protocol))
        (host, port, factory, *_) = self.reactor.tcpClients[0]
        self.assertEqual((host, port), ("127.0.0.1", 11434))
        protocol = factory.buildProtocol(None)
        transport = StringTransport()
        protocol.makeConnection(transport)
        self.successResultOf(connecting)
        here = transport.getHost()
        self.assertIn((here.host, here.port), self.own)

    def test_forgotten(self) -> None:
        """
        An end is forgotten when nobody can see it any more: its port may be another's then.
        """
        self.own.note("::ffff:127.0.0.1", 40000)
        self.assertIn(("127.0.0.1", 40000), self.own)
        self.reactor.advance(REMEMBERED + 1)
        self.own.note("127.0.0.1", 40001)
        self.assertNotIn(("127.0.0.1", 40000), self.own)
