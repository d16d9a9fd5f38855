"""All settings, read from the environment through django-environ; safe when nothing is set.

Values come from the process environment, then `.env`, then `var/demo/env`, which `make demo` writes, so that
`python manage.py …` in another terminal works on the running demo. A missing secret stops the start-up.
"""

import hashlib
import hmac
import logging
from pathlib import Path
from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()
VAR_DIR = Path(env.str("VAR_DIR", default=str(BASE_DIR / "var")))
for env_file in (BASE_DIR / ".env", VAR_DIR / "demo" / "env"):
    if env_file.exists():
        env.read_env(env_file)


def derived_key(purpose: str) -> str:
    """A key of its own for each purpose, so that one leaked key signs nothing else."""
    return hmac.new(SECRET_KEY.encode(), purpose.encode(), hashlib.sha256).hexdigest()


# --- Core ----------------------------------------------------------------------------------------------------------
DEBUG = env.bool("DEBUG", default=False)
SECRET_KEY = env.str("SECRET_KEY")
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
PUBLIC_URL = env.str("PUBLIC_URL", default="http://127.0.0.1:8000")
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
ROOT_URLCONF = "tekana.urls"
WSGI_APPLICATION = "tekana.wsgi.application"
# Each web process keeps to one core: where the machine, or a cpuset, is Tekana's alone.
WEB_ONE_CORE_EACH = env.bool("WEB_ONE_CORE_EACH", default=False)
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
APPEND_SLASH = False

INSTALLED_APPS = [
    "unfold.apps.BasicAppConfig",
    "unfold.contrib.filters",
    "staff.apps.BackOfficeConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "core",
    "staff",
    "notes",
    "customers",
    "ledger",
    "fx",
    "notifications",
    "wallets",
    "transactions",
    "recalls",
    "payments",
    "payouts",
    "schedules",
    "viewings",
    "reports",
    "statements",
    "evidence",
    "tekana",
]

MIDDLEWARE = [
    "core.middleware.RequestMiddleware",
    "core.middleware.Security",
    # The rest is for staff pages alone: the API carries no cookie and pays nothing for them.
    "core.middleware.StaffStatic",
    "core.middleware.StaffSession",
    "core.middleware.StaffCommon",
    "core.middleware.StaffCsrf",
    "core.middleware.StaffAuthentication",
    "core.middleware.StaffMessages",
    "core.middleware.StaffFrames",
    "core.middleware.StaffContentPolicy",
]

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

# --- PostgreSQL ----------------------------------------------------------------------------------------------------
# The app role owns nothing; `manage.py migrate` connects as the owner.
DATABASES: dict[str, Any] = {"default": env.db_url("DATABASE_URL")}
DATABASE_OWNER = env.db_url("DATABASE_OWNER_URL", default=env.str("DATABASE_URL"))
DATABASES["default"] |= {
    "CONN_MAX_AGE": None,
    "CONN_HEALTH_CHECKS": True,
    "OPTIONS": {
        # Django switches psycopg's prepared statements off; posting lives on them. 0 turns them off for a pooler.
        "prepare_threshold": env.int("DB_PREPARE_THRESHOLD", default=5) or None,
        # Prepared statements are those of posting, whose plans do not depend on their arrays: one plan, made once.
        "options": "-c lock_timeout=5s -c statement_timeout=30s -c idle_in_transaction_session_timeout=60s"
        " -c plan_cache_mode=force_generic_plan -c jit=off",
        "application_name": "tekana",
        "connect_timeout": 5,
        # A server that is gone without a word is noticed within half a minute.
        "tcp_user_timeout": 30_000,
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
    },
    "DISABLE_SERVER_SIDE_CURSORS": env.bool("DB_POOLED", default=False),
}
if env.str("TEST_DB", default=""):
    DATABASES["default"]["TEST"] = {"NAME": f"test_{env.str('TEST_DB')}"}

