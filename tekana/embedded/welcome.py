"""What a visitor sees when the demo is ready: where to look, who to be, and three lines to paste."""

import json
import shlex
import urllib.request
from decimal import Decimal, InvalidOperation
from typing import Any

from tekana.embedded.folders import DataFolder
from tekana.embedded.trouble import say, stderr

FROM_ANSWER = """python3 -c 'import json, sys; print(json.load(sys.stdin)["access_token"])'"""


def show(folder: DataFolder, public_url: str, local_url: str, seconds: float) -> None:
    """Print the whole page. Raises nothing: a demo whose pilot data was changed is still a demo."""
    logins = json.loads((folder.path / "logins.json").read_text())
    staff = [login for login in logins if login["role"] != "customer"]
    customers = [login for login in logins if login["role"] == "customer"]
    say(f"\nready after {seconds:.0f} s: {public_url}\n")
    say(f"  back office   {public_url}/admin/")
    say(f"  API           {public_url}/api/docs")
    say(f"\n  Logins (kept in {folder.path / 'logins.json'})")
    width = max(len(login["username"]) for login in logins)
    for login in staff + customers:
        secret = f"  {login['totp_secret']}" if "totp_secret" in login else ""
        say(f"    {login['role']:15} {login['username']:{width}}  {login['password']}{secret}")
    say("\n  Staff also type six digits: `make code ROLE=support` prints them; so does an authenticator app")
    say("  that was given the last column.")
    say("\n  Three lines for another terminal: log in, list wallets, send money")
    try:
        lines = curl_lines(local_url, customers)
    except (OSError, ValueError, KeyError, IndexError, InvalidOperation) as exc:
        stderr(f"The demo customers cannot be used as they are: {exc!r}")
        lines = []
    for line in lines:
        say(f"\n{line}")
    say(f"\nLogs: {folder.logs}/   Stop: Ctrl-C, or `make stop` elsewhere")


def curl_lines(url: str, customers: list[dict[str, str]]) -> list[str]:
    """Three shell lines that work as pasted, in this order; the last sends from the first customer to the second."""
    sender, recipient = customers[:2]
    login = {"username": sender["username"], "password": sender["password"]}
    token = _call(f"{url}/v1/auth/login", login)["access_token"]
    wallets = _call(f"{url}/v1/wallets", token=token)["data"]
    wallet = max(wallets, key=lambda wallet: Decimal(wallet["available"]))
    to = {"email" if "@" in recipient["username"] else "phone_number": recipient["username"]}
    order = {"from_wallet_id": wallet["wallet_id"], "to": to, "amount": "100", "currency": wallet["currency"]}
    as_json = "-H 'Content-Type: application/json'"
    as_sender = '-H "Authorization: Bearer $TOKEN"'
    key = '-H "Idempotency-Key: first-steps-$(date +%s)"'
    return [
        f"TOKEN=$(curl -s {url}/v1/auth/login {as_json} -d {_quoted(login)} | {FROM_ANSWER})",
        f"curl -s {url}/v1/wallets {as_sender}",
        f"curl -s {url}/v1/transfers {as_sender} {as_json} {key} -d {_quoted(order)}",
    ]


def _quoted(body: dict[str, Any]) -> str:
    return shlex.quote(json.dumps(body))


def _call(url: str, body: dict[str, str] | None = None, token: str = "") -> dict[str, Any]:
    data = json.dumps(body).encode() if body else None
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    directly = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with directly.open(urllib.request.Request(url, data, headers), timeout=10) as answer:  # noqa: S310 (our own web)
        return dict(json.load(answer))
