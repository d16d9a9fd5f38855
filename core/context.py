"""Who asks, from where, under which request id: facts of the request that audit rows, events and log lines carry."""

from contextvars import ContextVar

request_id: ContextVar[str] = ContextVar("request_id", default="")
client_ip: ContextVar[str] = ContextVar("client_ip", default="")
user_agent: ContextVar[str] = ContextVar("user_agent", default="")  # on staff pages