# --- Valkey and Celery ---------------------------------------------------------------------------------------------
REDIS_URL = env.str("REDIS_URL")
VALKEY_PREFIX = env.str("VALKEY_PREFIX", default="tekana:")  # of counters, streams and queues
CELERY_BROKER_URL = REDIS_URL
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_ACKS_LATE = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_TIME_LIMIT = 15 * 60
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 60 * 60, "socket_timeout": 5, "socket_connect_timeout": 2,
    "global_keyprefix": VALKEY_PREFIX,
}  # fmt: skip
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_PUBLISH_RETRY = False  # a lost bell is swept up; a customer does not wait for the broker
CELERY_TIMEZONE = "UTC"
# Who calls a rail may wait for it: workers of their own, so that a silent bank holds up nothing else.
CELERY_TASK_ROUTES = {
    "transactions.tasks.submit_to_rail": {"queue": "rails"},
    "transactions.tasks.sweep_rails": {"queue": "rails"},
}
CELERY_BEAT_SCHEDULE: dict[str, Any] = {
    "sweep": {"task": "transactions.tasks.sweep", "schedule": 10.0},
    "sweep-rails": {"task": "transactions.tasks.sweep_rails", "schedule": 10.0},
    "holds": {"task": "transactions.tasks.sweep_holds", "schedule": 10.0},
    "price-trials": {"task": "transactions.tasks.sweep_price_trials", "schedule": 10.0},
    "relay": {"task": "transactions.tasks.relay_events", "schedule": 2.0},
    "deliver": {"task": "notifications.tasks.sweep_deliveries", "schedule": 10.0},
    "expire-freezes": {"task": "wallets.tasks.expire_freezes", "schedule": 10.0},
    "exchange-rates": {"task": "fx.tasks.fetch_rates", "schedule": 300.0},
    "exports": {"task": "reports.tasks.sweep_exports", "schedule": 10.0},
    "statements": {"task": "statements.tasks.make_statements", "schedule": 10.0},
    "staff-letters": {"task": "staff.tasks.send_letters", "schedule": 10.0},
    "expire-approvals": {"task": "staff.tasks.expire_approvals", "schedule": 60.0},
    "expire-recalls": {"task": "recalls.tasks.expire_recalls", "schedule": 60.0},
    "expire-payment-requests": {"task": "payments.tasks.expire_requests", "schedule": 60.0},
    "payouts": {"task": "payouts.tasks.sweep_payouts", "schedule": 10.0},
    "expire-payouts": {"task": "payouts.tasks.expire_payouts", "schedule": 60.0},
    "standing-orders": {"task": "schedules.tasks.run_standing_orders", "schedule": 60.0},
    "end-viewings": {"task": "viewings.tasks.end_viewings", "schedule": 60.0},
    "clear-sessions": {"task": "staff.tasks.clear_sessions", "schedule": 3600.0},
    "daily-proof": {"task": "reports.tasks.prove_day", "schedule": 60.0},  # once a day, after the totals and the proof
    "watch-books": {"task": "reports.tasks.watch_books", "schedule": 120.0},
    "saved-exports": {"task": "reports.tasks.run_saved", "schedule": 30.0},
    "figures": {"task": "reports.tasks.keep_figures", "schedule": 60.0},
    "day-totals": {"task": "reports.tasks.sum_days", "schedule": 60.0},  # once a day, when yesterday has settled
    "proof": {"task": "transactions.tasks.prove_books", "schedule": 60.0},  # it runs at the first tick of a day
}
CELERY_BEAT_SCHEDULE |= {
    "seal": {"task": "evidence.tasks.seal", "schedule": 30.0},
    "publish-head": {"task": "evidence.tasks.publish_head", "schedule": 60.0},
    "check-chain": {"task": "evidence.tasks.check_chain", "schedule": 60.0},  # it runs at the first tick of a day
}
for job in CELERY_BEAT_SCHEDULE.values():  # a tick that no worker took is not kept: the next one does its work
    job["options"] = {"expires": job["schedule"]}

