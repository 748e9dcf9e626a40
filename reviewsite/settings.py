"""Settings, read from the environment; with nothing set, a safe site on this machine alone.

Setting DATABASE_URL or ALLOWED_HOSTS makes it a deployment: then SECRET_KEY is demanded
and cookies and redirects are for HTTPS.
"""

import os
import secrets
from datetime import timedelta
from pathlib import Path

import environ
from csp.constants import NONCE, NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from reviewsite.logs import JSON, LINE, logging_config
from reviewsite.secret_files import read_secret_files

read_secret_files()
env = environ.Env()

BASE_DIR = Path(__file__).resolve().parent.parent


def local_secret_key(path: Path) -> str:
    """The key of this machine's own site, made on first use and readable by its owner only."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.touch(mode=0o600)
    draft.write_text(secrets.token_urlsafe(64))
    try:
        # link() fails where the key exists, so processes that start together agree on one.
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    return path.read_text()


# What a line beginning with #: says of a variable of the environment stands in
# docs/reference/settings.md, which `manage.py reference` writes.

#: ## State
#: VAR_DIR: folder of all state: database, models, runs, queue. Default: `var`
VAR_DIR = Path(env.str("VAR_DIR", default=str(BASE_DIR / "var"))).resolve()
MODELS_DIR = VAR_DIR / "models"
RUNS_DIR = VAR_DIR / "runs"
PSEUDO_DIR = VAR_DIR / "pseudo"  # texts that an ensemble labelled
#: DATASETS_DIR: where data sets are looked for by name. Default: `var/datasets`
DATASETS_DIR = Path(env.str("DATASETS_DIR", default=str(VAR_DIR / "datasets"))).resolve()

#: ## Security
#: DEBUG: as Django's; never on a deployment
DEBUG = env.bool("DEBUG", default=False)
DEPLOYED = "DATABASE_URL" in env.ENVIRON or "ALLOWED_HOSTS" in env.ENVIRON
#: ALLOWED_HOSTS: names that the site answers to, with commas between; to set it makes the site
#:   a deployment. Default: this machine
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["127.0.0.1", "localhost", "[::1]"])

#: SECRET_KEY: signs sessions, 50 random characters or more; a deployment does not start
#:   without one. Default: one of this machine's own, in `VAR_DIR/secret_key`
if "SECRET_KEY" in env.ENVIRON:
    SECRET_KEY = env.str("SECRET_KEY")
elif DEPLOYED:
    raise ImproperlyConfigured(
        "A deployment needs a secret key of its own, but SECRET_KEY is not set while "
        "DATABASE_URL or ALLOWED_HOSTS is. Set SECRET_KEY to 50 random characters or more: "
        "python -c 'import secrets; print(secrets.token_urlsafe(64))'"
    )
else:
    SECRET_KEY = local_secret_key(VAR_DIR / "secret_key")

#: HTTPS: secure cookies, redirects to HTTPS, HSTS. Default: on in a deployment
HTTPS = env.bool("HTTPS", default=DEPLOYED)
SECURE_SSL_REDIRECT = HTTPS
SESSION_COOKIE_SECURE = HTTPS
CSRF_COOKIE_SECURE = HTTPS
if DEPLOYED and not HTTPS:
    # It was said outright, and `check --deploy` is to find what was not: reviewsite.safety tells.
    SILENCED_SYSTEM_CHECKS = [f"security.W{number}" for number in ("004", "008", "012", "016")]
#: CSRF_TRUSTED_ORIGINS: other origins whose forms are accepted, such as
#:   `https://reviews.example`, with commas between. Default: none
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if HTTPS else 0  # seconds
SECURE_HSTS_INCLUDE_SUBDOMAINS = HTTPS
SECURE_HSTS_PRELOAD = HTTPS
#: TRUST_PROXY: believe the proxy's `X-Forwarded-Proto`
TRUST_PROXY = env.bool("TRUST_PROXY", default=False)
if TRUST_PROXY:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
#: NUM_PROXIES: proxies of your own in front: so many parts of `X-Forwarded-For`, from the
#:   right, are believed. Default: 0; 1 with `TRUST_PROXY`
NUM_PROXIES = env.int("NUM_PROXIES", default=1 if TRUST_PROXY else 0)
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
# Of every page; one that shows more says so itself. Scripts run by their nonce alone, so that not
# even a file of this site's runs where somebody managed to write a <script> into a page.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [NONCE],
        "style-src": [SELF],
        "img-src": [SELF],
        "font-src": [SELF],
        "connect-src": [SELF],
        "object-src": [NONE],
        "base-uri": [NONE],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    }
}
DATA_UPLOAD_MAX_MEMORY_SIZE = 4 * 1024 * 1024  # bytes of a request's body

#: LOGIN_FAILURES: wrong passwords in a row of one name from one address that lock the admin's
#:   login to that name from there
LOGIN_FAILURES = env.int("LOGIN_FAILURES", default=5)
#: LOGIN_LOCK_MINUTES: for how long
LOGIN_LOCK_MINUTES = env.int("LOGIN_LOCK_MINUTES", default=15)
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",  # refuses before a password is looked at
    "django.contrib.auth.backends.ModelBackend",
]
AXES_FAILURE_LIMIT = LOGIN_FAILURES
AXES_COOLOFF_TIME = timedelta(minutes=LOGIN_LOCK_MINUTES)
# By both: a stranger can lock nobody out of his account, only himself.
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_CLIENT_IP_CALLABLE = "reviewsite.login.address_of"
AXES_LOCKOUT_CALLABLE = "reviewsite.login.locked_out"
AXES_RESET_ON_SUCCESS = True
# Tries while it is locked change nothing: neither do they write, nor is it locked for longer.
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_USERNAME_FORM_FIELD = "username"
AXES_SENSITIVE_PARAMETERS = ["username", "ip_address", "csrfmiddlewaretoken"]
AXES_DISABLE_ACCESS_LOG = True  # it would keep every login's address for ever
AXES_ENABLE_ADMIN = False
AXES_VERBOSE = False
#: ADMIN_SECOND_FACTOR: whoever logs in must also show a code of an authenticator app (TOTP), which
#:   the first login sets up, or a backup code
ADMIN_SECOND_FACTOR = env.bool("ADMIN_SECOND_FACTOR", default=False)
OTP_TOTP_ISSUER = "Reviewsite"  # as apps name the account

#: METRICS_TOKEN: who may read `/metrics` (Prometheus): those who send it as `Authorization:
#:   Bearer`; without one nobody on a deployment, and anybody on this machine's own site
METRICS_TOKEN = env.str("METRICS_TOKEN", default="")

#: LABEL_STUDIO_SECRET: what Label Studio must show at `/label-studio`; without one that door
#:   is shut
LABEL_STUDIO_SECRET = env.str("LABEL_STUDIO_SECRET", default="")

# Applications
INSTALLED_APPS = [
    "reviewsite.apps.AdminLookConfig",
    "reviewsite.apps.AdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.forms",
    "django_htmx",
    "rest_framework",
    "drf_spectacular",
    "axes",
    "django_otp",
    "django_otp.plugins.otp_totp",
    "django_otp.plugins.otp_static",
    "classifier",
    "training",
]
MIDDLEWARE = [
    "reviewsite.headers.harmless",
    "reviewsite.middleware.probes",
    "reviewsite.middleware.observed",
    "reviewsite.middleware.without_foreign_charset",
    "django.middleware.security.SecurityMiddleware",
    "reviewsite.middleware.predictions_first",
    "reviewsite.headers.PagePolicy",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django_otp.middleware.OTPMiddleware",
    "reviewsite.second_factor.middleware.second_factor",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "axes.middleware.AxesMiddleware",
    "reviewsite.middleware.DatabaseOutage",
]
ROOT_URLCONF = "reviewsite.urls"
WSGI_APPLICATION = "reviewsite.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "django.template.context_processors.i18n",
                "reviewsite.headers.csp_nonce",
            ]
        },
    }
]
FORM_RENDERER = "django.forms.renderers.TemplatesSetting"  # widgets, too, from our templates
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

#: ## Database
#: DATABASE_URL: `postgres://user:password@host/name`; to set it makes the site a deployment.
#:   Default: SQLite, in `VAR_DIR/db.sqlite3`
if "DATABASE_URL" in env.ENVIRON:
    DATABASES = {"default": env.db_url("DATABASE_URL")}
else:
    # No URL: a folder's name may hold what a URL reads otherwise, such as % or #.
    DATABASES = {
        "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": str(VAR_DIR / "db.sqlite3")}
    }
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # A transaction that reads first and writes later fails at once with "database is locked"
    # when another writer came between, whatever the timeout: IMMEDIATE takes the lock first.
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,  # seconds to wait for the lock
        # FULL: what was answered survives a power cut, for a tenth of a millisecond on an SSD.
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
    }
    DATABASES["default"]["CONN_MAX_AGE"] = None  # opening a file anew takes milliseconds
else:
    #: CONN_MAX_AGE: seconds that a connection to PostgreSQL is kept
    DATABASES["default"] |= {
        "CONN_MAX_AGE": env.int("CONN_MAX_AGE", default=60),
        "CONN_HEALTH_CHECKS": True,
    }
    DATABASES["default"].setdefault("OPTIONS", {}).setdefault("connect_timeout", 5)  # seconds
# Of web processes and workers alone: commands, such as migrate, take the time that they need
#: DATABASE_STATEMENT_SECONDS: of PostgreSQL: what a statement of a web process may take before it
#:   is given up; 0, here and below: as long as the server allows
DATABASE_STATEMENT_SECONDS = env.float("DATABASE_STATEMENT_SECONDS", default=30.0)
#: DATABASE_WORKER_STATEMENT_SECONDS: and one of a worker
DATABASE_WORKER_STATEMENT_SECONDS = env.float("DATABASE_WORKER_STATEMENT_SECONDS", default=300.0)
#: DATABASE_LOCK_SECONDS: what one of either may wait for a row or table that another has locked
DATABASE_LOCK_SECONDS = env.float("DATABASE_LOCK_SECONDS", default=10.0)
#: DATABASE_IDLE_SECONDS: what either may leave a transaction open without a statement, before
#:   PostgreSQL ends it with its connection
DATABASE_IDLE_SECONDS = env.float("DATABASE_IDLE_SECONDS", default=60.0)

#: SHARE_MODELS: keep trained models in the database, too, where other hosts find them.
#:   Default: on with PostgreSQL
SHARE_MODELS = env.bool(
    "SHARE_MODELS", default=DATABASES["default"]["ENGINE"] != "django.db.backends.sqlite3"
)

# Language and time
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("ru", "Русский")]
LOCALE_PATHS = [BASE_DIR / "locale"]
LANGUAGE_COOKIE_AGE = 365 * 24 * 3600  # seconds
LANGUAGE_COOKIE_HTTPONLY = True
LANGUAGE_COOKIE_SAMESITE = "Lax"
LANGUAGE_COOKIE_SECURE = HTTPS
#: ## Language and time
#: TIME_ZONE: of the pages, as Django's
TIME_ZONE = env.str("TIME_ZONE", default="UTC")
USE_I18N = True
USE_TZ = True

# Static files
STATIC_URL = "static/"
STATIC_ROOT = VAR_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}

# API: closed unless a view opens itself
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework.authentication.SessionAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAdminUser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["classifier.api.parsers.StrictJSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "classifier.api.errors.exception_handler",
    "UNAUTHENTICATED_USER": None,
    "URL_FORMAT_OVERRIDE": None,  # ?format= would answer with a page that is not an API error
}
SPECTACULAR_SETTINGS = {
    "DEFAULT_GENERATOR_CLASS": "classifier.api.schema.OneAtATime",
    "SCHEMA_PATH_PREFIX": "/api",  # operations are grouped by what comes after it
    "TITLE": "Reviewsite",
    "DESCRIPTION": "Is a review positive or negative, and what is its rating from 1 to 10?",
    "VERSION": "1.3.0",  # semver of what docs/reference/openapi.yaml says
    # One name for one choice, in the request and in the answer
    "ENUM_NAME_OVERRIDES": {"ExplainMethodEnum": "classifier.explanation.contributions.METHODS"},
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,  # the choices' names say all
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_AUTHENTICATION": [],
    # What a base class says of itself describes no operation.
    "GET_LIB_DOC_EXCLUDES": "classifier.api.base.undescribed",
}

# The admin's look; its colours are in static/reviewsite/admin.css
UNFOLD = {
    "SITE_TITLE": "Reviewsite",
    "SITE_HEADER": "Reviewsite",
    "SIDEBAR": {"navigation": "reviewsite.navigation.sidebar"},
}

#: ## API
#: API_KEYS: `optional`: who sends no key comes in, too; `required`: the API answers those
#:   alone who send one
API_KEYS = env.str("API_KEYS", default="optional")
#: RATE_LIMIT: requests a minute of each key, or of each address without one; 0: no limit.
#:   Default: 0; 600 in a deployment
RATE_LIMIT = env.int("RATE_LIMIT", default=600 if DEPLOYED else 0)

#: ## Jobs
#: JOB_LEASE_SECONDS: for how long a worker that gives no sign of life keeps a job
JOB_LEASE_SECONDS = env.float("JOB_LEASE_SECONDS", default=60.0)
#: JOB_HEARTBEAT_SECONDS: between its signs of life
JOB_HEARTBEAT_SECONDS = env.float("JOB_HEARTBEAT_SECONDS", default=5.0)
#: TRAINING_CANCEL_SECONDS: what a training run that is cancelled may take to end
TRAINING_CANCEL_SECONDS = env.float("TRAINING_CANCEL_SECONDS", default=30.0)
#: TRAINING_STOP_SECONDS: what a training run may take to end when its worker stops
TRAINING_STOP_SECONDS = env.float("TRAINING_STOP_SECONDS", default=60.0)
#: TRAINING_RATE_LIMIT: training runs that a user may start or retry in a minute, in the admin and
#:   by the API; 0: no limit
TRAINING_RATE_LIMIT = env.int("TRAINING_RATE_LIMIT", default=10)
#: REAP_SECONDS: between looks for lost workers and waiting jobs
REAP_SECONDS = env.float("REAP_SECONDS", default=15.0)

#: ## Files of reviews
#: BULK_MAX_BYTES: bytes of one file. Default: 1 GiB
BULK_MAX_BYTES = env.int("BULK_MAX_BYTES", default=1024 * 1024 * 1024)
#: BULK_MAX_WAITING: files that wait or are rated; more are refused
BULK_MAX_WAITING = env.int("BULK_MAX_WAITING", default=50)
#: BULK_RETENTION_HOURS: hours after which results are deleted; uploads go once they are rated
BULK_RETENTION_HOURS = env.int("BULK_RETENTION_HOURS", default=24)

#: ## Queue
#: REDIS_URL: `redis://…`, or `rediss://…` with TLS: Celery's broker, and counts of requests.
#:   Default: files under `VAR_DIR/queue`
REDIS_URL = env.str("REDIS_URL", default="")
#: REDIS_CA_FILE: with `rediss://`: certificates (PEM) of who may have signed that of Redis, besides
#:   those that this machine trusts; it must name the host of `REDIS_URL`
REDIS_CA_FILE = env.str("REDIS_CA_FILE", default="")
#: REDIS_CERT_FILE: with `rediss://`: the site's own certificate (PEM), for a Redis that wants one
REDIS_CERT_FILE = env.str("REDIS_CERT_FILE", default="")
#: REDIS_KEY_FILE: and its key
REDIS_KEY_FILE = env.str("REDIS_KEY_FILE", default="")
# What redis-py is told besides the URL. Without it Celery would take any certificate for right.
REDIS_TLS: dict[str, object] = {}
if REDIS_URL.startswith("rediss://"):
    REDIS_TLS = {
        "ssl_cert_reqs": "required",
        "ssl_check_hostname": True,
        "ssl_ca_certs": REDIS_CA_FILE or None,
        "ssl_certfile": REDIS_CERT_FILE or None,
        "ssl_keyfile": REDIS_KEY_FILE or None,
    }
CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, str | int | bool]
if REDIS_URL:
    CELERY_BROKER_URL = REDIS_URL
    CELERY_BROKER_USE_SSL = REDIS_TLS or False
    # Bounds what a request can wait for a broker that is down (refused) or hangs.
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "socket_connect_timeout": 1,  # seconds
        "socket_timeout": 2,  # seconds
        "max_retries": 0,
        # A message is gone once it is taken: it only wakes a worker. With emulated acks, a worker
        # whose one process is at work acks when that ends, and Redis gives the message to others
        # meanwhile; an ack that fails then keeps the worker from taking any other.
        "ack_emulation": False,
    }
else:
    CELERY_BROKER_URL = "files://localhost"
    CELERY_BROKER_TRANSPORT = "reviewsite.filequeue:Transport"
    CELERY_BROKER_TRANSPORT_OPTIONS = {"folder": str(VAR_DIR / "queue")}
    CELERY_WORKER_ENABLE_REMOTE_CONTROL = False  # it needs to reach all workers at once
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_SERIALIZER = "json"
CELERY_TASK_IGNORE_RESULT = True  # what a task did is written into our own tables
CELERY_TASK_PUBLISH_RETRY = False
CELERY_TASK_ACKS_LATE = False  # the row is the job: a message that comes twice is of no use
CELERY_TASK_DEFAULT_QUEUE = "celery"  # short work; what takes long has queues of its own
CELERY_TASK_ROUTES = {
    "classifier.tasks.rate_bulk_jobs": {"queue": "bulk"},
    # Those workers have the files of models, and room for one.
    "classifier.tasks.rate_frozen": {"queue": "bulk"},
    "classifier.tasks.rate_shadows": {"queue": "bulk"},
    "training.tasks.train": {"queue": "training"},
}
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_TIMER_PRECISION = 0.2  # seconds until a worker that shall stop notices
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TIMEZONE = TIME_ZONE
SHADOW_SECONDS = 30  # between looks for live traffic to rate in the shadow
CELERY_BEAT_SCHEDULE_FILENAME = str(VAR_DIR / "beat-schedule")
CELERY_BEAT_SCHEDULE = {
    "purge-expired-texts": {
        "task": "classifier.tasks.purge_expired_texts",
        "schedule": 3600,  # seconds
    },
    "rate-in-the-shadow": {
        "task": "classifier.tasks.rate_shadows",
        "schedule": SHADOW_SECONDS,
        "options": {"expires": SHADOW_SECONDS},
    },
    "take-back-jobs-of-lost-workers": {
        "task": "classifier.tasks.reap_bulk_jobs",
        "schedule": REAP_SECONDS,
        "options": {"expires": REAP_SECONDS},
    },
    "take-back-runs-of-lost-workers": {
        "task": "training.tasks.reap_training_runs",
        "schedule": REAP_SECONDS,
        "options": {"expires": REAP_SECONDS},
    },
}

#: ## Model
#: CLASSIFIER_MODEL: in service until a version is activated: `starter`, a name under
#:   `var/models`, or a directory
CLASSIFIER_MODEL = env.str("CLASSIFIER_MODEL", default="starter")
#: CLASSIFIER_ENGINE: `onnx`: the model's int8 graph on the CPU, without torch; `torch`: the
#:   transformers pipeline; `auto`: the graph where the model has one
CLASSIFIER_ENGINE = env.str("CLASSIFIER_ENGINE", default="auto")
#: CLASSIFIER_DEVICE: of the torch engine: `cpu`, or `cuda` for a GPU with bfloat16 and batches
#:   across requests
CLASSIFIER_DEVICE = env.str("CLASSIFIER_DEVICE", default="cpu")
#: CLASSIFIER_RATING: `confidence`: `max(1, round(10 · P(POSITIVE)))`; `auto`: as the model's
#:   `rating.json` says, where it has one
CLASSIFIER_RATING = env.str("CLASSIFIER_RATING", default="auto")
#: CLASSIFIER_MAX_CHARS: longer texts are refused
CLASSIFIER_MAX_CHARS = env.int("CLASSIFIER_MAX_CHARS", default=100_000)
#: CLASSIFIER_READ_CHARS: longer texts are read up to here, and the answer says `truncated`
CLASSIFIER_READ_CHARS = env.int("CLASSIFIER_READ_CHARS", default=20_000)
#: CLASSIFIER_CACHE_SIZE: answers that a worker remembers by the digest of their text; 0: none
CLASSIFIER_CACHE_SIZE = env.int("CLASSIFIER_CACHE_SIZE", default=10_000)
#: CLASSIFIER_MAX_TEXTS: texts in one request
CLASSIFIER_MAX_TEXTS = env.int("CLASSIFIER_MAX_TEXTS", default=64)
#: CLASSIFIER_MAX_WAIT: seconds that a request may wait for its turn; later it is refused with 429,
#:   for whoever sent it has likely given up; 0: no limit
CLASSIFIER_MAX_WAIT = env.float("CLASSIFIER_MAX_WAIT", default=10.0)
#: CLASSIFIER_EXPLAIN_COST: an explanation may take so many times as long as the rating, the
#:   reading of the whole included; with more, more sentences are left out one by one, and fewer
#:   texts explained in one request
CLASSIFIER_EXPLAIN_COST = env.float("CLASSIFIER_EXPLAIN_COST", default=6.0)

#: ## Review
#: REVIEW_CLAIM_SECONDS: for how long a reviewer has a prediction alone
REVIEW_CLAIM_SECONDS = env.int("REVIEW_CLAIM_SECONDS", default=600)
#: REVIEW_RANDOM_SHARE: part of the form's and the API's predictions, 0 to 1, whose verdicts
#:   say how good the model is
REVIEW_RANDOM_SHARE = env.float("REVIEW_RANDOM_SHARE", default=0.1)
#: GATE_ROWS: a version is activated without a reason only if it was compared on so many frozen
#:   verdicts
GATE_ROWS = env.int("GATE_ROWS", default=50)
#: GATE_LOSS: for that its accuracy on them may fall by no more than this, 0 to 1
GATE_LOSS = env.float("GATE_LOSS", default=0.0)
#: GATE_PART_LOSS: and that of no label and no large slice by more than this, 0 to 1
GATE_PART_LOSS = env.float("GATE_PART_LOSS", default=0.05)
#: TEXT_RETENTION_DAYS: days after which texts are purged (digest and scores stay); 0 keeps
#:   them
TEXT_RETENTION_DAYS = env.int("TEXT_RETENTION_DAYS", default=0)

# One event a line, on standard error
#: ## Logs
#: LOG_LEVEL: `DEBUG`, `INFO`, `WARNING` or `ERROR`
LOG_LEVEL = env.str("LOG_LEVEL", default="INFO")
#: LOG_FORMAT: `json`: one JSON object a line, for programs; `line`: for people. Default: `line`;
#:   `json` in a deployment
LOG_FORMAT = env.str("LOG_FORMAT", default=JSON if DEPLOYED else LINE)
LOGGING = logging_config(form=LOG_FORMAT, level=LOG_LEVEL)
