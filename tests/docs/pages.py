"""What the documents consist of: their pages, the commands in them, the answers below the commands."""

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])

# A command to be run is marked; the answer is the next fence, if it is JSON or HTTP.
COMMAND = re.compile(
    r"<!-- run -->\n```sh\n(?P<shell>.*?)\n```(?:\n+```(?P<kind>json|http)\n(?P<answer>.*?)\n```)?", re.S
)
BETWEEN = "\x1e"

# What differs from run to run, and how it is written when compared.
CHANGING = [
    (re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "<id>"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)"), "<instant>"),
    (re.compile(r"\b\d{4}-\d\d-\d\d\b"), "<day>"),
    (re.compile(r"Receipt [0-9A-Z]{10}"), "Receipt <receipt>"),
    (re.compile(r"\b[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4}\b"), "<code>"),
    (re.compile(r"\d{7,}"), "<digits>"),
]
CHANGING_FIELDS = {"access_token", "refresh_token", "receipt", "payment_receipt", "request_id", "next", "user_agent"}
LINE = 112
SHORTENED = {"access_token": 12, "refresh_token": 6, "next": 6}


class Step(NamedTuple):
    """One command with the answer that the page shows; ``kind`` is json, http or empty."""

    shell: str
    kind: str
    answer: str

    @property
    def headers(self) -> list[str]:
        return self.answer.partition("\n\n")[0].splitlines() if self.kind == "http" else []

    @property
    def body(self) -> str:
        return self.answer.partition("\n\n")[2] if self.kind == "http" else self.answer


def steps_of(page: Path) -> list[Step]:
    found = COMMAND.finditer(page.read_text(encoding="utf-8"))
    return [Step(one["shell"], one["kind"] or "", one["answer"] or "") for one in found]


def run(steps: list[Step], server: str) -> list[str]:
    """What each command printed; all in one shell, in which PORT is ``server``'s. Raises: AssertionError."""
    script = "\n".join(f"{step.shell}\nprintf '{BETWEEN}'" for step in steps)
    env = os.environ | {"PORT": str(urlsplit(server).port)}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script], env=env, capture_output=True, text=True, timeout=120, check=False
    )
    *said, rest = done.stdout.split(BETWEEN)
    assert done.returncode == 0, f"{steps[len(said)].shell}\n{rest}\n{done.stderr}"
    return said


def body_of(printed: str) -> str:
    """The JSON that a command printed, after the headers of ``curl -i``."""
    text = printed.replace("\r\n", "\n")
    return (text.rpartition("\n\n")[2] if text.startswith("HTTP/") else text).strip()


def comparable(value: Any, name: str = "") -> Any:
    """The same for any two runs in which the same happened."""
    match value:
        case dict():
            return {key: comparable(inner, key) for key, inner in value.items()}
        case list():
            return [comparable(inner) for inner in value]
        case str() if name in CHANGING_FIELDS:
            return f"<{name}>"
        case str():
            for pattern, placeholder in CHANGING:
                value = pattern.sub(placeholder, value)
            return value
    return value


def written(page: Path, printed: list[str]) -> str:
    """The page with these answers in it, for whoever has changed an answer on purpose."""
    told = iter(printed)

    def replace(match: re.Match[str]) -> str:
        text, body = match[0], body_of(next(told))
        step = Step(match["shell"], match["kind"] or "", match["answer"] or "")
        return text.replace(f"{step.body}\n```", f"{shown(body)}\n```") if step.body else text

    return COMMAND.sub(replace, page.read_text(encoding="utf-8"))


def shown(body: str) -> str:
    """JSON for reading: tokens cut short, as much on a line as fits."""
    return laid_out(cut_short(json.loads(body)))


def cut_short(value: Any, name: str = "") -> Any:
    match value:
        case dict():
            return {key: cut_short(inner, key) for key, inner in value.items()}
        case list():
            return [cut_short(inner) for inner in value]
        case str() if name in SHORTENED:
            return value[: SHORTENED[name]] + "…"
    return value


def laid_out(value: Any, indent: int = 0) -> str:
    if not isinstance(value, dict | list) or not value:
        return json.dumps(value, ensure_ascii=False)
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    keys = [f"{json.dumps(key)}: " for key in value] if isinstance(value, dict) else [""] * len(value)
    inner = value.values() if isinstance(value, dict) else value
    parts = [key + laid_out(one, indent + 2) for key, one in zip(keys, inner, strict=True)]
    lines = [""]
    for part in parts:
        fits = len(lines[-1]) + len(part) + indent < LINE and "\n" not in part + lines[-1]
        if lines[-1] and fits:
            lines[-1] += f", {part}"
        else:
            lines[-1] += "," if lines[-1] else ""
            lines = [*lines, part] if lines[-1] else [part]
    if len(lines) == 1 and "\n" not in lines[0] and len(lines[0]) + indent < LINE:
        return opening + lines[0] + closing
    body = "".join(f"{' ' * (indent + 2)}{line}\n" for line in lines)
    return f"{opening}\n{body}{' ' * indent}{closing}"
