"""Processes that run jobs for the harness, each with one file of jobs."""

import json
import os
import select
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["ENVIRONMENT", "OURS", "PEERS", "ROOT", "Failure", "Worker"]

ROOT = Path(__file__).resolve().parent.parent
OURS = ROOT / ".venv" / "bin" / "python"
PEERS = ROOT / ".venv-peers" / "bin" / "python"
_THREADS = ("OMP", "MKL", "OPENBLAS", "NUMBA", "RAYON")
ENVIRONMENT = {f"{library}_NUM_THREADS": "1" for library in _THREADS} | {
    "FLWR_TELEMETRY_ENABLED": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DISABLE_DASHBOARD": "1",
    "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
}


class Failure(Exception):
    """A system could not do the work; the message says why."""


class Worker:
    """A process that runs jobs; see `benchmarks.worker`."""

    def __init__(self, python: Path, module: str) -> None:
        if not python.exists():
            raise Failure(f"{python.relative_to(ROOT)} does not exist")
        self.jobs: set[str] = set()  # that it has ready
        self.began = time.monotonic()
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115, it lives as long as the process
        self._process = subprocess.Popen(
            [python, "-m", "benchmarks.worker", module],
            cwd=ROOT,
            env=os.environ | ENVIRONMENT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            start_new_session=True,
            bufsize=0,
        )

    def ask(self, request: Mapping[str, Any], limit: float) -> dict[str, Any]:
        """Return the answer to a request.

        Raises:
            Failure: if the job raises, the process dies, or `limit` seconds pass; then it is over.
        """
        assert self._process.stdin and self._process.stdout
        deadline, said = time.monotonic() + limit, b""
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            while not said.endswith(b"\n"):
                left = max(0.0, deadline - time.monotonic())
                if not select.select([self._process.stdout], [], [], left)[0]:
                    self.close(now=True)
                    raise Failure(f"not done after {limit:.0f} s")
                if not (more := os.read(self._process.stdout.fileno(), 1 << 16)):
                    raise BrokenPipeError
                said += more
        except BrokenPipeError:
            self.close(now=True)
            raise Failure(f"crashed ({self._last_words()})") from None
        answer: dict[str, Any] = json.loads(said)
        if "error" in answer:
            raise Failure(answer["error"])
        return answer

    @property
    def alive(self) -> bool:
        """Whether it can be asked."""
        return self._process.poll() is None

    def close(self, *, now: bool = False) -> None:
        """End the process, and with it all that it started."""
        assert self._process.stdin
        self._process.stdin.close()
        try:
            self._process.wait(0 if now else 10)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def _last_words(self) -> str:
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        return (
            lines[-1].replace("|", "/")[:120] if lines else f"exit code {self._process.returncode}"
        )
