"""How the schema names the customer's token. drf-spectacular finds the class once `urls.py` has imported it."""

from drf_spectacular.extensions import OpenApiAuthenticationExtension


class BearerScheme(OpenApiAuthenticationExtension):
    target_class = "customers.authentication.CustomerAuthentication"
    name = "customer"

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