# --- Who signs in --------------------------------------------------------------------------------------------------
AUTH_USER_MODEL = "staff.User"
AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.ModelBackend"]
PASSWORD_HASHERS = ["core.hashers.Argon2id"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 15}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "staff.passwords.OwnWords"},
]
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"
# Customers' tokens
JWT_KEY = env.str("JWT_KEY", default=derived_key("customer access tokens"))
ACCESS_TOKEN_SECONDS = env.int("ACCESS_TOKEN_SECONDS", default=15 * 60)
REFRESH_TOKEN_SECONDS = env.int("REFRESH_TOKEN_SECONDS", default=30 * 24 * 3600)
LOGIN_GUESSES = env.int("LOGIN_GUESSES", default=5)
# Addresses are shared (mobile carriers, offices), so one address may be wrong more often than one account.
LOGIN_GUESSES_PER_ADDRESS = env.int("LOGIN_GUESSES_PER_ADDRESS", default=50)
LOGIN_GUESS_WINDOW_SECONDS = env.int("LOGIN_GUESS_WINDOW_SECONDS", default=15 * 60)
HOLDS_OPEN_MAX = env.int("HOLDS_OPEN_MAX", default=100)  # placed from one wallet
# Token bucket per customer: refill per second, burst.
THROTTLE_RATE = env.int("THROTTLE_RATE", default=20)
THROTTLE_BURST = env.int("THROTTLE_BURST", default=200)
# Whole files, of payouts: so many at once, and then one in so many seconds.
FILES_BURST = env.int("FILES_BURST", default=20)
FILES_SECONDS = env.int("FILES_SECONDS", default=10)
LARGE_BODIES = {"/v1/payouts": 8 * 2**20}  # addresses that take files, and how many bytes
# How many proxies in front of us append to X-Forwarded-For; 0 means the header is not believed.
TRUSTED_PROXIES = env.int("TRUSTED_PROXIES", default=0)

