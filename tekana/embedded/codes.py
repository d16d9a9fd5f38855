"""The six digits that an authenticator app would show for staff of the demo, from the secrets in its `logins.json`.

For who has no such app at hand. Secrets of real staff are in nobody's file.
"""

import base64
import hashlib
import hmac
import json
import time

from tekana.embedded.folders import DataFolder
from tekana.embedded.trouble import Trouble, say, stderr

STEP_SECONDS = 30


def show(folder: DataFolder, role: str) -> None:
    """Print the code of ``role`` and nothing else, so that it can be piped; without a role those of all, by name."""
    codes = codes_at(folder, time.time())
    if role and role not in codes:
        raise Trouble(f"No {role!r} among the demo's logins. There are: {', '.join(codes)}.")
    for name, code in codes.items():
        if role in ("", name):
            say(code if role else f"{name:15} {code}")
    stderr(f"Works once; the next one comes in {STEP_SECONDS - int(time.time()) % STEP_SECONDS} s.")


def codes_at(folder: DataFolder, seconds: float) -> dict[str, str]:
    """What each role's app shows at that time. Raises: Trouble."""
    try:
        logins = json.loads((folder.path / "logins.json").read_text())
    except FileNotFoundError as exc:
        raise Trouble("There is no demo yet: `make demo` first.") from exc
    staff = {login["role"]: login["totp_secret"] for login in logins if "totp_secret" in login}
    if not staff:
        raise Trouble("These logins are from before codes were asked for: `make demo` gives them some.")
    return {role: code_of(secret, int(seconds)) for role, secret in staff.items()}


def code_of(secret: str, seconds: int) -> str:
    """RFC 6238, as authenticator apps do it: base32, SHA-1, six digits for thirty seconds."""
    step = (seconds // STEP_SECONDS).to_bytes(8, "big")
    digest = hmac.new(base64.b32decode(secret), step, hashlib.sha1).digest()
    start = digest[-1] & 15
    number = int.from_bytes(digest[start : start + 4], "big") & 0x7FFFFFFF
    return f"{number % 1_000_000:06}"
