"""Runs blocks of a page as its reader does: one after the other, in one shell."""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.docs.pages import Block
from tests.site import Site

ADDRESS = "http://127.0.0.1:8000"
MARK = "---- the next block ----"
SECONDS = 300


@dataclass(frozen=True)
class Shell:
    folder: Path
    site: Site

    def run(self, blocks: list[Block], *, statuses: dict[str, int] | None = None) -> list[str]:
        """What each block prints, on both outputs.

        Args:
            statuses: exit statuses other than 0 that are right, by a part of the block's code.
        """
        script = ["set -euo pipefail"]
        for block in blocks:
            code = block.code.replace(ADDRESS, self.site.url)
            right = (status for part, status in (statuses or {}).items() if part in block.code)
            if status := next(right, 0):
                code = f"code=0; ({code}) || code=$?; [ $code -eq {status} ]"
            script += [f"echo '{MARK}'", code]
        done = subprocess.run(
            ["bash", "-c", "\n".join(script)],
            cwd=self.folder,
            env={**self.site.environment, "CURL_HOME": str(self.folder)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS,
        )
        printed = done.stdout.split(MARK)[1:]
        at = blocks[len(printed) - 1] if printed else "the start"
        assert done.returncode == 0, f"{at} ended with {done.returncode}:\n{done.stdout[-3000:]}"
        return printed


def alike(printed: str) -> list[str]:
    """The lines of an output without what differs from model to model and from day to day."""
    plain = re.sub(r"@[0-9a-f]{12}", "@REVISION", printed)
    plain = re.sub(r"\b(POSITIVE|NEGATIVE)\b", "LABEL", plain)
    plain = re.sub(r"[+-]?\d+(\.\d+)?(e-?\d+)?…?", "#", plain)
    plain = re.sub(r"null|\[#,#\]", "INTERVAL", plain)
    plain = re.sub(r"^(holds|fails) ", "SAYS ", plain, flags=re.MULTILINE)
    return [" ".join(line.split()) for line in plain.splitlines() if line.strip()]


def not_printed(shown: str, printed: str) -> list[str]:
    """The lines that a page shows of an output and that were not in it; … stands for anything."""
    lines = alike(printed)
    missing = []
    for line in alike(shown):
        pattern = re.escape(line).replace("…", ".*")
        if not any(re.fullmatch(pattern, said) for said in lines):
            missing.append(line)
    return missing