# --- API -----------------------------------------------------------------------------------------------------------
REST_FRAMEWORK: dict[str, Any] = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["customers.authentication.CustomerAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["customers.permissions.LiveSession"],
    "DEFAULT_THROTTLE_CLASSES": ["core.throttling.CustomerThrottle"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["core.parsing.StrictJSONParser"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "core.parsing.AlwaysJSON",
    "DEFAULT_SCHEMA_CLASS": "core.openapi.ProblemSchema",
    "DEFAULT_METADATA_CLASS": None,
    "EXCEPTION_HANDLER": "core.problems.exception_handler",
    "UNAUTHENTICATED_USER": None,
    "UNICODE_JSON": True,
    "COERCE_DECIMAL_TO_STRING": True,
}
SPECTACULAR_SETTINGS: dict[str, Any] = {
    "TITLE": "Tekana API",
    "DESCRIPTION": "Wallets, transfers, top-ups and cash-outs. Amounts are decimal strings; errors are RFC 9457.",
    "VERSION": "1.0.0",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_AUTHENTICATION": [],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    "SCHEMA_PATH_PREFIX": r"/v1",
    "ENUM_NAME_OVERRIDES": {
        "CustomerStatusEnum": "customers.models.CustomerState.choices",
        "WalletStatusEnum": ["active", "frozen", "closed"],
        "TransactionStatusEnum": "transactions.models.State.choices",
        "CurrencyEnum": "core.money.CURRENCY_CHOICES",
        "KindEnum": "transactions.models.Kind.choices",
        "QuotedKindEnum": "transactions.services.conversions.QUOTED_CHOICES",
        "PaymentRequestStatusEnum": "payments.models.Status.choices",
        "PayoutStatusEnum": "payouts.models.BatchState.choices",
        "PayoutItemStatusEnum": "payouts.models.ItemState.choices",
        "PayoutApproverStatusEnum": "payouts.models.ApproverState.choices",
        "HoldStatusEnum": ["pending", "completed", "cancelled", "expired"],
    },
}

# --- Money ---------------------------------------------------------------------------------------------------------
# What may refuse a movement, in this order: pure functions over rows loaded after the lock (transactions/policies.py).
MOVEMENT_POLICIES = [
    "transactions.policies.customers_are_active",
    "transactions.policies.session_is_live",
    "transactions.policies.wallets_are_usable",
    "transactions.policies.within_limits",
]
# Who beside transactions holds money, or counts on what was moved; `verify_ledger` asks them.
HOLD_OWNERS = ["recalls.verify.OWNER", "payments.verify.OWNER"]
NOTIFICATION_ATTACHMENTS = {"statement_ready": "statements.services.attachment"}  # what goes with an e-mail, by kind
# How keys begin under which an app moves money for a customer: no client chooses one; of a refusal the app tells.
RESERVED_KEYS = ("confirm-", "payout-", "standing-order:")
RESERVED_REFERENCES = ("standing-order:",)  # nor a reference like those that an app gives
REVERSAL_OBSTACLES = ["recalls.selectors.why_not_reversed"]  # who may know why something is not given back just now
POSTER_BATCH = env.int("POSTER_BATCH", default=256)  # most movements in one commit; 0: each request commits alone
# One batch at a time on each machine. Off where many processors post to accounts that have none in common.
POSTER_TAKES_TURNS = env.bool("POSTER_TAKES_TURNS", default=True)
# Rails: the sandbox behaves like a bank; its server is `manage.py sandbox_rail`.
RAIL_SANDBOX_URL = env.str("RAIL_SANDBOX_URL", default="http://127.0.0.1:8900")
RAIL_SANDBOX_SECRET = env.str("RAIL_SANDBOX_SECRET", default=derived_key("sandbox rail")[:48])
RAIL_SANDBOX_CALLBACK_URL = env.str(
    "RAIL_SANDBOX_CALLBACK_URL", default=f"{PUBLIC_URL}/v1/rails/sandbox/callbacks"
)  # where the bank reaches us
RAIL_TIMEOUT_SECONDS = env.int("RAIL_TIMEOUT_SECONDS", default=5)
# A customer with more submissions than this waiting for an answer waits, and not the others.
RAIL_CALLS_PER_CUSTOMER = env.int("RAIL_CALLS_PER_CUSTOMER", default=2)
RAILS: dict[str, dict[str, Any]] = {
    "sandbox": {
        "client": "transactions.rails.sandbox.SandboxRail",
        "url": RAIL_SANDBOX_URL,
        "secret": RAIL_SANDBOX_SECRET,
        "callback_url": RAIL_SANDBOX_CALLBACK_URL,
        "timeout_seconds": RAIL_TIMEOUT_SECONDS,
    },
}
# A call without a recorded outcome is taken for lost after this long: several times the timeout.
RAIL_LEASE_SECONDS = env.int("RAIL_LEASE_SECONDS", default=30)
# After the rail accepted: how long we wait for its callback before we ask.
RAIL_INQUIRE_AFTER_SECONDS = env.int("RAIL_INQUIRE_AFTER_SECONDS", default=60)
# Between inquiries without a decision: at first, doubling up to the most.
RAIL_INQUIRY_SECONDS = env.int("RAIL_INQUIRY_SECONDS", default=10)
RAIL_INQUIRY_SECONDS_MOST = env.int("RAIL_INQUIRY_SECONDS_MOST", default=15 * 60)
# How long after a submission "never heard of it" is believed: nothing of it can be on its way any more.
RAIL_RESUBMIT_AFTER_SECONDS = env.int("RAIL_RESUBMIT_AFTER_SECONDS", default=60)
# A movement that no worker took to its rail for this long is dropped.
RAIL_EXPIRY_SECONDS = env.int("RAIL_EXPIRY_SECONDS", default=60 * 60)

# --- Payouts ---------------------------------------------------------------------------------------------------------
PAYOUT_APPROVAL_DAYS = env.int("PAYOUT_APPROVAL_DAYS", default=14)  # how long one can be approved
PAYOUT_LINES_PER_DAY = env.int("PAYOUT_LINES_PER_DAY", default=200_000)  # of one customer, in files, within 24 hours

# --- Payment requests -----------------------------------------------------------------------------------------------
PAYMENT_REQUEST_HOURS = env.int("PAYMENT_REQUEST_HOURS", default=72)  # until one expires that says nothing else
PAYMENT_REQUEST_MOST_DAYS = env.int("PAYMENT_REQUEST_MOST_DAYS", default=366)
PAYMENT_CONFIRMATION_HOURS = env.int("PAYMENT_CONFIRMATION_HOURS", default=72)  # how long money is held for an answer
# What the button on the public page of a request opens; {code} is the request's.
PAYMENT_APP_LINK = env.str("PAYMENT_APP_LINK", default="tekana://pay/{code}")
PAYMENT_QR_GUI = env.str("PAYMENT_QR_GUI", default="com.tekana")  # whose scheme an EMVCo QR is of

# --- Standing orders ------------------------------------------------------------------------------------------------
STANDING_ORDER_HOUR = env.int("STANDING_ORDER_HOUR", default=6)  # when they run, by the clocks of the payer's country
STANDING_ORDER_LATE_DAYS = env.int("STANDING_ORDER_LATE_DAYS", default=3)  # what is later is not made up any more

# --- Exchange -------------------------------------------------------------------------------------------------------
FX_QUOTE_SECONDS = env.int("FX_QUOTE_SECONDS", default=60)  # how long a quote is honoured
FX_OPEN_QUOTES = env.int("FX_OPEN_QUOTES", default=5)  # quotes that a customer may have open at once
FX_FEE = "transactions.tariff.conversion_fee"  # (kind, currency, amount) -> fee, from the app that knows fees
FX_EXPOSURE = "transactions.positions.exposures"  # (currencies) -> positions and what is promised, from the books
FX_BENCHMARK_BPS = env.int("FX_BENCHMARK_BPS", default=300)  # what a bank takes off the mid rate, for estimated savings
REPORTING_CURRENCY = env.str("REPORTING_CURRENCY", default="USD")  # what positions are revalued in
# Where files of rates are, by source: ecb=https://…,cbk=https://…; without an address they are loaded by hand.
FX_SOURCE_URLS = env.dict("FX_SOURCE_URLS", default={})
FX_FETCH_HOUR = env.int("FX_FETCH_HOUR", default=16)  # UTC; the banks have published by then
FX_FETCH_SECONDS = env.int("FX_FETCH_SECONDS", default=20)
FX_FETCH_PRIVATE = env.bool("FX_FETCH_PRIVATE", default=False)
FX_FILE_BYTES = env.int("FX_FILE_MEGABYTES", default=16) * 2**20

# --- Tamper evidence -----------------------------------------------------------------------------------------------
# Seed of the Ed25519 key that signs heads of the chain: 32 bytes, hexadecimal.
EVIDENCE_SIGNING_KEY = env.str("EVIDENCE_SIGNING_KEY", default=derived_key("heads of the chain"))
EVIDENCE_OLD_PUBLIC_KEYS = env.list("EVIDENCE_OLD_PUBLIC_KEYS", default=[])
EVIDENCE_HEADS_FILE = env.str("EVIDENCE_HEADS_FILE", default=str(VAR_DIR / "evidence" / "heads.jsonl"))
EVIDENCE_HEADS_EMAILS = env.list("EVIDENCE_HEADS_EMAILS", default=[])
# How long a row may be dated before the first write of its database transaction: our sessions are ended after 60 s
# without a statement, a statement after 30 s. Clocks of other machines may be as slow as this.
EVIDENCE_TRAIL_SECONDS = env.int("EVIDENCE_TRAIL_SECONDS", default=90)
# What the daily check looks at: the last blocks, and of the older ones so many, in stretches chosen by chance.
EVIDENCE_CHECK_BLOCKS = env.int("EVIDENCE_CHECK_BLOCKS", default=5_000)
EVIDENCE_CHECK_SAMPLE = env.int("EVIDENCE_CHECK_SAMPLE", default=500)

# --- E-mail, files, language, time ---------------------------------------------------------------------------------
EMAIL_BACKEND = env.str("EMAIL_BACKEND", default="django.core.mail.backends.console.EmailBackend")
EMAIL_FILE_PATH = env.str("EMAIL_FILE_PATH", default=str(VAR_DIR / "mail"))
EMAIL_HOST = env.str("EMAIL_HOST", default="localhost")
EMAIL_PORT = env.int("EMAIL_PORT", default=25)
EMAIL_HOST_USER = env.str("EMAIL_HOST_USER", default="")
EMAIL_HOST_PASSWORD = env.str("EMAIL_HOST_PASSWORD", default="")
EMAIL_USE_TLS = env.bool("EMAIL_USE_TLS", default=False)
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default="Tekana <no-reply@tekana.example>")
EXPORTS_DIR = Path(env.str("EXPORTS_DIR", default=str(VAR_DIR / "exports")))
EXPORTS_KEPT_DAYS = env.int("EXPORTS_KEPT_DAYS", default=30)
# The head of papers that people sign: who we are, and lines beside it such as address and licence.
LETTERHEAD_NAME = env.str("LETTERHEAD_NAME", default="Tekana")
LETTERHEAD_LINES = env.list("LETTERHEAD_LINES", default=[])
# The files that staff add to notes: no web server shows this folder. The most one may have, in bytes.
NOTE_FILES_DIR = Path(env.str("NOTE_FILES_DIR", default=str(VAR_DIR / "notes")))
NOTE_FILE_BYTES = env.int("NOTE_FILE_MEGABYTES", default=10) * 2**20
FILE_UPLOAD_HANDLERS = [
    "notes.files.CappedUpload",
    "django.core.files.uploadhandler.MemoryFileUploadHandler",
    "django.core.files.uploadhandler.TemporaryFileUploadHandler",
]
STATIC_URL = "/static/"
STATIC_ROOT = VAR_DIR / "static"
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = DEBUG
LANGUAGE_CODE = "en"
FORMAT_MODULE_PATH = ["tekana.formats"]
USE_TZ = True
TIME_ZONE = "UTC"

# --- Safety in the browser -----------------------------------------------------------------------------------------
HTTPS = env.bool("HTTPS", default=not DEBUG)
SECURE_SSL_REDIRECT = HTTPS
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$"]
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = HTTPS
SECURE_HSTS_PRELOAD = HTTPS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRUSTED_PROXIES else None
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_NAME = "__Host-sessionid" if HTTPS else "sessionid"
CSRF_COOKIE_NAME = "__Host-csrftoken" if HTTPS else "csrftoken"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Strict"
# Sessions of staff: over when not used for so long, or when so old; who they are is asked again for what moves money.
STAFF_IDLE_MINUTES = env.int("STAFF_IDLE_MINUTES", default=15)
STAFF_SESSION_HOURS = env.int("STAFF_SESSION_HOURS", default=8)
STAFF_STEP_UP_MINUTES = env.int("STAFF_STEP_UP_MINUTES", default=5)
STEP_UP = "staff.step_up.StepUp"
# How long staff view as a customer before it ends by itself.
VIEWING_MINUTES = env.int("VIEWING_MINUTES", default=15)
# Personal data of a customer, revealed with a reason, is masked again after so long.
STAFF_REVEAL_MINUTES = env.int("STAFF_REVEAL_MINUTES", default=10)
# A link to choose a password works for so long; Django's own setting is in seconds.
STAFF_LINK_HOURS = env.int("STAFF_LINK_HOURS", default=24)
PASSWORD_RESET_TIMEOUT = STAFF_LINK_HOURS * 3600
# Seals the secrets of authenticator apps: 32 bytes, hexadecimal.
STAFF_FACTOR_KEY = env.str("STAFF_FACTOR_KEY", default=derived_key("second factors of staff"))
STAFF_FACTOR_OLD_KEYS = env.list("STAFF_FACTOR_OLD_KEYS", default=[])
SESSION_ENGINE = "staff.sessions"
SESSION_COOKIE_AGE = STAFF_SESSION_HOURS * 3600
SESSION_EXPIRE_AT_BROWSER_CLOSE = True
X_FRAME_OPTIONS = "DENY"
# These ask for Django's own classes by name; core.middleware has subclasses of all three.
SILENCED_SYSTEM_CHECKS = ["security.W001", "security.W002", "security.W003"]
# Unfold's Alpine build evaluates expressions, so staff pages need 'unsafe-eval'; nothing comes from another host.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'self'"],
        "script-src": ["'self'", "'unsafe-eval'"],
        "style-src": ["'self'", "'unsafe-inline'"],
        "img-src": ["'self'", "data:"],
        "object-src": ["'none'"],
        "base-uri": ["'none'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
    }
}

