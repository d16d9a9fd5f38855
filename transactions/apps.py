from django.apps import AppConfig


class TransactionsConfig(AppConfig):
    name = "transactions"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from transactions.selectors import refuse_promised
        from wallets.services import keeps_open

        keeps_open.append(refuse_promised)
