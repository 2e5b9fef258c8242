"""An exporter beside the gateway, for those of its nodes that are on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.application.service import Service

from ollama_twisted.config.addresses import is_loopback
from ollama_twisted.gateway.child import Child

if TYPE_CHECKING:
    from ollama_twisted.gateway.service import GatewayService


def exporter_beside(gateway: GatewayService, reactor: Any) -> Service:
    """
    The service of a child that is an exporter; where it listens is its own business.

    It is a program of its own, so nothing that happens to it, a port in use for
    instance, is of any concern to the gateway.  It waits for nodes that are starting,
    rather than warn of ports where nobody listens yet.
    """
    here = {
        address.port: node.name
        for node in gateway.config.nodes
        if node.enabled
        for address in node.addresses
        if is_loopback(address.host) or address.host == "localhost"
    }
    command = ["ollama-exporter", "--announce", "--routers", "gateway=127.0.0.1"]
    if here:
        command += ["--ollama-port", ",".join(map(str, here))]
        # A name that holds a comma would be two.
        command += ["--node-name", ",".join(name.replace(",", " ") for name in here.values())]
    return Child("exporter", command, reactor, ready=gateway.settled)