# --- The back office ------------------------------------------------------------------------------------------------
# What needs a second person: `staff.approvals.Operation`s of the apps.
APPROVAL_OPERATIONS = [
    "transactions.approvals.reversal",
    "transactions.approvals.owed_reversal",
    "recalls.approvals.recall_consent",
    "recalls.approvals.recall_step",
    "schedules.approvals.calendar_entry",
    "wallets.approvals.unfreeze",
    "transactions.approvals.adjustment",
    "transactions.approvals.collection",
    "transactions.approvals.write_off",
    "transactions.revaluation_approvals.revaluation",
    "transactions.price_approvals.fees",
    "transactions.price_approvals.fee_waiver",
    "transactions.price_approvals.fee_return",
    "transactions.approvals.reasons",
    "customers.approvals.limits",
    "fx.approvals.terms",
    "fx.approvals.margins",
    "fx.approvals.caps",
    "fx.approvals.sources",
    "customers.approvals.standing",
    "customers.approvals.reinstatement",
    "reports.approvals.closing",
    "staff.access.new_staff",
    "staff.access.role",
    "staff.access.readmission",
    "staff.access.factor_reset",
    "staff.access.email",
]
ROLE_SUMS = ["transactions.authority.SUMS"]  # how much each role does alone, shown with the roles
LINKED_ROWS = "customers.links.linked_rows"  # whom staff are linked to: about these they decide no request
APPROVAL_HOURS = env.int("APPROVAL_HOURS", default=72)  # until an undecided request expires
# What workers may give up on and staff start again: `core.failures.Retriable`s of the apps.
RETRIABLE_JOBS = [
    "core.jobs.daily_job",
    "staff.letters.letter_job",
    "notifications.services.email",
    "statements.services.period_statement",
    "transactions.services.rail_messages.processing",
    "transactions.services.price_trials.trying",
    "reports.services.running",
    "schedules.running.running",
    "payouts.running.running",
]
# Of each work queue, the minutes after which what waits is soon late, and late. A recall and a freeze end by
# themselves: of those it is the minutes that are left.
WORK_SLA_MINUTES = {
    "approvals": env.list("WORK_SLA_APPROVALS", cast=int, default=[24 * 60, 48 * 60]),
    "unknown_outcomes": env.list("WORK_SLA_UNKNOWN_OUTCOMES", cast=int, default=[30, 4 * 60]),
    "odd_messages": env.list("WORK_SLA_ODD_MESSAGES", cast=int, default=[4 * 60, 24 * 60]),
    "failed_jobs": env.list("WORK_SLA_FAILED_JOBS", cast=int, default=[4 * 60, 24 * 60]),
    "recalls": env.list("WORK_SLA_RECALLS", cast=int, default=[48 * 60, 24 * 60]),
    "ending_freezes": env.list("WORK_SLA_ENDING_FREEZES", cast=int, default=[24 * 60, 2 * 60]),
}
for queue, minutes in WORK_SLA_MINUTES.items():  # every page of the back office reads them
    if len(minutes) != 2 or min(minutes) < 0:
        raise ImproperlyConfigured(f"WORK_SLA_{queue.upper()} is two numbers of minutes, such as 30,240.")
