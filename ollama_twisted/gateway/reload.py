"""A new configuration while the gateway runs: all of it or, if anything in it is wrong, none."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from twisted.logger import Logger

from ollama_twisted.config.difference import Difference, difference
from ollama_twisted.config.resolved import Config
from ollama_twisted.errors import ConfigError, Fault
from ollama_twisted.gateway.core import Gateway

_log = Logger()

#: Reads the configuration: the text that is given, or the file that the gateway was started with.
ReadConfig = Callable[[bytes | None], Config]


@dataclass(frozen=True, slots=True)
class Reading:
    """A configuration that can be used, and how it differs from the one in use."""

    config: Config
    difference: Difference

    @property
    def warnings(self) -> tuple[str, ...]:
        """All that the operator had better know."""
        return (*self.config.warnings, *self.difference.warnings)


class Reloader:
    """
    Reads a gateway's configuration again.

    ``take_over`` puts a configuration into its place, everywhere.  Without ``read``
    there is nowhere to read one from.
    """

    def __init__(
        self,
        gateway: Gateway,
        read: ReadConfig | None,
        take_over: Callable[[Config], None],
    ) -> None:
        self._gateway = gateway
        self._read = read
        self._take_over = take_over

    def check(self, text: bytes | None = None) -> Reading:
        """
        What a configuration would change; nothing is.

        @raise ConfigError: it cannot be used.
        """
        if self._read is None:
            raise ConfigError(["this gateway was started without a file to read"])
        old, new = self._gateway.config, self._read(text)
        if text is None and new.is_default and new.source != old.source:
            # To fall back to no configuration at all is never what is meant.
            raise ConfigError([Fault("is not there any more", source=old.source)])
        return Reading(new, difference(old, new))

    def reload(self) -> Reading:
        """
        Take over what the file says now.

        @raise ConfigError: it cannot be used; everything stays as it was.
        """
        gateway = self._gateway
        try:
            reading = self.check()
        except ConfigError as error:
            gateway.reload_successful = False
            for fault in error.faults:
                _log.error("the configuration stays as it was: {fault}", fault=fault)
            count = len(error.faults)
            faults = "1 fault" if count == 1 else f"{count} faults"
            gateway.live.say("reload_failed", None, f"the configuration has {faults}")
            raise
        self._take_over(reading.config)
        gateway.reload_successful, gateway.configured_at = True, time.time()
        told = str(reading.difference)
        _log.info("the configuration was read again: {told}", told=told)
        for warning in reading.warnings:
            _log.warn("{told}", told=warning)
        gateway.live.say("reloaded", None, f"the configuration was read again: {told}")
        return reading
