"""Who asks, from where, under which request id: facts of the request that audit rows, events and log lines carry."""

from contextvars import ContextVar

request_id: ContextVar[str] = ContextVar("request_id", default="")
client_ip: ContextVar[str] = ContextVar("client_ip", default="")
user_agent: ContextVar[str] = ContextVar("user_agent", default="")  # on staff pages
door: ContextVar[str] = ContextVar("door", default="job")  # admin, api; what no request asked for is a job
role: ContextVar[str] = ContextVar("role", default="")  # of the member of staff who asks, where one does
