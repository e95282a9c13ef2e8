"""mailauth, an implementation of SPF, DKIM and DMARC that is not ours, as a receiver: installed once, asked through node."""

import asyncio
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

_SOURCE = Path(__file__).parent / "mailauth"


def install(folder: Path) -> Path:
    """The scripts with their pinned dependency beside them."""
    for source in _SOURCE.iterdir():
        shutil.copy(source, folder / source.name)
    command = ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
    subprocess.run(command, cwd=folder, check=True, timeout=100, capture_output=True)
    return folder


async def ask(folder: Path, script: str, question: object) -> Any:
    """What a script answers."""
    done = await asyncio.to_thread(
        subprocess.run,
        ["node", script],
        cwd=folder,
        input=json.dumps(question).encode(),
        capture_output=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