FREEZES_END_SOON_HOURS = env.int("FREEZES_END_SOON_HOURS", default=72)  # from then on they are in the queue
# The badge on every staff page: says whose money this is.
ENVIRONMENT = env.str("ENVIRONMENT", default="development" if DEBUG else "production")
UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Tekana",
    "SITE_HEADER": "Tekana",
    "SITE_SUBHEADER": "Back office",
    "SITE_SYMBOL": "account_balance_wallet",
    "SITE_URL": None,
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
    "ENVIRONMENT": "staff.site.environment",
    "DASHBOARD_CALLBACK": "tekana.dashboard.dashboard",
    "SIDEBAR": {"navigation": "staff.site.menu"},
    "ACCOUNT": {"navigation": "staff.site.account"},
    # Functions: of a text Unfold tries on every page whether it is the name of one, among all modules there are.
    "STYLES": [lambda request: "/static/tekana/admin.css"],
    "SCRIPTS": [lambda request: "/static/tekana/admin.js", lambda request: "/static/tekana/passkey.js"],
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": lambda request: "/static/tekana/favicon.svg"}],
    "BORDER_RADIUS": "6px",
    # Dark enough from 600 on for white text on it (4.5 : 1).
    "COLORS": {
        "primary": {
            "50": "oklch(98.4% .014 180.7)",
            "100": "oklch(95.3% .051 180.8)",
            "200": "oklch(91% .096 180.4)",
            "300": "oklch(85.5% .138 181.1)",
            "400": "oklch(77.7% .152 181.9)",
            "500": "oklch(70.4% .14 182.5)",
            "600": "oklch(50% .09 186.4)",
            "700": "oklch(43.7% .078 188.2)",
            "800": "oklch(38.6% .063 188.4)",
            "900": "oklch(32% .05 190)",
            "950": "oklch(27.7% .046 192.5)",
        }
    },
}

# --- Logs: one JSON object a line, without bodies, tokens or personal data -----------------------------------------
LOG_FORMAT = env.str("LOG_FORMAT", default="json")
logging.captureWarnings(True)  # also what Python warns of
LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "json": {"()": "core.logs.JSONFormatter"},
        "plain": {"format": "%(levelname)s %(name)s %(message)s"},
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": LOG_FORMAT}},
    "root": {"handlers": ["console"], "level": env.str("LOG_LEVEL", default="INFO")},
    "loggers": {
        "django.server": {"level": "WARNING"},
        "django.request": {"level": "ERROR"},
        "httpx2": {"level": "WARNING"},
    },
}
