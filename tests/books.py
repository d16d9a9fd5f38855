"""How money tests end, and how they begin: the books balance, and somebody has money."""

import uuid

from ledger.selectors import balance_at
from transactions.models import Kind
from transactions.movements import Movement, Outcome
from transactions.posting import post_one
from transactions.verify import verify
from wallets.models import Wallet
from wallets.parties import Address


def assert_books_balance() -> None:
    proof = verify()
    assert proof.findings == [], "\n".join(f"{f.number} {f.name}: {f.wrong}" for f in proof.findings)


def key() -> str:
    return f"test-{uuid.uuid4()}"


def fund(wallet: Wallet, amount: int) -> Outcome:
    """Money that a partner says it has received for this wallet."""
    return post_one(
        Movement(
            kind=Kind.TOP_UP, amount=amount, currency=wallet.currency, caller="job:test", key=key(),
            payee=Address("wallet", str(wallet.pk)), rail="sandbox", settled=True,
        )
    ).or_raise()  # fmt: skip


def transfer(payer: Wallet, payee: Wallet, amount: int, **extra: object) -> Movement:
    fields = {"caller": f"customer:{payer.customer_id}", "key": key(), "owner": payer.customer_id} | extra
    return Movement(
        kind=Kind.TRANSFER, amount=amount, currency=payer.currency,
        payer=Address("wallet", str(payer.pk)), payee=Address("wallet", str(payee.pk)), **fields,
    )  # fmt: skip


def posted(wallet: Wallet) -> int:
    return balance_at(wallet.account_id).posted


def available(wallet: Wallet) -> int:
    return balance_at(wallet.account_id).available
