"""The site's own settings, with state in a folder that goes away."""

import atexit
import os
import shutil
import tempfile

_var = tempfile.mkdtemp(prefix="reviewsite-tests-")
atexit.register(shutil.rmtree, _var, ignore_errors=True)
os.environ |= {
    "VAR_DIR": _var,
    "SECRET_KEY": "a key for tests alone, as long as that of a deployment",
    "HTTPS": "false",
}
for name in (
    *("CLASSIFIER_MODEL", "DATASETS_DIR", "REDIS_URL", "ALLOWED_HOSTS", "DEBUG"),
    "LABEL_STUDIO_SECRET",
):
    os.environ.pop(name, None)

from reviewsite.settings import *  # noqa: E402, F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
STATIC_ROOT.mkdir(parents=True, exist_ok=True)  # noqa: F405
