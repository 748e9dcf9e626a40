"""`manage.py backup` and `manage.py restore`: the whole site in one archive.

`archive` is the file: members, their digests and the manifest that ends it. `databases` takes a
snapshot of the database and puts one back. `site` says what belongs to a site and in which order.
"""

from reviewsite.backup.archive import BackupError
from reviewsite.backup.site import Backup, back_up, restore

__all__ = ["Backup", "BackupError", "back_up", "restore"]
